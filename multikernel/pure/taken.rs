// SPDX-License-Identifier: GPL-2.0

//! Which of a few numbered things are taken.

/// There are no more of them.
pub const MAX: usize = u64::BITS as usize;

/// Up to [`MAX`] things, by their numbers from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    taken: u64,
    count: usize,
}

impl Taken {
    /// None of `count` things is taken; `None`: they are too many.
    pub fn none_of(count: usize) -> Option<Self> {
        (count <= MAX).then_some(Self { taken: 0, count })
    }

    /// Takes the first that is free.
    pub fn take(&mut self) -> Option<usize> {
        let index = self.taken.trailing_ones() as usize;
        if index >= self.count {
            return None;
        }
        self.taken |= 1 << index;
        Some(index)
    }

    /// There are only `count` of them, or fewer, and none of the others is taken.
    pub fn limit(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes one free again.
    pub fn free(&mut self, index: usize) {
        if index < self.count {
            self.taken &= !(1 << index);
        }
    }

    /// How many are free.
    pub fn left(&self) -> usize {
        self.count - self.taken.count_ones() as usize
    }
}
