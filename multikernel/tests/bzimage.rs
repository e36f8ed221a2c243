// SPDX-License-Identifier: GPL-2.0

//! Kernel files, by a setup header of our own: what is taken, and what is refused.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_bzimage))]
mod suite {
    use crate::pure::bzimage::{Error, Found, Image, HEAD_BYTES};

    const MIB: u32 = 1 << 20;
    /// 27 sectors of setup, and the kernel.
    const SETUP: u64 = 28 * 512;
    const KERNEL: u64 = 8 << 20;
    const SIZE: u64 = SETUP + KERNEL;

    /// The start of a kernel whose header is right.
    fn head() -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x1f1, &[27]);
        put(0x1f4, &(KERNEL as u32 / 16).to_le_bytes());
        put(0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
        put(0x202, b"HdrS");
        put(0x206, &0x020fu16.to_le_bytes());
        put(0x211, &[1]);
        put(0x230, &(2 * MIB).to_le_bytes());
        put(0x234, &[1, 21, 0x7f, 0]);
        put(0x238, &2047u32.to_le_bytes());
        put(0x248, &0x300u32.to_le_bytes());
        put(0x24c, &(KERNEL as u32 - 0x300).to_le_bytes());
        put(0x258, &(16 * u64::from(MIB)).to_le_bytes());
        put(0x260, &(40 * MIB).to_le_bytes());
        head
    }

    /// The error of that kernel with `bytes` at offset `at`.
    fn lie(at: usize, bytes: &[u8]) -> Option<Error> {
        let mut head = head();
        head[at..at + bytes.len()].copy_from_slice(bytes);
        Image::parse(&head, SIZE).err()
    }

    #[test]
    fn a_kernel_is_taken() -> Result<(), Error> {
        let image = Image::parse(&head(), SIZE)?;
        assert_eq!(image.header(), 0x1f1..0x26c);
        assert_eq!(image.kernel_offset(), SETUP);
        assert_eq!(image.kernel_size(), KERNEL);
        assert_eq!(image.alignment(), 2 << 20);
        assert_eq!(image.cmdline_size(), 2047);
        assert_eq!(image.pref_address(), 16 << 20);
        assert_eq!(image.init_size(), 40 << 20);
        // The oldest protocol that works.
        assert_eq!(lie(0x206, &0x020cu16.to_le_bytes()), None);
        Ok(())
    }

    #[test]
    fn other_files_are_named() {
        let cases: [(&[u8], Found); 14] = [
            (b"\x7fELF\x02\x01\x01", Found::Elf),
            (b"\x1f\x8b\x08\0", Found::Compressed("gzip")),
            (b"\xfd7zXZ\0\0\x04", Found::Compressed("xz")),
            (b"\x28\xb5\x2f\xfd\x24", Found::Compressed("zstd")),
            (b"BZh91AY", Found::Compressed("bzip2")),
            (b"\x02\x21\x4c\x18\0", Found::Compressed("lz4")),
            (b"\x04\x22\x4d\x18\0", Found::Compressed("lz4")),
            (b"070701000", Found::Cpio),
            (b"MZ\0\0zimg\0\0\0\0", Found::Zboot),
            (b"MZ\x90\0\x03\0\0\0", Found::Pe),
            (b"#!/bin/sh\nexit 0\n", Found::Text),
            ("K\u{e4}se\n".as_bytes(), Found::Text),
            (&[0; 1024], Found::Unknown),
            (b"\0", Found::Unknown),
        ];
        for (bytes, found) in cases {
            let parsed = Image::parse(bytes, bytes.len() as u64);
            assert_eq!(parsed, Err(Error::NotBzImage(found)));
        }
        assert_eq!(Image::parse(&[], 0), Err(Error::Empty));
        // Either signature alone is not enough.
        assert!(matches!(lie(0x1fe, &[0]), Some(Error::NotBzImage(_))));
        assert!(matches!(lie(0x202, b"HdrX"), Some(Error::NotBzImage(_))));
    }

    #[test]
    fn truncation_is_seen_wherever_it_is() {
        let head = head();
        for have in [SIZE - 1, SETUP + 1, SETUP, SETUP - 1, HEAD_BYTES as u64] {
            let truncated = Err(Error::Truncated { have, need: SIZE });
            assert_eq!(Image::parse(&head, have), truncated);
        }
        // Where the header itself is cut, or less of it is read than there is.
        for have in 0x206..HEAD_BYTES {
            for size in [have as u64, SIZE] {
                let parsed = Image::parse(&head[..have], size);
                assert!(matches!(parsed, Err(Error::Truncated { .. })));
            }
        }
        // A signature may follow the kernel.
        assert!(Image::parse(&head, SIZE + 2000).is_ok());
    }

    #[test]
    fn unusable_kernels_are_told_apart() {
        for (at, bytes, error) in [
            (0x206, &[0x0b, 0x02][..], Error::Protocol(0x20b)),
            (0x211, &[0], Error::LoadedLow),
            (0x236, &[0x7e, 0], Error::Bits32),
            (0x234, &[0], Error::NotRelocatable),
            (0x236, &[0x7d, 0], Error::Below4G),
        ] {
            assert_eq!(lie(at, bytes), Some(error));
        }
    }

    #[test]
    fn each_lying_field_is_named_with_its_value() {
        let cases: [(usize, &[u8], &str, u64); 19] = [
            (0x200, &[0xe9], "jump", 0xe9),
            (0x201, &[0x61], "jump", 0x61),
            (0x201, &[0x8f], "jump", 0x8f),
            (0x201, &[0xff], "jump", 0xff),
            (0x1f4, &[0; 4], "syssize", 0),
            (0x230, &[0; 4], "kernel_alignment", 0),
            (0x230, &[0, 0, 0x30, 0], "kernel_alignment", 3 << 20),
            (0x230, &[0, 0, 0x10, 0], "kernel_alignment", 1 << 20),
            (0x230, &[0, 0, 0, 0x80], "kernel_alignment", 1 << 31),
            (0x230, &[0xff; 4], "kernel_alignment", 0xffff_ffff),
            (0x235, &[22], "min_alignment", 22),
            (0x235, &[255], "min_alignment", 255),
            (0x260, &[1, 0, 0, 0x40], "init_size", (1 << 30) + 1),
            (0x260, &[0xff; 4], "init_size", 0xffff_ffff),
            (0x238, &[254, 0, 0, 0], "cmdline_size", 254),
            (0x238, &[0; 4], "cmdline_size", 0),
            (0x258, &[0; 8], "pref_address", 0),
            (0x258, &[1, 0, 0, 1, 0, 0, 0, 0], "pref_address", 0x100_0001),
            (
                0x258,
                &[0, 0, 0x20, 0, 0, 0, 1, 0],
                "pref_address",
                (1 << 48) + (2 << 20),
            ),
        ];
        for (at, bytes, field, wrong) in cases {
            assert!(matches!(
                lie(at, bytes),
                Some(Error::Field { name, value, .. }) if (name, value) == (field, wrong)
            ));
        }
        // Whoever does not give one lies about the other.
        for (at, bytes) in [
            (0x248, [0; 4]),
            (0x248, [0xff; 4]),
            (0x248, 0x1ffu32.to_le_bytes()),
            (0x24c, [0; 4]),
            (0x24c, [0xff; 4]),
        ] {
            assert!(matches!(lie(at, &bytes), Some(Error::Payload { .. })));
        }
        let small = KERNEL as u32 - 1;
        assert_eq!(
            lie(0x260, &small.to_le_bytes()),
            Some(Error::InitSize {
                value: small,
                need: KERNEL
            })
        );
    }
}
