// SPDX-License-Identifier: GPL-2.0

//! A clock that follows another one, and a page that tells none any more.

mod common;

use common::{clock, Written};
use multikernel_pure::pure::clock::{Clock, Follower};
use multikernel_pure::ram::Ram;

const SECOND: u64 = 1_000_000_000;

#[test]
fn no_time_any_more() {
    let ram = Ram::new(1 << 16);
    let mut sequence = 0;
    clock().publish(&ram.side(0), 0, &mut sequence);
    assert_eq!(Clock::read(&ram.side(1), 0), Some(clock()));
    Clock::withdraw(&ram.side(0), 0, &mut sequence);
    assert_eq!(Clock::try_read(&ram.side(1), 0), Ok(None));
    clock().publish(&ram.side(0), 0, &mut sequence);
    assert_eq!(Clock::read(&ram.side(1), 0), Some(clock()));
    assert_eq!(sequence, 6);
}

/// The sequence is odd before anything changes, and even behind.
#[test]
fn what_changes_is_between() {
    let (written, mut sequence) = (Written::default(), 0);
    clock().publish(&written, 0, &mut sequence);
    let told = written.take();
    Clock::withdraw(&written, 0, &mut sequence);
    let withdrawn = written.take();
    for (stores, before) in [(told, 0), (withdrawn, 2)] {
        let [first, between @ .., last] = stores.as_slice() else {
            panic!("{stores:?}");
        };
        assert_eq!((*first, *last), ((0, before + 1), (0, before + 2)));
        assert!(!between.is_empty());
        assert!(between.iter().all(|(at, _)| *at != 0), "{between:?}");
    }
    assert_eq!(sequence, 4);
}

#[test]
fn distances() {
    let a = clock();
    assert_eq!(a.distance(&a), 0);
    // The same line, told at another time.
    let mut b = a;
    b.tsc += 1 << 20;
    b.realtime_ns = a.realtime_ns(b.tsc);
    assert!(a.distance(&b) <= 1);
    // One that was set.
    b = a;
    b.realtime_ns += SECOND;
    assert_eq!((a.distance(&b), b.distance(&a)), (SECOND, SECOND));
    // One that goes faster by 100 ppm: 2^31 ticks are 0.86 s.
    b = a;
    b.multiplier += a.multiplier / 10_000;
    assert!((85_000..87_000).contains(&a.distance(&b)));
    // Nonsense is far, or near, and no trouble.
    b.multiplier = u64::MAX;
    b.shift = u32::MAX;
    a.distance(&b);
    b.distance(&a);
}

/// A clock that goes wrong by `rates`, in nanoseconds a second, one a second, beginning at `error`.
/// Returns how far it was from the other one at most after it was set for the first time, and how
/// often it was looked at.
fn follow(rates: impl IntoIterator<Item = i64>, mut error: i64) -> (u64, u64) {
    let mut follower = Follower::new();
    let (mut worst, mut looks, mut due) = (0, 0, 0);
    let mut now = 1000 * SECOND;
    for rate in rates {
        // In steps of a millisecond.
        for _ in 0..1000 {
            if now >= due {
                let advice = follower.look(now, error);
                looks += 1;
                if advice.set {
                    error = 0;
                    assert!(!follower.look(now, error).set);
                }
                due = now + advice.again_ns;
            }
            worst = worst.max(error.unsigned_abs());
            now += SECOND / 1000;
            error += rate / 1000;
        }
    }
    (worst, looks)
}

#[test]
fn clocks_that_go_alike() {
    assert_eq!(follow([0; 100], 0), (0, 100));
    // It is set, and that is all. So is one that is years off.
    assert_eq!(follow([0; 100], 3_600_000_000_000), (0, 100));
    assert_eq!(follow([0; 100], -1_000_000_000_000_000_000), (0, 100));
}

#[test]
fn clocks_that_do_not() {
    for ppm in [1, 20, 100, 500] {
        for rate in [ppm * 1000, -ppm * 1000] {
            // It learns in the first second.
            let (worst, looks) = follow([rate; 100], 0);
            let learning = rate.unsigned_abs();
            assert!(worst <= learning.max(50_000), "{ppm} ppm: {worst} ns");
            assert!(looks <= 100 * (2 + ppm as u64 * 1000 / 14_000), "{looks}");
        }
    }
}

/// So long as a change of the rate is too small for the host to ring.
#[test]
fn clocks_that_change() {
    let rates = (0..1000).map(|n| [0, 20_000, 40_000, 20_000, 0, -20_000][n % 6]);
    let (worst, _) = follow(rates, 0);
    assert!(worst <= 100_000, "{worst} ns");
}

/// Times that make no sense are no trouble.
#[test]
fn nonsense() {
    let mut follower = Follower::new();
    for (now, error) in [
        (u64::MAX, i64::MIN),
        (0, i64::MAX),
        (u64::MAX, 0),
        (0, 1),
        (u64::MAX, i64::MIN),
    ] {
        let advice = follower.look(now, error);
        assert!(advice.again_ns >= Follower::SOON_NS);
        assert!(advice.again_ns <= SECOND);
    }
}
