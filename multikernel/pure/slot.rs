// SPDX-License-Identifier: GPL-2.0

//! Slots: what an instance has of the first megabyte, unless it needs nothing
//! there ([`super::dock`]).
//!
//! A processor starts there (a start-up IPI names a page below 1 MiB), Linux
//! needs memory there to start its own further processors, and two addresses
//! that an instance is told have 32 bits only. A slot is laid out so:
//!
//! | offset | bytes | what | the instance sees |
//! | --- | --- | --- | --- |
//! | 0 | 32 KiB | for its `reserve_real_mode()` | RAM |
//! | [`TRAMPOLINE`] | 4 KiB | our start-up code | reserved |
//! | [`MAILBOX`] | 4 KiB | what that code is told, and tells | reserved |
//! | [`STUB`] | 4 KiB | the shutdown stub, and what our code needs while it runs | reserved |
//! | [`TBOOT`] | 4 KiB | the tboot page | reserved |
//! | [`ROOT`] | 4 KiB | top-level page table | reserved |
//! | [`IOAPIC`] | 4 KiB | the dummy IO-APIC, all ones | reserved |
//!
//! The real-mode blob takes 28 KiB in Linux 6.1, 6.12 and 7.3, and is the only
//! thing below 1 MiB that a kernel allocates (arch/x86/realmode/init.c). The
//! decompressor also borrows two pages there where it switches the depth of
//! page tables (arch/x86/boot/compressed/pgtable_64.c): of RAM, hence none of
//! ours are. Linux looks for the tboot page in a reserved region that starts
//! below it (`tboot_probe()` asks for an empty range), so it is not the first.

use super::range::{Range, PAGE};

/// Size of a slot.
pub const BYTES: u64 = 0xe000;
/// Size of the part at its start that the instance may use.
pub const RAM_BYTES: u64 = 0x8000;
/// Offset of the start-up code.
pub const TRAMPOLINE: u64 = RAM_BYTES;
/// Offset of the mailbox of that code.
pub const MAILBOX: u64 = TRAMPOLINE + PAGE;
/// Offset of the shutdown stub, which the tboot page has to follow.
pub const STUB: u64 = MAILBOX + PAGE;
/// Offset of the tboot page.
pub const TBOOT: u64 = STUB + PAGE;
/// Offset of the top-level page table.
pub const ROOT: u64 = TBOOT + PAGE;
/// Offset of the dummy IO-APIC.
pub const IOAPIC: u64 = ROOT + PAGE;

/// Slots start here: below, Linux looks for corruption by the firmware, and
/// reserves it (`early_reserve_memory()`).
const LOWEST: u64 = 0x10000;
/// No RAM is usable from here on, whatever the firmware says.
const BIOS_START_MAX: u64 = 0x9f000;
/// A firmware that says less than this is wrong.
const BIOS_START_MIN: u64 = 0x20000;

/// More slots than this do not fit.
pub const MAX: usize = ((BIOS_START_MAX - LOWEST) / BYTES) as usize;

const _: () = assert!(IOAPIC + PAGE == BYTES);

/// A slot, by its address.
///
/// # Invariants
///
/// The address is that of a page, and the slot ends below 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

impl Slot {
    /// Address of its first byte.
    pub fn start(self) -> u32 {
        self.0
    }

    /// All of it.
    pub fn range(self) -> Range {
        self.part(0, BYTES)
    }

    /// What the instance may use of it.
    pub fn ram(self) -> Range {
        self.part(0, RAM_BYTES)
    }

    /// What the instance must leave alone.
    pub fn reserved(self) -> Range {
        self.part(RAM_BYTES, BYTES - RAM_BYTES)
    }

    /// Address of what is at `offset`, one of the constants of this module.
    pub fn address(self, offset: u64) -> u32 {
        // Both are below 1 MiB.
        self.0.wrapping_add(offset as u32)
    }

    /// What a start-up IPI names the trampoline by.
    pub fn vector(self) -> u8 {
        (self.address(TRAMPOLINE) >> 12) as u8
    }

    fn part(self, offset: u64, bytes: u64) -> Range {
        Range::clamped(u64::from(self.0) + offset, bytes)
    }
}

/// The slots of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    slots: [Slot; MAX],
    len: usize,
}

impl Slots {
    /// Finds them: all pages RAM (`is_ram`, asked with the address of a page:
    /// all of the page, and none of it something else), none in one of
    /// `blobs`, all below `bios_start`.
    pub fn find(is_ram: impl Fn(u64) -> bool, blobs: &[Range], bios_start: u64) -> Self {
        let mut found = Self {
            slots: [Slot(0); MAX],
            len: 0,
        };
        let end = bios_start.min(BIOS_START_MAX);
        let usable = |page: u64| match Range::new(page, PAGE) {
            Some(page) => is_ram(page.start()) && !blobs.iter().any(|blob| blob.overlaps(page)),
            None => false,
        };

        let mut start = LOWEST;
        while start + BYTES <= end {
            let bad = (0..BYTES / PAGE)
                .map(|page| start + page * PAGE)
                .rfind(|page| !usable(*page));
            match (bad, found.slots.get_mut(found.len)) {
                (Some(page), _) => start = page + PAGE,
                (None, Some(slot)) => {
                    *slot = Slot(start as u32);
                    found.len += 1;
                    start += BYTES;
                }
                (None, None) => break,
            }
        }
        found
    }

    /// All of them, in ascending order.
    pub fn as_slice(&self) -> &[Slot] {
        &self.slots[..self.len]
    }
}

/// Where the firmware's own memory starts, below 1 MiB: the instance's kernel
/// reserves all from there on, whatever the memory map says, so no slot may be
/// above. `kilobytes` is the 16-bit word at physical 0x413, `ebda_segment`
/// that at 0x40e; on UEFI machines they are garbage, which an instance reads
/// all the same.
///
/// As `reserve_bios_regions()` (arch/x86/kernel/ebda.c) computes it.
pub fn bios_start(kilobytes: u16, ebda_segment: u16) -> u64 {
    let mut start = u64::from(kilobytes) << 10;
    let ebda = u64::from(ebda_segment) << 4;

    if !(BIOS_START_MIN..=BIOS_START_MAX).contains(&start) {
        start = BIOS_START_MAX;
    }
    if (BIOS_START_MIN..start).contains(&ebda) {
        start = ebda;
    }
    super::range::align_down(start, PAGE)
}
