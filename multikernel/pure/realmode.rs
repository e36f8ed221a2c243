// SPDX-License-Identifier: GPL-2.0

//! Finds the real-mode blob of the running kernel.
//!
//! Linux reserves all of the first megabyte and uses only its real-mode blob
//! of it: code that further processors start with, and that wakes the machine
//! up. Where it is, no symbol tells a module. But it starts with a header of
//! addresses inside itself, and ends with a signature (`real_mode_header` and
//! `end_signature`, arch/x86/realmode/rm/header.S, realmode.lds.S):
//!
//! ```text
//! text_start, ro_end, trampoline_start, trampoline_header,
//! [sev_es_trampoline_start,] trampoline_start64, trampoline_pgd,
//! [wakeup_start, wakeup_header,] machine_real_restart_asm, 8
//! ```
//!
//! The two in brackets depend on the configuration; the last word is a segment
//! selector. Code starts on a page and ends at `ro_end`; the page table and
//! `trampoline_header` are behind it, the latter before the signature.
//!
//! A kernel that was started by kexec may find the blob of its predecessor,
//! too, and nothing tells which one is in use. So both are kept clear.

use super::range::{align_up, Range, PAGE};
use core::fmt;

/// One megabyte, the end of what is looked at.
const END: u64 = 0x100000;
/// The blob uses 16-bit offsets from its start.
const SIZE_MAX: u64 = 0x10000;
/// `__KERNEL32_CS`, arch/x86/include/asm/segment.h.
const KERNEL32_CS: u32 = 8;
/// `REALMODE_END_SIGNATURE`, arch/x86/realmode/rm/realmode.h.
const END_SIGNATURE: u32 = 0x65a2_2c82;
/// Words in a header, the selector included: at least and at most.
const WORDS: core::ops::RangeInclusive<usize> = 8..=11;

/// So many blobs are kept clear at most.
pub const MAX: usize = 4;

/// The blobs, in ascending order; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blobs {
    blobs: [Range; MAX],
    len: usize,
}

/// Why it is not known what to keep clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nothing looks like it.
    NotFound,
    /// More than [`MAX`] places look like it.
    TooMany,
}

impl Blobs {
    /// Looks for blobs below 1 MiB. `read` returns the 32-bit word at a
    /// physical address that is a multiple of 4, or `None` where no RAM is.
    pub fn find(mut read: impl FnMut(u64) -> Option<u32>) -> Result<Self, Error> {
        let mut found = Self {
            blobs: [Range::clamped(0, 0); MAX],
            len: 0,
        };
        for page in (0..END).step_by(PAGE as usize) {
            if let Some(blob) = at(page, &mut read) {
                *found.blobs.get_mut(found.len).ok_or(Error::TooMany)? = blob;
                found.len += 1;
            }
        }
        if found.len == 0 {
            return Err(Error::NotFound);
        }
        Ok(found)
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Range] {
        &self.blobs[..self.len]
    }
}

/// The blob that starts at `base`, if one does.
fn at(base: u64, read: &mut impl FnMut(u64) -> Option<u32>) -> Option<Range> {
    let mut words = [0; *WORDS.end()];
    for (word, address) in words.iter_mut().zip((base..).step_by(4)) {
        *word = read(address)?;
    }
    let end = base + SIZE_MAX.min(END - base);
    let len = 1 + words.iter().position(|word| *word == KERNEL32_CS)?;
    let pointers = words.get(..len - 1)?;
    if !WORDS.contains(&len)
        || !pointers
            .iter()
            .all(|p| (base..end).contains(&u64::from(*p)))
    {
        return None;
    }

    let [text, ro_end, trampoline, header, ..] = words.map(u64::from);
    // One word before the selector: the restart code. Two more before that, if
    // the kernel can suspend. Either way the page table's address is there.
    let data = align_up(ro_end, PAGE)?;
    let is_table = |n: usize| {
        let p = len
            .checked_sub(n)
            .and_then(|i| words.get(i))
            .map_or(0, |p| u64::from(*p));
        p % PAGE == 0 && p >= data
    };
    let is_blob = text % PAGE == 0
        && text > base
        && ro_end > text
        && trampoline % PAGE == 0
        && (text..ro_end).contains(&trampoline)
        && header >= data
        && header % 8 == 0
        && (is_table(3) || is_table(5));
    if !is_blob {
        return None;
    }
    let signature = (align_up(header, 4)?..end)
        .step_by(4)
        .find(|address| read(*address) == Some(END_SIGNATURE))?;
    Range::between(base, align_up(signature + 4, PAGE)?)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => {
                "this kernel's real-mode code was not found below 1 MiB, so no memory there can \
                 be told to be free; this kernel cannot start instances"
            }
            Self::TooMany => {
                "too many places below 1 MiB look like this kernel's real-mode code; reboot \
                 the machine without kexec"
            }
        })
    }
}
