// SPDX-License-Identifier: GPL-2.0

//! The ACPI tables, from the pointer that a kernel is given on.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_acpi))]
mod suite {
    use crate::pure::acpi::{write, Config, Error, BYTES};
    use crate::pure::{area, bytes, range::Range};

    const BASE: u64 = 0x1_4000_0000;

    fn config(spare: u8, cpus: &[u8]) -> Config<'_> {
        Config {
            spare,
            cpus,
            ioapic: 0x1c000,
            area: Range::new(0x1_8765_4000, 0x5000).unwrap(),
        }
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
    }

    /// The table at a physical address, if it is whole and adds up to 0.
    fn table<'a>(page: &'a [u8], address: u64, signature: &[u8]) -> Option<&'a [u8]> {
        let rest = page.get(address.checked_sub(BASE)? as usize..)?;
        let table = rest.get(..bytes::u32(rest, 4)? as usize)?;
        (table.starts_with(signature) && sum(table) == 0).then_some(table)
    }

    /// The table that the RSDP's list has at `place`.
    fn listed<'a>(page: &'a [u8], rsdp: u64, place: usize, name: &[u8]) -> Option<&'a [u8]> {
        let rsdp = page.get(rsdp.checked_sub(BASE)? as usize..)?;
        let xsdt = table(page, bytes::u64(rsdp, 24)?, b"XSDT")?;
        table(page, bytes::u64(xsdt, 36 + 8 * place)?, name)
    }

    #[test]
    fn the_pointer_is_whole() {
        let mut page = [0xaa; BYTES as usize];
        assert_eq!(write(&mut page, BASE, &config(0xfe, &[2, 3])), Ok(BASE));
        assert!(page.starts_with(b"RSD PTR "));
        assert_eq!((page[15], bytes::u32(&page, 20)), (2, Some(36)));
        // No RSDT.
        assert_eq!(bytes::u32(&page, 16), Some(0));
        assert_eq!((sum(&page[..20]), sum(&page[..36])), (0, 0));
        // Three tables.
        let xsdt = bytes::u64(&page, 24).and_then(|xsdt| table(&page, xsdt, b"XSDT"));
        assert_eq!(xsdt.map(<[u8]>::len), Some(36 + 3 * 8));
    }

    #[test]
    fn it_is_a_hardware_reduced_machine() -> Result<(), ()> {
        let mut page = [0xaa; BYTES as usize];
        let rsdp = write(&mut page, BASE, &config(0xfe, &[2, 3])).unwrap_or(0);
        let fadt = listed(&page, rsdp, 0, b"FACP").ok_or(())?;
        assert_eq!((fadt.len(), fadt[8], fadt[131]), (276, 6, 4));
        // NO_VGA, NO_ASPM, NO_CMOS_RTC; neither legacy devices nor an 8042.
        assert_eq!(bytes::u16(fadt, 109), Some(0x34));
        // WBINVD, APIC_PHYSICAL, HW_REDUCED; no reset register.
        assert_eq!(bytes::u32(fadt, 112), Some(1 | (1 << 19) | (1 << 20)));
        let dsdt = bytes::u64(fadt, 140).and_then(|dsdt| table(&page, dsdt, b"DSDT"));
        assert_eq!(dsdt.map(|dsdt| (dsdt.len(), dsdt[8])), Some((36, 2)));
        // All else is 0: no ports, no FACS, no interrupt.
        let used = [0..36, 109..111, 112..116, 131..132, 140..148];
        for (at, byte) in fadt.iter().enumerate() {
            assert!(*byte == 0 || used.iter().any(|u| u.contains(&at)));
        }
        Ok(())
    }

    #[test]
    fn the_spare_id_is_first_and_an_io_apic_is_there() -> Result<(), ()> {
        let mut page = [0xaa; BYTES as usize];
        let rsdp = write(&mut page, BASE, &config(0xfd, &[7, 5])).unwrap_or(0);
        let madt = listed(&page, rsdp, 1, b"APIC").ok_or(())?;
        assert_eq!(bytes::u32(madt, 36), Some(0xfee0_0000));
        assert_eq!(bytes::u32(madt, 40), Some(0));
        // Kind, length, UID, APIC ID, flags.
        assert_eq!(madt[44..52], [0, 8, 0, 0xfd, 1, 0, 0, 0]);
        assert_eq!(madt[52..60], [0, 8, 1, 7, 1, 0, 0, 0]);
        assert_eq!(madt[60..68], [0, 8, 2, 5, 1, 0, 0, 0]);
        // Kind, length, ID, reserved, address, first interrupt.
        assert_eq!(madt[68..], [1, 12, 15, 0, 0, 0xc0, 1, 0, 0, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn the_shared_area_is_told() {
        let mut page = [0xaa; BYTES as usize];
        let config = config(0xfe, &[2]);
        let rsdp = write(&mut page, BASE, &config).unwrap_or(0);
        let table = listed(&page, rsdp, 2, b"MKRN");
        let told = table.and_then(|table| area::parse_table(table).ok());
        assert_eq!(told, Some(config.area));
    }

    #[test]
    fn wrong_requests_are_refused() {
        let mut page = [0; BYTES as usize];
        let mut with = |spare, cpus: &[u8], base, room: usize| {
            write(&mut page[..room], base, &config(spare, cpus)).err()
        };
        assert_eq!(with(1, &[], BASE, 4096), Some(Error::Cpus(0)));
        assert_eq!(with(1, &[3; 255], BASE, 4096), Some(Error::Cpus(255)));
        assert_eq!(with(1, &[2, 0xff], BASE, 4096), Some(Error::ApicId(0xff)));
        assert_eq!(with(0xff, &[2], BASE, 4096), Some(Error::ApicId(0xff)));
        assert_eq!(with(2, &[1, 2], BASE, 4096), Some(Error::ApicId(2)));
        assert_eq!(with(1, &[2], BASE, 4095), Some(Error::Room(4095)));
        let wraps = u64::MAX - 4095;
        assert_eq!(with(1, &[2], wraps, 4096), Some(Error::Room(4096)));
        // Nothing was written.
        assert!(page.iter().all(|byte| *byte == 0));
    }
}
