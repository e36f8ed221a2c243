// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous pages, taken from the page allocator.

use super::{ffi, physical::Physical};
use core::ops::Deref;
use kernel::{page::PAGE_SIZE, prelude::*};

/// Contiguous pages of one NUMA node. They go back when this is dropped.
pub(crate) struct Contig {
    memory: Physical,
}

impl Contig {
    /// Takes `bytes`, a multiple of the page size. The kernel may have to move other pages away
    /// for it, so this sleeps and can take seconds.
    pub(crate) fn new(bytes: u64, node: i32) -> Option<Self> {
        let pages = bytes / PAGE_SIZE as u64;
        // SAFETY: It may be called from where one may sleep.
        let pfn = unsafe { ffi::mk_alloc_contig(pages as c_ulong, node) };
        if pfn == 0 {
            return None;
        }
        Some(Self {
            // SAFETY: The pages are RAM, ours from now on, and freed only when `self` is dropped.
            memory: unsafe {
                Physical::new(pfn as u64 * PAGE_SIZE as u64, pages * PAGE_SIZE as u64)
            },
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
    /// Fills it with zeros, but for pages with a hardware error: writing those can be fatal.
    pub(crate) fn zero(&self) {
        self.for_good_pages(|pfn, pages| {
            let start = pfn as u64 * PAGE_SIZE as u64;
            self.memory
                .zero_part(start, start + pages as u64 * PAGE_SIZE as u64);
        });
    }

    /// Calls `f` with the first page frame and the number of each run of good pages.
    fn for_good_pages(&self, f: impl Fn(c_ulong, c_ulong)) {
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
        self.for_good_pages(|pfn, pages| {
            // SAFETY: They are ours, and nobody uses them any more. Each page has a reference of
            // its own, so a part can be given back alone.
            unsafe { ffi::free_contig_range(pfn, pages) }
        });
    }
}
