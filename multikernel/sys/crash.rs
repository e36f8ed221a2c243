// SPDX-License-Identifier: GPL-2.0

//! What only a kernel with our series tells.

use super::{ffi, notifier::Chain};
use kernel::{bindings, error::to_result, prelude::*};

/// A crash kernel takes over: nothing but this CPU runs any more, and nothing may wait.
pub(crate) struct Crash;

// SAFETY: Where it exists it is an atomic chain, and taking a block off waits for the readers of
// RCU. Elsewhere nothing is ever called.
unsafe impl Chain for Crash {
    type Event<'a> = ();

    unsafe fn register(block: *mut bindings::notifier_block) -> Result {
        // SAFETY: By the contract of this function.
        to_result(unsafe { ffi::mk_crash_register(block) })
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the contract of this function.
        unsafe { ffi::mk_crash_unregister(block) };
    }

    unsafe fn event<'a>(_action: c_ulong, _data: *mut c_void) -> Option<Self::Event<'a>> {
        Some(())
    }
}
