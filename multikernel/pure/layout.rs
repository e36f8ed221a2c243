// SPDX-License-Identifier: GPL-2.0

//! What is where in an instance's memory.
//!
//! Our tables are at the start of its first range, and the memory map keeps
//! the instance off them: the ACPI tables, then what only its boot reads, and the
//! dock if it has one ([`super::dock`]). The kernel is in the lowest range that
//! holds it, the initrd at the top of the highest one that does.

use super::range::{align_up, Range, PAGE};
use super::{acpi, dock, e820, kaslr, paging};
use core::fmt;

/// Ranges that an instance's memory can have: the memory map needs five
/// entries for its slot, our tables, and what it shares with the host.
pub const RANGES_MAX: usize = e820::MAX - 5;

/// Linux moves a kernel that was loaded lower up to `LOAD_PHYSICAL_ADDR`, 16 MiB
/// unless its header says another, and the memory there may be anyone's.
const KERNEL_MIN: u64 = 16 << 20;

/// Room for the command line: `COMMAND_LINE_SIZE` is 2048, and the
/// decompressor maps as much.
pub const CMDLINE_BYTES: u64 = PAGE;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The memory, ascending.
    pub ranges: &'a [Range],
    /// Of the kernel: [`super::bzimage::Image::alignment`].
    pub alignment: u64,
    /// Of the kernel: [`super::bzimage::Image::init_size`].
    pub init_size: u64,
    /// Of the kernel: [`super::bzimage::Image::pref_address`].
    pub pref_address: u64,
    /// Size of the initrd; 0: there is none.
    pub initrd_size: u64,
    /// Its processors need a dock.
    pub has_dock: bool,
    /// A number that chooses among the kernel's places; `None`: the lowest.
    pub random: Option<u64>,
}

impl Request<'_> {
    /// Where a kernel in `r` could start.
    fn start(&self, r: Range) -> Option<u64> {
        let lowest = self.pref_address.max(KERNEL_MIN);
        align_up(r.start().max(lowest), self.alignment)
    }

    /// What a kernel needs.
    fn size(&self) -> Option<u64> {
        align_up(self.init_size.max(1), PAGE)
    }
}

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    acpi: Range,
    boot_params: Range,
    cmdline: Range,
    setup_data: Range,
    dock: Option<Range>,
    tables: Range,
    kernel: Range,
    initrd: Option<Range>,
}

/// Why it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No memory at all.
    Empty,
    /// Ranges that do not ascend, or overlap, or are no whole pages.
    Ranges,
    /// More ranges than [`RANGES_MAX`].
    Pieces(usize),
    /// Page tables cannot reach the memory.
    Paging(paging::Error),
    /// Something is larger than the memory.
    TooLarge {
        /// What it is.
        what: What,
        /// Its size.
        need: u64,
        /// The largest that fits.
        have: u64,
    },
}

/// What needs contiguous memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Our own tables.
    Tables,
    /// The kernel, unpacked.
    Kernel,
    /// The initrd, beside the kernel.
    Initrd,
}

impl Layout {
    /// Finds a place for everything.
    pub fn plan(request: &Request<'_>) -> Result<Self, Error> {
        let ranges = request.ranges;
        let first = *ranges.first().ok_or(Error::Empty)?;
        if ranges.len() > RANGES_MAX {
            return Err(Error::Pieces(ranges.len()));
        }
        let is_whole = |r: &Range| r.start() % PAGE == 0 && r.bytes() % PAGE == 0;
        if !super::range::is_sorted(ranges) || !ranges.iter().all(is_whole) {
            return Err(Error::Ranges);
        }

        let tables = paging::needed(ranges).map_err(Error::Paging)? as u64 * PAGE;
        let dock = if request.has_dock { dock::BYTES } else { 0 };
        let mut next = first.start();
        let mut take = |bytes: u64| {
            let range = Range::new(next, bytes).filter(|range| range.end() <= first.end());
            next = range.map_or(u64::MAX, Range::end);
            range.ok_or(Error::TooLarge {
                what: What::Tables,
                need: acpi::BYTES + 2 * PAGE + CMDLINE_BYTES + dock + tables,
                have: first.bytes(),
            })
        };
        let acpi = take(acpi::BYTES)?;
        let boot_params = take(PAGE)?;
        let cmdline = take(CMDLINE_BYTES)?;
        let setup_data = take(PAGE)?;
        let dock = request.has_dock.then(|| take(dock)).transpose()?;
        let tables = take(tables)?;

        let free = Free {
            ranges,
            start: tables.end(),
        };
        let (mut kernel, initrd) = free.place(request)?;
        if let Some(random) = request.random {
            kernel = free.shuffle(request, initrd, random).unwrap_or(kernel);
        }
        Ok(Self {
            acpi,
            boot_params,
            cmdline,
            setup_data,
            dock,
            tables,
            kernel,
            initrd,
        })
    }

    /// The ACPI tables.
    pub fn acpi(&self) -> Range {
        self.acpi
    }

    /// The boot parameters, one page.
    pub fn boot_params(&self) -> Range {
        self.boot_params
    }

    /// The command line.
    pub fn cmdline(&self) -> Range {
        self.cmdline
    }

    /// What else a kernel is told that looks for it, one page.
    pub fn setup_data(&self) -> Range {
        self.setup_data
    }

    /// Where its processors wait.
    pub fn dock(&self) -> Option<Range> {
        self.dock
    }

    /// The page tables below the top one, which is in the slot, or in the dock.
    pub fn tables(&self) -> Range {
        self.tables
    }

    /// The kernel: its file goes to the start, the rest is room to unpack it.
    pub fn kernel(&self) -> Range {
        self.kernel
    }

    /// How much of `ranges`, what everything was planned for, is right below the kernel
    /// and nobody's.
    pub fn below_kernel(&self, ranges: &[Range]) -> u64 {
        let range = ranges.iter().find(|range| range.contains(self.kernel));
        let start = range.map_or(u64::MAX, |range| range.start().max(self.ram_start()));
        let is_below = |initrd: &Range| initrd.start() < self.kernel.start();
        let initrd = self.initrd.filter(is_below).map_or(0, Range::end);
        self.kernel.start().saturating_sub(start.max(initrd))
    }

    /// The initrd: its size is that of the file.
    pub fn initrd(&self) -> Option<Range> {
        self.initrd
    }

    /// Of our tables, those that are no ACPI tables.
    pub fn private(&self) -> Range {
        Range::clamped(self.acpi.end(), self.ram_start() - self.acpi.end())
    }

    /// Where our tables end and the instance's own memory starts.
    pub fn ram_start(&self) -> u64 {
        self.tables.end()
    }
}

/// Ranges, without what is below `start`.
#[derive(Clone, Copy)]
struct Free<'a> {
    ranges: &'a [Range],
    start: u64,
}

impl Free<'_> {
    fn iter(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.ranges
            .iter()
            .filter_map(|r| Range::between(r.start().max(self.start), r.end()))
    }

    /// The kernel as low as possible, such that the initrd fits, too.
    fn place(&self, request: &Request<'_>) -> Result<(Range, Option<Range>), Error> {
        // The most that is left for the initrd, wherever the kernel is.
        let mut left = None;
        for kernel in self.iter().filter_map(|r| Self::kernel(request, r)) {
            if request.initrd_size == 0 {
                return Ok((kernel, None));
            }
            if let Some(initrd) = self.initrd(kernel, request.initrd_size) {
                return Ok((kernel, Some(initrd)));
            }
            let most = self
                .beside(Some(kernel))
                .map(Range::bytes)
                .max()
                .unwrap_or(0);
            left = Some(left.unwrap_or(0).max(most));
        }
        let (what, need, have) = match left {
            Some(left) => (What::Initrd, request.initrd_size, left),
            None => {
                let room = |r: Range| r.end().checked_sub(request.start(r)?);
                let size = request.size().unwrap_or(u64::MAX);
                let most = self.iter().filter_map(room).max().unwrap_or(0);
                (What::Kernel, size, most)
            }
        };
        Err(Error::TooLarge { what, need, have })
    }

    /// The lowest place for the kernel in `r`.
    fn kernel(request: &Request<'_>, r: Range) -> Option<Range> {
        let start = request.start(r)?;
        Range::new(start, request.size()?).filter(|kernel| kernel.end() <= r.end())
    }

    /// One of all places for the kernel beside `initrd`, each as likely as the others.
    fn shuffle(&self, request: &Request<'_>, initrd: Option<Range>, random: u64) -> Option<Range> {
        let step = request.alignment;
        // The lowest in each range, and how many there are above it.
        let places = || {
            self.beside(initrd).filter_map(move |r| {
                let kernel = Self::kernel(request, r)?;
                Some((kernel, (r.end() - kernel.end()).checked_div(step)?))
            })
        };
        let count = places().fold(0u64, |count, (_, more)| {
            count.saturating_add(more).saturating_add(1)
        });
        let mut n = kaslr::pick(random, count);
        for (kernel, more) in places() {
            if n <= more {
                let start = kernel.start().checked_add(n.checked_mul(step)?)?;
                return Range::new(start, kernel.bytes());
            }
            n -= more + 1;
        }
        None
    }

    /// What is left beside `taken`: below and above it in its range, and the
    /// others.
    fn beside(&self, taken: Option<Range>) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.iter().flat_map(move |r| {
            let pieces = match taken.filter(|taken| r.contains(*taken)) {
                Some(taken) => [
                    Range::between(r.start(), taken.start()),
                    Range::between(taken.end(), r.end()),
                ],
                None => [Some(r), None],
            };
            pieces.into_iter().flatten()
        })
    }

    fn initrd(&self, kernel: Range, size: u64) -> Option<Range> {
        self.beside(Some(kernel)).rev().find_map(|r| {
            let start = super::range::align_down(r.end().checked_sub(size)?, PAGE);
            Range::new(start, size).filter(|_| start >= r.start())
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the instance has no memory; set its memory first"),
            Self::Ranges => f.write_str("the memory ranges do not ascend in whole pages"),
            Self::Pieces(n) => write!(
                f,
                "the memory is in {n} pieces, {RANGES_MAX} are the most; ask for less memory"
            ),
            Self::Paging(error) => error.fmt(f),
            Self::TooLarge { what, need, have } => write!(
                f,
                "{what} needs {need} bytes of contiguous memory, and {have} are there; \
                 give the instance more memory"
            ),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tables => "the loader",
            Self::Kernel => "the kernel (unpacked)",
            Self::Initrd => "the initrd",
        })
    }
}
