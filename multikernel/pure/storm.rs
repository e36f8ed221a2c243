// SPDX-License-Identifier: GPL-2.0

//! A line that is rung too often.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Rings are counted for so long, in nanoseconds.
const WINDOW_NS: u64 = 20_000_000;

/// What is counted of a line: rings, without those that were for something.
#[derive(Debug)]
pub struct Storm {
    begin: AtomicU64,
    /// Less than none: some that are for something are still to come.
    in_vain: AtomicI64,
    /// So many may be for nothing.
    max: u32,
}

impl Storm {
    /// So many rings may be for nothing, in 20 milliseconds.
    pub const fn new(max: u32) -> Self {
        Self {
            begin: AtomicU64::new(0),
            in_vain: AtomicI64::new(0),
            max,
        }
    }

    /// It rings at the time `now`, in nanoseconds. Since the last time there
    /// were so many reasons to do so, of which the one who rings made none.
    /// Returns whether it is rung too often. One ring at a time.
    pub fn ring(&self, now: u64, reasons: u32) -> bool {
        let elapsed = now.wrapping_sub(self.begin.load(Ordering::Relaxed));
        if elapsed >= WINDOW_NS {
            self.begin.store(now, Ordering::Relaxed);
            self.in_vain.store(0, Ordering::Relaxed);
        }
        let more = 1 - i64::from(reasons);
        let before = self.in_vain.fetch_add(more, Ordering::Relaxed);
        before + more > i64::from(self.max)
    }

    /// So many of the rings there were have been for something, or might have
    /// been.
    pub fn excuse(&self, rings: u32) {
        let less = |in_vain: i64| Some((in_vain - i64::from(rings)).max(in_vain.min(0)));
        // It is never refused.
        let _ = self
            .in_vain
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// All before is forgotten.
    pub fn calm(&self) {
        self.in_vain.store(0, Ordering::Relaxed);
    }
}
