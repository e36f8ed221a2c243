// SPDX-License-Identifier: GPL-2.0

//! The wall clock of this kernel, and the machine's.

use super::ffi;
use crate::pure::clock::Clock;
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*, sync::Arc, types::ForeignOwnable};

/// As long as this lives, it is known how this kernel makes `CLOCK_REALTIME`.
pub(crate) struct Watch(());

impl Watch {
    /// There must be one only.
    pub(crate) fn new() -> Self {
        // SAFETY: It is undone once, by `drop`.
        unsafe { ffi::mk_clock_watch() };
        Self(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: It was begun by `new`.
        unsafe { ffi::mk_clock_unwatch() };
    }
}

/// The clock, to be told to everybody. `None`: it is not made from the time stamp counter. If
/// somebody `is_waiting` for it, the ticker is called when this has become wrong.
pub(crate) fn tell(is_waiting: bool) -> Option<Clock> {
    let mut base = ffi::ClockBase::default();
    // SAFETY: It may be called anywhere, and writes there.
    unsafe { ffi::mk_clock_tell(is_waiting, &mut base) };
    (base.is_valid != 0).then_some(Clock {
        tsc: base.tsc,
        realtime_ns: base.realtime_ns,
        multiplier: base.multiplier,
        shift: base.shift,
        tai_offset: base.tai_offset,
        // The kernel does not tell.
        is_synchronized: false,
    })
}

/// A value of the time stamp counter, and `CLOCK_REALTIME` then, in nanoseconds. `None`: it is made
/// from something else.
pub(crate) fn now() -> Option<(u64, u64)> {
    let (mut tsc, mut realtime_ns) = (0, 0);
    // SAFETY: It may be called anywhere, and writes there.
    unsafe { ffi::mk_clock_now(&mut tsc, &mut realtime_ns) }.then_some((tsc, realtime_ns))
}

/// Sets `CLOCK_REALTIME` to what `f` makes of the time stamp counter.
pub(crate) fn set(f: impl FnOnce(u64) -> u64) -> Result {
    // SAFETY: They may be called from where one may sleep.
    to_result(unsafe { ffi::mk_clock_set(f(ffi::mk_tsc())) })
}

/// What tells another kernel's time.
pub(crate) trait Time: Send + Sync + Sized {
    /// At a value of the time stamp counter, in nanoseconds. It must not sleep.
    fn time_ns(&self, tsc: u64) -> Option<u64>;
}

/// A PTP clock device that shows it; gone when this is dropped.
pub(crate) struct Device<T: Time + 'static> {
    target: *mut c_void,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: It is an `Arc` of what can be shared.
unsafe impl<T: Time + 'static> Send for Device<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Time + 'static> Sync for Device<T> {}

impl<T: Time + 'static> Device<T> {
    /// There must be one only.
    pub(crate) fn new(target: Arc<T>) -> Result<Self> {
        let target = target.into_foreign();
        // Dropped if it is not registered.
        let device = Self {
            target,
            _target: PhantomData,
        };
        // SAFETY: `target` lives until the device was unregistered, and is treated as what it is.
        to_result(unsafe { ffi::mk_ptp_register(read::<T>, target) })?;
        Ok(device)
    }
}

impl<T: Time + 'static> Drop for Device<T> {
    fn drop(&mut self) {
        // SAFETY: There is no other one; one that could not be registered is nothing to it.
        unsafe { ffi::mk_ptp_unregister() };
        // SAFETY: It came from `into_foreign`, and is not called any more.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.target) });
    }
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign, and `time_ns` can be written.
unsafe extern "C" fn read<T: Time + 'static>(
    data: *mut c_void,
    tsc: u64,
    time_ns: *mut u64,
) -> bool {
    // SAFETY: By the contract of this function.
    let target = unsafe { <Arc<T> as ForeignOwnable>::borrow(data) };
    let time = target.time_ns(tsc);
    if let Some(time) = time {
        // SAFETY: As above.
        unsafe { time_ns.write(time) };
    }
    time.is_some()
}

/// As long as this lives, this kernel does not set the machine's RTC by itself.
pub(crate) struct RtcGuard(());

impl RtcGuard {
    /// There must be one only.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: It is undone once, by `drop`.
        to_result(unsafe { ffi::mk_rtc_guard_register() })?;
        Ok(Self(()))
    }
}

impl Drop for RtcGuard {
    fn drop(&mut self) {
        // SAFETY: It was registered by `new`.
        unsafe { ffi::mk_rtc_guard_unregister() };
    }
}
