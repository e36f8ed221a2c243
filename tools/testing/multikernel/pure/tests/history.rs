// SPDX-License-Identifier: GPL-2.0

//! What readers find of what has happened, whenever they look.

use multikernel_pure::pure::history::{Found, History};
use proptest::prelude::*;

fn history(slots: usize, items: u64) -> History<Vec<u64>> {
    let mut history = History::new(vec![u64::MAX; slots]);
    (0..items).for_each(|item| history.push(item * 10));
    history
}

fn found(seq: u64, lost: u64) -> Option<Found<u64>> {
    let item = seq * 10;
    Some(Found { seq, lost, item })
}

#[test]
fn there_is_nothing_in_the_beginning() {
    let history = history(4, 0);
    assert_eq!((history.oldest(), history.next()), (0, 0));
    assert_eq!(history.find(0), None);
}

#[test]
fn all_is_kept_as_long_as_there_is_room() {
    let history = history(4, 4);
    assert_eq!((history.oldest(), history.next()), (0, 4));
    for seq in 0..4 {
        assert_eq!(history.find(seq), found(seq, 0));
    }
    assert_eq!(history.find(4), None);
}

#[test]
fn the_oldest_goes_first() {
    let history = history(4, 5);
    assert_eq!((history.oldest(), history.next()), (1, 5));
    assert_eq!(history.find(0), found(1, 1));
    assert_eq!(history.find(1), found(1, 0));
    assert_eq!(history.find(4), found(4, 0));
}

#[test]
fn who_comes_late_is_told_how_late() {
    let history = history(4, 1000);
    assert_eq!(history.find(0), found(996, 996));
    assert_eq!(history.find(990), found(996, 6));
}

#[test]
fn nobody_is_ahead_of_what_happens() {
    let history = history(4, 9);
    assert_eq!(history.find(9), None);
    assert_eq!(history.find(u64::MAX), None);
}

#[test]
fn without_slots_all_is_lost() {
    let history = history(0, 9);
    assert_eq!((history.oldest(), history.next()), (9, 9));
    assert_eq!(history.find(0), None);
}

proptest! {
    /// A reader sees every number once, as an item or as a lost one, in order.
    #[test]
    fn every_number_is_accounted_for(slots in 1usize..8, steps in prop::collection::vec((0u64..12, 0usize..12), 0..50)) {
        let mut history = history(slots, 0);
        let mut seen = 0;
        for (pushes, reads) in steps {
            for _ in 0..pushes {
                history.push(history.next() * 10);
            }
            for _ in 0..reads {
                let Some(next) = history.find(seen) else {
                    prop_assert_eq!(seen, history.next());
                    break;
                };
                prop_assert_eq!(next.seq, seen + next.lost);
                prop_assert_eq!(next.item, next.seq * 10);
                // What is kept is not lost.
                prop_assert!(next.lost == 0 || next.seq == history.oldest());
                seen = next.seq + 1;
            }
        }
    }
}
