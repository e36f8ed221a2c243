// SPDX-License-Identifier: GPL-2.0

//! Finding the real-mode blob in memory that looks like a machine's.

mod common;

use common::range;
use multikernel_pure::pure::range::Range;
use multikernel_pure::pure::realmode::{Blobs, Error, MAX};
use proptest::prelude::*;

const SIGNATURE: u32 = 0x65a2_2c82;

/// Headers of Debian's kernels before relocation, and where the blob ends.
const DEBIAN_6_1: [u32; 11] = [
    0x1000, 0x20f4, 0x1000, 0x5000, 0x1050, 0x20e0, 0x4000, 0x11f0, 0x3010, 0x2080, 8,
];
const DEBIAN_7_3: [u32; 11] = [
    0x1000, 0x218e, 0x1000, 0x5000, 0x1050, 0x2130, 0x4000, 0x1200, 0x3010, 0x20d0, 8,
];
const END: u32 = 0x6260;

/// The first megabyte, in words.
struct Low {
    words: Vec<u32>,
    ram: fn(u64) -> bool,
}

impl Low {
    fn new() -> Self {
        Self {
            words: vec![0; 1 << 18],
            ram: |address| address < 0x9fc00,
        }
    }

    /// Puts a blob at `base`: its header, relocated, and its signature.
    fn with(mut self, base: u32, header: &[u32], end: u32) -> Self {
        let (selector, pointers) = header.split_last().unwrap();
        for (n, word) in pointers
            .iter()
            .map(|p| p + base)
            .chain([*selector])
            .enumerate()
        {
            self.set(base + 4 * n as u32, word);
        }
        // As in the code that checks it.
        self.set(base + 0x1800, SIGNATURE);
        self.set(base + end, SIGNATURE);
        self
    }

    fn set(&mut self, address: u32, word: u32) {
        self.words[address as usize / 4] = word;
    }

    fn find(&self) -> Result<Vec<Range>, Error> {
        Blobs::find(|address| {
            assert_eq!(address % 4, 0);
            (self.ram)(address).then(|| self.words[address as usize / 4])
        })
        .map(|blobs| blobs.as_slice().to_vec())
    }
}

#[test]
fn blobs_of_real_kernels_are_found_with_their_size() {
    for header in [DEBIAN_6_1, DEBIAN_7_3] {
        let low = Low::new().with(0x98000, &header, END);
        assert_eq!(low.find(), Ok(vec![range(0x98000, 0x7000)]));
    }
}

#[test]
fn other_configurations_are_found() {
    let without = |gone: &[usize]| -> Vec<u32> {
        let keep = |(n, word): (usize, &u32)| (!gone.contains(&n)).then_some(*word);
        DEBIAN_7_3.iter().enumerate().filter_map(keep).collect()
    };
    // Without memory encryption, without suspend, without both.
    for gone in [&[4][..], &[7, 8], &[4, 7, 8]] {
        let low = Low::new().with(0x8f000, &without(gone), END);
        assert_eq!(low.find(), Ok(vec![range(0x8f000, 0x7000)]), "{gone:?}");
    }
}

#[test]
fn the_predecessor_of_a_kexec_is_kept_clear_too() {
    let low = Low::new()
        .with(0x80000, &DEBIAN_6_1, END)
        .with(0x98000, &DEBIAN_7_3, END);
    assert_eq!(
        low.find(),
        Ok(vec![range(0x80000, 0x7000), range(0x98000, 0x7000)])
    );
    let many =
        (1..=MAX as u32 + 1).fold(Low::new(), |low, n| low.with(n * 0x10000, &DEBIAN_7_3, END));
    assert_eq!(many.find(), Err(Error::TooMany));
}

#[test]
fn none_is_an_error() {
    assert_eq!(Low::new().find(), Err(Error::NotFound));
    let mut ones = Low::new();
    ones.words.fill(!0);
    assert_eq!(ones.find(), Err(Error::NotFound));
    let mut hidden = Low::new().with(0x98000, &DEBIAN_7_3, END);
    hidden.ram = |_| false;
    assert_eq!(hidden.find(), Err(Error::NotFound));
    assert!(Error::NotFound
        .to_string()
        .contains("cannot start instances"));
}

#[test]
fn what_only_looks_similar_is_none() {
    // Each word of the header that matters, made wrong in each way.
    let wrong: [(usize, u32); 13] = [
        (0, 0x1004),               // text does not start on a page
        (0, 0),                    // nor on the header's
        (0, 0x3000),               // nor behind its end
        (1, 0x1000),               // no text
        (1, 0x4800),               // which ends behind the page table
        (2, 0x1050),               // the trampoline is not on a page
        (2, 0x3000),               // nor outside the text
        (3, 0x2000),               // its data is not in the text
        (3, 0x5004),               // nor anywhere
        (6, 0x4010),               // the page table is on a page
        (9, 0x10000),              // addresses are in the blob
        (9, 0u32.wrapping_sub(4)), // all of them
        (10, 0x10),                // the selector is that of the kernel
    ];
    for (at, value) in wrong {
        let base = if at == 10 { 0 } else { 0x98000u32 };
        let mut low = Low::new().with(0x98000, &DEBIAN_7_3, END);
        low.set(0x98000 + 4 * at as u32, value.wrapping_add(base));
        assert_eq!(low.find(), Err(Error::NotFound), "word {at} is {value:#x}");
    }
    let mut unsigned = Low::new().with(0x98000, &DEBIAN_7_3, END);
    unsigned.set(0x98000 + END, 0);
    assert_eq!(unsigned.find(), Err(Error::NotFound));
}

#[test]
fn the_signature_is_part_of_the_blob() {
    let low = Low::new().with(0x98000, &DEBIAN_7_3, 0x6000);
    assert_eq!(low.find(), Ok(vec![range(0x98000, 0x7000)]));
}

#[test]
fn a_blob_may_end_at_the_last_word() {
    let mut low = Low::new().with(0xf0000, &DEBIAN_7_3, 0xfffc);
    low.ram = |_| true;
    assert_eq!(low.find(), Ok(vec![range(0xf0000, 0x10000)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Among words that look like addresses below 1 MiB.
    #[test]
    fn it_is_found_among_noise(
        noise in proptest::collection::vec((0u32..1 << 18, 0u32..0x100000), 0..2000),
        page in 0x10u32..0x99,
    ) {
        let mut low = Low::new();
        for (at, word) in noise {
            low.words[at as usize] = word;
        }
        let low = low.with(page << 12, &DEBIAN_7_3, END);
        let found = low.find().unwrap();
        prop_assert!(found.iter().any(|blob| blob.start() == u64::from(page) << 12));
    }
}
