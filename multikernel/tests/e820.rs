// SPDX-License-Identifier: GPL-2.0

//! Memory maps: all that is an instance's, and what is not its to write.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_e820))]
mod suite {
    use crate::pure::e820::{Error, Kind, Map, MAX};
    use crate::pure::layout::{self, Layout, Request};
    use crate::pure::range::Range;
    use crate::pure::slot::Slots;

    const MIB: u64 = 1 << 20;

    fn range(start: u64, bytes: u64) -> Range {
        Range::new(start, bytes).unwrap()
    }

    #[test]
    fn a_map_refuses_what_it_cannot_hold() {
        let mut map = Map::new();
        assert!(map.push(range(MIB, MIB), Kind::Ram).is_ok());
        let before = range(MIB / 2, MIB / 2 + 1);
        assert_eq!(map.push(before, Kind::Ram), Err(Error::Overlap(before)));
        for n in 2..=MAX as u64 {
            assert!(map.push(range(n * MIB, MIB), Kind::Reserved).is_ok());
        }
        assert_eq!(map.push(range(1 << 40, MIB), Kind::Ram), Err(Error::Full));
        assert_eq!(map.entries().len(), MAX);
    }

    /// What is shared comes where its address belongs.
    #[test]
    fn the_map_of_an_instance() -> Result<(), layout::Error> {
        let ranges = [range(256 * MIB, 64 * MIB), range(512 * MIB, 64 * MIB)];
        let layout = Layout::plan(&Request {
            ranges: &ranges,
            alignment: 2 * MIB,
            init_size: 40 * MIB,
            pref_address: 16 * MIB,
            initrd_size: 0,
            has_dock: false,
            random: None,
        })?;
        let slot = Slots::find(|_| true, &[], 0x9f000).as_slice()[0];
        let ram_start = layout.ram_start();
        let expected = [
            (slot.ram(), Kind::Ram),
            (slot.reserved(), Kind::Reserved),
            (range(256 * MIB, 4096), Kind::Acpi),
            (layout.private(), Kind::Reserved),
            (range(ram_start, 320 * MIB - ram_start), Kind::Ram),
            (range(512 * MIB, 64 * MIB), Kind::Ram),
        ];
        let mut map = Map::new();
        for (at, place) in [(2 * MIB, 2), (400 * MIB, 5), (1 << 40, 6)] {
            let shared = range(at, 0x5000);
            assert!(map.compose(Some(slot), &layout, &ranges, shared).is_ok());
            assert_eq!(map.entries().len(), 7);
            for (n, entry) in map.entries().iter().enumerate() {
                let expected = match n {
                    n if n < place => expected[n],
                    n if n == place => (shared, Kind::Reserved),
                    n => expected[n - 1],
                };
                assert_eq!((entry.range, entry.kind), expected);
            }
        }
        // Memory of its own is not shared.
        let wrong = range(300 * MIB, 0x5000);
        let overlap = map.compose(Some(slot), &layout, &ranges, wrong);
        assert!(matches!(overlap, Err(Error::Overlap(_))));
        Ok(())
    }
}
