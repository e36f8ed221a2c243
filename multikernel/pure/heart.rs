// SPDX-License-Identifier: GPL-2.0

//! Whether an instance still beats, from what its host sees when it looks.

/// So many looks in a row have to find no beat.
const LOOKS: u32 = 5;
/// So many beats fit into the time after which an instance is hung,
const BEATS: u64 = 10;
/// or more: one in so many nanoseconds is enough trouble for nobody.
const BEAT_NS_MAX: u64 = 1_000_000_000;

const NS_PER_MS: u64 = 1_000_000;

/// How long an instance may stand still unless somebody says otherwise, in
/// milliseconds (`MK_HUNG_MS`).
pub const HUNG_MS: u32 = 10_000;
/// The shortest time that can be asked for.
pub const HUNG_MS_MIN: u32 = 1_000;
/// The longest.
pub const HUNG_MS_MAX: u32 = 3_600_000;

/// How fast it has to beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    hung_ms: u32,
}

/// What the host knows of an instance's beats. Times are of a clock of the
/// host's, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pace: Pace,
    beats: u64,
    /// When the newest beat was seen.
    beaten: u64,
    /// When the last look was.
    looked: u64,
    /// Looks since then that came when they were due, and found no other.
    in_vain: u32,
    pulse: Pulse,
}

/// What can be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing bad.
    Beats,
    /// It does nothing any more. When that was found there was no beat for so
    /// many nanoseconds.
    Hung(u64),
}

impl Pace {
    /// Hung after this time, in milliseconds. `None`: that is too short or too
    /// long.
    pub fn new(hung_ms: u32) -> Option<Self> {
        (HUNG_MS_MIN..=HUNG_MS_MAX)
            .contains(&hung_ms)
            .then_some(Self { hung_ms })
    }

    /// After which time it is hung, in milliseconds.
    pub fn hung_ms(&self) -> u32 {
        self.hung_ms
    }

    fn hung_ns(&self) -> u64 {
        u64::from(self.hung_ms).wrapping_mul(NS_PER_MS)
    }

    /// How often it has to beat, in nanoseconds.
    pub fn beat_ns(&self) -> u64 {
        (self.hung_ns() / BEATS).min(BEAT_NS_MAX)
    }

    /// How often the host looks, in nanoseconds.
    pub fn look_ns(&self) -> u64 {
        self.hung_ns() / u64::from(LOOKS)
    }
}

impl Watch {
    /// Of an instance that has beaten so often.
    pub fn new(pace: Pace, now: u64, beats: u64) -> Self {
        Self {
            pace,
            beats,
            beaten: now,
            looked: now,
            in_vain: 0,
            pulse: Pulse::Beats,
        }
    }

    /// When the host has to look again.
    pub fn due(&self) -> u64 {
        self.looked.saturating_add(self.pace.look_ns())
    }

    /// What was found last.
    pub fn pulse(&self) -> Pulse {
        self.pulse
    }

    /// The host looks: the instance has beaten so often. One that looks before
    /// it has to learns of a beat, and of nothing else. One that comes late, or
    /// whose clock has jumped, does not know what else was late.
    pub fn look(&mut self, now: u64, beats: u64) -> Pulse {
        if beats != self.beats {
            *self = Self::new(self.pace, now, beats);
            return self.pulse;
        }
        let due = self.due();
        if now >= self.looked && now < due {
            return self.pulse;
        }
        let late = due.saturating_add(self.pace.look_ns() / 2);
        let is_in_time = now >= due && now <= late;
        self.looked = now;
        if self.pulse != Pulse::Beats {
            return self.pulse;
        }
        if is_in_time {
            self.in_vain = self.in_vain.saturating_add(1);
        } else {
            self.in_vain = 0;
        }
        if self.in_vain >= LOOKS {
            self.pulse = Pulse::Hung(now.saturating_sub(self.beaten));
        }
        self.pulse
    }
}
