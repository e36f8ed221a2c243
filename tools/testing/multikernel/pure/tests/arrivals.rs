// SPDX-License-Identifier: GPL-2.0

//! How often an agent may come.

use multikernel_pure::pure::arrivals::Arrivals;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// How many of `count` may come, one each `ns` nanoseconds.
fn admitted(arrivals: &mut Arrivals, begin: u64, count: u64, ns: u64) -> usize {
    (0..count)
        .filter(|n| arrivals.admit(begin + n * ns))
        .count()
}

#[test]
fn some_in_a_row() {
    let mut arrivals = Arrivals::new();
    assert_eq!(admitted(&mut arrivals, SECOND, 100, 1000), 100);
    assert!(!arrivals.admit(SECOND + 100_000));
    // It costs nothing to be refused.
    assert_eq!(admitted(&mut arrivals, SECOND, 1000, 0), 0);
    assert!(arrivals.admit(12 * SECOND));
    assert!(!arrivals.admit(12 * SECOND));
}

#[test]
fn for_ever_if_slowly() {
    let mut arrivals = Arrivals::new();
    assert_eq!(admitted(&mut arrivals, 0, 100_000, 10 * SECOND), 100_000);
    // And then in a row.
    assert_eq!(admitted(&mut arrivals, 2_000_000 * SECOND, 200, 0), 100);
}

proptest! {
    /// In any time there are no more than a burst and what that time is worth.
    #[test]
    fn never_more(steps in prop::collection::vec(0..20 * SECOND, 1..1000), begin in any::<u64>()) {
        let mut arrivals = Arrivals::new();
        let (mut now, mut count) = (begin / 2, 0);
        let first = now;
        for step in steps {
            now += step;
            count += u64::from(arrivals.admit(now));
        }
        prop_assert!(count <= 100 + (now - first) / (10 * SECOND));
    }
}
