// SPDX-License-Identifier: GPL-2.0

//! A lock for what is used anywhere: with interrupts off, in an NMI, in a panic.

use super::ffi;
use core::cell::UnsafeCell;
use kernel::{bindings, prelude::*, types::Opaque};

/// What only one at a time uses, and for microseconds.
#[pin_data]
pub(crate) struct IrqLock<T> {
    #[pin]
    raw: Opaque<bindings::raw_spinlock_t>,
    data: UnsafeCell<T>,
}

// SAFETY: Who has the lock has the data.
unsafe impl<T: Send> Send for IrqLock<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for IrqLock<T> {}

impl<T> IrqLock<T> {
    pub(crate) fn new(data: T) -> impl PinInit<Self> {
        pin_init!(Self {
            data: UnsafeCell::new(data),
            // SAFETY: `slot` is ours to write, and stays where it is.
            raw <- Opaque::ffi_init(|slot| unsafe { ffi::mk_lock_init(slot) }),
        })
    }

    /// Lets `f` use the data. It runs with interrupts off, must not sleep, and must not write to
    /// the kernel's log. `None`, in a panic or an NMI only: somebody has it who may never go on.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut flags = 0;
        // SAFETY: It was initialized by `new`.
        if !unsafe { ffi::mk_lock(self.raw.get(), &mut flags) } {
            return None;
        }
        // SAFETY: The lock is ours.
        let result = f(unsafe { &mut *self.data.get() });
        // SAFETY: It is ours, with these flags.
        unsafe { ffi::mk_unlock(self.raw.get(), flags) };
        Some(result)
    }
}
