// SPDX-License-Identifier: GPL-2.0

//! Kernel files: what is taken, and what is refused with which words.

mod common;

use common::Kernel;
use multikernel_pure::pure::bzimage::{Error, Found, Image, HEAD_BYTES};
use proptest::prelude::*;

fn parse(kernel: &Kernel) -> Result<Image, Error> {
    Image::parse(&kernel.head, kernel.size)
}

/// The error of a kernel with `bytes` at offset `at`, as a person reads it.
fn lie(at: usize, bytes: &[u8]) -> (Error, String) {
    let error = parse(&Kernel::cloud().with(at, bytes)).unwrap_err();
    (error, error.to_string())
}

#[test]
fn stock_kernels_are_taken() {
    for (name, kernel) in Kernel::stock() {
        let image = parse(&kernel).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(image.header(), 0x1f1..0x26c, "{name}");
        assert_eq!(image.kernel_offset(), 20480, "{name}");
        assert_eq!(image.kernel_size(), kernel.size - 20480, "{name}");
        assert_eq!(image.alignment(), 2 << 20, "{name}");
        assert_eq!(image.cmdline_size(), 2047, "{name}");
        assert_eq!(image.pref_address(), 16 << 20, "{name}");
        assert!(image.init_size() >= image.kernel_size(), "{name}");
    }
    assert_eq!(parse(&Kernel::cloud()).unwrap().init_size(), 0x3c39000);
}

#[test]
fn more_of_the_file_may_be_given() {
    let mut kernel = Kernel::cloud();
    let image = parse(&kernel).unwrap();
    kernel.head.resize(kernel.size as usize, 0xaa);
    assert_eq!(parse(&kernel), Ok(image));
}

#[test]
fn the_oldest_protocol_that_works_works() {
    let kernel = Kernel::cloud().with(0x206, &0x020cu16.to_le_bytes());
    assert!(parse(&kernel).is_ok());
}

#[test]
fn fields_may_be_at_their_limits() {
    let limits: [(usize, &[u8]); 7] = [
        (0x201, &[0x62]),
        (0x201, &[0x8e]),
        (0x230, &(1u32 << 24).to_le_bytes()),
        (0x235, &[0]),
        (0x260, &(1u32 << 30).to_le_bytes()),
        (0x238, &255u32.to_le_bytes()),
        (0x258, &(1u64 << 46).to_le_bytes()),
    ];
    for (at, bytes) in limits {
        let kernel = Kernel::cloud().with(at, bytes);
        assert!(parse(&kernel).is_ok(), "{at:#x} {bytes:x?}");
    }
    // 1 GiB, the largest alignment: then it prefers a multiple of that.
    let kernel = Kernel::cloud()
        .with(0x230, &(1u32 << 30).to_le_bytes())
        .with(0x258, &(1u64 << 30).to_le_bytes());
    assert!(parse(&kernel).is_ok());
    // The payload may take all of the protected-mode part behind the entry.
    let kernel = Kernel::cloud().with(0x248, &0x200u32.to_le_bytes());
    let length = (kernel.size - 20480 - 0x200) as u32;
    let whole = kernel.with(0x24c, &length.to_le_bytes());
    assert!(parse(&whole).is_ok());
    let longer = whole.with(0x24c, &(length + 1).to_le_bytes());
    assert!(matches!(parse(&longer), Err(Error::Payload { .. })));
    let early = Kernel::cloud().with(0x248, &0x1ffu32.to_le_bytes());
    assert!(matches!(
        parse(&early),
        Err(Error::Payload { offset: 0x1ff, .. })
    ));
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
        (&[0; 4096], Found::Unknown),
        (b"\0", Found::Unknown),
    ];
    for (bytes, found) in cases {
        let error = Image::parse(bytes, bytes.len() as u64).unwrap_err();
        assert_eq!(error, Error::NotBzImage(found));
        assert!(error
            .to_string()
            .starts_with("the kernel file is no bzImage but "));
    }
    assert_eq!(Image::parse(&[], 0), Err(Error::Empty));
    assert_eq!(
        Error::NotBzImage(Found::Compressed("gzip")).to_string(),
        "the kernel file is no bzImage but compressed with gzip; unpack it first"
    );
}

#[test]
fn truncation_is_seen_wherever_it_is() {
    let whole = Kernel::cloud();
    let syssize = common::u32_at(&whole.head, 0x1f4);
    let need = 20480 + u64::from(syssize) * 16;
    assert!(need < whole.size, "a signature follows the kernel");
    // Without its signature it is whole.
    assert!(Image::parse(&whole.head, need).is_ok());
    for have in [need - 1, 20481, 20480, 20479, HEAD_BYTES as u64] {
        assert_eq!(
            Image::parse(&whole.head, have),
            Err(Error::Truncated { have, need }),
        );
    }
    // Where the header itself is cut.
    for have in 0x206..HEAD_BYTES {
        assert!(matches!(
            Image::parse(&whole.head[..have], have as u64),
            Err(Error::Truncated { .. })
        ));
    }
    // Where less of it is read than there is.
    assert!(matches!(
        Image::parse(&whole.head[..0x250], whole.size),
        Err(Error::Truncated { .. })
    ));
    let message = Image::parse(&whole.head, need - 1).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "the kernel file is truncated: it has {} bytes of at least {need}; copy it again",
            need - 1
        )
    );
}

#[test]
fn each_lying_field_is_named_with_its_value() {
    let cases: [(usize, &[u8], &str, u64); 3] = [
        (0x200, &[0xe9], "jump", 0xe9),
        (0x230, &[0, 0, 0x30, 0], "kernel_alignment", 3 << 20),
        (0x258, &[1, 0, 0, 1, 0, 0, 0, 0], "pref_address", 0x100_0001),
    ];
    for (at, bytes, field, wrong) in cases {
        let (error, message) = lie(at, bytes);
        assert!(
            matches!(error, Error::Field { name, value, .. } if (name, value) == (field, wrong)),
            "{at:#x}: {error:?}"
        );
        assert!(
            message.contains(field) && message.contains(&format!("{wrong:#x}")),
            "{message}"
        );
    }
    // Whoever does not give one lies about the other.
    assert!(matches!(
        lie(0x248, &[0; 4]).0,
        Error::Payload { offset: 0, .. }
    ));
    assert!(matches!(lie(0x248, &[0xff; 4]).0, Error::Payload { .. }));
    assert!(matches!(
        lie(0x24c, &[0; 4]).0,
        Error::Payload { length: 0, .. }
    ));
    assert!(matches!(lie(0x24c, &[0xff; 4]).0, Error::Payload { .. }));
    let (error, message) = lie(0x260, &[0, 0x10, 0, 0]);
    assert!(matches!(error, Error::InitSize { value: 0x1000, .. }));
    assert!(
        message.contains("init_size in its setup header is 0x1000"),
        "{message}"
    );
}

#[test]
fn a_file_larger_than_its_memory_is_refused() {
    let kernel = Kernel::cloud();
    let init_size = u64::from(common::u32_at(&kernel.head, 0x260));
    assert!(Image::parse(&kernel.head, 20480 + init_size).is_ok());
    assert!(matches!(
        Image::parse(&kernel.head, 20480 + init_size + 1),
        Err(Error::InitSize { .. })
    ));
}

#[test]
fn no_setup_sectors_stand_for_four() {
    let kernel = Kernel::cloud().with(0x1f1, &[0]);
    assert_eq!(parse(&kernel).unwrap().kernel_offset(), 5 * 512);
    let kernel = Kernel::cloud().with(0x1f1, &[1]);
    assert_eq!(parse(&kernel).unwrap().kernel_offset(), 2 * 512);
}

#[test]
fn a_zstd_payload_is_found() {
    let kernel = Kernel::cloud();
    let image = parse(&kernel).unwrap();
    let field = |at| common::u32_at(&kernel.head, at) as usize;
    let start = image.kernel_offset() as usize + field(0x248);
    let end = start + field(0x24c);
    let mut file = kernel.head.clone();
    file.resize(kernel.size as usize, 0xaa);
    // What the payload begins with, and the size that stands at its end.
    let mut found = |magic: &[u8; 4], size: u64| {
        file[start..start + 4].copy_from_slice(magic);
        file[end - 4..end].copy_from_slice(&(size as u32).to_le_bytes());
        let (data, size) = image.zstd(&file)?;
        assert_eq!(data, &file[start..end - 4]);
        Some(size as u64)
    };
    let zstd = b"\x28\xb5\x2f\xfd";
    assert_eq!(found(zstd, 1000), Some(1000));
    assert_eq!(found(zstd, image.init_size()), Some(image.init_size()));
    assert_eq!(found(zstd, image.init_size() + 1), None);
    assert_eq!(found(b"\x1f\x8b\x08\0", 1000), None);
    // The file has become shorter since.
    assert_eq!(found(zstd, 1000), Some(1000));
    assert_eq!(image.zstd(&file[..end - 1]), None);
    assert_eq!(image.zstd(&[]), None);
}

/// What every loader relies on.
fn is_consistent(image: &Image, head: &[u8], size: u64) {
    assert!(image.header().end <= HEAD_BYTES && image.header().end <= head.len());
    assert_eq!(image.kernel_offset() + image.kernel_size(), size);
    assert!(image.kernel_size() <= image.init_size());
    assert!(image.alignment().is_power_of_two());
    assert_eq!(image.pref_address() % image.alignment(), 0);
}

proptest! {
    #[test]
    fn nothing_panics(head in proptest::collection::vec(any::<u8>(), 0..1024), size: u64) {
        if let Ok(image) = Image::parse(&head, size) {
            is_consistent(&image, &head, size);
        }
    }

    /// With a real header, bytes and size of which are changed.
    #[test]
    fn nothing_panics_near_the_truth(
        changes in proptest::collection::vec((0x1f1usize..HEAD_BYTES, any::<u8>()), 0..4),
        size in prop_oneof![Just(None), any::<u64>().prop_map(Some), (0u64..20_000_000).prop_map(Some)],
    ) {
        let mut kernel = Kernel::cloud();
        for (at, byte) in changes {
            kernel.head[at] = byte;
        }
        kernel.size = size.unwrap_or(kernel.size);
        match parse(&kernel) {
            Ok(image) => is_consistent(&image, &kernel.head, kernel.size),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
