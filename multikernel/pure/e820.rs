// SPDX-License-Identifier: GPL-2.0

//! The memory map that an instance is given.
//!
//! What is not in it does not exist for the instance: all memory of the host
//! and of other instances.

use super::layout::Layout;
use super::range::Range;
use super::slot::Slot;
use core::fmt;

/// Room in the boot parameters (`E820_MAX_ENTRIES_ZEROPAGE`).
pub const MAX: usize = 128;

/// What a range is for, with its number in the boot parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// The instance's own.
    Ram = 1,
    /// Not to be touched.
    Reserved = 2,
    /// ACPI tables.
    Acpi = 3,
}

/// A range and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub range: Range,
    /// What for.
    pub kind: Kind,
}

/// A memory map.
///
/// # Invariants
///
/// Entries ascend, and none overlaps another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    entries: [Entry; MAX],
    len: usize,
}

/// Why there is no such map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// More than [`MAX`] entries.
    Full,
    /// A range that starts before the end of the one before.
    Overlap(Range),
}

// It has no `Default`, which would make one on the stack.
#[allow(clippy::new_without_default)]
impl Map {
    /// An empty map.
    pub const fn new() -> Self {
        Self {
            entries: [Entry {
                range: Range::clamped(0, 0),
                kind: Kind::Reserved,
            }; MAX],
            len: 0,
        }
    }

    /// The map of an instance that has `slot`, or nothing below 1 MiB, and
    /// `ranges`, and in these what `layout` says, and that shares `shared`,
    /// beside these, with the host.
    ///
    /// In place: a map is large for a stack.
    pub fn compose(
        &mut self,
        slot: Option<Slot>,
        layout: &Layout,
        ranges: &[Range],
        shared: Range,
    ) -> Result<(), Error> {
        self.len = 0;
        let low = slot.map(|slot| [(slot.ram(), Kind::Ram), (slot.reserved(), Kind::Reserved)]);
        let ours = [
            (layout.acpi(), Kind::Acpi),
            (layout.private(), Kind::Reserved),
        ];
        // The first starts with our tables, up to where RAM starts.
        let ram = ranges
            .iter()
            .filter_map(|r| Range::between(r.start().max(layout.ram_start()), r.end()))
            .map(|range| (range, Kind::Ram));
        let mut shared = Some(shared);
        for (range, kind) in low.into_iter().flatten().chain(ours).chain(ram) {
            if let Some(before) = shared.take_if(|shared| shared.start() < range.start()) {
                self.push(before, Kind::Reserved)?;
            }
            self.push(range, kind)?;
        }
        match shared {
            Some(last) => self.push(last, Kind::Reserved),
            None => Ok(()),
        }
    }

    /// Adds an entry behind the last.
    pub fn push(&mut self, range: Range, kind: Kind) -> Result<(), Error> {
        if matches!(self.entries().last(), Some(last) if last.range.end() > range.start()) {
            return Err(Error::Overlap(range));
        }
        *self.entries.get_mut(self.len).ok_or(Error::Full)? = Entry { range, kind };
        self.len += 1;
        Ok(())
    }

    /// The entries, in ascending order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries[..self.len]
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(
                f,
                "the memory is in too many pieces: an instance's memory map has {MAX} entries; \
                 ask for less memory"
            ),
            Self::Overlap(range) => write!(f, "memory at {range} is given twice"),
        }
    }
}
