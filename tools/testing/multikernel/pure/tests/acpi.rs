// SPDX-License-Identifier: GPL-2.0

//! The ACPI tables, read the way that a kernel reads them.

mod common;

use common::{u16_at, u32_at, u64_at};
use multikernel_pure::pure::acpi::{write, Config, Error, BYTES, CPUS_MAX};
use multikernel_pure::pure::area;
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

#[test]
fn it_is_a_hardware_reduced_machine() {
    let (area, rsdp) = written(0xfe, &[2, 3], 0x1c000);
    let addresses = tables(&area, rsdp);
    assert_eq!(addresses.len(), 3);
    let fadt = table(&area, addresses[0], b"FACP");
    assert_eq!((fadt.len(), fadt[8], fadt[131]), (276, 6, 4));
    // NO_VGA, NO_ASPM, NO_CMOS_RTC; neither legacy devices nor an 8042.
    assert_eq!(u16_at(fadt, 109), 0x34);
    // WBINVD, APIC_PHYSICAL, HW_REDUCED; no reset register.
    assert_eq!(u32_at(fadt, 112), 1 | (1 << 19) | (1 << 20));
    let dsdt = table(&area, u64_at(fadt, 140), b"DSDT");
    assert_eq!((dsdt.len(), dsdt[8]), (36, 2));
    // All else is 0: no ports, no FACS, no interrupt.
    let used = [0..36, 109..111, 112..116, 131..132, 140..148];
    for (at, byte) in fadt.iter().enumerate() {
        assert!(*byte == 0 || used.iter().any(|u| u.contains(&at)), "{at}");
    }
}

#[test]
fn the_spare_id_is_first_and_an_io_apic_is_there() {
    let (area, rsdp) = written(0xfd, &[7, 5], 0x1d000);
    let (cpus, ioapics) = madt(table(&area, tables(&area, rsdp)[1], b"APIC"));
    assert_eq!(cpus, [(0, 0xfd, 1), (1, 7, 1), (2, 5, 1)]);
    assert_eq!(ioapics, [0x1d000]);
}

#[test]
fn the_shared_area_is_told() {
    let (area, rsdp) = written(0xfe, &[2], 0x1c000);
    let table = table(&area, tables(&area, rsdp)[2], b"MKRN");
    assert_eq!(area::parse_table(table).ok(), AREA);
}

#[test]
fn wrong_requests_are_refused() {
    let mut area = vec![0; BYTES as usize];
    let mut with = |spare, cpus: &[u8], room: usize| {
        let config = Config {
            spare,
            cpus,
            ioapic: 0,
            area: AREA.unwrap(),
        };
        write(&mut area[..room], BASE, &config).unwrap_err()
    };
    assert_eq!(with(1, &[], 4096), Error::Cpus(0));
    assert_eq!(with(1, &[3; 255], 4096), Error::Cpus(255));
    assert_eq!(with(1, &[2, 0xff], 4096), Error::ApicId(0xff));
    assert_eq!(with(0xff, &[2], 4096), Error::ApicId(0xff));
    assert_eq!(with(2, &[1, 2], 4096), Error::ApicId(2));
    assert_eq!(with(1, &[2], 4095), Error::Room(4095));
    let config = Config {
        spare: 1,
        cpus: &[2],
        ioapic: 0,
        area: AREA.unwrap(),
    };
    assert_eq!(
        write(&mut area, u64::MAX - 4095, &config),
        Err(Error::Room(4096))
    );
    assert_eq!(
        Error::Cpus(0).to_string(),
        "an instance has 1 to 254 CPUs, not 0"
    );
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
