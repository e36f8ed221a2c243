// SPDX-License-Identifier: GPL-2.0

//! What this kernel is kept from doing while CPUs and memory are with others.

use super::ffi;
use crate::pure::name::Name;
use kernel::prelude::*;

/// Refuses a kexec jump and sleep while an instance runs, and tells who tries to online a lent CPU
/// why that fails; as long as this lives.
pub(crate) struct Guard(());

impl Guard {
    /// There must be one only.
    pub(crate) fn new() -> Self {
        // SAFETY: It is undone once, by `drop`.
        unsafe { ffi::mk_guard_register() };
        Self(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: It was registered by `new`.
        unsafe { ffi::mk_guard_unregister() };
    }
}

/// An instance that runs, for the guard to count.
pub(crate) struct Running(());

impl Running {
    pub(crate) fn new() -> Self {
        // SAFETY: It only counts.
        unsafe { ffi::mk_add_running(1) };
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: It only counts.
        unsafe { ffi::mk_add_running(-1) };
    }
}

/// From now on `cpu`, which exists, is lent to the instance `name`.
pub(crate) fn lend(cpu: u32, name: &Name) {
    let text: *const c_char = name.as_bytes().as_ptr().cast();
    // SAFETY: The CPU exists, and a name ends with a NUL.
    unsafe { ffi::mk_set_lent_to(cpu, text) };
}

/// `cpu`, which exists, is this kernel's again.
pub(crate) fn reclaim(cpu: u32) {
    // SAFETY: The CPU exists, and the text ends with a NUL.
    unsafe { ffi::mk_set_lent_to(cpu, c"".as_char_ptr()) };
}
