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
};

fuzz_target!(|data: &[u8]| {
    let Some((random, file)) = data.split_first_chunk() else {
        return;
    };
    let settle = |random| {
        let mut file = file.to_vec();
        Vmlinux::settle(&mut file, &LINK, random).map(|vmlinux| (vmlinux, file))
    };
    let random = settle(Some(u64::from_le_bytes(*random)));
    let Some((fixed, _)) = settle(None) else {
        assert!(random.is_none());
        return;
    };
    assert!(!fixed.is_random && fixed.entry < file.len() as u64);
    // A table may lead outside.
    if let Some((random, _)) = random {
        assert_eq!(random.entry, fixed.entry);
    }
});
