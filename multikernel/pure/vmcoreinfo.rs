// SPDX-License-Identifier: GPL-2.0

//! VMCOREINFO: what a kernel tells about itself for readers of its memory.
//!
//! Half-way through its boot (`crash_save_vmcoreinfo_init()`) a kernel writes
//! lines such as `OFFSET(printk_info.seq)=0` into an ELF note at the start of
//! a page. Nothing says from outside where that page is, so it is searched
//! for. All that is known of the layout of a kernel's data comes from there:
//! it differs between versions and configurations.

use super::bytes;
use super::memory::Error;
use super::memory::Memory;
use super::range::align_up;
use super::range::Range;
use super::range::PAGE;

/// So many pages that begin like a note are looked at: a kernel has one or two,
/// and one that means harm could make all of its memory look like that.
const CANDIDATES_MAX: usize = 64;

/// Size of `Elf64_Nhdr` and of the name after it, padded.
const HEADER: usize = 24;
/// Size of the name with its NUL.
const NAME_SIZE: u32 = 11;
const NAME: &[u8; 12] = b"VMCOREINFO\0\0";
/// What the text always begins with.
const FIRST_KEY: &[u8] = b"OSRELEASE=";
/// The kernel's own limit of the text.
const TEXT_MAX: u32 = 4096;
/// The kernel's own limit of a line is 79 characters.
const LINE_MAX: usize = 96;
/// Size of the pieces in which the text is copied, a divisor of a page.
const CHUNK: usize = 64;
/// `__NEW_UTS_LEN`
const RELEASE_MAX: usize = 64;

macro_rules! keys {
    ($($name:ident = $text:literal,)*) => {
        /// A key of VMCOREINFO that is understood here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Key {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Key {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Key] = &[$(Key::$name),*];

            /// How it is written.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Key::$name => $text,)*
                }
            }
        }
    };
}

keys! {
    PhysBase = "NUMBER(phys_base)",
    FiveLevels = "NUMBER(pgtable_l5_enabled)",
    EncryptionMask = "NUMBER(sme_mask)",
    ImageSize = "NUMBER(KERNEL_IMAGE_SIZE)",
    InitTopPgt = "SYMBOL(init_top_pgt)",
    SwapperPgDir = "SYMBOL(swapper_pg_dir)",
    Prb = "SYMBOL(prb)",
    RingDescRing = "OFFSET(printk_ringbuffer.desc_ring)",
    RingTextRing = "OFFSET(printk_ringbuffer.text_data_ring)",
    DescRingCountBits = "OFFSET(prb_desc_ring.count_bits)",
    DescRingDescs = "OFFSET(prb_desc_ring.descs)",
    DescRingInfos = "OFFSET(prb_desc_ring.infos)",
    DescRingHeadId = "OFFSET(prb_desc_ring.head_id)",
    DescRingTailId = "OFFSET(prb_desc_ring.tail_id)",
    DescSize = "SIZE(prb_desc)",
    DescStateVar = "OFFSET(prb_desc.state_var)",
    DescTextBlkLpos = "OFFSET(prb_desc.text_blk_lpos)",
    BlkLposBegin = "OFFSET(prb_data_blk_lpos.begin)",
    BlkLposNext = "OFFSET(prb_data_blk_lpos.next)",
    InfoSize = "SIZE(printk_info)",
    InfoSeq = "OFFSET(printk_info.seq)",
    InfoTsNsec = "OFFSET(printk_info.ts_nsec)",
    InfoTextLen = "OFFSET(printk_info.text_len)",
    InfoCallerId = "OFFSET(printk_info.caller_id)",
    DataRingSizeBits = "OFFSET(prb_data_ring.size_bits)",
    DataRingData = "OFFSET(prb_data_ring.data)",
    AtomicLongSize = "SIZE(atomic_long_t)",
    AtomicLongCounter = "OFFSET(atomic_long_t.counter)",
}

const NR_KEYS: usize = Key::ALL.len();

/// What one VMCOREINFO note tells.
#[derive(Clone, Debug)]
pub struct VmcoreInfo {
    release: [u8; RELEASE_MAX],
    release_len: usize,
    values: [u64; NR_KEYS],
    /// Bit n: `values[n]` was told.
    told: u64,
}

const _: () = assert!(NR_KEYS <= u64::BITS as usize);

impl VmcoreInfo {
    /// Reads the note at the physical address `pa`; `None` if there is none.
    pub fn read<M: Memory + ?Sized>(mem: &M, pa: u64) -> Option<Self> {
        let mut info = Self::new();
        info.fill(mem, pa)?;
        Some(info)
    }

    /// The release of the kernel, as `uname -r` tells it.
    pub fn release(&self) -> &[u8] {
        self.release.get(..self.release_len).unwrap_or(&[])
    }

    /// The value of `key`. Negative ones are in two's complement.
    pub fn get(&self, key: Key) -> Result<u64, Error> {
        self.find(key).ok_or(Error::Missing(key.text()))
    }

    /// The value of `key`, if it is at most `max`.
    pub fn get_up_to(&self, key: Key, max: u64) -> Result<u64, Error> {
        let value = self.get(key)?;
        if value > max {
            return Err(Error::Impossible(key.text(), value));
        }
        Ok(value)
    }

    /// The value of `key`, if it is there.
    pub fn find(&self, key: Key) -> Option<u64> {
        let index = key as usize;
        if self.told & bit(index) == 0 {
            return None;
        }
        self.values.get(index).copied()
    }

    const fn new() -> Self {
        VmcoreInfo {
            release: [0; RELEASE_MAX],
            release_len: 0,
            values: [0; NR_KEYS],
            told: 0,
        }
    }

    /// Takes what the note at the physical address `pa` tells, in place of
    /// what it has. `None`: there is no note, and it has anything.
    ///
    /// In place, for it is too large to be moved around on a kernel's stack.
    fn fill<M: Memory + ?Sized>(&mut self, mem: &M, pa: u64) -> Option<()> {
        let mut header = [0; HEADER];
        if !mem.read(pa, &mut header) {
            return None;
        }
        let name_size = bytes::u32(&header, 0)?;
        let text_size = bytes::u32(&header, 4)?;
        let kind = bytes::u32(&header, 8)?;
        let name = bytes::array(&header, 12)?;
        if name_size != NAME_SIZE || text_size > TEXT_MAX || kind != 0 || name != *NAME {
            return None;
        }
        self.release_len = 0;
        self.told = 0;
        self.parse(mem, pa.checked_add(HEADER as u64)?, text_size)
    }

    fn parse<M: Memory + ?Sized>(&mut self, mem: &M, start: u64, bytes: u32) -> Option<()> {
        let mut line = Line::new();
        let mut pa = start;
        let end = start.checked_add(u64::from(bytes))?;
        while pa < end {
            // Up to the next multiple of its size, so that no read crosses a
            // page.
            let mut chunk = [0; CHUNK];
            let room = CHUNK.wrapping_sub(pa as usize % CHUNK);
            let size = end.wrapping_sub(pa).min(room as u64);
            let chunk = chunk.get_mut(..size as usize)?;
            if !mem.read(pa, chunk) {
                return None;
            }
            for &byte in chunk.iter() {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                if self.release_len == 0 {
                    self.set_release(line.text()?)?;
                } else if let Some(text) = line.text() {
                    self.set(text);
                }
                line.len = 0;
            }
            pa = pa.checked_add(size)?;
        }
        (self.release_len > 0).then_some(())
    }

    /// Takes the first line. `None`: this is no VMCOREINFO.
    fn set_release(&mut self, line: &[u8]) -> Option<()> {
        let release = line.strip_prefix(FIRST_KEY)?;
        if release.is_empty() || !release.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        self.release
            .get_mut(..release.len())?
            .copy_from_slice(release);
        self.release_len = release.len();
        Some(())
    }

    /// Takes a line after the first, if it is one of those that are wanted.
    fn set(&mut self, line: &[u8]) {
        for (index, key) in Key::ALL.iter().enumerate() {
            let text = key.text().as_bytes();
            let Some(value) = line.strip_prefix(text).and_then(|l| l.strip_prefix(b"=")) else {
                continue;
            };
            let value = if text.starts_with(b"SYMBOL(") {
                number(value, 16)
            } else {
                signed(value)
            };
            if let (Some(value), Some(slot)) = (value, self.values.get_mut(index)) {
                *slot = value;
                self.told |= bit(index);
            }
            return;
        }
    }
}

/// Tries every VMCOREINFO note that begins a page of `ranges`, until `accept`
/// takes one.
///
/// Memory may hold copies of notes (a file in the page cache, an initrd), so
/// `accept` proves that what a note points to is there. The error is
/// [`Error::NotYet`] if there was no note at all, and that of the last one
/// otherwise.
pub fn find<M, T>(
    mem: &M,
    ranges: impl IntoIterator<Item = Range>,
    mut accept: impl FnMut(&VmcoreInfo) -> Result<T, Error>,
) -> Result<T, Error>
where
    M: Memory + ?Sized,
{
    let mut error = Error::NotYet;
    let mut candidates = CANDIDATES_MAX;
    let mut info = VmcoreInfo::new();
    for range in ranges {
        let mut next = align_up(range.start(), PAGE);
        while let Some(pa) = next.filter(|pa| *pa < range.end()) {
            next = pa.checked_add(PAGE);
            // Most pages end here: the first word is the size of the name.
            if mem.read_u64(pa).map(|word| word as u32) != Some(NAME_SIZE) {
                continue;
            }
            let Some(left) = candidates.checked_sub(1) else {
                return Err(error);
            };
            candidates = left;
            if info.fill(mem, pa).is_none() {
                continue;
            }
            match accept(&info) {
                Ok(found) => return Ok(found),
                Err(why) => error = why,
            }
        }
    }
    Err(error)
}

/// A line while it is collected.
struct Line {
    bytes: [u8; LINE_MAX],
    len: usize,
}

impl Line {
    fn new() -> Self {
        Line {
            bytes: [0; LINE_MAX],
            len: 0,
        }
    }

    /// Adds a byte. What does not fit is counted, so that [`Line::text`]
    /// gives nothing then.
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    fn text(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }
}

fn bit(index: usize) -> u64 {
    1u64.checked_shl(index as u32).unwrap_or(0)
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    if text.first() == Some(&b'+') {
        return None;
    }
    u64::from_str_radix(core::str::from_utf8(text).ok()?, radix).ok()
}

/// A number in decimal, maybe negative, or in hexadecimal after 0x.
fn signed(text: &[u8]) -> Option<u64> {
    if let Some(text) = text.strip_prefix(b"0x") {
        return number(text, 16);
    }
    match text.strip_prefix(b"-") {
        Some(text) => Some(number(text, 10)?.wrapping_neg()),
        None => number(text, 10),
    }
}
