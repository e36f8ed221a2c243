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

impl Drop for Contig {
    fn drop(&mut self) {
        let pfn = (self.start() / PAGE_SIZE as u64) as c_ulong;
        let pages = (self.bytes() / PAGE_SIZE as u64) as c_ulong;
        // SAFETY: The pages are ours.
        let poisoned = (pfn..pfn + pages).any(|pfn| unsafe { ffi::mk_page_poisoned(pfn) });
        if poisoned {
            pr_err!(
                "memory at {:#x} has a hardware error: {} bytes are not given back\n",
                self.start(),
                self.bytes()
            );
            return;
        }
        // SAFETY: They were taken in one piece, and nobody uses them any more.
        unsafe { ffi::free_contig_range(pfn, pages) };
    }
}
