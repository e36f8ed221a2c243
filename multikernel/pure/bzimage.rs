// SPDX-License-Identifier: GPL-2.0

//! The file format of x86 Linux kernels.
//!
//! Sources: Documentation/arch/x86/boot.rst (fields, their offsets and the
//! protocol versions that brought them), arch/x86/boot/header.S (what a kernel
//! puts there), arch/x86/boot/compressed/head_64.S (what its first
//! instructions do with the load address).

use super::bytes;
use super::range::PAGE;
use core::fmt;
use core::ops::Range;

/// How much of a file [`Image::parse`] wants to see. The setup header ends
/// before, since the boot parameters have other things from here on.
pub const HEAD_BYTES: usize = 0x290;

/// Where the setup header starts, in the file as in the boot parameters.
pub const HEADER_START: usize = 0x1f1;

/// Distance from where the kernel is loaded to its 64-bit entry.
pub const ENTRY64: u64 = 0x200;

/// The oldest boot protocol with `xloadflags`, which tell a 64-bit kernel.
const PROTOCOL: u16 = 0x020c;

/// The last field that every kernel here has, `init_size`, ends here.
const HEADER_END_MIN: usize = 0x264;

/// The oldest boot protocol with `kernel_info_offset`, and where that ends.
const PROTOCOL_INFO: u16 = 0x020f;
const INFO_END: usize = 0x26c;

const SECTOR: u64 = 512;
const PARAGRAPH: u64 = 16;
const BOOT_FLAG: u16 = 0xaa55;
const SHORT_JUMP: u8 = 0xeb;
const LOADED_HIGH: u8 = 1 << 0;
const XLF_KERNEL_64: u16 = 1 << 0;
const XLF_CAN_BE_LOADED_ABOVE_4G: u16 = 1 << 1;

/// arch/x86/Kconfig allows 2 to 16 MiB for 64 bit; a future one may do more.
const ALIGNMENT_MIN: u32 = 2 << 20;
const ALIGNMENT_MAX: u32 = 1 << 30;
/// A kernel has 1 GiB of virtual addresses (`KERNEL_IMAGE_SIZE`).
const INIT_SIZE_MAX: u32 = 1 << 30;
/// What every kernel took before the field existed.
const CMDLINE_MIN: u32 = 255;
/// Physical addresses that four levels of page tables can map directly.
const PREF_ADDRESS_MAX: u64 = 1 << 46;

/// A kernel that can be loaded: its setup header is consistent with itself
/// and with the size of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    file_size: u64,
    setup_size: u64,
    header_end: usize,
    alignment: u32,
    init_size: u32,
    cmdline_size: u32,
    pref_address: u64,
    payload: (u32, u32),
    /// Offset of `kernel_info` in the protected-mode part; 0: there is none.
    info: u32,
}

/// What a file is that is no bzImage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// `vmlinux`, or any program.
    Elf,
    /// A compressed file, by the name of the compression.
    Compressed(&'static str),
    /// An EFI executable that decompresses itself; no x86 kernel is one.
    Zboot,
    /// Some other EFI or Windows executable.
    Pe,
    /// An archive, as initrds are.
    Cpio,
    /// Lines of text.
    Text,
    /// None of these.
    Unknown,
}

/// Why a file cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No bytes at all.
    Empty,
    /// Another kind of file.
    NotBzImage(Found),
    /// The file ends before the kernel does.
    Truncated {
        /// Its size.
        have: u64,
        /// What its header says, at least.
        need: u64,
    },
    /// The boot protocol is older than 2.12.
    Protocol(u16),
    /// A zImage, which is loaded below 1 MiB.
    LoadedLow,
    /// A kernel for 32-bit processors.
    Bits32,
    /// A kernel that runs only where it was linked for.
    NotRelocatable,
    /// A kernel that cannot be above 4 GiB.
    Below4G,
    /// A field of the setup header that cannot be true.
    Field {
        /// Its name, as in the documentation.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What it should be.
        want: &'static str,
    },
    /// The compressed kernel is not where the header says.
    Payload {
        /// Where it starts in the protected-mode part.
        offset: u32,
        /// Its size.
        length: u32,
        /// Size of the protected-mode part.
        have: u64,
    },
    /// The kernel wants less memory than its own file takes.
    InitSize {
        /// What it wants.
        value: u32,
        /// Size of the protected-mode part.
        need: u64,
    },
}

impl Image {
    /// Checks a kernel of `file_size` bytes by its first [`HEAD_BYTES`] bytes,
    /// or more of them; all of them if it has fewer.
    pub fn parse(head: &[u8], file_size: u64) -> Result<Self, Error> {
        if file_size == 0 {
            return Err(Error::Empty);
        }
        let head = &head[..head
            .len()
            .min(usize::try_from(file_size).unwrap_or(usize::MAX))];
        if bytes::u16(head, 0x1fe) != Some(BOOT_FLAG) || bytes::array(head, 0x202) != Some(*b"HdrS")
        {
            return Err(Error::NotBzImage(Found::of(head)));
        }
        let short = Error::Truncated {
            have: file_size.min(head.len() as u64),
            need: HEAD_BYTES as u64,
        };
        if head.len() < HEAD_BYTES {
            return Err(short);
        }
        Self::check(head, file_size).ok_or(short)?
    }

    /// The outer `None` never comes with [`HEAD_BYTES`] bytes in `head`.
    fn check(head: &[u8], file_size: u64) -> Option<Result<Self, Error>> {
        let version = bytes::u16(head, 0x206)?;
        let loadflags = bytes::array::<1>(head, 0x211)?[0];
        let xloadflags = bytes::u16(head, 0x236)?;
        let relocatable = bytes::array::<1>(head, 0x234)?[0];
        if version < PROTOCOL {
            return Some(Err(Error::Protocol(version)));
        }
        if loadflags & LOADED_HIGH == 0 {
            return Some(Err(Error::LoadedLow));
        }
        if xloadflags & XLF_KERNEL_64 == 0 {
            return Some(Err(Error::Bits32));
        }
        if relocatable == 0 {
            return Some(Err(Error::NotRelocatable));
        }
        if xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G == 0 {
            return Some(Err(Error::Below4G));
        }

        let [jump, distance] = bytes::array(head, 0x200)?;
        if jump != SHORT_JUMP {
            return Some(field("jump", jump, "0xeb, a short jump"));
        }
        let header_end = 0x202 + usize::from(distance);
        if !(HEADER_END_MIN..=HEAD_BYTES).contains(&header_end) {
            return Some(field("jump", distance, "a distance of 0x62 to 0x8e"));
        }

        // 0 stands for 4, says the oldest protocol.
        let setup_sects = match bytes::array::<1>(head, 0x1f1)?[0] {
            0 => 4,
            n => n,
        };
        let setup_size = (u64::from(setup_sects) + 1) * SECTOR;
        let syssize = bytes::u32(head, 0x1f4)?;
        if syssize == 0 {
            return Some(field("syssize", syssize, "the size of the kernel"));
        }
        let need = setup_size + u64::from(syssize) * PARAGRAPH;
        if file_size < need {
            return Some(Err(Error::Truncated {
                have: file_size,
                need,
            }));
        }
        // What follows the kernel in the file, as a signature, is loaded with it.
        let kernel_size = file_size - setup_size;

        let alignment = bytes::u32(head, 0x230)?;
        if !alignment.is_power_of_two() || !(ALIGNMENT_MIN..=ALIGNMENT_MAX).contains(&alignment) {
            return Some(field(
                "kernel_alignment",
                alignment,
                "a power of two from 2 MiB to 1 GiB",
            ));
        }
        let min_alignment = bytes::array::<1>(head, 0x235)?[0];
        if u32::from(min_alignment) > alignment.trailing_zeros() {
            return Some(field(
                "min_alignment",
                min_alignment,
                "no more than kernel_alignment",
            ));
        }

        let offset = bytes::u32(head, 0x248)?;
        let length = bytes::u32(head, 0x24c)?;
        let payload_end = u64::from(offset) + u64::from(length);
        if u64::from(offset) < ENTRY64 || length == 0 || payload_end > kernel_size {
            return Some(Err(Error::Payload {
                offset,
                length,
                have: kernel_size,
            }));
        }

        let init_size = bytes::u32(head, 0x260)?;
        if init_size > INIT_SIZE_MAX {
            return Some(field("init_size", init_size, "at most 1 GiB"));
        }
        if u64::from(init_size) < kernel_size {
            return Some(Err(Error::InitSize {
                value: init_size,
                need: kernel_size,
            }));
        }

        let cmdline_size = bytes::u32(head, 0x238)?;
        if cmdline_size < CMDLINE_MIN {
            return Some(field("cmdline_size", cmdline_size, "255 or more"));
        }
        let pref_address = bytes::u64(head, 0x258)?;
        if pref_address % u64::from(alignment) != 0
            || !(PAGE..=PREF_ADDRESS_MAX).contains(&pref_address)
        {
            return Some(field(
                "pref_address",
                pref_address,
                "a multiple of kernel_alignment, up to 64 TiB",
            ));
        }

        let has_info = version >= PROTOCOL_INFO && header_end >= INFO_END;
        let info = bytes::u32(head, 0x268).filter(|_| has_info).unwrap_or(0);

        Some(Ok(Self {
            file_size,
            setup_size,
            header_end,
            alignment,
            init_size,
            cmdline_size,
            pref_address,
            payload: (offset, length),
            info,
        }))
    }

    /// Offsets of the setup header, the same in the file and in the boot
    /// parameters; within [`HEAD_BYTES`].
    pub fn header(&self) -> Range<usize> {
        HEADER_START..self.header_end
    }

    /// Offset of the protected-mode part in the file, the one that is loaded.
    pub fn kernel_offset(&self) -> u64 {
        self.setup_size
    }

    /// Size of the protected-mode part.
    pub fn kernel_size(&self) -> u64 {
        self.file_size - self.setup_size
    }

    /// What the load address must be a multiple of: a power of two.
    pub fn alignment(&self) -> u64 {
        self.alignment.into()
    }

    /// Memory that the kernel needs from the load address on until it has its
    /// own memory management; at least [`Image::kernel_size`].
    pub fn init_size(&self) -> u64 {
        self.init_size.into()
    }

    /// Longest command line, without a NUL.
    pub fn cmdline_size(&self) -> usize {
        // At most 32 bits, which a usize has.
        self.cmdline_size as usize
    }

    /// The lowest address to load it at: loaded below, it moves itself here,
    /// whoever's memory that is (`LOAD_PHYSICAL_ADDR`).
    pub fn pref_address(&self) -> u64 {
        self.pref_address
    }

    /// What `file`, all of it, decompresses itself from, if that is zstd, and
    /// the size of what comes out: no more than [`Image::init_size`].
    pub fn zstd<'a>(&self, file: &'a [u8]) -> Option<(&'a [u8], usize)> {
        let (offset, length) = self.payload;
        let start = self.setup_size.checked_add(offset.into())?;
        let end = start.checked_add(length.into())?;
        let payload = file.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
        // The kernel's build adds the size, as gzip does by itself.
        let (data, size) = payload.split_last_chunk()?;
        let size = u32::from_le_bytes(*size);
        let is_zstd = matches!(Found::of(data), Found::Compressed("zstd"));
        (is_zstd && size <= self.init_size).then_some((data, usize::try_from(size).ok()?))
    }

    /// What the kernel in `file`, all of it, tells its loader (`kernel_info`).
    pub fn info<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.setup_size.checked_add(self.info.into())?;
        let info = file.get(usize::try_from(start).ok()?..)?;
        if self.info == 0 || !info.starts_with(b"LToP") {
            return None;
        }
        info.get(..usize::try_from(bytes::u32(info, 8)?).ok()?)
    }
}

/// The error of a field that cannot be true.
fn field<T>(name: &'static str, value: impl Into<u64>, want: &'static str) -> Result<T, Error> {
    Err(Error::Field {
        name,
        value: value.into(),
        want,
    })
}

impl Found {
    /// Tells a kind of file by its first bytes.
    fn of(head: &[u8]) -> Self {
        const MAGIC: [(&[u8], Found); 9] = [
            (b"\x7fELF", Found::Elf),
            (b"\x1f\x8b", Found::Compressed("gzip")),
            (b"\xfd7zXZ\0", Found::Compressed("xz")),
            (b"\x28\xb5\x2f\xfd", Found::Compressed("zstd")),
            (b"BZh", Found::Compressed("bzip2")),
            (b"\x02\x21\x4c\x18", Found::Compressed("lz4")),
            (b"\x04\x22\x4d\x18", Found::Compressed("lz4")),
            (b"0707", Found::Cpio),
            (b"MZ\0\0zimg", Found::Zboot),
        ];
        let is_text = |b: &u8| b.is_ascii_graphic() || b" \t\r\n".contains(b) || *b >= 0x80;

        if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            *found
        } else if head.starts_with(b"MZ") {
            Found::Pe
        } else if head.iter().all(is_text) {
            Found::Text
        } else {
            Found::Unknown
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf => f.write_str("an ELF file; use the bzImage that is built from it"),
            Self::Compressed(how) => write!(f, "compressed with {how}; unpack it first"),
            Self::Zboot => f.write_str("an EFI zboot image, of another architecture"),
            Self::Pe => f.write_str("an EFI executable without a Linux setup header"),
            Self::Cpio => f.write_str("a cpio archive; is it the initrd?"),
            Self::Text => f.write_str("text"),
            Self::Unknown => f.write_str("something else"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("the kernel file is empty"),
            Self::NotBzImage(found) => write!(f, "the kernel file is no bzImage but {found}"),
            Self::Truncated { have, need } => write!(
                f,
                "the kernel file is truncated: it has {have} bytes of at least {need}; \
                 copy it again"
            ),
            Self::Protocol(version) => write!(
                f,
                "the kernel has boot protocol {}.{:02}; 2.12 (Linux 3.8) is the oldest that works",
                version >> 8,
                version & 0xff
            ),
            Self::LoadedLow => f.write_str("the kernel is a zImage; use its bzImage"),
            Self::Bits32 => f.write_str("the kernel is for 32-bit processors; use a 64-bit one"),
            Self::NotRelocatable => {
                f.write_str("the kernel is not relocatable; build it with CONFIG_RELOCATABLE=y")
            }
            Self::Below4G => f.write_str(
                "the kernel cannot be above 4 GiB (xloadflags); use a 64-bit relocatable one",
            ),
            Self::Field { name, value, want } => write!(
                f,
                "the kernel file is damaged: {name} in its setup header is {value:#x}, not {want}"
            ),
            Self::Payload {
                offset,
                length,
                have,
            } => write!(
                f,
                "the kernel file is damaged: payload_offset {offset:#x} and payload_length \
                 {length:#x} in its setup header do not fit into its {have:#x} bytes"
            ),
            Self::InitSize { value, need } => write!(
                f,
                "the kernel file is damaged: init_size in its setup header is {value:#x}, \
                 less than its own {need:#x} bytes"
            ),
        }
    }
}
