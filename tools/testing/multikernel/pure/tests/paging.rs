// SPDX-License-Identifier: GPL-2.0

//! Page tables, walked as a processor does.

mod common;

use common::range;
use multikernel_pure::pure::paging::{needed, write, Error, ENTRIES};
use multikernel_pure::pure::range::Range;
use proptest::prelude::*;
use std::collections::BTreeSet;

const LARGE: u64 = 2 << 20;
const BASE: u64 = 0x7_0000_3000;

/// All large pages that are mapped, each of which must be mapped to itself;
/// and the tables that are used, each of which must be used once.
fn walk(root: &[u64; ENTRIES], tables: &[[u64; ENTRIES]]) -> BTreeSet<u64> {
    let mut used = vec![false; tables.len()];
    let mut follow = |entry: u64| {
        assert_eq!(entry & 0xfff, 3, "present and writable");
        let number = ((entry & !0xfff) - BASE) as usize / 4096;
        assert!(!std::mem::replace(&mut used[number], true));
        tables[number]
    };
    let mut pages = BTreeSet::new();
    for (i, entry) in root.iter().enumerate().filter(|(_, e)| **e != 0) {
        for (j, entry) in follow(*entry).iter().enumerate().filter(|(_, e)| **e != 0) {
            for (k, entry) in follow(*entry).iter().enumerate().filter(|(_, e)| **e != 0) {
                let address = ((i * 512 + j) * 512 + k) as u64 * LARGE;
                assert_eq!(*entry, address | 0x83, "present, writable, large");
                pages.insert(address);
            }
        }
    }
    assert!(used.iter().all(|used| *used), "a table too many");
    pages
}

/// What should be mapped.
fn wanted(ranges: &[Range]) -> BTreeSet<u64> {
    let low = range(0, 4 << 30);
    [&[low], ranges]
        .concat()
        .iter()
        .flat_map(|r| (r.start() / LARGE..=(r.end() - 1) / LARGE).map(|n| n * LARGE))
        .collect()
}

fn check(ranges: &[Range]) -> usize {
    let need = needed(ranges).unwrap();
    let mut root = [!0; ENTRIES];
    let mut tables = vec![[!0; ENTRIES]; need];
    write(&mut root, &mut tables, BASE, ranges).unwrap();
    assert!(walk(&root, &tables) == wanted(ranges), "{ranges:?}");
    need
}

#[test]
fn the_first_four_gib_take_five_tables() {
    assert_eq!(check(&[]), 5);
    assert_eq!(check(&[range(0x4000_0000, 256 << 20)]), 5);
}

#[test]
fn tables_are_counted_where_ranges_share_them() {
    // One more GiB; two GiB of which one page each is touched; the next 512.
    assert_eq!(check(&[range(4 << 30, 4096)]), 6);
    assert_eq!(check(&[range((5 << 30) - 4096, 8192)]), 7);
    assert_eq!(check(&[range((512 << 30) - 4096, 8192)]), 8);
    let touching = [range(6 << 30, 4096), range((6 << 30) + 4096, 4096)];
    assert_eq!(check(&touching), 6);
    let both = [range((8 << 30) - 4096, 4096), range(8 << 30, 4096)];
    assert_eq!(check(&both), 7);
    assert_eq!(check(&[range((1 << 47) - 4096, 4096)]), 7);
}

#[test]
fn wrong_requests_are_refused() {
    let two = [range(0x2000, 0x1000), range(0x1000, 0x1000)];
    assert_eq!(needed(&two), Err(Error::Unsorted));
    let high = range((1 << 47) - 4096, 8192);
    assert_eq!(needed(&[high]), Err(Error::TooHigh(high)));
    assert!(Error::TooHigh(high)
        .to_string()
        .contains("0x7ffffffff000-0x800000000fff"));

    let mut root = [7; ENTRIES];
    let mut tables = [[7; ENTRIES]; 5];
    let mut with = |room: usize, base| write(&mut root, &mut tables[..room], base, &[]);
    assert_eq!(with(4, BASE), Err(Error::Room { have: 4, need: 5 }));
    assert_eq!(with(5, BASE + 8), Err(Error::Unaligned(BASE + 8)));
    assert_eq!(with(5, 1 << 52), Err(Error::Unaligned(1 << 52)));
    // Nothing was written.
    assert_eq!(root, [7; ENTRIES]);
    assert_eq!(tables, [[7; ENTRIES]; 5]);
    assert_eq!(write(&mut root, &mut tables, BASE, &[]), Ok(()));
}

#[test]
fn what_is_not_needed_is_cleared() {
    let mut root = [!0; ENTRIES];
    let mut tables = [[!0; ENTRIES]; 9];
    write(&mut root, &mut tables, BASE, &[]).unwrap();
    assert_eq!(tables[5..], [[0; ENTRIES]; 4]);
}

/// Up to six ranges, anywhere, ascending, in pages.
fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let piece = (0u64..1 << 35, 1u64..4096);
    proptest::collection::vec(piece, 0..6).prop_map(|mut pieces| {
        pieces.sort();
        let mut end = 0;
        let mut ranges = vec![];
        for (page, pages) in pieces {
            if page >= end && page + pages <= 1 << 35 {
                ranges.push(range(page * 4096, pages * 4096));
                end = page + pages;
            }
        }
        ranges
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn exactly_what_is_asked_for_is_mapped(ranges in ranges()) {
        check(&ranges);
    }
}
