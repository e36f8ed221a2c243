// SPDX-License-Identifier: GPL-2.0

//! Random numbers.

use super::ffi;

/// One that nobody can predict.
pub(crate) fn number() -> u64 {
    let mut number = 0u64;
    // SAFETY: It writes that many bytes.
    unsafe { ffi::get_random_bytes((&raw mut number).cast(), size_of_val(&number)) };
    number
}
