// SPDX-License-Identifier: GPL-2.0

//! What a kernel from user space unpacks to: 8 bytes for the random number, then that.

#![no_main]

use libfuzzer_sys::fuzz_target;
use multikernel_fuzz::pure::vmlinux::{Link, Vmlinux};

/// As small as what is made up.
const LINK: Link = Link {
    base: 16 << 20,
    size: 1 << 16,
    alignment: 2 << 20,
    lead: 0,
};
/// Of which the file starts before its place.
const LED: Link = Link { lead: 64, ..LINK };

fuzz_target!(|data: &[u8]| {
    let Some((random, file)) = data.split_first_chunk() else {
        return;
    };
    let settle = |link, random| {
        let mut file = file.to_vec();
        Vmlinux::settle(&mut file, link, random).map(|vmlinux| (vmlinux, file))
    };
    let random = settle(&LINK, Some(u64::from_le_bytes(*random)));
    let led = settle(&LED, None);
    let Some((fixed, _)) = settle(&LINK, None) else {
        assert!(random.is_none() && led.is_none());
        return;
    };
    assert!(led.is_none_or(|(led, _)| led == fixed));
    assert!(!fixed.is_random && fixed.entry < file.len() as u64);
    // A table may lead outside.
    if let Some((random, _)) = random {
        assert_eq!(random.entry, fixed.entry);
    }
});
