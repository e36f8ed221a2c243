// SPDX-License-Identifier: GPL-2.0

//! Keeping the module loaded.

use super::ffi;
use kernel::{bindings, prelude::*};

fn this_module() -> *mut bindings::module {
    kernel::module::this_module::<crate::Multikernel>().as_ptr()
}

/// As long as this lives, the module cannot be removed.
pub(crate) struct Pin(());

impl Pin {
    /// `ENODEV`: the module is being removed.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The module is ours.
        if unsafe { ffi::mk_module_get(this_module()) } {
            Ok(Self(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: It was got by `new`, and whoever drops it is called by code that holds the module
        // as well.
        unsafe { ffi::mk_module_put(this_module()) };
    }
}
