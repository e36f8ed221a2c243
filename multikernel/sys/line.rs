// SPDX-License-Identifier: GPL-2.0

//! An interrupt line that another kernel can ring: a vector of the host's boot CPU.

use super::ffi;
use core::marker::PhantomData;
use kernel::{bindings, prelude::*, sync::Arc, types::ForeignOwnable};

/// What is called, by the thread of the line, when it rings.
pub(crate) trait Ring: Send + Sync + Sized {
    fn ring(self: &Arc<Self>);
}

/// A line, shown in `/proc/interrupts`; gone when this is dropped.
pub(crate) struct Line<T: Ring + 'static> {
    irq: c_int,
    vector: u8,
    target: *mut c_void,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: It is a number and an `Arc` of what can be shared.
unsafe impl<T: Ring + 'static> Send for Line<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Ring + 'static> Sync for Line<T> {}

impl<T: Ring + 'static> Line<T> {
    pub(crate) fn new(name: &'static CStr, target: Arc<T>) -> Result<Self> {
        let target = target.into_foreign();
        let mut vector = 0;
        // SAFETY: `target` lives until the line was freed; the handler treats it as what it is.
        let irq =
            unsafe { ffi::mk_line_alloc(handle::<T>, name.as_char_ptr(), target, &mut vector) };
        if irq < 0 {
            // SAFETY: It came from `into_foreign`, and the failed call does not keep it.
            drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(target) });
            return Err(Error::from_errno(irq));
        }
        Ok(Self {
            irq,
            vector: vector as u8,
            target,
            _target: PhantomData,
        })
    }

    /// What a peer writes to its interrupt command register; the destination is the boot CPU.
    pub(crate) fn vector(&self) -> u8 {
        self.vector
    }
}

impl<T: Ring + 'static> Drop for Line<T> {
    fn drop(&mut self) {
        // SAFETY: It was allocated by `new`, with this `target`.
        unsafe { ffi::mk_line_free(self.irq, self.target) };
        // SAFETY: It came from `into_foreign`, and the handler does not run any more.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.target) });
    }
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign.
unsafe extern "C" fn handle<T: Ring + 'static>(
    _irq: c_int,
    data: *mut c_void,
) -> bindings::irqreturn_t {
    // SAFETY: By the contract of this function.
    let target = unsafe { <Arc<T> as ForeignOwnable>::borrow(data) };
    // SAFETY: This is the line's thread.
    unsafe { ffi::mk_line_be_nice() };
    T::ring(&Arc::from(target));
    bindings::irqreturn::IRQ_HANDLED
}
