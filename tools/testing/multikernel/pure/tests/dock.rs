// SPDX-License-Identifier: GPL-2.0

//! Where processors wait that have nothing below 1 MiB.

mod common;

use common::u32_at;
use multikernel_pure::pure::dock::{self, write_berths, Dock, BERTH_BYTES};

#[test]
fn its_parts_follow_each_other() {
    let dock = Dock {
        start: 0x10_0000_0000,
        entrance: 0x321,
        berths: dock::BERTHS_MAX as u32,
    };
    let parts = [
        dock.address(dock::ROOT),
        dock.address(dock::CODE),
        dock.entrance(),
        dock.address(dock::IDT),
        dock.berth(0),
        dock.berth(1),
        dock.berth(dock::BERTHS_MAX - 1),
        dock.address(dock::BYTES - BERTH_BYTES as u64),
    ];
    assert!(parts.windows(2).all(|pair| pair[0] < pair[1]), "{parts:x?}");
    // Tables of pages, and gates of 16 bytes each.
    assert_eq!(dock.address(dock::ROOT) % 4096, 0);
    assert_eq!(dock.address(dock::IDT) % 16, 0);
    assert_eq!(dock.berth(0) - dock.address(dock::IDT), 32 * 16);
    assert_eq!(dock.berth(3) - dock.berth(2), BERTH_BYTES as u64);
    assert_eq!(dock::BYTES % 4096, 0);
}

#[test]
fn a_berth_is_one_processors() {
    let ids = [7, 0xfe, 0, 9];
    let mut berths = [0xaa; 5 * BERTH_BYTES];
    write_berths(&mut berths, &ids).unwrap();
    for (n, id) in ids.iter().enumerate() {
        let berth = &berths[n * BERTH_BYTES..][..BERTH_BYTES];
        assert_eq!(u32_at(berth, 0), u32::from(*id));
        assert!(berth[4..].iter().all(|byte| *byte == 0), "{n}");
    }
    assert!(berths[4 * BERTH_BYTES..].iter().all(|byte| *byte == 0));
}

#[test]
fn there_is_no_room_for_more() {
    let mut berths = [0; 2 * BERTH_BYTES];
    assert_eq!(write_berths(&mut berths, &[1, 2, 3]), None);
    assert_eq!(write_berths(&mut [], &[]), Some(()));
}
