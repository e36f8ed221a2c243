// SPDX-License-Identifier: GPL-2.0

//! This kernel's wall clock follows the host's.

use super::session::Session;
use crate::{
    host::fail::report,
    pure::clock::{Clock, Follower},
    sys::clock::{self, Device, RtcGuard, Time},
};
use kernel::{prelude::*, sync::Arc};

/// Another clock of the host's is one that is so far from the one before within a second, in
/// nanoseconds.
const OTHER_NS: u64 = 5_000;

/// So often it is set again, if it is wrong afterwards.
const TRIES: usize = 4;

/// From the next beginning of a worker on that keeps this kernel's clock near the host's.
pub(crate) struct Following {
    follower: Follower,
    /// How the host made its time, when the rate of this kernel's clock was last thought of anew.
    known: Option<Clock>,
    /// It was right, or set, once: nobody need hear of the next times.
    is_set: bool,
    /// There is no way, which was told.
    is_hopeless: bool,
}

impl Following {
    pub(crate) fn new() -> Self {
        Self {
            follower: Follower::new(),
            known: None,
            is_set: false,
            is_hopeless: false,
        }
    }

    /// Sets the clock, if it is too far from `host`. Returns when that has to be looked at again,
    /// in nanoseconds; `None`: there is no sense in it.
    pub(crate) fn follow(&mut self, host: &Clock) -> Option<u64> {
        let is_free = !crate::module_parameters::follow_clock.value();
        if self.is_hopeless || (is_free && self.is_set) {
            return None;
        }
        for _ in 0..TRIES {
            let Some((tsc, own)) = clock::now() else {
                report!(
                    pr_warn,
                    "this kernel does not make its clock from the time stamp counter: \
                     it does not follow the host's"
                );
                self.is_hopeless = true;
                return None;
            };
            let time = host.realtime_ns(tsc);
            let error = own.wrapping_sub(time) as i64;
            let advice = self.follower.look(time, error);
            if !advice.set {
                self.is_set = true;
                // What was learnt of the rate is no longer true when the host's is another.
                let is_known = |known: &Clock| known.distance(host) <= OTHER_NS;
                if self.known.as_ref().is_some_and(is_known) {
                    return Some(advice.again_ns);
                }
                self.known = Some(*host);
                return Some(Follower::SOON_NS);
            }
            if !core::mem::replace(&mut self.is_set, true) {
                let ms = error / 1_000_000;
                report!(
                    pr_info,
                    "this kernel's clock was {ms} ms ahead of the host's: set"
                );
            }
            if let Err(errno) = clock::set(|tsc| host.realtime_ns(tsc)) {
                let errno = errno.to_errno();
                report!(pr_warn, "this kernel's clock cannot be set ({errno})");
                self.is_hopeless = true;
                return None;
            }
        }
        Some(Follower::SOON_NS)
    }
}

impl Time for Session {
    fn time_ns(&self, tsc: u64) -> Option<u64> {
        Some(self.clock()?.realtime_ns(tsc))
    }
}

/// The host's clock as a device, and the machine's left alone. What cannot be had is done without.
pub(crate) struct Clocks {
    _device: Option<Device<Session>>,
    _rtc: Option<RtcGuard>,
}

impl Clocks {
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        let rtc = RtcGuard::new().inspect_err(|errno| {
            let errno = errno.to_errno();
            report!(
                pr_warn,
                "this kernel sets the machine's RTC when it is synchronized ({errno}): \
                 let it not be"
            );
        });
        let device = session.has_clock().then(|| {
            Device::new(session.clone()).inspect_err(|errno| {
                let errno = errno.to_errno();
                report!(pr_warn, "there is no PTP clock of the host ({errno})");
            })
        });
        Self {
            _device: device.and_then(Result::ok),
            _rtc: rtc.ok(),
        }
    }
}
