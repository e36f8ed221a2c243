// SPDX-License-Identifier: GPL-2.0

//! When a line is rung too often.

use multikernel_pure::pure::storm::Storm;

const MS: u64 = 1_000_000;

/// How many of `rings`, one each `ns` nanoseconds, were too many.
fn too_many(storm: &Storm, begin: u64, rings: u64, ns: u64) -> usize {
    (0..rings).filter(|n| storm.ring(begin + n * ns, 0)).count()
}

#[test]
fn rings() {
    // 10 000 in a second.
    assert_eq!(too_many(&Storm::new(400), 0, 100_000, 100_000), 0);
    assert_eq!(
        too_many(&Storm::new(400), u64::MAX / 2, 100_000, 100_000),
        0
    );
    // As many as a burst may have, now and then.
    let storm = Storm::new(400);
    for n in 0..100 {
        assert_eq!(too_many(&storm, n * 20 * MS, 400, 1), 0, "{n}");
    }
}

#[test]
fn storms() {
    // A million in a second is noticed within a millisecond.
    let storm = Storm::new(400);
    let first = (0..).find(|n| storm.ring(n * 1000, 0)).unwrap();
    assert!(first * 1000 < MS);
    // It goes on until somebody calms it.
    assert!(storm.ring(first * 1000 + 1, 0));
    storm.calm();
    assert!(!storm.ring(first * 1000 + 2, 0));
    // 50 000 in a second are noticed within a window.
    let storm = Storm::new(400);
    let first = (0..).find(|n| storm.ring(n * 20_000, 0)).unwrap();
    assert!(first * 20_000 <= 20 * MS);
}

#[test]
fn excuses() {
    let storm = Storm::new(400);
    for n in 0..1_000_000 {
        assert!(!storm.ring(n * 1000, 0));
        storm.excuse(1);
    }
    // No credit is left over.
    storm.excuse(u32::MAX);
    assert!(too_many(&storm, 2_000_000_000, 1000, 1) > 0);
}

/// Rings that somebody waits for are none in vain, in whatever order they come.
#[test]
fn reasons() {
    let storm = Storm::new(400);
    for n in 0..1_000_000 {
        // All that 96 wait for is known with the first of 96 rings.
        let reasons = if n % 96 == 0 { 96 } else { 0 };
        assert!(!storm.ring(n * 10, reasons), "{n}");
    }
    // They are no credit for later.
    let storm = Storm::new(400);
    assert!(!storm.ring(0, u32::MAX));
    assert!(too_many(&storm, 20 * MS, 1000, 1) > 0);
    // Nor for more than there were; and excusing others takes none of them away.
    let storm = Storm::new(400);
    assert!(!storm.ring(0, 100));
    storm.excuse(5);
    let too_many = too_many(&storm, 1, 1000, 1);
    assert_eq!(too_many, 1000 - 400 - 99);
}

/// A clock that goes back begins a new window.
#[test]
fn clock() {
    let storm = Storm::new(400);
    assert_eq!(too_many(&storm, 1000 * MS, 400, 1), 0);
    assert!(!storm.ring(5, 0));
}
