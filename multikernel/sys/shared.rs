// SPDX-License-Identifier: GPL-2.0

//! Memory that another kernel uses at the same time.

use super::{contig::Contig, ffi, iomem::Named};
use crate::pure::{
    half::{self, Data, Halves},
    range::Range,
};
use core::sync::atomic::{fence, AtomicU64};
use kernel::{bindings, fmt, prelude::*, sync::Arc};

/// Such memory: pages of this kernel, or what another kernel told of.
///
/// # Invariants
///
/// `range.bytes()` bytes from `at` on are that memory, for as long as this lives. It is never
/// accessed but by atomic accesses to aligned words, and by copies of bytes.
pub(crate) struct Shared {
    at: *mut u8,
    range: Range,
    /// In `/proc/iomem`. Dropped first: another one may have the pages as soon as they are free.
    _name: Option<Pin<KBox<Named>>>,
    /// `None`: they are another kernel's, mapped here.
    pages: Option<Contig>,
}

// SAFETY: The accesses that the invariants allow can be made by several threads at once.
unsafe impl Send for Shared {}
// SAFETY: As above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Takes `bytes`, whole pages, from `node`, filled with zeros. They are zeroed again before
    /// they go back.
    pub(crate) fn allocate(bytes: u64, node: i32, name: fmt::Arguments<'_>) -> Result<Self> {
        let pages = Contig::new(bytes, node).ok_or(ENOMEM)?;
        let range = Range::new(pages.start(), pages.bytes()).ok_or(ENOMEM)?;
        let is_dumped = crate::module_parameters::dump_instances.value();
        let name = Named::new(range.start(), range.bytes(), name, is_dumped)?;
        // INVARIANT: The pages are there as long as `pages` is.
        Ok(Self {
            at: pages.window(range.start(), range.bytes() as usize)?.cast(),
            range,
            _name: Some(name),
            pages: Some(pages),
        })
    }

    /// Maps what another kernel told of, which must not be RAM of this one.
    pub(crate) fn map(range: Range) -> Result<Self> {
        // SAFETY: It only reads the memory map.
        if unsafe { ffi::e820__mapped_any(range.start(), range.end(), ffi::E820_RAM) } {
            return Err(EBUSY);
        }
        // SAFETY: It may be called from where one may sleep, for any address that is no RAM.
        let at = unsafe {
            bindings::memremap(
                range.start(),
                range.bytes() as usize,
                bindings::MEMREMAP_WB as c_ulong,
            )
        };
        if at.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: The mapping lasts until `drop` undoes it.
        Ok(Self {
            at: at.cast(),
            range,
            _name: None,
            pages: None,
        })
    }

    pub(crate) fn range(&self) -> Range {
        self.range
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        match &self.pages {
            Some(pages) => pages.zero(),
            // SAFETY: It was mapped by `map`, and nobody uses it any more.
            None => unsafe { bindings::memunmap(self.at.cast()) },
        }
    }
}

/// Some of it.
///
/// # Invariants
///
/// The `bytes` bytes from offset `at` on are in `memory`, and `at` is a multiple of 8.
#[derive(Clone)]
pub(crate) struct Part {
    memory: Arc<Shared>,
    at: usize,
    bytes: usize,
}

impl Part {
    /// `None`: there is not that much, or it is not aligned.
    pub(crate) fn new(memory: &Arc<Shared>, at: usize, bytes: usize) -> Option<Self> {
        let end = at.checked_add(bytes)?;
        (at % 8 == 0 && end as u64 <= memory.range.bytes()).then(|| Self {
            memory: memory.clone(),
            at,
            bytes,
        })
    }

    /// Its physical address.
    pub(crate) fn address(&self) -> u64 {
        self.memory.range.start() + self.at as u64
    }

    /// Fills it with zeros.
    pub(crate) fn clear(&self) {
        if let Some(start) = self.pointer(0, self.bytes) {
            // SAFETY: It is good for that many bytes, and nobody has a reference to them.
            unsafe { core::ptr::write_bytes(start, 0, self.bytes) };
        }
    }

    /// Where `len` bytes from offset `at` on are.
    pub(super) fn pointer(&self, at: usize, len: usize) -> Option<*mut u8> {
        let end = at.checked_add(len)?;
        // SAFETY: By the invariants it stays within the memory.
        (end <= self.bytes).then(|| unsafe { self.memory.at.add(self.at + at) })
    }

    fn word(&self, at: usize) -> Option<&AtomicU64> {
        let word = self.pointer(at, 8)?.cast::<u64>();
        if !word.is_aligned() {
            return None;
        }
        // SAFETY: It is in the memory, which lives as long as `self`, and is accessed by atomic
        // accesses and copies only. What another kernel does there is out of reach of any rule:
        // each access gives some value, and every value is valid.
        Some(unsafe { AtomicU64::from_ptr(word) })
    }
}

/// Two parts: one that this side writes, and one that the peer writes.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) own: Part,
    pub(crate) other: Part,
}

impl View {
    /// As the peer sees it.
    pub(crate) fn swapped(&self) -> Self {
        Self {
            own: self.other.clone(),
            other: self.own.clone(),
        }
    }
}

// What is asked for lies within the parts, by the contract of the trait; what would not is not
// accessed.
impl Halves for View {
    fn load(&self, at: usize) -> u64 {
        let word = self.other.word(at);
        word.map_or(0, |word| u64::from_le(word.load(half::LOAD)))
    }

    fn store(&self, at: usize, value: u64) {
        if let Some(word) = self.own.word(at) {
            word.store(value.to_le(), half::STORE);
        }
    }

    fn fence(&self) {
        fence(half::FENCE);
    }
}

impl Data for View {
    fn read(&self, at: usize, to: &mut [u8]) {
        if let Some(from) = self.other.pointer(at, to.len()) {
            // SAFETY: `from` is good for that many bytes. What the peer writes at the same time is
            // copied as it is at some moment; every value is valid.
            unsafe { ffi::mk_copy(to.as_mut_ptr().cast(), from.cast(), to.len()) };
        }
    }

    fn write(&self, at: usize, from: &[u8]) {
        if let Some(to) = self.own.pointer(at, from.len()) {
            // SAFETY: `to` is good for that many bytes, and nobody has a reference to them.
            unsafe { ffi::mk_copy(to.cast(), from.as_ptr().cast(), from.len()) };
        }
    }
}
