// SPDX-License-Identifier: GPL-2.0

//! How far this kernel is locked down.

use super::ffi;
use crate::pure::lockdown::Lockdown;
use kernel::bindings;

/// As far as it matters to whoever starts other kernels.
pub(crate) fn level() -> Lockdown {
    let refuses = |what: bindings::lockdown_reason| {
        // SAFETY: It may be called from any task.
        unsafe { ffi::mk_locked_down(what) }
    };
    if !refuses(bindings::lockdown_reason_LOCKDOWN_KEXEC) {
        Lockdown::None
    } else if !refuses(bindings::lockdown_reason_LOCKDOWN_KCORE) {
        Lockdown::Integrity
    } else {
        Lockdown::Confidentiality
    }
}
