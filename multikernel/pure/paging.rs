// SPDX-License-Identifier: GPL-2.0

//! The page tables that an instance's kernel is entered with.
//!
//! The boot protocol asks for an identity mapping of the kernel, the boot
//! parameters and the command line (Documentation/arch/x86/boot.rst, 64-bit
//! boot protocol). They map the first 4 GiB, where the decompressor looks for
//! what the firmware left, and the instance's own memory; with pages of 2 MiB,
//! which every 64-bit processor has.

use super::range::{is_sorted, Range, PAGE};
use core::fmt;

/// Entries of a table.
pub const ENTRIES: usize = 512;

/// Size of a large page.
const LARGE: u64 = 2 << 20;
/// What a table of large pages maps.
const GIB: u64 = 1 << 30;
/// What is always mapped, from address 0 on.
const LOW: u64 = 4 * GIB;
/// The lower half of the addresses that four levels translate.
const END: u64 = 1 << 47;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const PAGE_SIZE: u64 = 1 << 7;
const ADDRESS: u64 = ((1 << 52) - 1) & !(PAGE - 1);

/// Why there are no such tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Ranges that do not ascend, or overlap.
    Unsorted,
    /// Memory that four levels of tables do not reach.
    TooHigh(Range),
    /// Less room for the tables than [`needed`] says.
    Room {
        /// Tables that there is room for.
        have: usize,
        /// Tables that are needed.
        need: usize,
    },
    /// The room for the tables does not start on a page.
    Unaligned(u64),
}

/// How many tables (of a page each, the top-level one not counted) map the
/// first 4 GiB and `ranges`, which ascend.
pub fn needed(ranges: &[Range]) -> Result<usize, Error> {
    if !is_sorted(ranges) {
        return Err(Error::Unsorted);
    }
    if let Some(range) = ranges.iter().find(|range| range.end() > END) {
        return Err(Error::TooHigh(*range));
    }
    // The numbers of the GiB that are touched so far end here, and those of
    // the 512 GiB. Each GiB takes one table, and so do each 512.
    let (mut gib_end, mut top_end, mut tables) = (0, 0, 0);
    for range in low().into_iter().chain(ranges.iter().copied()) {
        let (first, end) = (range.start() / GIB, (range.end() - 1) / GIB + 1);
        let (first_top, top) = (first / 512, (end - 1) / 512 + 1);
        tables += end.saturating_sub(first.max(gib_end));
        tables += top.saturating_sub(first_top.max(top_end));
        gib_end = gib_end.max(end);
        top_end = top_end.max(top);
    }
    // At most 2^17 + 2^8.
    Ok(tables as usize)
}

/// Writes tables that map the first 4 GiB and `ranges`, rounded out to 2 MiB,
/// each address to itself.
///
/// The top-level table goes to `root`, the others to `tables`, which is at the
/// physical address `base`. Nothing is written if there is an error.
pub fn write(
    root: &mut [u64; ENTRIES],
    tables: &mut [[u64; ENTRIES]],
    base: u64,
    ranges: &[Range],
) -> Result<(), Error> {
    let need = needed(ranges)?;
    if tables.len() < need {
        return Err(Error::Room {
            have: tables.len(),
            need,
        });
    }
    if base % PAGE != 0 || base & !ADDRESS != 0 {
        return Err(Error::Unaligned(base));
    }
    root.fill(0);
    tables.iter_mut().for_each(|table| table.fill(0));
    let mut builder = Builder {
        root,
        tables,
        base,
        used: 0,
    };
    for range in low().into_iter().chain(ranges.iter().copied()) {
        for page in range.start() / LARGE..=(range.end() - 1) / LARGE {
            // `needed` has counted the tables.
            builder.map(page * LARGE).ok_or(Error::Room {
                have: need,
                need: need + 1,
            })?;
        }
    }
    Ok(())
}

fn low() -> Option<Range> {
    Range::new(0, LOW)
}

struct Builder<'a> {
    root: &'a mut [u64; ENTRIES],
    tables: &'a mut [[u64; ENTRIES]],
    base: u64,
    used: usize,
}

impl Builder<'_> {
    /// Maps the large page at `address`; `None` if tables ran out.
    fn map(&mut self, address: u64) -> Option<()> {
        let index = |shift: u32| (address >> shift) as usize % ENTRIES;
        let second = match self.root[index(39)] {
            0 => {
                let (number, entry) = self.table()?;
                self.root[index(39)] = entry;
                number
            }
            entry => self.number(entry),
        };
        let third = match self.tables.get(second)?[index(30)] {
            0 => {
                let (number, entry) = self.table()?;
                self.tables.get_mut(second)?[index(30)] = entry;
                number
            }
            entry => self.number(entry),
        };
        self.tables.get_mut(third)?[index(21)] = address | PRESENT | WRITABLE | PAGE_SIZE;
        Some(())
    }

    /// Takes a table: its number, and the entry that points to it.
    fn table(&mut self) -> Option<(usize, u64)> {
        let number = self.used;
        if number >= self.tables.len() {
            return None;
        }
        self.used += 1;
        let address = self.base.checked_add(number as u64 * PAGE)?;
        Some((number, address | PRESENT | WRITABLE))
    }

    /// The number of the table that `entry` points to.
    fn number(&self, entry: u64) -> usize {
        ((entry & ADDRESS).wrapping_sub(self.base) / PAGE) as usize
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsorted => f.write_str("the memory ranges do not ascend"),
            Self::TooHigh(range) => write!(
                f,
                "memory at {range} is above 128 TiB, where a kernel cannot be started"
            ),
            Self::Room { have, need } => {
                write!(f, "page tables need {need} pages, and have {have}")
            }
            Self::Unaligned(base) => write!(f, "page tables cannot be at {base:#x}"),
        }
    }
}
