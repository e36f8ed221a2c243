// SPDX-License-Identifier: GPL-2.0

//! A kernel file from user space: 8 bytes of size, then how it starts.
//!
//! What is taken goes through all that the loader does with it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use multikernel_fuzz::pure::bzimage::{Image, HEAD_BYTES};
use multikernel_fuzz::pure::guest::Guest;
use multikernel_fuzz::pure::layout::{Layout, Request};
use multikernel_fuzz::pure::range::Range;
use multikernel_fuzz::pure::slot::Slots;
use multikernel_fuzz::pure::{bootparams, e820};

fuzz_target!(|data: &[u8]| {
    let Some((size, head)) = data.split_first_chunk() else {
        return;
    };
    let size = u64::from_le_bytes(*size);
    let image = match Image::parse(head, size) {
        Ok(image) => image,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(image.header().end <= HEAD_BYTES.min(head.len()));
    assert_eq!(image.kernel_offset() + image.kernel_size(), size);
    assert!(image.kernel_size() <= image.init_size());
    assert!(image.alignment().is_power_of_two());
    if let Some((data, unpacked)) = image.zstd(head) {
        assert!(data.len() < head.len() && unpacked as u64 <= image.init_size());
    }

    if let Some(info) = image.info(head) {
        assert!(info.len() < head.len());
        let _ = Guest::find(info);
    }

    let ranges = [
        (0x100000, 0x700000),
        (0x4000_0000, 0x1000_0000),
        (1 << 33, 1 << 32),
    ]
    .map(|(start, bytes)| Range::new(start, bytes).unwrap());
    let request = Request {
        ranges: &ranges,
        alignment: image.alignment(),
        init_size: image.init_size(),
        pref_address: image.pref_address(),
        initrd_size: size / 2,
        has_dock: size % 5 == 1,
        random: (size % 2 == 1).then_some(size << 32),
    };
    let layout = match Layout::plan(&request) {
        Ok(layout) => layout,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(ranges.iter().any(|range| range.contains(layout.kernel())));
    assert!(layout.kernel().bytes() >= image.kernel_size());
    assert!(layout.kernel().start() >= image.pref_address());

    let slots = Slots::find(|_| true, &[], 0x9f000);
    let mut map = e820::Map::new();
    let shared = Range::new(0x2000_0000, 0x100000).unwrap();
    let slot = layout.dock().is_none().then_some(slots.as_slice()[0]);
    map.compose(slot, &layout, &ranges, shared).unwrap();
    let config = bootparams::Config {
        kernel: layout.kernel().start(),
        cmdline: layout.cmdline().start(),
        initrd: layout.initrd(),
        rsdp: layout.acpi().start(),
        tboot: 0x1b000,
        setup_data: layout.setup_data().start(),
        is_random: size % 3 == 1,
        e820: &map,
    };
    bootparams::write(&mut [0; 4096], head, &image, &config).unwrap();
});
