// SPDX-License-Identifier: GPL-2.0

//! Bytes at physical addresses that another kernel may be using, too.

use super::ffi;
use core::arch::asm;
use kernel::prelude::*;

/// A piece of physical memory that the module owns.
///
/// Another kernel may write it at any time, so no reference into it is ever made: bytes are copied
/// in and out.
///
/// # Invariants
///
/// The owner of this value owns `bytes` bytes from `start` on, they are RAM, and they are mapped
/// from `at` on whenever one of them is accessed.
pub(crate) struct Physical {
    start: u64,
    bytes: u64,
    at: *mut u8,
}

// SAFETY: Any thread may copy bytes in and out, at any time.
unsafe impl Send for Physical {}
// SAFETY: As above.
unsafe impl Sync for Physical {}

impl Physical {
    /// In the direct map.
    ///
    /// # Safety
    ///
    /// The caller has to guarantee the invariants.
    pub(crate) unsafe fn new(start: u64, bytes: u64) -> Self {
        Self {
            start,
            bytes,
            // SAFETY: The invariants say that it is RAM.
            at: unsafe { ffi::mk_phys_to_virt(start) }.cast(),
        }
    }

    /// Mapped from `at` on.
    ///
    /// # Safety
    ///
    /// The caller has to guarantee the invariants.
    pub(super) unsafe fn mapped(start: u64, bytes: u64, at: *mut u8) -> Self {
        Self { start, bytes, at }
    }

    /// Where it is mapped.
    pub(super) fn as_ptr(&self) -> *const u8 {
        self.at
    }

    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) const fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// The kernel's address of `len` bytes at physical address `at`, if they are all in here.
    fn pointer(&self, at: u64, len: usize) -> Option<*mut u8> {
        let offset = at.checked_sub(self.start)?;
        if offset.checked_add(len as u64)? > self.bytes {
            return None;
        }
        Some(self.at.wrapping_add(offset as usize))
    }

    /// Copies `bytes` to physical address `at`.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result {
        let to = self.pointer(at, bytes.len()).ok_or(EFAULT)?;
        // SAFETY: `to` is good for that many bytes, and nobody has a reference to them.
        unsafe { ffi::mk_copy(to.cast(), bytes.as_ptr().cast(), bytes.len()) };
        Ok(())
    }

    /// Copies from physical address `at` to `bytes`; each byte is read once.
    pub(crate) fn read(&self, at: u64, bytes: &mut [u8]) -> Result {
        let from = self.pointer(at, bytes.len()).ok_or(EFAULT)?;
        // SAFETY: `from` is good for that many bytes. What another kernel writes at the same time
        // is copied as it is at some moment; the result is plain bytes, of which every value is
        // valid.
        unsafe { ffi::mk_copy(bytes.as_mut_ptr().cast(), from.cast(), bytes.len()) };
        Ok(())
    }

    /// Reads the number at physical address `at`, which another CPU may be writing, in one access.
    pub(crate) fn load<T: Number>(&self, at: u64) -> Result<T> {
        let from = self.pointer(at, size_of::<T>()).ok_or(EFAULT)?.cast::<T>();
        if !from.is_aligned() {
            return Err(EFAULT);
        }
        // SAFETY: `from` is aligned and good for that many bytes, of which every value is valid.
        Ok(unsafe { from.read_volatile() })
    }

    /// A window for code that writes by itself, such as reading a file.
    ///
    /// The pointer is good as long as `self` is; no reference may be made from it.
    pub(crate) fn window(&self, at: u64, len: usize) -> Result<*mut c_void> {
        Ok(self.pointer(at, len).ok_or(EFAULT)?.cast())
    }

    /// Calls `f` with the `len` bytes at physical address `at`.
    ///
    /// # Safety
    ///
    /// Nobody else writes these bytes until `f` is done: in particular, no other kernel runs there.
    pub(crate) unsafe fn with_bytes<R>(
        &self,
        at: u64,
        len: usize,
        f: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R> {
        let start = self.pointer(at, len).ok_or(EFAULT)?;
        // SAFETY: `start` is good for `len` bytes, and by the contract of this function nobody else
        // writes them.
        Ok(f(unsafe { core::slice::from_raw_parts_mut(start, len) }))
    }

    /// Fills all of it with zeros.
    pub(crate) fn zero(&self) {
        self.zero_part(self.start, self.end());
    }

    /// Fills whole pages from `at` to `end` with zeros, past the caches, and lets others run in
    /// between.
    pub(crate) fn zero_part(&self, mut at: u64, end: u64) {
        const STEP: u64 = 4 << 20;
        while at < end {
            let len = STEP.min(end - at);
            if let Some(to) = self.pointer(at, len as usize) {
                // SAFETY: `to` is good for `len` bytes, a multiple of a page.
                unsafe { zero_pages(to, len as usize) };
            }
            // SAFETY: All callers may sleep.
            unsafe { ffi::mk_cond_resched() };
            at += len;
        }
    }
}

/// A number that one access reads.
pub(crate) trait Number: Copy {}

impl Number for u32 {}
impl Number for u64 {}

/// # Safety
///
/// `len` bytes at `to` are the caller's, and `len` is a multiple of 32 and not 0.
unsafe fn zero_pages(to: *mut u8, len: usize) {
    // SAFETY: It writes `len` bytes from `to` on, in steps of 32.
    unsafe {
        asm!(
            "2:",
            "movnti [{to}], {zero}",
            "movnti [{to} + 8], {zero}",
            "movnti [{to} + 16], {zero}",
            "movnti [{to} + 24], {zero}",
            "add {to}, 32",
            "sub {len}, 32",
            "jnz 2b",
            "sfence",
            to = inout(reg) to => _,
            len = inout(reg) len => _,
            zero = in(reg) 0u64,
            options(nostack),
        );
    }
}
