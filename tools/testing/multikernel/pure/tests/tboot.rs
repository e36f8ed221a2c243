// SPDX-License-Identifier: GPL-2.0

//! The tboot page, as Linux checks and uses it.

mod common;

use common::u32_at;
use multikernel_pure::pure::tboot::{self, shutdown, Shutdown};

#[test]
fn linux_takes_the_page() {
    let mut page = [0xaa; 4096];
    tboot::write(&mut page, 0x1a010, 0x1a000, 0x2000);
    // {663C8DFF-E8B3-4b82-AABF-19EA4D057A08}
    let uuid = 0x663c_8dff_u32.to_le_bytes();
    assert_eq!(page[..4], uuid);
    assert_eq!(page[4..8], [0xb3, 0xe8, 0x82, 0x4b]);
    assert_eq!(
        page[8..16],
        [0xbf, 0xaa, 0x19, 0xea, 0x4d, 0x05, 0x7a, 0x08]
    );
    assert!(u32_at(&page, 16) >= 5, "the version");
    assert_eq!(u32_at(&page, 24), 0x1a010, "shutdown_entry");
    assert_eq!(u32_at(&page, 104), 0x1a000, "tboot_base");
    assert_eq!(u32_at(&page, 108), 0x2000, "tboot_size");
    let set = [0..20, 24..32, 104..112];
    for (at, byte) in page.iter().enumerate() {
        assert!(*byte == 0 || set.iter().any(|s| s.contains(&at)), "{at}");
    }
    assert_eq!(shutdown(0, u32_at(&page, tboot::SHUTDOWN_TYPE)), None);
    // Even if something counts before the instance has said why.
    assert_eq!(shutdown(1, u32_at(&page, tboot::SHUTDOWN_TYPE)), None);
}

#[test]
fn calls_are_told_apart() {
    for (number, what) in [
        (0, Shutdown::Restart),
        (1, Shutdown::PowerOff),
        (4, Shutdown::Halt),
        (5, Shutdown::CpuOffline),
        (2, Shutdown::Other(2)),
        (3, Shutdown::Other(3)),
        (77, Shutdown::Other(77)),
    ] {
        assert_eq!(shutdown(0, number), None);
        for calls in [1, 2, u32::MAX] {
            assert_eq!(shutdown(calls, number), Some(what));
        }
    }
}
