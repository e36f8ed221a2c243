// SPDX-License-Identifier: GPL-2.0

//! The host's wall clock, as an instance reads it: a page of numbers that tell
//! the time from the time stamp counter, which all processors share.

use super::half::Halves;

const SEQUENCE: usize = 0;
const FLAGS: usize = 8;
const TSC: usize = 16;
const REALTIME: usize = 24;
const MULTIPLIER: usize = 32;
/// And the offset of TAI, in the high half.
const SHIFT: usize = 40;

const VALID: u64 = 1 << 0;
const SYNCHRONIZED: u64 = 1 << 1;

const SHIFT_MAX: u32 = 63;

/// So many ticks are about a second.
const SECOND: u64 = 1 << 31;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// How often a reader tries, while the writer writes.
const TRIES: usize = 1000;

/// A time, and how to tell those near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// A value of the counter.
    pub tsc: u64,
    /// `CLOCK_REALTIME` at that value, in nanoseconds.
    pub realtime_ns: u64,
    /// Differences of the counter times this,
    pub multiplier: u64,
    /// divided by two to the power of this, are nanoseconds.
    pub shift: u32,
    /// Seconds that TAI is ahead of UTC.
    pub tai_offset: i32,
    /// Whether the host's clock follows a better one.
    pub is_synchronized: bool,
}

/// The host was writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing;

impl Clock {
    /// Writes it to the page at offset `at` of the host's part. One writer at a
    /// time.
    pub fn publish(&self, halves: &impl Halves, at: usize, sequence: &mut u64) {
        let word = |offset: usize| at.wrapping_add(offset);
        // Odd. None of what follows is seen before it.
        halves.store(word(SEQUENCE), sequence.wrapping_add(1));
        let synchronized = if self.is_synchronized {
            SYNCHRONIZED
        } else {
            0
        };
        halves.store(word(FLAGS), VALID | synchronized);
        halves.store(word(TSC), self.tsc);
        halves.store(word(REALTIME), self.realtime_ns);
        halves.store(word(MULTIPLIER), self.multiplier);
        let tai_offset = u64::from(self.tai_offset as u32) << 32;
        halves.store(word(SHIFT), u64::from(self.shift) | tai_offset);
        *sequence = sequence.wrapping_add(2);
        halves.store(word(SEQUENCE), *sequence);
    }

    /// Says that there is no time.
    pub fn withdraw(halves: &impl Halves, at: usize, sequence: &mut u64) {
        let word = |offset: usize| at.wrapping_add(offset);
        halves.store(word(SEQUENCE), sequence.wrapping_add(1));
        halves.store(word(FLAGS), 0);
        *sequence = sequence.wrapping_add(2);
        halves.store(word(SEQUENCE), *sequence);
    }

    /// Reads it from the page at offset `at` of the host's part. `None`: there
    /// is no time, or the host never stops writing.
    pub fn read(halves: &impl Halves, at: usize) -> Option<Self> {
        for _ in 0..TRIES {
            if let Ok(clock) = Self::try_read(halves, at) {
                return clock;
            }
            core::hint::spin_loop();
        }
        None
    }

    /// The same, once. `Err`: the host was writing.
    pub fn try_read(halves: &impl Halves, at: usize) -> Result<Option<Self>, Writing> {
        let word = |offset: usize| halves.load(at.wrapping_add(offset));
        let sequence = word(SEQUENCE);
        let (flags, shift) = (word(FLAGS), word(SHIFT));
        let clock = Self {
            tsc: word(TSC),
            realtime_ns: word(REALTIME),
            multiplier: word(MULTIPLIER),
            shift: shift as u32,
            tai_offset: (shift >> 32) as i32,
            is_synchronized: flags & SYNCHRONIZED != 0,
        };
        // All of that was read before this.
        if sequence % 2 != 0 || word(SEQUENCE) != sequence {
            return Err(Writing);
        }
        let is_valid = flags & VALID != 0 && clock.shift <= SHIFT_MAX;
        Ok(is_valid.then_some(clock))
    }

    /// How far another clock is from this one when this one begins, or about a
    /// second later if that is more; in nanoseconds.
    pub fn distance(&self, other: &Self) -> u64 {
        let at = |tsc| self.realtime_ns(tsc).abs_diff(other.realtime_ns(tsc));
        at(self.tsc).max(at(self.tsc.wrapping_add(SECOND)))
    }

    /// `CLOCK_REALTIME` at a value of the counter, in nanoseconds.
    pub fn realtime_ns(&self, tsc: u64) -> u64 {
        let ns = |ticks: u64| {
            let ns = u128::from(ticks).wrapping_mul(u128::from(self.multiplier));
            (ns >> self.shift.min(SHIFT_MAX)) as u64
        };
        match tsc.checked_sub(self.tsc) {
            Some(later) => self.realtime_ns.wrapping_add(ns(later)),
            None => self
                .realtime_ns
                .wrapping_sub(ns(self.tsc.wrapping_sub(tsc))),
        }
    }
}

/// When to set a clock that goes wrong by what it was and by its rate, so that
/// it never is far from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// When it was looked at, by the other clock, and how far it was ahead.
    last: Option<(u64, i64)>,
    /// By how much it goes wrong in a second.
    rate: u64,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Set it.
    pub set: bool,
    /// Look again after so many nanoseconds.
    pub again_ns: u64,
}

impl Follower {
    /// So far may it be from the other one, in nanoseconds.
    pub const FAR_NS: u64 = 30_000;
    /// And it may go so much further until somebody looks.
    const FURTHER_NS: u64 = 15_000;
    /// Nobody looks sooner,
    pub const SOON_NS: u64 = 10_000_000;
    /// nor later.
    const LATE_NS: u64 = NS_PER_SECOND;

    /// Of a clock that nothing is known of.
    pub const fn new() -> Self {
        Self {
            last: None,
            rate: 0,
        }
    }

    /// At the time `now` of the other clock, this one is `error` nanoseconds
    /// ahead. If it is to be set, somebody does that now.
    pub fn look(&mut self, now: u64, error: i64) -> Advice {
        let set = error.unsigned_abs() > Self::FAR_NS;
        if let Some((then, before)) = self.last {
            let elapsed = now.saturating_sub(then);
            // The rate is not to be had from a moment.
            if elapsed >= Self::SOON_NS / 2 {
                let change = error.abs_diff(before).min(NS_PER_SECOND);
                self.rate = change.wrapping_mul(NS_PER_SECOND) / elapsed;
            }
        }
        self.last = (!set).then_some((now, error));
        let again = Self::FURTHER_NS.wrapping_mul(NS_PER_SECOND) / self.rate.max(1);
        Advice {
            set,
            again_ns: again.clamp(Self::SOON_NS, Self::LATE_NS),
        }
    }
}

impl Default for Follower {
    fn default() -> Self {
        Self::new()
    }
}
