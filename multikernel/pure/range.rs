// SPDX-License-Identifier: GPL-2.0

//! Physical memory as ranges.

use core::fmt;

/// Size of a page.
pub const PAGE: u64 = 4096;

/// Rounds `value` up to a multiple of `alignment`, a power of two; `None` if
/// that does not fit into 64 bits.
pub fn align_up(value: u64, alignment: u64) -> Option<u64> {
    Some(value.checked_add(alignment.checked_sub(1)?)? & !(alignment - 1))
}

/// Rounds `value` down to a multiple of `alignment`, a power of two.
pub fn align_down(value: u64, alignment: u64) -> u64 {
    value & !alignment.wrapping_sub(1)
}

/// A range of physical memory.
///
/// # Invariants
///
/// It is not empty, and its end fits into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    start: u64,
    bytes: u64,
}

impl Range {
    /// `bytes` bytes from `start` on; `None` if that is empty or wraps.
    pub const fn new(start: u64, bytes: u64) -> Option<Self> {
        match start.checked_add(bytes) {
            Some(end) if end > start => Some(Self { start, bytes }),
            _ => None,
        }
    }

    /// `bytes` bytes from `start` on, for numbers that are known to make a
    /// range: what does not is shortened or lengthened until it does.
    pub(super) const fn clamped(start: u64, bytes: u64) -> Self {
        let start = if start == u64::MAX { start - 1 } else { start };
        let room = u64::MAX - start;
        let bytes = if bytes > room { room } else { bytes };
        Self {
            start,
            bytes: if bytes == 0 { 1 } else { bytes },
        }
    }

    /// From `start` up to `end`, which is not part of it; `None` if empty.
    pub const fn between(start: u64, end: u64) -> Option<Self> {
        match end.checked_sub(start) {
            Some(bytes) => Self::new(start, bytes),
            None => None,
        }
    }

    /// Address of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Size in bytes, never 0.
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// Address behind the last byte.
    pub const fn end(self) -> u64 {
        // Does not wrap, by the invariant.
        self.start.wrapping_add(self.bytes)
    }

    /// Whether both have a byte in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Whether all of `other` is in this one.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start, self.end().wrapping_sub(1))
    }
}

/// Whether `ranges` ascend and none overlaps the next.
pub fn is_sorted(ranges: &[Range]) -> bool {
    ranges
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.end() <= b.start()))
}
