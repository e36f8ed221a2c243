// SPDX-License-Identifier: GPL-2.0

//! The host's MADT: which APIC IDs the machine has (ACPI 6.5, 5.2.12).

use super::acpi::APIC_ID_MAX;
use super::bytes;

const ENTRIES: usize = 44;
const LOCAL_APIC: u8 = 0;
const LOCAL_X2APIC: u8 = 9;

/// The highest APIC ID that no entry has, disabled ones included: a CPU may be
/// plugged in later. `None` if there is none, or the table is broken.
pub fn spare_apic_id(madt: &[u8]) -> Option<u8> {
    let mut used = [false; APIC_ID_MAX as usize + 1];
    let mut rest = madt.get(ENTRIES..)?;
    while let (Some(kind), Some(length)) = (rest.first(), rest.get(1)) {
        let length = usize::from(*length);
        if length < 2 {
            return None;
        }
        let entry = rest.get(..length)?;
        let id = match *kind {
            LOCAL_APIC => Some(u32::from(*entry.get(3)?)),
            LOCAL_X2APIC => Some(bytes::u32(entry, 4)?),
            _ => None,
        };
        if let Some(used) = id.and_then(|id| used.get_mut(id as usize)) {
            *used = true;
        }
        rest = rest.get(length..)?;
    }
    used.iter().rposition(|used| !used)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; ENTRIES] = [0; ENTRIES];

    #[test]
    fn skips_all_that_are_there() {
        let mut table = HEADER.to_vec();
        assert_eq!(spare_apic_id(&table), Some(0xfe));
        table.extend([0, 8, 0, 0xfe, 0, 0, 0, 0]); // disabled
        assert_eq!(spare_apic_id(&table), Some(0xfd));
        table.extend([9, 16, 0, 0, 0xfd, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(spare_apic_id(&table), Some(0xfc));
        table.extend([1, 12, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // an IO-APIC
        assert_eq!(spare_apic_id(&table), Some(0xfc));
    }

    #[test]
    fn refuses_a_broken_table() {
        assert_eq!(spare_apic_id(&HEADER[1..]), None);
        for broken in [&[0u8, 1][..], &[0, 0], &[0, 8, 0], &[0, 3, 0]] {
            assert_eq!(spare_apic_id(&[&HEADER[..], broken].concat()), None);
        }
    }
}
