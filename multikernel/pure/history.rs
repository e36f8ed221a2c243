// SPDX-License-Identifier: GPL-2.0

//! The last of what has happened, numbered, for any number of readers.

use core::ops::DerefMut;

/// Keeps as many items as there are slots; newer ones take the place of the
/// oldest. The first item has number 0.
pub struct History<S> {
    slots: S,
    next: u64,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// Its number. The reader goes on with the one after it.
    pub seq: u64,
    /// How many before it were forgotten that this reader has not seen.
    pub lost: u64,
    /// The item.
    pub item: T,
}

impl<T: Copy, S: DerefMut<Target = [T]>> History<S> {
    /// Nothing has happened. What is in the slots does not matter.
    pub fn new(slots: S) -> Self {
        Self { slots, next: 0 }
    }

    /// The number of the next item that happens.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest item that is kept.
    pub fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.slots.len() as u64)
    }

    /// Adds what has happened.
    pub fn push(&mut self, item: T) {
        if let Some(at) = self.slot(self.next) {
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = item;
            }
        }
        self.next = self.next.wrapping_add(1);
    }

    /// What a reader finds that has come as far as `seq`: that item, or the
    /// oldest that is kept after it. `None`: nothing yet.
    pub fn find(&self, seq: u64) -> Option<Found<T>> {
        let found = seq.max(self.oldest());
        if found >= self.next {
            return None;
        }
        let item = *self.slots.get(self.slot(found)?)?;
        Some(Found {
            seq: found,
            lost: found.saturating_sub(seq),
            item,
        })
    }

    fn slot(&self, seq: u64) -> Option<usize> {
        // There may be no slots.
        seq.checked_rem(self.slots.len() as u64)
            .map(|slot| slot as usize)
    }
}
