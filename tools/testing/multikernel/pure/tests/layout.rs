// SPDX-License-Identifier: GPL-2.0

//! Where things are in an instance's memory, and what it is told of that.

mod common;

use common::{range, u16_at, u32_at, u64_at, Kernel};
use multikernel_pure::pure::bzimage::Image;
use multikernel_pure::pure::e820::{self, Kind, Map};
use multikernel_pure::pure::layout::{Error, Layout, Request, What, RANGES_MAX};
use multikernel_pure::pure::range::{is_sorted, Range};
use multikernel_pure::pure::slot::{Slot, Slots};
use multikernel_pure::pure::{acpi, bootparams, dock, paging};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const ALIGNMENT: u64 = 2 * MIB;

fn slot() -> Slot {
    Slots::find(|_| true, &[], 0x9f000).as_slice()[0]
}

fn request(ranges: &[Range], init_size: u64, initrd_size: u64) -> Request<'_> {
    Request {
        ranges,
        alignment: ALIGNMENT,
        init_size,
        pref_address: 16 * MIB,
        initrd_size,
        has_dock: false,
        random: None,
    }
}

/// Everything that must hold of a plan.
fn check(request: &Request<'_>) -> Layout {
    let layout = Layout::plan(request).unwrap();
    let first = request.ranges[0];

    // Our tables, one after the other from the start of the first range on.
    let tables = paging::needed(request.ranges).unwrap() as u64 * 4096;
    assert_eq!(layout.acpi(), range(first.start(), acpi::BYTES));
    assert!(parts(&layout)
        .windows(2)
        .all(|pair| pair[0].end() == pair[1].start()));
    assert_eq!(layout.boot_params().bytes(), 4096);
    assert_eq!(layout.setup_data().bytes(), 4096);
    let dock = request.has_dock.then_some(dock::BYTES);
    assert_eq!(layout.dock().map(Range::bytes), dock);
    assert!(layout.cmdline().bytes() >= 2048);
    assert_eq!(layout.tables().bytes(), tables);
    assert_eq!(layout.ram_start(), layout.tables().end());
    assert_eq!(layout.private().start(), layout.acpi().end());
    assert_eq!(layout.private().end(), layout.ram_start());
    assert!(layout.ram_start() <= first.end());

    // The kernel and the initrd: in the memory, and none on the other.
    let ours = range(first.start(), layout.ram_start() - first.start());
    let kernel = layout.kernel();
    assert_eq!(kernel.start() % request.alignment, 0);
    assert!(kernel.start() >= request.pref_address.max(16 * MIB));
    assert!(kernel.bytes() >= request.init_size && kernel.bytes() < request.init_size + 4096);
    assert_eq!(layout.initrd().map_or(0, Range::bytes), request.initrd_size);
    for part in [Some(kernel), layout.initrd()].into_iter().flatten() {
        assert!(request.ranges.iter().any(|r| r.contains(part)), "{part}");
        assert!(!part.overlaps(ours), "{part}");
    }
    if let Some(initrd) = layout.initrd() {
        assert_eq!(initrd.start() % 4096, 0);
        assert!(!initrd.overlaps(kernel));
    }
    let below = layout.below_kernel(request.ranges);
    if below > 0 {
        let below = range(kernel.start() - below, below);
        assert!(request.ranges.iter().any(|r| r.contains(below)), "{below}");
        assert!(!below.overlaps(ours), "{below}");
        let initrd = layout.initrd();
        assert!(
            !initrd.is_some_and(|initrd| initrd.overlaps(below)),
            "{below}"
        );
    }

    // The memory map: all that it has and nothing else, each byte once, the
    // tables and what is shared no RAM, the rest RAM.
    let mut map = Map::new();
    for shared in shared(request.ranges) {
        for slot in [Some(slot()), None] {
            map.compose(slot, &layout, request.ranges, shared).unwrap();
            check_map(&map, request, &layout, slot, shared);
        }
    }
    layout
}

/// Our tables.
fn parts(layout: &Layout) -> Vec<Range> {
    let parts = [
        Some(layout.acpi()),
        Some(layout.boot_params()),
        Some(layout.cmdline()),
        Some(layout.setup_data()),
        layout.dock(),
        Some(layout.tables()),
    ];
    parts.into_iter().flatten().collect()
}

/// Below all of them, above, and in the gaps.
fn shared(ranges: &[Range]) -> impl Iterator<Item = Range> + '_ {
    let starts = ranges.iter().map(|r| r.start());
    let ends = ranges.iter().map(|r| r.end());
    let gaps = core::iter::once(MIB)
        .chain(ends)
        .zip(starts.chain([1 << 52]));
    gaps.filter_map(|(start, end)| Range::between(start, end.min(start + 0x5000)))
}

fn check_map(map: &Map, request: &Request<'_>, layout: &Layout, slot: Option<Slot>, shared: Range) {
    let (kernel, parts) = (layout.kernel(), parts(layout));
    let ranges: Vec<Range> = map.entries().iter().map(|entry| entry.range).collect();
    assert!(is_sorted(&ranges));
    let total: u64 = ranges.iter().map(|r| r.bytes()).sum();
    let has: u64 = request.ranges.iter().map(|r| r.bytes()).sum();
    let low = slot.map_or(0, |slot| slot.range().bytes());
    assert_eq!(total, has + low + shared.bytes());
    let kind = |part: Range| {
        let holds = |entry: &&e820::Entry| entry.range.contains(part);
        map.entries().iter().find(holds).map(|entry| entry.kind)
    };
    assert_eq!(kind(layout.acpi()), Some(Kind::Acpi));
    for part in &parts[1..] {
        assert_eq!(kind(*part), Some(Kind::Reserved));
    }
    assert_eq!(kind(kernel), Some(Kind::Ram));
    assert_eq!(
        layout.initrd().map(kind),
        layout.initrd().map(|_| Some(Kind::Ram))
    );
    if let Some(slot) = slot {
        assert_eq!(kind(slot.ram()), Some(Kind::Ram));
        assert_eq!(kind(slot.reserved()), Some(Kind::Reserved));
    }
    assert_eq!(kind(shared), Some(Kind::Reserved));
}

#[test]
fn an_initrd_below_the_kernel() {
    let ranges = [range(0x4020_0000, 80 * MIB)];
    let layout = check(&Request {
        alignment: 16 * MIB,
        ..request(&ranges, 60 * MIB, 10 * MIB)
    });
    let (kernel, initrd) = (layout.kernel(), layout.initrd().unwrap());
    assert!(initrd.end() <= kernel.start());
    assert_eq!(layout.below_kernel(&ranges), kernel.start() - initrd.end());
}

#[test]
fn a_usual_instance() {
    let ranges = [range(0x4000_0000, 384 * MIB)];
    let layout = check(&request(&ranges, 0x3c39000, 30_000_001));
    assert_eq!(layout.kernel().start(), 0x4020_0000);
    assert_eq!(
        layout.below_kernel(&ranges),
        0x4020_0000 - layout.ram_start()
    );
    let initrd = layout.initrd().unwrap();
    assert!(ranges[0].end() - initrd.end() < 4096, "at the top");
}

#[test]
fn the_initrd_goes_to_the_highest_range_that_holds_it() {
    let ranges = [
        range(256 * MIB, 128 * MIB),
        range(512 * MIB, 64 * MIB),
        range(4096 * MIB, 2 * MIB),
    ];
    let layout = check(&request(&ranges, 60 * MIB, 40 * MIB));
    assert!(ranges[0].contains(layout.kernel()));
    assert!(ranges[1].contains(layout.initrd().unwrap()));
}

#[test]
fn the_kernel_makes_room_for_the_initrd() {
    // Both fit into the first range alone; the initrd fits there only.
    let ranges = [range(256 * MIB, 100 * MIB), range(512 * MIB, 64 * MIB)];
    let layout = check(&request(&ranges, 60 * MIB, 90 * MIB));
    assert!(ranges[1].contains(layout.kernel()));
    assert!(ranges[0].contains(layout.initrd().unwrap()));
}

#[test]
fn a_kernel_stays_above_where_it_would_move_itself() {
    let ranges = [range(2 * MIB, 128 * MIB)];
    let layout = check(&request(&ranges, 60 * MIB, 0));
    assert_eq!(layout.kernel().start(), 16 * MIB);
    // What its header says counts more, but not less.
    let mut request = request(&ranges, 60 * MIB, 0);
    request.pref_address = 32 * MIB;
    assert_eq!(check(&request).kernel().start(), 32 * MIB);
    request.pref_address = 2 * MIB;
    assert_eq!(check(&request).kernel().start(), 16 * MIB);
    request.pref_address = 80 * MIB;
    assert!(matches!(
        Layout::plan(&request),
        Err(Error::TooLarge { what: What::Kernel, need, have })
            if (need, have) == (60 * MIB, 50 * MIB)
    ));
}

#[test]
fn a_random_number_chooses_among_all_places() {
    // Three places below the initrd, one above it is too small, two elsewhere.
    let ranges = [range(256 * MIB, 72 * MIB), range(512 * MIB, 62 * MIB)];
    let initrd = 64 * MIB - 4096;
    let mut found = std::collections::BTreeSet::new();
    for n in 0..64 {
        let request = Request {
            random: Some(n << 58),
            ..request(&ranges, 60 * MIB, 0)
        };
        found.insert(check(&request).kernel().start() / MIB);
    }
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [258, 260, 262, 264, 266, 268, 512, 514]
    );
    // The initrd takes the first range.
    let request = Request {
        random: Some(u64::MAX),
        ..request(&ranges, 60 * MIB, initrd)
    };
    assert_eq!(check(&request).kernel().start(), 514 * MIB);
}

#[test]
fn what_is_too_large_is_told_with_sizes() {
    let ranges = [range(1024 * MIB, 64 * MIB)];
    let error = Layout::plan(&request(&ranges, 62 * MIB + 1, 0)).unwrap_err();
    assert_eq!(
        error,
        Error::TooLarge {
            what: What::Kernel,
            need: 62 * MIB + 4096,
            have: 62 * MIB
        }
    );
    assert_eq!(
        error.to_string(),
        "the kernel (unpacked) needs 65015808 bytes of contiguous memory, and 65011712 are there; \
         give the instance more memory"
    );
    // The initrd fits up to the last page.
    let most = check(&request(&ranges, 40 * MIB, 22 * MIB));
    assert_eq!(most.initrd().unwrap().start(), most.kernel().end());
    assert_eq!(
        Layout::plan(&request(&ranges, 40 * MIB, 22 * MIB + 1)),
        Err(Error::TooLarge {
            what: What::Initrd,
            need: 22 * MIB + 1,
            have: 22 * MIB
        })
    );
    // Nothing is left beside the kernel but less than its alignment.
    assert!(matches!(
        Layout::plan(&request(&ranges, 62 * MIB, 3 * MIB)),
        Err(Error::TooLarge { what: What::Initrd, have, .. }) if have < 2 * MIB
    ));
    assert!(matches!(
        Layout::plan(&request(&[range(1024 * MIB, 8192)], 1, 0)),
        Err(Error::TooLarge {
            what: What::Tables,
            need: 0x9000,
            have: 8192
        })
    ));
    for huge in [u64::MAX, u64::MAX - 4096, 1 << 63] {
        assert!(matches!(
            Layout::plan(&request(&ranges, huge, 0)),
            Err(Error::TooLarge {
                what: What::Kernel,
                ..
            })
        ));
        assert!(matches!(
            Layout::plan(&request(&ranges, MIB, huge)),
            Err(Error::TooLarge {
                what: What::Initrd,
                ..
            })
        ));
    }
}

#[test]
fn so_many_ranges_fit_and_no_more() {
    let pieces = |n: usize| -> Vec<Range> {
        (0..n as u64)
            .map(|n| range((64 + 4 * n) * MIB, 2 * MIB))
            .collect()
    };
    let most = pieces(RANGES_MAX);
    check(&request(&most, MIB, MIB));
    let more = pieces(RANGES_MAX + 1);
    assert_eq!(
        Layout::plan(&request(&more, MIB, 0)),
        Err(Error::Pieces(RANGES_MAX + 1))
    );
}

/// The boot parameters of a stock kernel in `ranges`, and what they are of.
fn boot_params(kernel: &Kernel, ranges: &[Range], initrd_size: u64) -> ([u8; 4096], Layout, Map) {
    let image = Image::parse(&kernel.head, kernel.size).unwrap();
    let layout = check(&Request {
        ranges,
        alignment: image.alignment(),
        init_size: image.init_size(),
        pref_address: image.pref_address(),
        initrd_size,
        has_dock: false,
        random: None,
    });
    let mut e820 = Map::new();
    let shared = shared(ranges).last().unwrap();
    e820.compose(Some(slot()), &layout, ranges, shared).unwrap();
    let config = bootparams::Config {
        kernel: layout.kernel().start(),
        cmdline: layout.cmdline().start(),
        initrd: layout.initrd(),
        rsdp: layout.acpi().start(),
        tboot: 0x1b000,
        setup_data: layout.initrd().map_or(0, |_| layout.setup_data().start()),
        is_random: false,
        e820: &e820,
    };
    let mut page = [0xaa; 4096];
    bootparams::write(&mut page, &kernel.head, &image, &config).unwrap();
    (page, layout, e820)
}

#[test]
fn boot_parameters_say_what_the_plan_says() {
    let ranges = [range(5 << 30, 512 * MIB), range(7 << 30, 6 << 30)];
    for (name, kernel) in Kernel::stock() {
        // An initrd that needs both halves of its size.
        let (page, layout, map) = boot_params(&kernel, &ranges, (5 << 30) + 7);
        let half = |at| u64::from(u32_at(&page, at));
        let wide = |low, high| half(low) | (half(high) << 32);
        let initrd = layout.initrd().unwrap();
        assert_eq!(wide(0x228, 0x0c8), layout.cmdline().start(), "{name}");
        assert_eq!(wide(0x218, 0x0c0), initrd.start(), "{name}");
        assert_eq!(wide(0x21c, 0x0c4), initrd.bytes(), "{name}");
        assert_eq!(u64_at(&page, 0x070), layout.acpi().start(), "{name}");
        assert_eq!(u64_at(&page, 0x058), 0x1b000, "{name}");
        assert_eq!((page[0x210], page[0x211]), (0xff, 1), "{name}");
        assert_eq!(u16_at(&page, 0x1fa), 0xffff, "{name}");
        assert_eq!(u64_at(&page, 0x250), layout.setup_data().start(), "{name}");
        assert_eq!(page[0x1ef], 0, "{name}: the sentinel");

        let entries: Vec<_> = page[0x2d0..]
            .chunks_exact(20)
            .take(page[0x1e8].into())
            .map(|e| (u64_at(e, 0), u64_at(e, 8), u32_at(e, 16)))
            .collect();
        let expected: Vec<_> = map
            .entries()
            .iter()
            .map(|e| (e.range.start(), e.range.bytes(), e.kind as u32))
            .collect();
        assert_eq!(entries, expected, "{name}");

        // The rest of the header is the kernel's own, all else is 0.
        let set = [
            0x1fa..0x1fc,
            0x210..0x212,
            0x214..0x220,
            0x226..0x22c,
            0x23c..0x248,
            0x250..0x258,
        ];
        for at in (0x1f1..0x26c).filter(|at| !set.iter().any(|s| s.contains(at))) {
            assert_eq!(page[at], kernel.head[at], "{name}: {at:#x}");
        }
        let fields = [
            0x058..0x060,
            0x070..0x078,
            0x0c0..0x0cc,
            0x1e8..0x1e9,
            0x1f1..0x26c,
        ];
        let table = 0x2d0..0x2d0 + 20 * entries.len();
        for (at, byte) in page.iter().enumerate() {
            let is_set = table.contains(&at) || fields.iter().any(|f| f.contains(&at));
            assert!(*byte == 0 || is_set, "{name}: {at:#x}");
        }
    }
}

#[test]
fn fields_of_what_is_not_there_are_zero() {
    let ranges = [range(1 << 30, 128 * MIB)];
    // Even where the kernel's file has something there.
    let kernel = Kernel::cloud()
        .with(0x218, &[0xff; 8])
        .with(0x250, &[0xff; 8]);
    let (page, ..) = boot_params(&kernel, &ranges, 0);
    assert_eq!(page[0x218..0x220], [0; 8]);
    assert_eq!(page[0x0c0..0x0c8], [0; 8]);
    assert_eq!(page[0x250..0x258], [0; 8]);
}

#[test]
fn a_head_that_is_too_short_is_no_header() {
    let kernel = Kernel::cloud();
    let image = Image::parse(&kernel.head, kernel.size).unwrap();
    let map = Map::new();
    let config = bootparams::Config {
        kernel: 0,
        cmdline: 0,
        initrd: None,
        rsdp: 0,
        tboot: 0,
        setup_data: 0,
        is_random: false,
        e820: &map,
    };
    let mut page = [0; 4096];
    let short = &kernel.head[..0x26b];
    assert_eq!(bootparams::write(&mut page, short, &image, &config), None);
}

/// Ranges of whole pages, from below 16 MiB to above 4 GiB.
fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let gap = prop_oneof![0u64..2, 0u64..2048, 0u64..1 << 20];
    let pages = prop_oneof![1u64..16, 1u64..32_768];
    let pieces = proptest::collection::vec((gap, pages), 1..12);
    (256u64..8192, pieces).prop_map(|(mut page, pieces)| {
        let mut ranges = vec![];
        for (gap, pages) in pieces {
            ranges.push(range((page + gap) * 4096, pages * 4096));
            page += gap + pages;
        }
        ranges
    })
}

proptest! {
    #[test]
    fn a_plan_holds_or_there_is_none(
        ranges in ranges(),
        init_size in 1u64..96 * MIB,
        initrd_size in prop_oneof![Just(0), 1u64..96 * MIB],
        shift in 21u32..25,
        pref in 0u64..4,
        has_dock: bool,
        random: u64,
    ) {
        let request = Request {
            ranges: &ranges,
            alignment: 1 << shift,
            init_size,
            pref_address: pref << 24,
            initrd_size,
            has_dock,
            random: None,
        };
        match Layout::plan(&request) {
            Ok(lowest) => {
                check(&request);
                // Wherever the kernel goes, all else stays.
                let layout = check(&Request { random: Some(random), ..request });
                prop_assert_eq!(layout.initrd(), lowest.initrd());
                prop_assert_eq!(layout.ram_start(), lowest.ram_start());
            }
            Err(Error::TooLarge { what: What::Kernel, need, have }) => {
                prop_assert!(need > have);
                prop_assert_eq!(need, init_size.next_multiple_of(4096));
                // Wherever it could start in any range, it does not fit.
                let tables = Layout::plan(&Request { init_size: 1, initrd_size: 0, ..request });
                let start = tables.map_or(ranges[0].end(), |layout| layout.ram_start());
                for r in &ranges {
                    let lowest = r.start().max(start).max(request.pref_address).max(16 * MIB);
                    let lowest = lowest.next_multiple_of(request.alignment);
                    prop_assert!(lowest + need > r.end());
                }
            }
            Err(Error::TooLarge { what: What::Initrd, need, have }) => {
                prop_assert!(need > have);
                prop_assert_eq!(need, initrd_size);
                // An initrd of the size that is told does fit.
                if have > 0 {
                    check(&Request { initrd_size: have, ..request });
                }
            }
            Err(Error::TooLarge { what: What::Tables, need, have }) => {
                prop_assert!(need > have && have == ranges[0].bytes());
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
