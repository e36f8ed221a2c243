// SPDX-License-Identifier: GPL-2.0

//! How long to look before sleeping.

use multikernel_pure::pure::spin::Spin;
use proptest::prelude::*;

const US: u32 = 1000;
const MAX: u32 = 200 * US;

/// One that has learned from waits that took `waited` each.
fn after(waits: usize, waited: u64) -> Spin {
    let spin = Spin::new();
    for _ in 0..waits {
        spin.learn(waited, MAX);
    }
    spin
}

#[test]
fn short_waits_are_looked_through() {
    assert_eq!(Spin::new().ns(MAX), 0);
    for waited in [1, 9 * US, 11 * US, 70 * US, MAX - 1] {
        let spin = after(10, waited.into());
        assert!(spin.ns(MAX) >= waited, "{waited}: {spin:?}");
        // It does not go on growing.
        assert!(
            spin.ns(MAX) <= (2 * waited).max(10 * US),
            "{waited}: {spin:?}"
        );
    }
}

/// One that took as long as the look does not make it longer.
#[test]
fn the_look_is_as_long_as_the_waits() {
    let spin = after(1, 1);
    assert_eq!(spin.ns(MAX), 10 * US);
    spin.learn(u64::from(10 * US), MAX);
    assert_eq!(spin.ns(MAX), 10 * US);
    spin.learn(u64::from(10 * US) + 1, MAX);
    assert_eq!(spin.ns(MAX), 20 * US);
}

#[test]
fn long_waits_are_not() {
    for waited in [u64::from(MAX), u64::from(MAX) + 1, u64::MAX] {
        let spin = after(10, 100);
        spin.learn(waited, MAX);
        assert_eq!(spin.ns(MAX), 0, "{waited}");
        // One that is short then is the beginning.
        spin.learn(50 * u64::from(US), MAX);
        assert_eq!(spin.ns(MAX), 10 * US);
    }
}

#[test]
fn none_is_none() {
    let spin = after(10, 100);
    assert_eq!(spin.ns(0), 0);
    spin.learn(0, 0);
    spin.learn(100, 0);
    assert_eq!(spin.ns(MAX), 0);
}

proptest! {
    #[test]
    fn never_longer_than_allowed(
        waits in prop::collection::vec((any::<u64>(), any::<u32>()), 1..100),
        max in any::<u32>(),
    ) {
        let spin = Spin::new();
        for (waited, max) in waits {
            spin.learn(waited, max);
            prop_assert!(spin.ns(max) <= max);
        }
        prop_assert!(spin.ns(max) <= max);
    }
}
