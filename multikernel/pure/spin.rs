// SPDX-License-Identifier: GPL-2.0

//! How long to look for what a peer does, before sleeping until it rings.
//!
//! The peer runs on a CPU of its own. If it is about to answer, looking costs
//! less than to sleep and to be woken; if it is not, looking is for nothing. So
//! waits that end soon make the next look longer, and a long one ends looking.

use core::sync::atomic::{AtomicU32, Ordering};

/// The shortest look, in nanoseconds.
const FIRST_NS: u32 = 10_000;

/// What was learned from the waits there were.
#[derive(Debug, Default)]
pub struct Spin {
    ns: AtomicU32,
}

impl Spin {
    /// Nothing yet: it does not look.
    pub const fn new() -> Self {
        Self {
            ns: AtomicU32::new(0),
        }
    }

    /// How long to look this time, in nanoseconds; at most `max`.
    pub fn ns(&self, max: u32) -> u32 {
        self.ns.load(Ordering::Relaxed).min(max)
    }

    /// It took `waited` nanoseconds, of looking and of sleeping. Of several that
    /// learn at the same time one is heard.
    pub fn learn(&self, waited: u64, max: u32) {
        let now = self.ns(max);
        let next = if waited <= u64::from(now) {
            now
        } else if waited < u64::from(max) {
            now.saturating_mul(2).max(FIRST_NS)
        } else {
            0
        };
        self.ns.store(next, Ordering::Relaxed);
    }
}
