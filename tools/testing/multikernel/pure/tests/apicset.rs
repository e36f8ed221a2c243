// SPDX-License-Identifier: GPL-2.0

//! Sets of APIC IDs.

use std::collections::BTreeSet;

use multikernel_pure::pure::apicset::ApicSet;
use proptest::prelude::*;

proptest! {
    #[test]
    fn it_is_a_set(changes in prop::collection::vec((any::<bool>(), any::<u8>()), 0..600)) {
        let set = ApicSet::new();
        let mut model = BTreeSet::new();
        for (inserts, id) in changes {
            if inserts {
                set.insert(id);
                model.insert(id);
            } else {
                set.remove(id);
                model.remove(&id);
            }
        }
        prop_assert!(set.iter().eq(model));
    }
}

#[test]
fn all_fit() {
    let set = ApicSet::new();
    assert_eq!(set.iter().next(), None);
    (0..=u8::MAX).for_each(|id| set.insert(id));
    assert!(set.iter().eq(0..=u8::MAX));
}
