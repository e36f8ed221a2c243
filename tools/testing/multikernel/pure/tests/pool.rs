// SPDX-License-Identifier: GPL-2.0

//! Pools of memory: what is free in them, and where a piece is taken from.

mod common;

use common::range;
use multikernel_pure::pure::pool::{Place, Pool};
use multikernel_pure::pure::range::{is_sorted, Range};
use proptest::prelude::*;

const UNIT: u64 = 2 << 20;

/// Ranges in units.
fn units(start: u64, count: u64) -> Range {
    range(start * UNIT, count * UNIT)
}

fn best(all: Range, taken: &[Range], count: u64) -> Option<(usize, Range)> {
    let place = Pool::new(all, taken).unwrap().best_fit(count * UNIT)?;
    Some((place.index, place.range))
}

#[test]
fn an_untouched_pool_is_one_piece() {
    let pool = Pool::new(units(10, 5), &[]).unwrap();
    assert_eq!((pool.free(), pool.largest()), (5 * UNIT, 5 * UNIT));
    assert_eq!(best(units(10, 5), &[], 5), Some((0, units(10, 5))));
    assert_eq!(best(units(10, 5), &[], 2), Some((0, units(10, 2))));
    assert_eq!(best(units(10, 5), &[], 6), None);
}

#[test]
fn a_full_pool_has_nothing() {
    let taken = [units(0, 3), units(3, 1)];
    let pool = Pool::new(units(0, 4), &taken).unwrap();
    assert_eq!((pool.free(), pool.largest()), (0, 0));
    assert_eq!(pool.best_fit(UNIT), None);
    assert_eq!(pool.place(units(0, 1)), None);
}

#[test]
fn nothing_is_no_piece() {
    assert_eq!(best(units(0, 4), &[], 0), None);
}

#[test]
fn the_smallest_gap_is_used() {
    // Free: 0-2, 5, 8-9, 12-19
    let taken = [units(3, 2), units(6, 2), units(10, 2)];
    let all = units(0, 20);
    assert_eq!(best(all, &taken, 1), Some((1, units(5, 1))));
    assert_eq!(best(all, &taken, 2), Some((2, units(8, 2))));
    assert_eq!(best(all, &taken, 3), Some((0, units(0, 3))));
    assert_eq!(best(all, &taken, 5), Some((3, units(12, 5))));
    assert_eq!(best(all, &taken, 9), None);
}

#[test]
fn of_gaps_that_are_as_good_the_lowest_is_used() {
    let taken = [units(2, 1), units(5, 1)];
    assert_eq!(best(units(0, 8), &taken, 2), Some((0, units(0, 2))));
}

#[test]
fn pieces_that_come_back_grow_together() {
    let all = units(0, 6);
    let mut taken = vec![units(0, 2), units(2, 2), units(4, 2)];
    assert_eq!(best(all, &taken, 1), None);
    taken.remove(1);
    assert_eq!(Pool::new(all, &taken).unwrap().largest(), 2 * UNIT);
    taken.remove(0);
    assert_eq!(Pool::new(all, &taken).unwrap().largest(), 4 * UNIT);
    taken.remove(0);
    assert_eq!(best(all, &taken, 6), Some((0, all)));
}

#[test]
fn only_what_is_free_has_a_place() {
    let taken = [units(4, 2)];
    let place = |part| Pool::new(units(2, 8), &taken).unwrap().place(part);
    let at = |index, range| Some(Place { index, range });
    assert_eq!(place(units(2, 2)), at(0, units(2, 2)));
    assert_eq!(place(units(3, 1)), at(0, units(3, 1)));
    assert_eq!(place(units(6, 4)), at(1, units(6, 4)));
    assert_eq!(place(units(3, 2)), None);
    assert_eq!(place(units(5, 1)), None);
    assert_eq!(place(units(1, 2)), None);
    assert_eq!(place(units(9, 2)), None);
    assert_eq!(place(units(20, 1)), None);
}

#[test]
fn what_is_no_pool_is_refused() {
    assert!(Pool::new(units(2, 2), &[units(1, 2)]).is_none());
    assert!(Pool::new(units(2, 2), &[units(3, 2)]).is_none());
    assert!(Pool::new(units(0, 9), &[units(4, 1), units(2, 1)]).is_none());
    assert!(Pool::new(units(0, 9), &[units(2, 3), units(4, 1)]).is_none());
    // At the end of all addresses nothing wraps.
    let top = range(u64::MAX - 4096, 4096);
    let pool = Pool::new(top, &[]).unwrap();
    assert_eq!((pool.free(), pool.largest()), (4096, 4096));
    assert_eq!(pool.best_fit(u64::MAX), None);
}

/// The same, kept as a map of units.
struct Map(Vec<bool>);

impl Map {
    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs = Vec::new();
        let mut at = 0;
        for run in self.0.chunk_by(|a, b| a == b) {
            if !run[0] {
                runs.push((at, run.len() as u64));
            }
            at += run.len() as u64;
        }
        runs
    }

    fn set(&mut self, start: u64, count: u64, to: bool) {
        for unit in &mut self.0[start as usize..(start + count) as usize] {
            assert_ne!(*unit, to);
            *unit = to;
        }
    }
}

proptest! {
    /// Whatever is taken and given back, by whom, in which order.
    #[test]
    fn it_is_as_a_map_tells(
        size in 1u64..100,
        steps in proptest::collection::vec((any::<bool>(), 1u64..40, any::<usize>()), 0..200),
    ) {
        // Not at address 0, and not at a multiple of its size.
        let base = 7;
        let all = units(base, size);
        let mut map = Map(vec![false; size as usize]);
        let mut taken: Vec<Range> = Vec::new();
        for (takes, count, which) in steps {
            let pool = Pool::new(all, &taken).unwrap();
            let runs = map.runs();
            prop_assert_eq!(pool.free(), runs.iter().map(|run| run.1).sum::<u64>() * UNIT);
            prop_assert_eq!(pool.largest(), runs.iter().map(|run| run.1).max().unwrap_or(0) * UNIT);
            if takes {
                let wanted = runs
                    .iter()
                    .filter(|run| run.1 >= count)
                    .min_by_key(|run| run.1)
                    .map(|run| units(base + run.0, count));
                let place = pool.best_fit(count * UNIT);
                prop_assert_eq!(place.map(|place| place.range), wanted);
                let Some(place) = place else { continue };
                prop_assert_eq!(pool.place(place.range), Some(place));
                map.set(place.range.start() / UNIT - base, count, true);
                taken.insert(place.index, place.range);
            } else if !taken.is_empty() {
                let part = taken.remove(which % taken.len());
                map.set(part.start() / UNIT - base, part.bytes() / UNIT, false);
                // A part of what came back can be had at its own place.
                let place = Pool::new(all, &taken).unwrap().place(part);
                prop_assert_eq!(place.map(|place| place.range), Some(part));
            }
            prop_assert!(is_sorted(&taken));
        }
    }
}
