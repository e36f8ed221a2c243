// SPDX-License-Identifier: GPL-2.0

//! The last that a terminal has shown, for readers that come at any time.
//!
//! Positions count all bytes that were ever shown, and never wrap. A reader
//! keeps its own.

use core::ops::{Deref, DerefMut};

/// The bytes, in memory that is used again and again.
#[derive(Debug)]
pub struct Scrollback<B> {
    bytes: B,
    end: u64,
}

impl<B: Deref<Target = [u8]> + DerefMut> Scrollback<B> {
    /// Nothing was shown yet. As many bytes stay as `bytes` has.
    pub fn new(bytes: B) -> Self {
        Self { bytes, end: 0 }
    }

    /// The position of the oldest byte that is still there.
    pub fn start(&self) -> u64 {
        self.end.saturating_sub(self.bytes.len() as u64)
    }

    /// The position behind the newest.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds what was shown, in place of the oldest.
    pub fn append(&mut self, shown: &[u8]) {
        let skipped = shown.len().saturating_sub(self.bytes.len());
        let kept = shown.get(skipped..).unwrap_or(&[]);
        let at = self.at(self.end.wrapping_add(skipped as u64));
        if let Some((wrapped, last)) = self.bytes.split_at_mut_checked(at) {
            let copied = copy(last, kept);
            copy(wrapped, kept.get(copied..).unwrap_or(&[]));
        }
        self.end = self.end.wrapping_add(shown.len() as u64);
    }

    /// Copies to `out` what was shown at `position`, or where the oldest byte
    /// is if that is later. Returns where the next is to be read.
    pub fn read(&self, position: u64, out: &mut [u8]) -> (u64, usize) {
        let position = position.max(self.start()).min(self.end);
        let left = usize::try_from(self.end.wrapping_sub(position)).unwrap_or(usize::MAX);
        let room = out.len();
        let Some(out) = out.get_mut(..room.min(left)) else {
            return (position, 0);
        };
        let Some((wrapped, last)) = self.bytes.split_at_checked(self.at(position)) else {
            return (position, 0);
        };
        let copied = copy(out, last);
        let more = out.get_mut(copied..).map_or(0, |rest| copy(rest, wrapped));
        let copied = copied.wrapping_add(more);
        (position.wrapping_add(copied as u64), copied)
    }

    /// Where a position is in the memory.
    fn at(&self, position: u64) -> usize {
        position.checked_rem(self.bytes.len() as u64).unwrap_or(0) as usize
    }
}

/// Copies as much as fits; returns how much that is.
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let len = to.len().min(from.len());
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    len
}
