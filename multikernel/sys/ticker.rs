// SPDX-License-Identifier: GPL-2.0

//! What has to be done again and again.

use super::ffi;
use core::marker::PhantomData;
use kernel::{prelude::*, sync::Arc, types::ForeignOwnable};

/// What is called, by a worker, when it is time.
pub(crate) trait Tick: Send + Sync + Sized {
    /// Whoever wants to be called again says so ([`within`]).
    fn tick(self: &Arc<Self>);
}

/// As long as this lives, its target can be called. The module has one at a time.
pub(crate) struct Ticker<T: Tick + 'static> {
    target: *mut c_void,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: It is an `Arc` of what can be shared.
unsafe impl<T: Tick + 'static> Send for Ticker<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Tick + 'static> Sync for Ticker<T> {}

impl<T: Tick + 'static> Ticker<T> {
    pub(crate) fn new(target: Arc<T>) -> Self {
        let target = target.into_foreign();
        // SAFETY: `target` lives until the ticker was stopped, and is treated as what it is.
        unsafe { ffi::mk_ticker_start(call::<T>, target) };
        Self {
            target,
            _target: PhantomData,
        }
    }
}

impl<T: Tick + 'static> Drop for Ticker<T> {
    fn drop(&mut self) {
        // SAFETY: It was started by `new`. Whoever drops this holds no lock that a tick takes.
        unsafe { ffi::mk_ticker_stop() };
        // SAFETY: It came from `into_foreign`, and is not called any more.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.target) });
    }
}

/// Calls the target after so many nanoseconds, or sooner if that was asked for before. Without a
/// [`Ticker`] nothing happens.
pub(crate) fn within(ns: u64) {
    // SAFETY: It may be called anywhere.
    unsafe { ffi::mk_ticker_within(ns) };
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign.
unsafe extern "C" fn call<T: Tick + 'static>(data: *mut c_void) {
    // SAFETY: By the contract of this function.
    let target = unsafe { <Arc<T> as ForeignOwnable>::borrow(data) };
    T::tick(&Arc::from(target));
}
