// SPDX-License-Identifier: GPL-2.0

//! Kernels that know what they are: told by their images, and what they are told.

mod common;

use common::{u32_at, u64_at, Kernel};
use multikernel_pure::pure::bzimage::Image;
use multikernel_pure::pure::doorbell::Doorbell;
use multikernel_pure::pure::guest::{Config, Guest, SETUP_DATA_BYTES};
use multikernel_pure::pure::half::Size;
use proptest::prelude::*;

/// A `kernel_info` with these chunks behind 16 bytes of a fixed size.
fn info(chunks: &[&[u8]]) -> Vec<u8> {
    let mut info = b"LToP".to_vec();
    let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    for word in [16, 16 + total as u32, 0x8000_000b] {
        info.extend(word.to_le_bytes());
    }
    info.extend(chunks.concat());
    info
}

/// A chunk: its magic, its size, and words.
fn chunk(magic: &[u8; 4], words: &[u32]) -> Vec<u8> {
    let mut chunk = magic.to_vec();
    chunk.extend((8 + 4 * words.len() as u32).to_le_bytes());
    chunk.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    chunk
}

/// The type of `setup_data` that the kernel of this `kernel_info` looks for.
fn setup_type(info: &[u8]) -> Option<u32> {
    let config = Config {
        down: 0,
        doorbell: Doorbell::new(0, 0x20).unwrap(),
        now: None,
        tsc_khz: 1,
        console: 0,
        console_size: Size::new(4096).unwrap(),
        dock: None,
    };
    let mut bytes = [0xaa; SETUP_DATA_BYTES];
    Guest::find(info)?.write(&mut bytes, &config);
    Some(u32_at(&bytes, 8))
}

#[test]
fn they_are_found_among_others() {
    let (ours, other) = (chunk(b"MKGU", &[1, 11]), chunk(b"ABCD", &[1, 2, 3]));
    assert_eq!(setup_type(&info(&[&ours])), Some(11));
    assert_eq!(setup_type(&info(&[&other, &ours])), Some(11));
    assert_eq!(setup_type(&info(&[&ours, &other])), Some(11));
    // A later one may tell more.
    assert_eq!(setup_type(&info(&[&chunk(b"MKGU", &[1, 12, 7])])), Some(12));
}

#[test]
fn others_are_ordinary_kernels() {
    assert_eq!(setup_type(&info(&[])), None);
    assert_eq!(setup_type(&info(&[&chunk(b"ABCD", &[1, 2])])), None);
    // Of another version, or cut off.
    assert_eq!(setup_type(&info(&[&chunk(b"MKGU", &[2, 11])])), None);
    assert_eq!(setup_type(&info(&[&chunk(b"MKGU", &[1])])), None);
    let whole = info(&[&chunk(b"MKGU", &[1, 11])]);
    for len in 0..whole.len() {
        assert_eq!(setup_type(&whole[..len]), None, "{len}");
    }
    // A size that leads nowhere.
    for size in [0, 7, u32::MAX] {
        let mut wrong = chunk(b"ABCD", &[1, 2]);
        wrong[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(setup_type(&info(&[&wrong])), None);
    }
}

#[test]
fn they_are_told() {
    let guest = Guest::find(&info(&[&chunk(b"MKGU", &[1, 11])])).unwrap();
    let mut config = Config {
        down: 0x1_2345_6000,
        doorbell: Doorbell::new(2, 0x30).unwrap(),
        now: Some((33, 44)),
        tsc_khz: 2_400_000,
        console: 0x2_3456_7000,
        console_size: Size::new(1 << 16).unwrap(),
        dock: None,
    };
    let mut bytes = [0xaa; SETUP_DATA_BYTES];
    guest.write(&mut bytes, &config);
    assert_eq!(u64_at(&bytes, 0), 0, "next");
    assert_eq!((u32_at(&bytes, 8), u32_at(&bytes, 12)), (11, 80));
    assert_eq!((u64_at(&bytes, 32), u64_at(&bytes, 40)), (33, 44));
    config.now = None;
    guest.write(&mut bytes, &config);
    assert_eq!((u64_at(&bytes, 32), u64_at(&bytes, 40)), (0, 0));
    assert!(bytes[64..].iter().all(|byte| *byte == 0), "no dock");
}

#[test]
fn some_know_docks() {
    let knows = |words: &[u32]| {
        let guest = Guest::find(&info(&[&chunk(b"MKGU", words)]));
        guest.unwrap().knows_docks()
    };
    assert!(!knows(&[1, 11]));
    assert!(!knows(&[1, 11, 2]));
    assert!(knows(&[1, 11, 1]));
    assert!(knows(&[1, 11, 3, 7]));
}

#[test]
fn an_image_may_have_it_anywhere() {
    let kernel = Kernel::cloud();
    // It has one where its header says.
    let offset = u32_at(&kernel.head, 0x268);
    let image = Image::parse(&kernel.head, kernel.size).unwrap();
    let start = image.kernel_offset() as usize + offset as usize;
    let mut file = kernel.head.clone();
    file.resize(start, 0);
    file.extend(info(&[&chunk(b"MKGU", &[1, 11])]));
    let told = image.info(&file).unwrap();
    assert_eq!(told, &file[start..]);
    assert_eq!(setup_type(told), Some(11));
    // Cut off, or something else.
    assert_eq!(image.info(&file[..file.len() - 1]), None);
    assert_eq!(image.info(&file[..start]), None);
    file[start] = 0;
    assert_eq!(image.info(&file), None);
}

#[test]
fn old_protocols_have_none() {
    for (at, bytes) in [
        (0x206, &0x020e_u16.to_le_bytes()[..]),
        (0x201, &[0x62][..]),
        (0x268, &[0; 4][..]),
    ] {
        let kernel = Kernel::cloud().with(at, bytes);
        let image = Image::parse(&kernel.head, kernel.size).unwrap();
        let mut file = kernel.head.clone();
        file.resize(image.kernel_offset() as usize, 0);
        file.extend(info(&[]));
        assert_eq!(image.info(&file), None, "{at:#x}");
    }
}

proptest! {
    #[test]
    fn nothing_is_believed(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
        let _ = Guest::find(&bytes);
        let mut info = info(&[]);
        info.extend(bytes);
        let _ = Guest::find(&info);
    }
}
