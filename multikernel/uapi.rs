// SPDX-License-Identifier: GPL-2.0

//! The ioctl interface, generated from `include/uapi/linux/multikernel.h`.

// What bindgen writes.
#![allow(
    non_camel_case_types,
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks
)]

include!(env!("MK_UAPI_RS"));

use crate::host::ioctl::Argument;
use kernel::transmute::AsBytes;
use pin_init::Zeroable;

macro_rules! arguments {
    ($($name:ident),* $(,)?) => {$(
        // SAFETY: All fields are numbers and arrays of them.
        unsafe impl Zeroable for $name {}
        // SAFETY: The header lays them out without padding, and they begin with a `mk_header`.
        unsafe impl Argument for $name {}
    )*};
}

arguments!(
    mk_query,
    mk_name,
    mk_list,
    mk_cpus,
    mk_memory,
    mk_load,
    mk_command,
    mk_info,
    mk_ask,
    mk_channel_call,
    mk_end,
    mk_heartbeat,
    mk_events,
);

// SAFETY: The header lays it out without padding.
unsafe impl AsBytes for mk_list_entry {}
// SAFETY: As above.
unsafe impl AsBytes for mk_range {}
// SAFETY: As above.
unsafe impl AsBytes for mk_channel_entry {}
// SAFETY: As above.
unsafe impl AsBytes for mk_pool_entry {}
// SAFETY: As above.
unsafe impl AsBytes for mk_event {}
// SAFETY: All fields are numbers and arrays of them.
unsafe impl Zeroable for mk_event {}
