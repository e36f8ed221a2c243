// SPDX-License-Identifier: GPL-2.0

//! The ACPI tables, read the way that a kernel reads them.

mod common;

use common::{u32_at, u64_at};
use multikernel_pure::pure::acpi::{write, Config, BYTES, CPUS_MAX};
use multikernel_pure::pure::range::Range;
use proptest::prelude::*;

const BASE: u64 = 0x1_4000_0000;
const AREA: Option<Range> = Range::new(0x1_8765_4000, 0x5000);

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

/// The table at a physical address: it is whole, and its bytes add up to 0.
fn table<'a>(area: &'a [u8], address: u64, signature: &[u8]) -> &'a [u8] {
    let at = (address - BASE) as usize;
    let length = u32_at(area, at + 4) as usize;
    let table = &area[at..at + length];
    assert_eq!(&table[..4], signature);
    assert_eq!(sum(table), 0);
    table
}

/// Addresses of the tables that the RSDP leads to.
fn tables(area: &[u8], rsdp: u64) -> Vec<u64> {
    let rsdp = &area[(rsdp - BASE) as usize..][..36];
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert_eq!(rsdp[15], 2);
    assert_eq!(u32_at(rsdp, 20), 36);
    assert_eq!((sum(&rsdp[..20]), sum(rsdp)), (0, 0));
    assert_eq!(u32_at(rsdp, 16), 0, "no RSDT");
    let xsdt = table(area, u64_at(rsdp, 24), b"XSDT");
    xsdt[36..]
        .chunks_exact(8)
        .map(|entry| u64_at(entry, 0))
        .collect()
}

/// Entries of the MADT: local APICs by (UID, ID, flags), IO-APICs by address.
fn madt(table: &[u8]) -> (Vec<(u8, u8, u32)>, Vec<u32>) {
    let (mut cpus, mut ioapics, mut rest) = (vec![], vec![], &table[44..]);
    assert_eq!((u32_at(table, 36), u32_at(table, 40)), (0xfee0_0000, 0));
    while let [kind, length, ..] = *rest {
        match (kind, length) {
            (0, 8) => cpus.push((rest[2], rest[3], u32_at(rest, 4))),
            (1, 12) => {
                assert_eq!(u32_at(rest, 8), 0, "first global interrupt");
                ioapics.push(u32_at(rest, 4));
            }
            other => panic!("MADT entry {other:?}"),
        }
        rest = &rest[length.into()..];
    }
    (cpus, ioapics)
}

fn written(spare: u8, cpus: &[u8], ioapic: u32) -> (Vec<u8>, u64) {
    let mut area = vec![0xaa; BYTES as usize];
    let config = Config {
        spare,
        cpus,
        ioapic,
        area: AREA.unwrap(),
    };
    let rsdp = write(&mut area, BASE, &config).unwrap();
    (area, rsdp)
}

proptest! {
    #[test]
    fn any_set_of_cpus_is_listed(
        spare in 0u8..=0xfe,
        ids in proptest::collection::vec(0u8..=0xfe, 1..=CPUS_MAX),
        ioapic: u32,
    ) {
        prop_assume!(!ids.contains(&spare));
        let (area, rsdp) = written(spare, &ids, ioapic);
        let addresses = tables(&area, rsdp);
        table(&area, addresses[0], b"FACP");
        table(&area, addresses[2], b"MKRN");
        let (cpus, ioapics) = madt(table(&area, addresses[1], b"APIC"));
        let listed: Vec<u8> = cpus.iter().map(|(_, id, _)| *id).collect();
        prop_assert_eq!(listed, [&[spare], &ids[..]].concat());
        let is_numbered = |(n, (uid, _, flags)): (usize, &(u8, u8, u32))| {
            (usize::from(*uid), *flags) == (n, 1)
        };
        prop_assert!(cpus.iter().enumerate().all(is_numbered));
        prop_assert_eq!(ioapics, [ioapic]);
    }
}
