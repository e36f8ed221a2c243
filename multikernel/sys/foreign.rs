// SPDX-License-Identifier: GPL-2.0

//! Memory that another kernel has, out of this one's way.

use super::{
    contig::Contig,
    ffi,
    physical::{Number, Physical},
};
use core::{mem::ManuallyDrop, ops::Deref};
use kernel::{error::to_result, page::PAGE_SIZE, prelude::*};

/// Pages that another kernel has. Dropping this fills them with zeros, and drops `P`.
///
/// A kernel with our series has them out of its direct map, but while they are
/// [shown](Self::show): what it writes there by mistake faults. Other kernels cannot.
///
/// # Invariants
///
/// Who has `pages` has all of `view`, which is mapped, for reading, as long as this lives.
pub(crate) struct Foreign<P: Deref<Target = Contig>> {
    view: Physical,
    pages: ManuallyDrop<P>,
    is_offline: bool,
}

impl<P: Deref<Target = Contig>> Foreign<P> {
    /// Hides `pages`. With `is_offline` nobody who reads all pages that there are, for a dump, for
    /// `/proc/kcore` or to hibernate, reads these.
    pub(crate) fn new(pages: P, is_offline: bool) -> Result<Self> {
        let (start, bytes) = (pages.start(), pages.bytes());
        // SAFETY: The pages are ours, and one may sleep here.
        let at = unsafe { ffi::mk_foreign_map(start, bytes as usize) };
        if at.is_null() {
            return Err(ENOMEM);
        }
        let foreign = Self {
            // SAFETY: It was just mapped, and nothing but reads is done to it.
            view: unsafe { Physical::mapped(start, bytes, at.cast_mut().cast()) },
            pages: ManuallyDrop::new(pages),
            is_offline,
        };
        foreign.set_offline(true);
        foreign.hide()?;
        Ok(foreign)
    }

    pub(crate) fn start(&self) -> u64 {
        self.view.start()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.view.bytes()
    }

    pub(crate) fn end(&self) -> u64 {
        self.view.end()
    }

    /// Copies from physical address `at` to `bytes`; each byte is read once.
    pub(crate) fn read(&self, at: u64, bytes: &mut [u8]) -> Result {
        self.check(at, bytes.len())?;
        self.view.read(at, bytes)
    }

    /// Reads the number at physical address `at`, in one access.
    pub(crate) fn load<T: Number>(&self, at: u64) -> Result<T> {
        self.check(at, size_of::<T>())?;
        self.view.load(at)
    }

    /// Whether none of the pages has a hardware error.
    pub(crate) fn is_whole(&self) -> bool {
        self.check(self.start(), self.bytes() as usize).is_ok()
    }

    /// To read a page with a hardware error can be fatal, and here it is mapped.
    fn check(&self, at: u64, len: usize) -> Result {
        let pfn = at / PAGE_SIZE as u64;
        let end = at.checked_add(len as u64).ok_or(EFAULT)?;
        if at < self.start() || end > self.end() {
            return Err(EFAULT);
        }
        let pages = end.div_ceil(PAGE_SIZE as u64) - pfn;
        // SAFETY: The pages are ours.
        let good = unsafe { ffi::mk_good_pages(pfn as c_ulong, pages as c_ulong) };
        match good as u64 == pages {
            true => Ok(()),
            false => Err(EIO),
        }
    }

    /// Brings the pages into the direct map, but for those with a hardware error.
    pub(crate) fn show(&self) -> Result {
        // SAFETY: It only returns a constant.
        if !unsafe { ffi::mk_foreign_can_hide() } {
            return Ok(());
        }
        let mut result = Ok(());
        self.pages.for_good_pages(|pfn, pages| {
            let start = pfn as u64 * PAGE_SIZE as u64;
            // SAFETY: The pages are ours, and one may sleep here.
            let shown = unsafe { ffi::mk_foreign_show(start, pages * PAGE_SIZE) };
            result = result.and(to_result(shown));
        });
        result
    }

    /// Takes the pages out of the direct map.
    pub(crate) fn hide(&self) -> Result {
        // SAFETY: The pages are ours, and one may sleep here.
        to_result(unsafe { ffi::mk_foreign_hide(self.start(), self.bytes() as usize) })
    }

    /// The pages, to be written.
    ///
    /// # Safety
    ///
    /// They were [shown](Self::show), and are not hidden as long as the result is used.
    pub(crate) unsafe fn pages(&self) -> &Contig {
        &self.pages
    }

    fn set_offline(&self, is_offline: bool) {
        if self.is_offline {
            let pages = self.bytes() / PAGE_SIZE as u64;
            let pfn = self.start() / PAGE_SIZE as u64;
            // SAFETY: The pages are ours, of no other type, and one may sleep here.
            unsafe { ffi::mk_foreign_set_offline(pfn as c_ulong, pages as c_ulong, is_offline) };
        }
    }
}

impl<P: Deref<Target = Contig>> Drop for Foreign<P> {
    fn drop(&mut self) {
        // SAFETY: It was mapped by `new`, and nobody reads there any more.
        unsafe { ffi::mk_foreign_unmap(self.view.as_ptr().cast()) };
        if let Err(errno) = self.show() {
            // Whoever got them next would fault.
            pr_err!(
                "{} MiB at {:#x} are lost: they cannot be mapped again (error {})\n",
                self.bytes() >> 20,
                self.start(),
                errno.to_errno()
            );
            return;
        }
        self.pages.zero();
        self.set_offline(false);
        // SAFETY: Nobody uses it after this.
        unsafe { ManuallyDrop::drop(&mut self.pages) };
    }
}
