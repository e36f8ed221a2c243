// SPDX-License-Identifier: GPL-2.0

//! Slots below 1 MiB: what they keep off, and how many there are.

mod common;

use common::range;
use multikernel_pure::pure::range::Range;
use multikernel_pure::pure::slot::{self, bios_start, Slot, Slots, BYTES, MAX};
use proptest::prelude::*;

/// Where the blob is on QEMU's machines, and its size.
const BLOB: (u64, u64) = (0x98000, 0x7000);

fn blob() -> Range {
    range(BLOB.0, BLOB.1)
}

/// RAM as firmware tells of it: up to 639 KiB.
fn usual(page: u64) -> bool {
    page < 0x9f000
}

fn check(is_ram: impl Fn(u64) -> bool, blobs: &[Range], bios_start: u64) -> Vec<Slot> {
    let slots = Slots::find(&is_ram, blobs, bios_start).as_slice().to_vec();
    let mut end = 0x10000;
    for slot in &slots {
        let all = slot.range();
        assert!(all.start() >= end && all.end() <= bios_start.min(0x9f000));
        assert_eq!((all.start() % 4096, all.bytes()), (0, BYTES));
        assert!((all.start()..all.end()).step_by(4096).all(&is_ram));
        assert!(!blobs.iter().any(|blob| blob.overlaps(all)));
        end = all.end();
    }
    slots
}

#[test]
fn a_usual_machine_has_at_least_eight() {
    let slots = check(usual, &[blob()], bios_start(639, 0x9fc0));
    assert!(slots.len() >= 8, "{}", slots.len());
    assert_eq!(slots[0].start(), 0x10000);
}

#[test]
fn a_hole_costs_no_more_than_its_neighbours() {
    // As on laptops: a reserved page in the middle.
    let holed = |page| usual(page) && page != 0x58000;
    let slots = check(holed, &[blob()], 0x9f000);
    assert!(slots.len() >= 8, "{}", slots.len());
}

#[test]
fn the_parts_of_a_slot_are_in_it() {
    let slot = check(usual, &[blob()], 0x9f000)[1];
    assert_eq!(slot.ram().start(), slot.start().into());
    assert_eq!(slot.ram().end(), slot.reserved().start());
    assert_eq!(slot.reserved().end(), slot.range().end());
    // Linux's blob has 0x6264 bytes in 6.1, 6.12 and 7.3.
    assert!(slot.ram().bytes() >= 0x7000);
    let parts = [
        slot::TRAMPOLINE,
        slot::MAILBOX,
        slot::STUB,
        slot::TBOOT,
        slot::ROOT,
        slot::IOAPIC,
    ];
    let mut end = slot.reserved().start();
    for part in parts {
        let page = range(slot.address(part).into(), 4096);
        assert_eq!(page.start(), end);
        end = page.end();
    }
    assert_eq!(end, slot.range().end());
    // tboot_probe() looks for a reserved region that starts below its page.
    assert!(slot.reserved().start() < slot.address(slot::TBOOT).into());
    assert_eq!(
        u32::from(slot.vector()) << 12,
        slot.address(slot::TRAMPOLINE)
    );
}

#[test]
fn the_firmware_is_believed_as_linux_believes_it() {
    // (word at 0x413, word at 0x40e) -> start
    let cases = [
        ((639, 0x9fc0), 0x9f000),
        ((640, 0), 0x9f000),
        ((600, 0), 600 << 10),
        ((600, 0x9000), 0x90000),
        ((600, 0x9fc0), 600 << 10),
        ((639, 0x9d80), 0x9d000),
        ((127, 0), 0x9f000),
        ((128, 0), 0x20000),
        ((0, 0x1fff), 0x9f000),
        ((0, 0x2000), 0x20000),
        ((0xffff, 0xffff), 0x9f000),
        ((0x300, 0x2345), 0x23000),
    ];
    for ((kilobytes, ebda), start) in cases {
        assert_eq!(bios_start(kilobytes, ebda), start, "{kilobytes} {ebda:#x}");
    }
}

#[test]
fn there_may_be_none() {
    assert!(check(|_| false, &[], 0x9f000).is_empty());
    assert!(check(usual, &[range(0, 0x100000)], 0x9f000).is_empty());
    assert!(check(usual, &[], 0x10000 + BYTES - 1).is_empty());
    assert_eq!(check(usual, &[], 0x10000 + BYTES).len(), 1);
    assert_eq!(check(|_| true, &[], u64::MAX).len(), MAX);
}

proptest! {
    #[test]
    fn slots_keep_off_everything(
        holes in proptest::collection::vec(0u64..0xa0, 0..20),
        blob in (0u64..0xa0, 1u64..16),
        kilobytes: u16,
        ebda: u16,
    ) {
        let is_ram = |page: u64| usual(page) && !holes.contains(&(page / 4096));
        let blob = range(blob.0 * 4096, blob.1 * 4096);
        let end = bios_start(kilobytes, ebda);
        prop_assert!((0x20000..=0x9f000).contains(&end) && end % 4096 == 0);
        let slots = check(is_ram, &[blob], end);
        // No room for another one is left between them.
        let usable = |page: u64| is_ram(page) && !blob.overlaps(range(page, 4096));
        let mut from = 0x10000;
        let ends = slots.iter().map(|slot| slot.range().start()).chain([end]);
        for (to, next) in ends.zip(slots.iter().map(|s| s.range().end()).chain([0])) {
            let fits = |start: u64| {
                start + BYTES <= to && (start..start + BYTES).step_by(4096).all(usable)
            };
            prop_assert!(!(from..to).step_by(4096).any(fits));
            from = next;
        }
    }
}
