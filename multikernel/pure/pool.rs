// SPDX-License-Identifier: GPL-2.0

//! What is free in a range of memory of which parts are taken.
//!
//! Only what is taken is kept, as ranges in ascending order. What is free lies
//! between them, so pieces that are given back grow together by themselves.

use super::range::{is_sorted, Range};

/// A range of memory, of which parts are taken.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    range: Range,
    taken: &'a [Range],
}

/// A place for a range that is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it has to be put in among those that are taken.
    pub index: usize,
    /// The range.
    pub range: Range,
}

impl<'a> Pool<'a> {
    /// `taken` ascend, do not overlap, and are parts of `range`; `None` if not.
    pub fn new(range: Range, taken: &'a [Range]) -> Option<Self> {
        let inside = taken.iter().all(|part| range.contains(*part));
        (inside && is_sorted(taken)).then_some(Self { range, taken })
    }

    /// What is free, in ascending order; before which of those that are taken.
    fn gaps(self) -> impl Iterator<Item = Place> + 'a {
        let starts = core::iter::once(self.range.start()).chain(self.taken.iter().map(|t| t.end()));
        let ends = self.taken.iter().map(|t| t.start());
        starts
            .zip(ends.chain(core::iter::once(self.range.end())))
            .enumerate()
            .filter_map(|(index, (start, end))| {
                Range::between(start, end).map(|range| Place { index, range })
            })
    }

    /// How much is free.
    pub fn free(self) -> u64 {
        // Parts of one range: their sum fits.
        self.gaps()
            .fold(0u64, |sum, gap| sum.wrapping_add(gap.range.bytes()))
    }

    /// The largest piece that is free; 0: there is none.
    pub fn largest(self) -> u64 {
        self.gaps().map(|gap| gap.range.bytes()).max().unwrap_or(0)
    }

    /// The best place for `bytes`: where the least is left over, so that large
    /// pieces stay whole. The lowest, if several are as good.
    pub fn best_fit(self, bytes: u64) -> Option<Place> {
        let gap = self
            .gaps()
            .filter(|gap| gap.range.bytes() >= bytes)
            .min_by_key(|gap| gap.range.bytes())?;
        let range = Range::new(gap.range.start(), bytes)?;
        Some(Place {
            index: gap.index,
            range,
        })
    }

    /// Where `range` has to be put in; `None` if not all of it is free.
    pub fn place(self, range: Range) -> Option<Place> {
        let gap = self.gaps().find(|gap| gap.range.contains(range))?;
        Some(Place {
            index: gap.index,
            range,
        })
    }
}
