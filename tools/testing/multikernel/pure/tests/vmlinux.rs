// SPDX-License-Identifier: GPL-2.0

//! An unpacked kernel, put into its place and moved in its virtual addresses.

use multikernel_pure::pure::kaslr::{offset, pick, Wish};
use multikernel_pure::pure::vmlinux::{Link, Vmlinux};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const BASE: u64 = 16 * MIB;
const VIRTUAL: u64 = 0xffff_ffff_8000_0000;
const LINK: Link = Link {
    base: BASE,
    size: MIB,
    alignment: 2 * MIB,
    lead: 0,
};

/// A part of a kernel: its place in the file, its virtual address (0: as linked), its place in
/// memory, and its size.
#[derive(Clone, Copy, Debug)]
struct Segment(u64, Option<u64>, u64, u64);

/// Text, and data.
const NEW: [Segment; 2] = [
    Segment(0x1000, None, 0, 0x800),
    Segment(0x3000, None, 0x1000, 0x800),
];
/// With the variables of CPUs.
const OLD: [Segment; 3] = [
    Segment(0x1000, None, 0, 0x800),
    Segment(0x2000, Some(0), 0x1000, 0x400),
    Segment(0x3000, None, 0x2000, 0x800),
];
const SECTIONS: u64 = 0x4000;
const ENTRY: u64 = 0x123;

/// A kernel of which each byte of a segment tells its place in memory.
fn elf(segments: &[Segment]) -> Vec<u8> {
    let mut file = vec![0xee; SECTIONS as usize + 64];
    let mut put = |at: u64, bytes: &[u8]| {
        file[at as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    put(0, b"\x7fELF\x02\x01\x01");
    put(0x10, &2u16.to_le_bytes());
    put(0x12, &62u16.to_le_bytes());
    put(0x18, &(BASE + ENTRY).to_le_bytes());
    put(0x20, &64u64.to_le_bytes());
    put(0x28, &SECTIONS.to_le_bytes());
    put(0x36, &56u16.to_le_bytes());
    put(0x38, &(segments.len() as u16 + 1).to_le_bytes());
    put(0x3c, &1u16.to_le_bytes());
    // A note first.
    put(64, &4u32.to_le_bytes());
    for (n, Segment(offset, virt, place, size)) in segments.iter().enumerate() {
        let at = 64 + 56 * (n as u64 + 1);
        let phys = BASE.wrapping_add(*place);
        put(at, &1u32.to_le_bytes());
        for (n, value) in [
            *offset,
            virt.unwrap_or(VIRTUAL.wrapping_add(phys)),
            phys,
            *size,
            size + 0x100,
        ]
        .iter()
        .enumerate()
        {
            put(at + 8 * (n as u64 + 1), &value.to_le_bytes());
        }
        // A lie may go beyond the end.
        put(*offset, &pattern(*place, (*size).min(SECTIONS - offset)));
    }
    file
}

fn pattern(place: u64, size: u64) -> Vec<u8> {
    (place..place + size)
        .map(|at| (at ^ (at >> 8)) as u8)
        .collect()
}

fn table(lists: &[&[u64]]) -> Vec<u8> {
    let list = |list: &&[u64]| {
        let words = list
            .iter()
            .map(|place| (VIRTUAL + BASE).wrapping_add(*place) as u32);
        std::iter::once(0)
            .chain(words)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    lists.iter().flat_map(list).collect()
}

fn file(segments: &[Segment], lists: &[&[u64]]) -> Vec<u8> {
    [elf(segments), table(lists)].concat()
}

/// The kernel in its place, and what the random number has made of it.
fn settle(mut file: Vec<u8>, random: Option<u64>) -> Option<(Vmlinux, Vec<u8>)> {
    Vmlinux::settle(&mut file, &LINK, random).map(|vmlinux| (vmlinux, file))
}

const RANDOM: u64 = 0x8765_4321_8765_4321;

fn expected() -> u64 {
    offset(BASE, LINK.size, LINK.alignment, RANDOM)
}

fn holds(kernel: &[u8], segments: &[Segment]) {
    for Segment(_, _, place, size) in segments {
        let there = &kernel[*place as usize..][..*size as usize];
        assert!(there == pattern(*place, *size), "{place:#x}");
    }
}

#[test]
fn segments_go_to_their_places() {
    for (segments, lists) in [
        (&NEW[..], &[&[0u64][..], &[]][..]),
        (&OLD, &[&[], &[], &[]]),
    ] {
        let (vmlinux, kernel) = settle(file(segments, lists), None).unwrap();
        assert_eq!((vmlinux.entry, vmlinux.is_random), (ENTRY, false));
        holds(&kernel, segments);
    }
}

#[test]
fn segments_are_in_their_places_if_the_file_starts_before_them() {
    let link = Link {
        lead: 0x1000,
        ..LINK
    };
    let cases: [(&[Segment], &[&[u64]]); 2] = [
        (&NEW, &[&[0x10], &[0x1018]]),
        (&OLD, &[&[0x10], &[0x1020], &[0x1018]]),
    ];
    for (segments, lists) in cases {
        let mut led = file(segments, lists);
        let vmlinux = Vmlinux::settle(&mut led, &link, None).unwrap();
        holds(&led[0x1000..], segments);
        assert_eq!(vmlinux, settle(file(segments, lists), None).unwrap().0);

        let mut led = file(segments, lists);
        Vmlinux::settle(&mut led, &link, Some(RANDOM)).unwrap();
        let (_, kernel) = settle(file(segments, lists), Some(RANDOM)).unwrap();
        for Segment(_, _, place, size) in segments {
            let (start, end) = (*place as usize, (place + size) as usize);
            assert!(led[0x1000..][start..end] == kernel[start..end]);
        }
    }
    // The first of them is below its place, or there is nothing behind.
    for lead in [0x1001, 0x2000, 0x10000, u64::MAX] {
        let link = Link { lead, ..LINK };
        assert!(Vmlinux::settle(&mut file(&NEW, &[&[], &[]]), &link, None).is_none());
    }
}

#[test]
fn a_kernel_without_a_table_stays_where_it_was_linked_to() {
    let (vmlinux, kernel) = settle(elf(&NEW), Some(RANDOM)).unwrap();
    assert!(!vmlinux.is_random);
    holds(&kernel, &NEW);
}

#[test]
fn addresses_are_moved() {
    let (wide, narrow, inverse) = (0x10, 0x1018, 0x1020);
    let lists: [(&[Segment], Vec<&[u64]>); 2] = [
        (&NEW, vec![&[0x10], &[0x1018]]),
        (&OLD, vec![&[0x10], &[0x1020], &[0x1018]]),
    ];
    for (segments, lists) in lists {
        let (vmlinux, moved) = settle(file(segments, &lists), Some(RANDOM)).unwrap();
        assert!(vmlinux.is_random);
        let (_, mut kernel) = settle(file(segments, &lists), None).unwrap();
        let value =
            |kernel: &[u8], at: usize| u64::from_le_bytes(kernel[at..at + 8].try_into().unwrap());
        let narrowed = |kernel: &[u8], at: usize| value(kernel, at) as u32;

        assert_ne!(expected(), 0);
        let offset = expected();
        assert_eq!(
            value(&moved, wide),
            value(&kernel, wide).wrapping_add(offset)
        );
        assert_eq!(
            narrowed(&moved, narrow),
            narrowed(&kernel, narrow).wrapping_add(offset as u32)
        );
        kernel[wide..wide + 8].copy_from_slice(&moved[wide..wide + 8]);
        kernel[narrow..narrow + 4].copy_from_slice(&moved[narrow..narrow + 4]);
        if lists.len() == 3 {
            assert_eq!(
                narrowed(&moved, inverse),
                narrowed(&kernel, inverse).wrapping_sub(offset as u32)
            );
            kernel[inverse..inverse + 4].copy_from_slice(&moved[inverse..inverse + 4]);
        }
        // And nothing else.
        assert!(kernel == moved);
    }
}

#[test]
fn places_outside_of_the_kernel_are_refused() {
    for (last, wide) in [(0x1800 - 8, true), (0x1800 - 4, false)] {
        for (place, fits) in [
            (last, true),
            (last + 1, false),
            (u64::MAX, false),
            (1 << 30, false),
        ] {
            let list = [place];
            let lists: [&[u64]; 2] = if wide { [&list, &[]] } else { [&[], &list] };
            assert_eq!(
                settle(file(&NEW, &lists), Some(RANDOM)).is_some(),
                fits,
                "{place:#x}"
            );
        }
    }
}

#[test]
fn unknown_tables_are_refused() {
    let known: [(&[Segment], &[&[u64]]); 3] = [
        (&NEW, &[&[], &[]]),
        (&NEW, &[&[], &[], &[]]),
        (&OLD, &[&[8], &[8], &[8]]),
    ];
    for (segments, lists) in known {
        assert!(settle(file(segments, lists), None).is_some());
    }
    let unknown: [(&[Segment], &[&[u64]]); 3] = [
        (&NEW, &[&[]]),
        (&NEW, &[&[], &[], &[], &[]]),
        (&OLD, &[&[], &[]]),
    ];
    for (segments, lists) in unknown {
        assert!(settle(file(segments, lists), None).is_none());
    }
    let mut odd = file(&NEW, &[&[], &[]]);
    odd.push(0);
    assert!(settle(odd, None).is_none());
    let mut early = elf(&NEW);
    early.extend(1u32.to_le_bytes());
    early.extend(table(&[&[], &[]]));
    assert!(settle(early, None).is_none());
}

#[test]
fn other_files_are_refused() {
    let good = file(&NEW, &[&[], &[]]);
    // Class, byte order, version, type, machine, size of a program header, their number.
    for at in [0, 4, 5, 6, 0x10, 0x12, 0x36, 0x38] {
        let mut file = good.clone();
        file[at] ^= 0x10;
        assert!(settle(file, None).is_none(), "{at:#x}");
    }
    for end in 0..good.len() {
        // A whole ELF file without its table is one without a table.
        assert_eq!(
            settle(good[..end].to_vec(), None).is_some(),
            end == elf(&NEW).len(),
            "{end}"
        );
    }
}

#[test]
fn lying_segments_are_refused() {
    let [text, data] = NEW;
    for segments in [
        // Below the kernel's start, beyond the end of the file or of the memory.
        [
            text,
            Segment(0x3000, None, 0u64.wrapping_sub(0x1000), 0x800),
        ],
        [text, Segment(0x3000, None, 0x1000, 0x1041)],
        [text, Segment(0x3000, None, MIB, 0x100)],
        // Higher in memory than in the file, where a later one may be.
        [
            Segment(0x1000, None, 0x1800, 0x800),
            Segment(0x3000, None, 0x2000, 0x800),
        ],
        // One on the other, in the file or in memory; in another order.
        [text, Segment(0x1400, None, 0x1000, 0x800)],
        [text, Segment(0x3000, None, 0x400, 0x800)],
        [data, text],
        // Linked to somewhere else.
        [text, Segment(0x3000, Some(VIRTUAL), 0x1000, 0x800)],
        // Without the entry.
        [Segment(0x1000, None, 0x200, 0x800), data],
    ] {
        assert!(
            settle(file(&segments, &[&[], &[]]), None).is_none(),
            "{segments:x?}"
        );
    }
}

#[test]
fn the_command_line_is_heeded() {
    for (line, wish) in [
        ("", Wish::Random),
        (
            "quiet nokaslr.x=1 xnokaslr nokaslr=1 memory=3",
            Wish::Random,
        ),
        ("nokaslr", Wish::Fixed),
        ("a nokaslr b", Wish::Fixed),
        ("a -- \"b nokaslr c\"", Wish::Fixed),
        ("nokaslr mem=128M", Wish::Own),
        ("mem=64T", Wish::Own),
        ("hugepagesz=1G hugepages=1", Wish::Own),
    ] {
        assert_eq!(Wish::of(line.as_bytes()), wish, "{line}");
    }
}

proptest! {
    #[test]
    fn offsets_fit(base in 0u64..1 << 31, size in 0u64..1 << 31, shift in 21u32..30, random: u64) {
        let alignment = 1 << shift;
        let offset = offset(base, size, alignment, random);
        prop_assert_eq!(offset % alignment, 0);
        prop_assert!(offset == 0 || base + offset + size <= 1 << 30);
    }

    #[test]
    fn all_are_picked(count in 1u64..1000, n in 0u64..1000) {
        let n = n % count;
        let step = u64::MAX / count;
        prop_assert_eq!(pick(n * step + step / 2, count), n);
        prop_assert!(pick(u64::MAX, count) == count - 1 && pick(0, count) == 0);
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512), random: Option<u64>) {
        settle(bytes, random);
    }

    /// Also not near the truth, and nothing comes out that is entered outside.
    #[test]
    fn lies_do_no_harm(
        is_old: bool,
        lies in proptest::collection::vec((0usize..300, any::<u8>()), 1..4),
        table_lie in (0usize..24, any::<u8>()),
        random: Option<u64>,
    ) {
        let mut file = if is_old {
            file(&OLD, &[&[0x10], &[0x1020], &[0x1018]])
        } else {
            file(&NEW, &[&[0x10], &[0x1018, 0x20]])
        };
        for (at, byte) in lies {
            file[at] = byte;
        }
        let end = file.len();
        file[end - 1 - table_lie.0 % 20] ^= table_lie.1;
        if let Some((vmlinux, _)) = settle(file, random) {
            prop_assert!(vmlinux.entry < end as u64);
        }
    }
}
