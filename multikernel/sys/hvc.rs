// SPDX-License-Identifier: GPL-2.0

//! The terminal of this kernel, `/dev/hvc0`, of which somebody else is the screen and the keyboard.

use super::ffi;
use core::marker::PhantomData;
use kernel::{prelude::*, sync::Arc, types::ForeignOwnable};

/// The other end of a terminal.
pub(crate) trait FarEnd: Send + Sync {
    /// Shows something; returns how much of it need not come again. It may be called anywhere, also
    /// in a panic. With `can_wait` the rest comes again in a while, otherwise it never does.
    fn show(&self, bytes: &[u8], can_wait: bool) -> usize;

    /// What was typed, as far as `to` has room for it; returns how much that is. It must not sleep.
    fn typed(&self, to: &mut [u8]) -> usize;
}

/// A terminal, there as long as this is. The module has one at most.
pub(crate) struct Terminal<T: FarEnd + 'static> {
    far_end: *mut c_void,
    _far_end: PhantomData<Arc<T>>,
}

// SAFETY: It is an `Arc` of what can be shared.
unsafe impl<T: FarEnd + 'static> Send for Terminal<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: FarEnd + 'static> Sync for Terminal<T> {}

impl<T: FarEnd + 'static> Terminal<T> {
    /// Whether this kernel has a driver for it.
    pub(crate) const CAN_BE: bool = cfg!(CONFIG_HVC_DRIVER);

    /// `EOPNOTSUPP`: it has none.
    pub(crate) fn new(far_end: Arc<T>) -> Result<Self> {
        let far_end = far_end.into_foreign();
        // SAFETY: The far end lives until the terminal was freed; both functions treat it as what
        // it is.
        let err = unsafe { ffi::mk_terminal_alloc(put::<T>, get::<T>, far_end) };
        kernel::error::to_result(err).inspect_err(|_| {
            // SAFETY: It came from `into_foreign`, and the failed call does not keep it.
            drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(far_end) });
        })?;
        Ok(Self {
            far_end,
            _far_end: PhantomData,
        })
    }

    /// Something may have been typed, or there may be room to show more.
    pub(crate) fn poll(&self) {
        // SAFETY: It is there as long as `self` is.
        unsafe { ffi::mk_terminal_poll() };
    }
}

impl<T: FarEnd + 'static> Drop for Terminal<T> {
    fn drop(&mut self) {
        // SAFETY: It was allocated by `new`. Afterwards nobody calls the functions any more.
        unsafe { ffi::mk_terminal_free() };
        // SAFETY: It came from `into_foreign`.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.far_end) });
    }
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign, and `buf` has `count` bytes.
unsafe extern "C" fn put<T: FarEnd + 'static>(
    data: *mut c_void,
    buf: *const u8,
    count: usize,
    can_wait: bool,
) -> isize {
    // SAFETY: By the contract of this function.
    let (far_end, bytes) = unsafe {
        (
            <Arc<T> as ForeignOwnable>::borrow(data),
            core::slice::from_raw_parts(buf, count),
        )
    };
    far_end.show(bytes, can_wait) as isize
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign, and `buf` has `count` bytes.
unsafe extern "C" fn get<T: FarEnd + 'static>(
    data: *mut c_void,
    buf: *mut u8,
    count: usize,
) -> isize {
    // SAFETY: By the contract of this function; the bytes have values.
    let (far_end, to) = unsafe {
        (
            <Arc<T> as ForeignOwnable>::borrow(data),
            core::slice::from_raw_parts_mut(buf, count),
        )
    };
    far_end.typed(to) as isize
}
