// SPDX-License-Identifier: GPL-2.0

//! Virtual addresses of another kernel, looked up in its own page tables.

use super::memory::Error;
use super::memory::Memory;
use super::range::PAGE;
use super::vmcoreinfo::Key;
use super::vmcoreinfo::VmcoreInfo;

/// `__START_KERNEL_map`: where every x86-64 kernel has its image.
const IMAGE_MAP: u64 = 0xffff_ffff_8000_0000;
/// The most that a kernel's image can take there.
const IMAGE_MAX: u64 = 1 << 30;

/// Page table entry: something is mapped.
const PRESENT: u64 = 1 << 0;
/// Page table entry above the lowest level: it maps a large page itself.
const LARGE: u64 = 1 << 7;
/// Page table entry: bits of the physical address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// log2 of the number of entries in a table.
const TABLE_BITS: u32 = 9;
const PAGE_BITS: u32 = PAGE.trailing_zeros();

/// The page tables of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct PageTables {
    root: u64,
    levels: u32,
    address: u64,
}

impl PageTables {
    /// Finds the page tables of the kernel that wrote `info`.
    ///
    /// The topmost table lies in the kernel's image, the one place whose
    /// physical address follows without page tables.
    pub fn new(info: &VmcoreInfo) -> Result<Self, Error> {
        let key = match info.find(Key::InitTopPgt) {
            Some(_) => Key::InitTopPgt,
            None => Key::SwapperPgDir,
        };
        let va = info.get(key)?;
        let image_size = info.find(Key::ImageSize).unwrap_or(IMAGE_MAX);
        let offset = va.wrapping_sub(IMAGE_MAP);
        if offset >= image_size.min(IMAGE_MAX) || va % PAGE != 0 {
            return Err(Error::Impossible(key.text(), va));
        }
        let phys_base = info.get(Key::PhysBase)?;
        let root = offset.wrapping_add(phys_base);
        if root & !ADDRESS != 0 {
            return Err(Error::Impossible(Key::PhysBase.text(), phys_base));
        }
        let five_levels = match info.find(Key::FiveLevels) {
            Some(_) => info.get_up_to(Key::FiveLevels, 1)? == 1,
            None => false,
        };
        Ok(PageTables {
            root,
            levels: if five_levels { 5 } else { 4 },
            address: ADDRESS & !info.find(Key::EncryptionMask).unwrap_or(0),
        })
    }

    /// The physical address of the virtual address `va`.
    ///
    /// It holds up to the end of the 4 KiB page that `va` is in.
    pub fn translate<M: Memory + ?Sized>(&self, mem: &M, va: u64) -> Result<u64, Error> {
        let mut table = self.root;
        for level in (0..self.levels).rev() {
            // The bits of `va` below what one entry of this level maps.
            let shift = level.wrapping_mul(TABLE_BITS).wrapping_add(PAGE_BITS);
            let inside = 1u64.wrapping_shl(shift).wrapping_sub(1);
            let index = va.wrapping_shr(shift) & 0x1ff;
            let pa = table.wrapping_add(index.wrapping_mul(8));
            let entry = mem.read_u64(pa).ok_or(Error::Outside(pa))?;
            if entry & PRESENT == 0 {
                return Err(Error::Unmapped(va));
            }
            // 1 GiB and 2 MiB pages exist; on higher levels the bit is
            // reserved and traps.
            let large = entry & LARGE != 0 && (level == 1 || level == 2);
            if level == 0 || large {
                return Ok(entry & self.address & !inside | va & inside);
            }
            table = entry & self.address;
        }
        Err(Error::Unmapped(va))
    }

    /// Fills `buf` with what is at the virtual address `va`.
    pub fn read<M: Memory + ?Sized>(&self, mem: &M, va: u64, buf: &mut [u8]) -> Result<(), Error> {
        let mut va = va;
        let mut rest = buf;
        while !rest.is_empty() {
            let room = PAGE.wrapping_sub(va % PAGE);
            let size = room.min(rest.len() as u64);
            let (part, after) = rest
                .split_at_mut_checked(size as usize)
                .ok_or(Error::Unmapped(va))?;
            let pa = self.translate(mem, va)?;
            if !mem.read(pa, part) {
                return Err(Error::Outside(pa));
            }
            va = va.wrapping_add(size);
            rest = after;
        }
        Ok(())
    }

    /// Reads the number at the virtual address `va`: in one access if `va` is
    /// a multiple of 8.
    pub fn read_u64<M: Memory + ?Sized>(&self, mem: &M, va: u64) -> Result<u64, Error> {
        if va % 8 == 0 {
            let pa = self.translate(mem, va)?;
            return mem.read_u64(pa).ok_or(Error::Outside(pa));
        }
        self.read_array(mem, va).map(u64::from_le_bytes)
    }

    /// Reads `N` bytes at the virtual address `va`.
    pub fn read_array<M: Memory + ?Sized, const N: usize>(
        &self,
        mem: &M,
        va: u64,
    ) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read(mem, va, &mut bytes)?;
        Ok(bytes)
    }
}
