// SPDX-License-Identifier: GPL-2.0

//! The boot parameters, also known as the zero page.
//!
//! Offsets: Documentation/arch/x86/zero-page.rst and
//! arch/x86/include/uapi/asm/bootparam.h; what a loader sets in the setup
//! header: Documentation/arch/x86/boot.rst. All that is not set is 0: no
//! screen, no EFI, no disks, nothing of the host.

use super::bytes::put;
use super::bzimage::Image;
use super::e820::{Map, MAX};
use super::range::{Range, PAGE};

const TBOOT_ADDR: usize = 0x058;
const ACPI_RSDP_ADDR: usize = 0x070;
const EXT_RAMDISK_IMAGE: usize = 0x0c0;
const EXT_RAMDISK_SIZE: usize = 0x0c4;
const EXT_CMD_LINE_PTR: usize = 0x0c8;
const E820_ENTRIES: usize = 0x1e8;
const VID_MODE: usize = 0x1fa;
const TYPE_OF_LOADER: usize = 0x210;
const LOADFLAGS: usize = 0x211;
const CODE32_START: usize = 0x214;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21c;
const EXT_LOADER: usize = 0x226;
const CMD_LINE_PTR: usize = 0x228;
const HARDWARE_SUBARCH: usize = 0x23c;
const SETUP_DATA: usize = 0x250;
const E820_TABLE: usize = 0x2d0;
const E820_ENTRY_BYTES: usize = 20;

/// No screen to set a mode of.
const VID_MODE_NORMAL: u16 = 0xffff;
/// A loader without a number of its own.
const LOADER_UNDEFINED: u8 = 0xff;
const LOADED_HIGH: u8 = 1 << 0;
/// The kernel's virtual address is random, so other bases should be, too.
const KASLR_FLAG: u8 = 1 << 1;

const _: () = assert!(E820_TABLE + MAX * E820_ENTRY_BYTES <= PAGE as usize);

/// What differs between instances.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Where the kernel is.
    pub kernel: u64,
    /// Where the command line is.
    pub cmdline: u64,
    /// Where the initrd is, and its size.
    pub initrd: Option<Range>,
    /// Where the ACPI tables start: what [`super::acpi::write`] returned.
    pub rsdp: u64,
    /// Where the tboot page is.
    pub tboot: u64,
    /// Where the list of `struct setup_data` starts; 0: there is none.
    pub setup_data: u64,
    /// The loader chose the kernel's virtual address at random.
    pub is_random: bool,
    /// The memory map.
    pub e820: &'a Map,
}

/// Writes the boot parameters for `image`, whose file starts with `head`: what
/// it was parsed from. `None` if `head` is shorter than that.
pub fn write(
    page: &mut [u8; PAGE as usize],
    head: &[u8],
    image: &Image,
    config: &Config<'_>,
) -> Option<()> {
    page.fill(0);
    let page = page.as_mut_slice();

    put(page, image.header().start, head.get(image.header())?)?;
    put(page, VID_MODE, &VID_MODE_NORMAL.to_le_bytes())?;
    put(page, TYPE_OF_LOADER, &[LOADER_UNDEFINED])?;
    let kaslr = if config.is_random { KASLR_FLAG } else { 0 };
    put(page, LOADFLAGS, &[LOADED_HIGH | kaslr])?;
    put(page, EXT_LOADER, &[0; 2])?;
    put(page, HARDWARE_SUBARCH, &[0; 12])?; // and hardware_subarch_data
    put(page, SETUP_DATA, &config.setup_data.to_le_bytes())?;
    // The 64-bit entry does not use it.
    put(page, CODE32_START, &low(config.kernel))?;

    put(page, CMD_LINE_PTR, &low(config.cmdline))?;
    put(page, EXT_CMD_LINE_PTR, &high(config.cmdline))?;
    let (start, bytes) = config.initrd.map_or((0, 0), |r| (r.start(), r.bytes()));
    put(page, RAMDISK_IMAGE, &low(start))?;
    put(page, EXT_RAMDISK_IMAGE, &high(start))?;
    put(page, RAMDISK_SIZE, &low(bytes))?;
    put(page, EXT_RAMDISK_SIZE, &high(bytes))?;
    put(page, ACPI_RSDP_ADDR, &config.rsdp.to_le_bytes())?;
    put(page, TBOOT_ADDR, &config.tboot.to_le_bytes())?;

    let entries = config.e820.entries();
    put(page, E820_ENTRIES, &[entries.len().try_into().ok()?])?;
    for (n, entry) in entries.iter().enumerate() {
        let at = E820_TABLE + n * E820_ENTRY_BYTES;
        put(page, at, &entry.range.start().to_le_bytes())?;
        put(page, at + 8, &entry.range.bytes().to_le_bytes())?;
        put(page, at + 16, &(entry.kind as u32).to_le_bytes())?;
    }
    Some(())
}

fn low(value: u64) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

fn high(value: u64) -> [u8; 4] {
    ((value >> 32) as u32).to_le_bytes()
}
