// SPDX-License-Identifier: GPL-2.0

//! The dock: where the further processors of an instance wait that has nothing
//! below 1 MiB.
//!
//! A start-up IPI names a page there, so the host sends each processor through
//! pages of its own once. Then it is in the instance's memory, on page tables
//! that are there, too, and halts until the instance calls it by an NMI:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | [`ROOT`] | 4 KiB | top-level page table; its upper half is the instance's |
//! | [`CODE`] | 3.5 KiB | the code that waits, which is part of the trampoline's |
//! | [`IDT`] | 512 | its gates |
//! | [`BERTHS`] | 64 KiB | a berth for each processor |
//!
//! `include/linux/multikernel_abi.h` has what is in a berth (`struct mk_berth`).

use super::acpi;
use super::bytes::put;
use super::range::PAGE;

/// Offset of the top-level page table.
pub const ROOT: u64 = 0;
/// Offset of the code.
pub const CODE: u64 = ROOT + PAGE;
/// Offset of the gates: the code is not longer.
pub const IDT: u64 = CODE + 0xe00;
/// Offset of the berths.
pub const BERTHS: u64 = CODE + PAGE;
/// Size of a berth.
pub const BERTH_BYTES: usize = 256;
/// All processors but the one that boots.
pub const BERTHS_MAX: usize = acpi::CPUS_MAX - 1;
/// Size of a dock.
pub const BYTES: u64 = BERTHS + 16 * PAGE;

const _: () = assert!(BERTHS_MAX * BERTH_BYTES <= (BYTES - BERTHS) as usize);

/// Offset of the number that calls a processor, in its berth.
pub const COMMAND: usize = 4;
/// Offset of where it goes then.
pub const ENTRY: usize = 8;
/// Offset of what its EFER is then.
pub const EFER: usize = 16;

/// The processor is called, and is to say that it is ready.
pub const GO: u32 = 1;
/// It is.
pub const READY: u32 = 2;
/// It goes.
pub const RUN: u32 = 3;

/// What an instance is told of its dock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dock {
    /// Where it is.
    pub start: u64,
    /// Offset in the code of where a processor comes in, with the address of
    /// its berth in `rsi`.
    pub entrance: u64,
    /// How many processors wait there.
    pub berths: u32,
}

impl Dock {
    /// Address of where a processor comes in.
    pub fn entrance(self) -> u64 {
        self.address(CODE).wrapping_add(self.entrance)
    }

    /// Address of what is at `offset`, one of the constants of this module.
    pub fn address(self, offset: u64) -> u64 {
        self.start.wrapping_add(offset)
    }

    /// Address of a berth.
    pub fn berth(self, number: usize) -> u64 {
        let offset = number.wrapping_mul(BERTH_BYTES) as u64;
        self.address(BERTHS).wrapping_add(offset)
    }
}

/// Writes berths for the processors with these APIC IDs, in which nobody is
/// called. `None`: they do not fit.
pub fn write_berths(to: &mut [u8], apic_ids: &[u8]) -> Option<()> {
    to.fill(0);
    for (n, id) in apic_ids.iter().enumerate() {
        let at = n.checked_mul(BERTH_BYTES)?;
        put(to, at, &u32::from(*id).to_le_bytes())?;
    }
    Some(())
}
