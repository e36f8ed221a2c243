// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous pages, taken from the page allocator or from a pool.

use super::{ffi, physical::Physical, ContigPages};
use crate::pure::range::Range;
use core::ops::Deref;
use kernel::{page::PAGE_SIZE, prelude::*};

/// Where pages go back to.
enum Owner {
    /// The page allocator, when this is dropped.
    Allocator { _pages: ContigPages },
    /// The CMA area that the pool of this number is.
    Cma(c_uint),
    /// Nobody but who looks after a pool that the kernel leaves alone.
    Pool,
}

/// Contiguous pages of one NUMA node. They go back when this is dropped.
pub(crate) struct Contig {
    memory: Physical,
    owner: Owner,
}

impl Contig {
    /// Takes `bytes`, a multiple of the page size, filled with zeros. The kernel may have to move
    /// other pages away for it, so this sleeps and can take seconds.
    pub(crate) fn new(bytes: u64, node: i32) -> Option<Self> {
        let pages = ContigPages::new(bytes as usize / PAGE_SIZE, node).ok()?;
        // SAFETY: The pages are RAM, and those of the value that comes with them.
        let memory = unsafe { Physical::new(pages.start(), bytes) };
        Some(Self {
            memory,
            owner: Owner::Allocator { _pages: pages },
        })
    }

    /// Takes `bytes` of a pool that is a CMA area ([`super::pool::Pool::take`]).
    pub(super) fn of_cma(pool: c_uint, bytes: u64, alignment: u64) -> Option<Self> {
        let pages = bytes / PAGE_SIZE as u64;
        let order = (alignment / PAGE_SIZE as u64).checked_ilog2()?;
        // SAFETY: It may be called from where one may sleep.
        let pfn = unsafe { ffi::mk_pool_alloc(pool, pages as c_ulong, order) };
        if pfn == 0 {
            return None;
        }
        Some(Self {
            // SAFETY: The pages are RAM, and ours from now on.
            memory: unsafe {
                Physical::new(pfn as u64 * PAGE_SIZE as u64, pages * PAGE_SIZE as u64)
            },
            owner: Owner::Cma(pool),
        })
    }

    /// Takes `range`; `Err`: that page frame has a hardware error.
    ///
    /// # Safety
    ///
    /// It is RAM in the direct map, and the caller's as long as the result lives.
    pub(super) unsafe fn reserved(range: Range) -> core::result::Result<Self, u64> {
        let pfn = range.start() / PAGE_SIZE as u64;
        let pages = range.bytes() / PAGE_SIZE as u64;
        // SAFETY: By the contract of this function.
        let good = unsafe { ffi::mk_good_pages(pfn as c_ulong, pages as c_ulong) } as u64;
        if good < pages {
            return Err(pfn + good);
        }
        Ok(Self {
            // SAFETY: By the contract of this function.
            memory: unsafe { Physical::new(range.start(), range.bytes()) },
            owner: Owner::Pool,
        })
    }
}

impl Deref for Contig {
    type Target = Physical;

    fn deref(&self) -> &Physical {
        &self.memory
    }
}

impl Contig {
    /// Fills it with zeros, if it comes from where there may be something else in it.
    pub(crate) fn zero_at_first(&self) {
        match self.owner {
            Owner::Allocator { .. } => (),
            Owner::Cma(_) | Owner::Pool => self.zero(),
        }
    }

    /// Fills it with zeros, but for pages with a hardware error: writing those can be fatal.
    pub(crate) fn zero(&self) {
        self.for_good_pages(|pfn, pages| {
            let start = pfn as u64 * PAGE_SIZE as u64;
            self.memory
                .zero_part(start, start + pages as u64 * PAGE_SIZE as u64);
        });
    }

    /// Calls `f` with the first page frame and the number of each run of good pages.
    pub(super) fn for_good_pages(&self, mut f: impl FnMut(c_ulong, c_ulong)) {
        let mut pfn = (self.start() / PAGE_SIZE as u64) as c_ulong;
        let end = (self.end() / PAGE_SIZE as u64) as c_ulong;
        while pfn < end {
            // SAFETY: The pages are ours.
            let good = unsafe { ffi::mk_good_pages(pfn, end - pfn) };
            if good > 0 {
                f(pfn, good);
            }
            pfn += good;
            if pfn < end {
                pr_err!("page frame {pfn:#x} has a hardware error\n");
                pfn += 1;
            }
        }
    }
}

impl Drop for Contig {
    fn drop(&mut self) {
        // The page allocator itself keeps pages with a hardware error from being used.
        let Owner::Cma(pool) = self.owner else {
            return;
        };
        self.for_good_pages(|pfn, pages| {
            // SAFETY: They are ours, and nobody uses them any more. An area keeps account of single
            // pages.
            unsafe { ffi::mk_pool_free(pool, pfn, pages) }
        });
    }
}
