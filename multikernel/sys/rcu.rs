// SPDX-License-Identifier: GPL-2.0

//! Waiting for readers of RCU.

use super::ffi;

/// As long as this lives, nobody waits long for readers: all CPUs are asked at once. Each switch of
/// a CPU waits several times, for most of the time that it takes.
pub(crate) struct Expedited(());

impl Expedited {
    pub(crate) fn new() -> Self {
        // SAFETY: It counts, and is undone by `drop`.
        unsafe { ffi::rcu_expedite_gp() };
        Self(())
    }
}

impl Drop for Expedited {
    fn drop(&mut self) {
        // SAFETY: It undoes what `new` did.
        unsafe { ffi::rcu_unexpedite_gp() };
    }
}
