// SPDX-License-Identifier: GPL-2.0

//! How often an agent may come.
//!
//! Each one that comes and goes is told to users, and in the log. Who loads a
//! module again and again does that some times in a row, for as long as the
//! instance runs; what does it without end is a fault.

/// So many may come in a row.
const BURST: u64 = 100;
/// And one more for each time of this length, in nanoseconds.
const EACH_NS: u64 = 10_000_000_000;

/// Counts them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    /// When all of them will have been earned.
    debt_until: u64,
}

impl Arrivals {
    /// None yet.
    pub const fn new() -> Self {
        Self { debt_until: 0 }
    }

    /// One comes at the time `now`, in nanoseconds. Returns whether it may.
    pub fn admit(&mut self, now: u64) -> bool {
        let until = self.debt_until.max(now).saturating_add(EACH_NS);
        if until.saturating_sub(now) > BURST * EACH_NS {
            return false;
        }
        self.debt_until = until;
        true
    }
}
