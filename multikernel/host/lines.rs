// SPDX-License-Identifier: GPL-2.0

//! The lines behind the bells of instances.

use super::registry::Host;
use crate::{
    channel::switchboard::Switchboard,
    pure::storm::Storm,
    sys::{
        line::{self, Glance, Line, Ring},
        time,
    },
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{prelude::*, sync::Arc};

/// What the instance with one bell rings.
pub(crate) struct BellLine {
    host: Arc<Host>,
    /// That of the bell.
    index: usize,
    switchboard: Arc<Switchboard>,
    storm: Storm,
    /// It was rung too often, and is held.
    is_held: AtomicBool,
}

/// As long as this lives, instances can ring.
pub(crate) struct Lines(#[expect(dead_code)] KVec<Line<BellLine>>);

impl Lines {
    /// One for each bell of the host, which is told where they are. Without enough vectors it has
    /// fewer bells.
    pub(crate) fn new(host: &Arc<Host>) -> Result<Self> {
        let bells = host.bells();
        let mut lines = KVec::with_capacity(bells.count(), GFP_KERNEL)?;
        let max = crate::module_parameters::storm_rings.value();
        for index in 0..bells.count() {
            let line = BellLine {
                host: host.clone(),
                index,
                switchboard: bells.switchboard(index)?.clone(),
                storm: Storm::new(max),
                is_held: AtomicBool::new(false),
            };
            let line = Arc::new(line, GFP_KERNEL)?;
            let (line, vector) = match Line::fixed(c"multikernel", line) {
                Ok(fixed) => fixed,
                Err(ENOSPC) if index > 0 => {
                    pr_warn!("there are vectors for {index} instances only\n");
                    bells.limit(index);
                    break;
                }
                Err(err) => return Err(err),
            };
            bells.set_vector(index, vector);
            lines.push(line, GFP_KERNEL)?;
        }
        Ok(Self(lines))
    }
}

impl Ring for BellLine {
    fn glance(&self) -> Glance {
        // Not what the peer says is news: that costs it nothing.
        let news = self.switchboard.news();
        let glance = self.switchboard.glance();
        if self.storm.ring(time::monotonic(), news) {
            // From now on the CPU belongs to what it did before, and to the thread. It may be held
            // already, and not any more: the thread of another line releases all of them.
            line::hold(self.host.bells().vector(self.index));
            self.is_held.store(true, Ordering::Relaxed);
            return Glance::Look;
        }
        glance
    }

    fn ring(self: &Arc<Self>) {
        if self.is_held.load(Ordering::Relaxed) {
            self.host.stop_storm(self.index);
            self.storm.calm();
            self.is_held.store(false, Ordering::Relaxed);
            line::release();
        }
        self.storm.excuse(self.host.look(Some(self.index)));
    }
}
