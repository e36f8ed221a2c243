// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous pages, in any number.
//!
//! C header: [`include/linux/gfp.h`](srctree/include/linux/gfp.h)

use crate::{
    alloc::AllocError,
    bindings,
    io::PhysAddr,
    page::PAGE_SHIFT,
    prelude::*, //
};

/// Physically contiguous pages of one NUMA node. Dropping this frees them.
///
/// The page allocator has only so large blocks of pages, and powers of two. This takes any number
/// of pages that is to be had, for which it moves others away.
///
/// # Examples
///
/// ```
/// use kernel::page::{
///     contig::ContigPages,
///     Page,
///     PAGE_SIZE, //
/// };
///
/// // The node that this CPU has memory on.
/// let node = Page::alloc_page(GFP_KERNEL)?.nid();
///
/// // A number that is no power of two.
/// let pages = ContigPages::new(48, node)?;
/// assert_eq!(pages.count(), 48);
/// assert_eq!(pages.start() % PAGE_SIZE as u64, 0);
///
/// // There are not so many.
/// assert!(ContigPages::new(usize::MAX, node).is_err());
/// assert!(ContigPages::new(0, node).is_err());
/// assert!(ContigPages::new(1, -1).is_err());
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `count` pages from the page frame `pfn` on are allocated, and this owns one reference to each of
/// them.
pub struct ContigPages {
    pfn: usize,
    count: usize,
}

impl ContigPages {
    /// Takes `count` pages of the node `node`, and of no other. They are filled with zeros.
    ///
    /// Where `count` is a power of two, the pages are aligned to their size.
    ///
    /// This sleeps, and may take seconds: others' pages are written back, moved or dropped.
    pub fn new(count: usize, node: i32) -> Result<Self, AllocError> {
        const FLAGS: bindings::gfp_t = bindings::GFP_KERNEL
            | bindings::__GFP_NOWARN
            | bindings::__GFP_THISNODE
            | bindings::__GFP_ZERO;

        if count == 0 || count > usize::MAX >> PAGE_SHIFT || !has_memory(node) {
            return Err(AllocError);
        }
        // SAFETY: The node exists, there are so many page frames, and no mask of nodes.
        let page =
            unsafe { bindings::alloc_contig_pages(count, FLAGS, node, core::ptr::null_mut()) };
        if page.is_null() {
            return Err(AllocError);
        }
        // SAFETY: `page` is a page.
        let pfn = unsafe { bindings::page_to_pfn(page) };
        // INVARIANT: The pages were just allocated, with a reference to each of them.
        Ok(Self { pfn, count })
    }

    /// Returns the physical address of the first page.
    pub fn start(&self) -> PhysAddr {
        (self.pfn as PhysAddr) << PAGE_SHIFT
    }

    /// Returns how many pages there are.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Drop for ContigPages {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the references are ours to give up.
        unsafe { bindings::free_contig_range(self.pfn, self.count) };
    }
}

/// Whether there is such a node, and it has memory of its own.
fn has_memory(node: i32) -> bool {
    if !(0..bindings::MAX_NUMNODES as i32).contains(&node) {
        return false;
    }
    // SAFETY: `node` is one that a mask of nodes has a bit for.
    unsafe { bindings::node_state(node, bindings::node_states_N_MEMORY) != 0 }
}
