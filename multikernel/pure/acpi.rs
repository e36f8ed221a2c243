// SPDX-License-Identifier: GPL-2.0

//! The ACPI tables that an instance is given in place of the machine's.
//!
//! They describe a hardware-reduced machine: processors with local APICs, a table
//! of our own that says what it shares with the host, and nothing else. So Linux sets up no
//! interrupt controller of old, no timer, no keyboard controller: all of them are the host's.
//! Layouts: ACPI 6.4, chapter 5; names: include/acpi/actbl*.h. In the MADT are, in this order:
//!
//! 1. An APIC ID that no processor of the machine has. Linux from 6.9 on takes
//!    the first foreign entry for the machine's boot processor and leaves it
//!    alone, which lets it start the others; older ones would start what
//!    stands there, so it must not be a real one.
//! 2. The instance's processors, the one that it boots on first.
//! 3. An IO-APIC whose registers read as all ones, which Linux skips. Without
//!    one it would look for the firmware's MP table, and find the host's.

use super::area;
use super::bytes::put;
use super::range::{Range, PAGE};
use core::fmt;

/// Most processors of an instance.
pub const CPUS_MAX: usize = 254;

/// The highest APIC ID of one processor; 0xff means all of them.
pub const APIC_ID_MAX: u32 = 0xfe;

/// Room that the tables of any instance take: one page.
pub const BYTES: u64 = PAGE;

const RSDP: usize = 0;
const RSDP_V1_BYTES: usize = 20;
const RSDP_BYTES: usize = 36;
const XSDT: usize = 0x40;
const XSDT_BYTES: usize = HEADER_BYTES + 3 * 8;
const FADT: usize = 0x80;
const FADT_BYTES: usize = 276;
const DSDT: usize = 0x1c0;
const DSDT_BYTES: usize = HEADER_BYTES;
const MADT: usize = 0x200;
const MADT_FIXED_BYTES: usize = HEADER_BYTES + 8;
const LOCAL_APIC_BYTES: usize = 8;
const IO_APIC_BYTES: usize = 12;
const AREA: usize = 0xa80;

/// The header of every table but the RSDP.
const HEADER_BYTES: usize = 36;
/// Offset of the checksum in it.
const CHECKSUM: usize = 9;

const _: () = assert!(RSDP + RSDP_BYTES <= XSDT);
const _: () = assert!(XSDT + XSDT_BYTES <= FADT);
const _: () = assert!(FADT + FADT_BYTES <= DSDT);
const _: () = assert!(DSDT + DSDT_BYTES <= MADT);
const _: () =
    assert!(MADT + MADT_FIXED_BYTES + (1 + CPUS_MAX) * LOCAL_APIC_BYTES + IO_APIC_BYTES <= AREA);
const _: () = assert!(AREA + area::TABLE_BYTES <= BYTES as usize);

/// No 8042 and no old devices (their bits are clear), no VGA, no PCIe power
/// management, no CMOS clock.
const BOOT_FLAGS: u16 = (1 << 2) | (1 << 4) | (1 << 5);
/// WBINVD works, physical APIC destinations only, hardware-reduced.
const FADT_FLAGS: u32 = (1 << 0) | (1 << 19) | (1 << 20);
const LOCAL_APIC: u32 = 0xfee0_0000;
const IO_APIC_ID: u8 = 0xf;
const ENABLED: u32 = 1 << 0;

/// What differs between instances.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// An APIC ID that no processor of the machine has.
    pub spare: u8,
    /// The APIC IDs of the instance's processors.
    pub cpus: &'a [u8],
    /// Address of the page that is the IO-APIC.
    pub ioapic: u32,
    /// The memory that it shares with the host.
    pub area: Range,
}

/// Why there are no tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not 1 to [`CPUS_MAX`] processors.
    Cpus(usize),
    /// An APIC ID that stands for no single processor, or is the spare one.
    ApicId(u8),
    /// Less room than [`BYTES`], or addresses that wrap.
    Room(usize),
}

/// Writes the tables to `area`, which is at the physical address `base`, and
/// returns the address of the first, the RSDP.
pub fn write(area: &mut [u8], base: u64, config: &Config<'_>) -> Result<u64, Error> {
    if !(1..=CPUS_MAX).contains(&config.cpus.len()) {
        return Err(Error::Cpus(config.cpus.len()));
    }
    let is_wrong = |id: &u8| u32::from(*id) > APIC_ID_MAX || *id == config.spare;
    if let Some(id) = config.cpus.iter().find(|id| is_wrong(id)) {
        return Err(Error::ApicId(*id));
    }
    if u32::from(config.spare) > APIC_ID_MAX {
        return Err(Error::ApicId(config.spare));
    }
    let room = Error::Room(area.len());
    if base.checked_add(BYTES).is_none() {
        return Err(room);
    }
    let area = area.get_mut(..BYTES as usize).ok_or(room)?;
    area.fill(0);
    tables(area, base, config).ok_or(room)?;
    Ok(base + RSDP as u64)
}

/// `None` never comes with [`BYTES`] of room.
fn tables(area: &mut [u8], base: u64, config: &Config<'_>) -> Option<()> {
    let address = |offset: usize| (base + offset as u64).to_le_bytes();

    let rsdp = area.get_mut(RSDP..RSDP + RSDP_BYTES)?;
    put(rsdp, 0, b"RSD PTR ")?;
    put(rsdp, 9, OEM_ID)?;
    put(rsdp, 15, &[2])?;
    put(rsdp, 20, &(RSDP_BYTES as u32).to_le_bytes())?;
    put(rsdp, 24, &address(XSDT))?;
    seal(rsdp.get_mut(..RSDP_V1_BYTES)?, 8)?;
    seal(rsdp, 32)?;

    let xsdt = table(area, XSDT, XSDT_BYTES, b"XSDT", 1)?;
    put(xsdt, HEADER_BYTES, &address(FADT))?;
    put(xsdt, HEADER_BYTES + 8, &address(MADT))?;
    put(xsdt, HEADER_BYTES + 16, &address(AREA))?;
    seal(xsdt, CHECKSUM)?;

    let fadt = table(area, FADT, FADT_BYTES, b"FACP", 6)?;
    put(fadt, 109, &BOOT_FLAGS.to_le_bytes())?;
    put(fadt, 112, &FADT_FLAGS.to_le_bytes())?;
    put(fadt, 131, &[4])?; // minor revision
    put(fadt, 140, &address(DSDT))?;
    seal(fadt, CHECKSUM)?;

    let dsdt = table(area, DSDT, DSDT_BYTES, b"DSDT", 2)?;
    seal(dsdt, CHECKSUM)?;

    let cpus = (1 + config.cpus.len()) * LOCAL_APIC_BYTES;
    let bytes = MADT_FIXED_BYTES + cpus + IO_APIC_BYTES;
    let madt = table(area, MADT, bytes, b"APIC", 5)?;
    put(madt, HEADER_BYTES, &LOCAL_APIC.to_le_bytes())?;
    let (apics, ioapic) = madt
        .get_mut(MADT_FIXED_BYTES..)?
        .split_at_mut_checked(cpus)?;
    let ids = core::iter::once(&config.spare).chain(config.cpus);
    for ((apic, id), uid) in apics.chunks_exact_mut(LOCAL_APIC_BYTES).zip(ids).zip(0u8..) {
        put(apic, 0, &[0, LOCAL_APIC_BYTES as u8, uid, *id])?;
        put(apic, 4, &ENABLED.to_le_bytes())?;
    }
    put(ioapic, 0, &[1, IO_APIC_BYTES as u8, IO_APIC_ID, 0])?;
    put(ioapic, 4, &config.ioapic.to_le_bytes())?;
    seal(madt, CHECKSUM)?;

    let shared = table(area, AREA, area::TABLE_BYTES, &area::SIGNATURE, 1)?;
    area::write_table(shared, config.area)?;
    seal(shared, CHECKSUM)
}

const OEM_ID: &[u8; 6] = b"MKERNL";

/// Starts a table of `bytes` bytes at `offset`.
fn table<'a>(
    area: &'a mut [u8],
    offset: usize,
    bytes: usize,
    signature: &[u8; 4],
    revision: u8,
) -> Option<&'a mut [u8]> {
    let table = area.get_mut(offset..offset + bytes)?;
    put(table, 0, signature)?;
    put(table, 4, &(bytes as u32).to_le_bytes())?;
    put(table, 8, &[revision])?;
    put(table, 10, OEM_ID)?;
    put(table, 16, b"INSTANCE")?;
    put(table, 24, &1u32.to_le_bytes())?;
    put(table, 28, b"MKRN")?;
    put(table, 32, &1u32.to_le_bytes())?;
    Some(table)
}

/// Sets the byte at offset `at`, 0 so far, such that all bytes add up to 0.
fn seal(table: &mut [u8], at: usize) -> Option<()> {
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    put(table, at, &[sum.wrapping_neg()])
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpus(n) => write!(f, "an instance has 1 to {CPUS_MAX} CPUs, not {n}"),
            Self::ApicId(id) => write!(f, "APIC ID {id:#x} cannot be a CPU of an instance"),
            Self::Room(have) => write!(f, "ACPI tables need {BYTES} bytes, and have {have}"),
        }
    }
}
