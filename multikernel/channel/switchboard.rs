// SPDX-License-Identifier: GPL-2.0

//! What the handler of the doorbell's interrupt looks at.

use super::endpoint::Endpoint;
use crate::{
    pure::{area, half::Halves},
    sys::{ffi, line::Glance, shared::View},
};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};

/// There is one; and for a moment, perhaps, the one before.
const CALLERS_MAX: usize = 4;

/// All endpoints that one line is rung for, and the kernel that rings it. An agent has one line,
/// and so has each bell of a host.
#[pin_data]
pub(crate) struct Switchboard {
    #[pin]
    lists: SpinLockIrq<Lists>,
}

/// They have room for all there can be: nothing is allocated under their lock.
struct Lists {
    callers: KVec<Arc<Caller>>,
    ends: KVec<Arc<Endpoint>>,
}

/// Two kernels tell each other that there is more to see than in channels.
pub(crate) struct Caller {
    area: View,
    made: AtomicU64,
    seen: AtomicU64,
    is_refused: AtomicBool,
}

impl Switchboard {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let lists = Lists {
            callers: KVec::with_capacity(CALLERS_MAX, GFP_KERNEL)?,
            ends: KVec::with_capacity(ffi::NODES, GFP_KERNEL)?,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                lists <- new_spinlock_irq!(lists),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn add(&self, endpoint: Arc<Endpoint>) {
        // There are no more endpoints than nodes.
        let _ = self.lists.lock().ends.push_within_capacity(endpoint);
    }

    pub(crate) fn remove(&self, endpoint: &Arc<Endpoint>) {
        let mut lists = self.lists.lock();
        lists.ends.retain(|end| !Arc::ptr_eq(end, endpoint));
    }

    /// Calls of this one that find no room are seen like those of kernels that cannot call.
    pub(crate) fn listen_to(&self, caller: Arc<Caller>) {
        let _ = self.lists.lock().callers.push_within_capacity(caller);
    }

    pub(crate) fn forget(&self, caller: &Arc<Caller>) {
        let mut lists = self.lists.lock();
        lists.callers.retain(|known| !Arc::ptr_eq(known, caller));
    }

    /// How often, since the last time, an endpoint began to wait: so many rings are for something,
    /// even if what they tell was found without them.
    pub(crate) fn news(&self) -> u32 {
        let lists = self.lists.lock();
        let news = lists.ends.iter().map(|end| end.wishes());
        news.fold(0, u32::saturating_add)
    }

    /// Wakes all who wait for what is there now.
    pub(crate) fn glance(&self) -> Glance {
        let lists = self.lists.lock();
        let mut is_found = false;
        for end in &lists.ends {
            is_found |= end.glance();
        }
        let (mut is_called, mut is_refused) = (false, false);
        for caller in &lists.callers {
            is_called |= caller.is_news();
            is_refused |= caller.is_refused.load(Ordering::Relaxed);
        }
        // However often one rings that is not listened to, it is looked at now and then.
        match is_refused || (is_found && !is_called) {
            true => Glance::LookLater,
            // Who cannot call may have rung, too.
            false => Glance::Look,
        }
    }
}

impl Caller {
    pub(crate) fn new(area: View) -> Result<Arc<Self>> {
        // There may have been a caller before.
        let made = area.swapped().load(area::CALLS);
        Ok(Arc::new(
            Self {
                area,
                made: AtomicU64::new(made),
                seen: AtomicU64::new(0),
                is_refused: AtomicBool::new(false),
            },
            GFP_KERNEL,
        )?)
    }

    /// Asks the other kernel to look at everything, as soon as it is rung.
    pub(crate) fn call(&self) {
        let made = self.made.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.area.store(area::CALLS, made);
    }

    /// What the other kernel has to say is of no interest any more.
    pub(crate) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    fn is_news(&self) -> bool {
        let now = self.area.load(area::CALLS);
        self.seen.swap(now, Ordering::Relaxed) != now
    }
}
