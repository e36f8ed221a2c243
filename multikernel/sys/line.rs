// SPDX-License-Identifier: GPL-2.0

//! An interrupt line that another kernel can ring.

use super::ffi;
use core::marker::PhantomData;
use kernel::{bindings, prelude::*, sync::Arc, types::ForeignOwnable};

/// What is called when a line rings.
pub(crate) trait Ring: Send + Sync + Sized {
    /// By the interrupt itself, which cannot sleep. Returns what is left to do.
    fn glance(&self) -> Glance;

    /// By the thread of the line.
    fn ring(self: &Arc<Self>);
}

/// What the handler of an interrupt leaves to the thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glance {
    /// To look at everything, now.
    Look,
    /// The same, but it can wait: what it was rung for was found.
    LookLater,
}

/// What is called when a line has moved, and before it can be rung at all.
pub(crate) trait Moved: Ring {
    /// Calls follow one after the other; none may sleep or wait.
    fn moved(&self, apic_id: u32, vector: u32);
}

/// A line, shown in `/proc/interrupts`; gone when this is dropped.
pub(crate) struct Line<T: Ring + 'static> {
    irq: c_int,
    free: unsafe extern "C" fn(c_int),
    target: *mut c_void,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: It is a number and an `Arc` of what can be shared.
unsafe impl<T: Ring + 'static> Send for Line<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Ring + 'static> Sync for Line<T> {}

impl<T: Ring + 'static> Line<T> {
    /// A line of the boot CPU, which stays there, and its vector: what a peer writes to its
    /// interrupt command register.
    pub(crate) fn fixed(name: &'static CStr, target: Arc<T>) -> Result<(Self, u8)> {
        let mut vector = 0;
        let line = Self::new(target, ffi::mk_line_free, |target| {
            // SAFETY: `target` lives until the line was freed; the handler treats it as what it is.
            unsafe {
                ffi::mk_line_alloc(
                    glance::<T>,
                    handle::<T>,
                    name.as_char_ptr(),
                    target,
                    &mut vector,
                )
            }
        })?;
        Ok((line, vector as u8))
    }

    /// A line that goes where its affinity, and the CPUs that are online, let it. The module has
    /// one such line at most.
    pub(crate) fn moving(name: &'static CStr, target: Arc<T>) -> Result<Self>
    where
        T: Moved,
    {
        Self::new(target, ffi::mk_moving_line_free, |target| {
            // SAFETY: `target` lives until the line was freed; both functions treat it as what it
            // is.
            unsafe {
                ffi::mk_moving_line_alloc(
                    glance::<T>,
                    handle::<T>,
                    moved::<T>,
                    name.as_char_ptr(),
                    target,
                )
            }
        })
    }

    fn new(
        target: Arc<T>,
        free: unsafe extern "C" fn(c_int),
        allocate: impl FnOnce(*mut c_void) -> c_int,
    ) -> Result<Self> {
        let target = target.into_foreign();
        let irq = allocate(target);
        if irq < 0 {
            // SAFETY: It came from `into_foreign`, and the failed call does not keep it.
            drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(target) });
            return Err(Error::from_errno(irq));
        }
        Ok(Self {
            irq,
            free,
            target,
            _target: PhantomData,
        })
    }
}

impl<T: Ring + 'static> Drop for Line<T> {
    fn drop(&mut self) {
        // SAFETY: It was allocated with this `target`, by what `free` undoes.
        unsafe { (self.free)(self.irq) };
        // SAFETY: It came from `into_foreign`, and the handler does not run any more.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.target) });
    }
}

/// The boot CPU takes no interrupts of this vector, nor of lower ones, until somebody calls
/// [`release`]. The handler of such an interrupt calls this.
pub(crate) fn hold(vector: u8) {
    // SAFETY: This is the boot CPU, and interrupts are off.
    unsafe { ffi::mk_line_hold(vector) };
}

/// The boot CPU takes all interrupts again. It must not be called by the handler of one.
pub(crate) fn release() {
    // SAFETY: Interrupts are on.
    unsafe { ffi::mk_line_release() };
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign.
unsafe extern "C" fn glance<T: Ring + 'static>(
    _irq: c_int,
    data: *mut c_void,
) -> bindings::irqreturn_t {
    // SAFETY: By the contract of this function.
    let target = unsafe { <Arc<T> as ForeignOwnable>::borrow(data) };
    match target.glance() {
        Glance::Look => bindings::irqreturn::IRQ_WAKE_THREAD,
        // The thread is woken later.
        Glance::LookLater => bindings::irqreturn::IRQ_HANDLED,
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

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign.
unsafe extern "C" fn moved<T: Moved + 'static>(data: *mut c_void, apic_id: u32, vector: u32) {
    // SAFETY: By the contract of this function.
    let target = unsafe { <Arc<T> as ForeignOwnable>::borrow(data) };
    target.moved(apic_id, vector);
}
