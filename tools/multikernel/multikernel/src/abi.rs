// SPDX-License-Identifier: GPL-2.0

//! The ioctl interface as `include/uapi/linux/multikernel.h` has it: made from
//! that header when this crate is built, sizes and offsets asserted.

#![allow(missing_docs, non_camel_case_types, dead_code)]
#![allow(clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/abi.rs"));
