// SPDX-License-Identifier: GPL-2.0

//! Which of a few things are taken.

use std::collections::BTreeSet;

use multikernel_pure::pure::taken::{Taken, MAX};
use proptest::prelude::*;

#[test]
fn there_may_be_none_and_not_too_many() {
    let mut none = Taken::none_of(0).unwrap();
    assert_eq!((none.take(), none.left()), (None, 0));
    assert_eq!(Taken::none_of(MAX + 1), None);
}

#[test]
fn all_can_be_taken() {
    let mut all = Taken::none_of(MAX).unwrap();
    for index in 0..MAX {
        assert_eq!(all.left(), MAX - index);
        assert_eq!(all.take(), Some(index));
    }
    assert_eq!((all.take(), all.left()), (None, 0));
    all.free(MAX);
    assert_eq!(all.left(), 0);
}

proptest! {
    #[test]
    fn none_is_taken_twice(
        count in 0..=MAX,
        steps in prop::collection::vec(prop::option::of(0..MAX + 2), 0..200),
    ) {
        let mut taken = Taken::none_of(count).unwrap();
        let mut model = BTreeSet::new();
        for step in steps {
            match step {
                Some(index) => {
                    taken.free(index);
                    model.remove(&index);
                }
                None => {
                    let first = (0..count).find(|index| !model.contains(index));
                    prop_assert_eq!(taken.take(), first);
                    model.extend(first);
                }
            }
            prop_assert_eq!(taken.left(), count - model.len());
        }
    }
}

#[test]
fn there_can_be_fewer() {
    let mut taken = Taken::none_of(5).unwrap();
    taken.limit(2);
    assert_eq!((taken.count(), taken.left()), (2, 2));
    assert_eq!(
        (taken.take(), taken.take(), taken.take()),
        (Some(0), Some(1), None)
    );
    taken.free(4);
    assert_eq!(taken.left(), 0);
    // Not more than there were.
    taken.limit(3);
    assert_eq!(taken.count(), 2);
}
