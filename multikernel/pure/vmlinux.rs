// SPDX-License-Identifier: GPL-2.0

//! What a bzImage unpacks to: the kernel as an ELF file, and behind it a table
//! of the places that depend on its virtual address.
//!
//! The table has lists of 32-bit words, each the lower half of an address. A 0
//! is before each list: of 64-bit places; until Linux 6.14 of 32-bit ones of
//! which the offset is subtracted, which point from the variables of CPUs, a
//! segment at address 0, to the kernel; and of 32-bit places.
//!
//! Sources: `parse_elf()` and `handle_relocations()` in
//! arch/x86/boot/compressed/misc.c, `emit_relocs()` in arch/x86/tools/relocs.c.

use super::bytes;
use super::kaslr;
use core::ops::Range;

/// Distance from physical to virtual addresses, as linked (`__START_KERNEL_map`).
const VIRTUAL: u64 = 0xffff_ffff_8000_0000;

/// 64-bit, little-endian, version 1.
const IDENT: [u8; 7] = *b"\x7fELF\x02\x01\x01";
const ET_EXEC: u16 = 2;
const EM_X86_64: u16 = 62;
const PHENTSIZE: u16 = 56;
const SHENTSIZE: u64 = 64;
const PT_LOAD: u32 = 1;
/// Kernels have two to four to load, and a note.
const SEGMENTS_MAX: usize = 8;

/// How far the segments of kernels are in their files from where they belong: the
/// linker keeps them congruent modulo the largest page, and the headers need one.
pub const LEAD: u64 = 2 << 20;

/// How a kernel was linked, as the header of its bzImage tells.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The physical address that it was linked to.
    pub base: u64,
    /// Memory that it needs.
    pub size: u64,
    /// What its addresses must be multiples of.
    pub alignment: u64,
    /// How far below the kernel's place its file starts. With [`LEAD`], segments are where
    /// they belong already.
    pub lead: u64,
}

/// A kernel in its place, ready to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vmlinux {
    /// Distance of its entry from its start.
    pub entry: u64,
    /// Whether its virtual addresses are random.
    pub is_random: bool,
}

impl Vmlinux {
    /// Turns `file`, what a bzImage was unpacked to, into the kernel, which
    /// starts `link.lead` bytes behind it. With a `random` number its virtual
    /// addresses are chosen by that, if the kernel can have others than it was
    /// linked for.
    ///
    /// `None` if anything is not as it is known to be: `file` is of no use then.
    pub fn settle(file: &mut [u8], link: &Link, random: Option<u64>) -> Option<Self> {
        let elf = Elf::parse(file, link)?;
        let (contents, table) = file.split_at_mut_checked(elf.end)?;
        let places = Places::parse(table, elf.has_percpu)?;
        let kernel = contents.get_mut(usize::try_from(link.lead).ok()?..)?;
        for segment in elf.segments.iter().flatten() {
            segment.settle(kernel)?;
        }

        let random = random.filter(|_| places.is_some());
        if let (Some(random), Some(places)) = (random, places) {
            let offset = kaslr::offset(link.base, link.size, link.alignment, random);
            places.add(kernel.get_mut(..elf.extent)?, link.base, offset)?;
        }
        Some(Self {
            entry: elf.entry,
            is_random: random.is_some(),
        })
    }
}

/// A part of the file that belongs into memory.
#[derive(Clone, Copy)]
struct Segment {
    /// Where it is, from the kernel's start.
    offset: usize,
    /// Where it goes, from there: no higher than `offset`.
    place: usize,
    /// Its size in the file.
    bytes: usize,
}

impl Segment {
    fn settle(&self, kernel: &mut [u8]) -> Option<()> {
        let distance = self.offset.checked_sub(self.place)?;
        let end = self.offset.checked_add(self.bytes)?;
        let both = kernel.get_mut(self.place..end)?;
        if distance > 0 && distance <= both.len() {
            both.copy_within(distance.., 0);
        }
        Some(())
    }
}

/// What the headers of the file say.
struct Elf {
    segments: [Option<Segment>; SEGMENTS_MAX],
    /// Distance of the entry from the start.
    entry: u64,
    /// Where the last segment ends in memory.
    extent: usize,
    /// Where the ELF file ends.
    end: usize,
    /// Whether the variables of CPUs are a segment at address 0.
    has_percpu: bool,
}

impl Elf {
    /// The segments ascend, in the file as in memory, without overlap.
    fn parse(file: &[u8], link: &Link) -> Option<Self> {
        let is_known = bytes::array(file, 0)? == IDENT
            && bytes::u16(file, 0x10)? == ET_EXEC
            && bytes::u16(file, 0x12)? == EM_X86_64
            && bytes::u16(file, 0x36)? == PHENTSIZE;
        let count = usize::from(bytes::u16(file, 0x38)?);
        if !is_known || count > SEGMENTS_MAX {
            return None;
        }
        let sections = u64::from(bytes::u16(file, 0x3c)?) * SHENTSIZE;
        let mut elf = Self {
            segments: [None; SEGMENTS_MAX],
            entry: bytes::u64(file, 0x18)?.checked_sub(link.base)?,
            extent: 0,
            end: usize::try_from(bytes::u64(file, 0x28)?.checked_add(sections)?).ok()?,
            has_percpu: false,
        };
        let mut is_entry_there = false;
        let mut at = usize::try_from(bytes::u64(file, 0x20)?).ok()?;
        let mut file_end = 0;
        for slot in elf.segments.iter_mut().take(count) {
            let header: [u8; PHENTSIZE as usize] = bytes::array(file, at)?;
            at = at.checked_add(header.len())?;
            if bytes::u32(&header, 0)? != PT_LOAD {
                continue;
            }
            let offset = usize::try_from(bytes::u64(&header, 0x08)?).ok()?;
            let virt = bytes::u64(&header, 0x10)?;
            let phys = bytes::u64(&header, 0x18)?;
            let size = usize::try_from(bytes::u64(&header, 0x20)?).ok()?;
            let memory = bytes::u64(&header, 0x28)?;
            let place = phys.checked_sub(link.base)?;

            let is_percpu = virt == 0;
            let fits = place.checked_add(memory)? <= link.size && size as u64 <= memory;
            if !fits || !is_percpu && virt != phys.checked_add(VIRTUAL)? {
                return None;
            }
            elf.has_percpu |= is_percpu;
            is_entry_there |= (place..place.checked_add(size as u64)?).contains(&elf.entry);
            let place = usize::try_from(place).ok()?;
            if offset < file_end || place < elf.extent {
                return None;
            }
            file_end = offset.checked_add(size)?;
            let offset = offset.checked_sub(usize::try_from(link.lead).ok()?)?;
            if offset < place {
                return None;
            }
            elf.extent = place.checked_add(size)?;
            *slot = Some(Segment {
                offset,
                place,
                bytes: size,
            });
        }
        (is_entry_there && file_end <= elf.end).then_some(elf)
    }
}

/// The table of places that depend on the kernel's virtual address.
struct Places<'a> {
    wide: &'a [u8],
    inverse: &'a [u8],
    narrow: &'a [u8],
}

const WORD: usize = size_of::<u32>();

impl<'a> Places<'a> {
    /// The inner `None`: there is no table, the kernel stays where it was
    /// linked to.
    fn parse(table: &'a [u8], has_percpu: bool) -> Option<Option<Self>> {
        if table.is_empty() {
            return Some(None);
        }
        let (wide, rest) = list(table)?;
        let (mut narrow, rest) = list(rest)?;
        let mut inverse = None;
        if !rest.is_empty() {
            let (third, rest) = list(rest)?;
            if !rest.is_empty() {
                return None;
            }
            inverse = Some(core::mem::replace(&mut narrow, third));
        }
        if has_percpu && inverse.is_none() {
            return None;
        }
        Some(Some(Self {
            wide,
            inverse: inverse.unwrap_or(&[]),
            narrow,
        }))
    }

    /// Adds `offset` in all places of `kernel`, which was linked to physical
    /// address `base`.
    fn add(&self, kernel: &mut [u8], base: u64, offset: u64) -> Option<()> {
        for place in words(self.wide) {
            let bytes = kernel.get_mut(range(place, base, 8)?)?;
            let value = bytes::u64(bytes, 0)?.wrapping_add(offset);
            bytes::put(bytes, 0, &value.to_le_bytes())?;
        }
        // Nothing of it is lost: a kernel has 1 GiB of virtual addresses.
        let offset = offset as u32;
        for (list, offset) in [(self.inverse, offset.wrapping_neg()), (self.narrow, offset)] {
            for place in words(list) {
                let bytes = kernel.get_mut(range(place, base, 4)?)?;
                let value = bytes::u32(bytes, 0)?.wrapping_add(offset);
                bytes::put(bytes, 0, &value.to_le_bytes())?;
            }
        }
        Some(())
    }
}

/// The list that `table` begins with, after its 0; and what follows.
fn list(table: &[u8]) -> Option<(&[u8], &[u8])> {
    let (zero, rest) = table.split_first_chunk()?;
    if u32::from_le_bytes(*zero) != 0 {
        return None;
    }
    let bytes = words(rest)
        .take_while(|word| *word != 0)
        .fold(0usize, |bytes, _| bytes.saturating_add(WORD));
    rest.split_at_checked(bytes)
}

fn words(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    list.chunks_exact(WORD)
        .filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)))
}

/// Where the `width` bytes are that a word of the table means, from the
/// kernel's start.
fn range(word: u32, base: u64, width: usize) -> Option<Range<usize>> {
    // The lower half of a virtual address, of which the upper one is all ones.
    let physical = u64::from(word).checked_sub(VIRTUAL & u64::from(u32::MAX))?;
    let start = usize::try_from(physical.checked_sub(base)?).ok()?;
    Some(start..start.checked_add(width)?)
}
