// SPDX-License-Identifier: GPL-2.0

//! Conversations: whatever the sides do, their memory is cleared only when
//! nobody uses it, and nobody waits for one that is gone.

use multikernel_pure::pure::broker::{Broker, Side};
use multikernel_pure::pure::directory::Answer;
use proptest::prelude::*;

#[test]
fn a_conversation_begins_when_both_are_there() {
    let mut broker = Broker::new();
    assert!(!broker.begin());
    broker.arrive(0);
    assert!(!broker.begin());
    broker.arrive(1);
    assert!(broker.begin());
    assert_eq!([0, 1].map(|side| broker.side(side)), [Side::Engaged; 2]);
    assert!(!broker.begin());
    assert_eq!(broker.conversations(), 1);
}

/// Both are there, in a conversation.
fn engaged() -> Broker {
    let mut broker = Broker::new();
    broker.arrive(0);
    broker.arrive(1);
    assert!(broker.begin());
    broker
}

#[test]
fn the_next_one_begins_when_both_have_left() {
    let mut broker = engaged();
    assert!(!broker.answer(0, Answer::Attached));
    assert!(!broker.answer(1, Answer::None));
    assert!(!broker.begin());
    assert!(!broker.answer(1, Answer::Released));
    assert!(!broker.begin());
    assert!(!broker.answer(0, Answer::Released));
    assert!(broker.begin());
    assert_eq!(broker.conversations(), 2);
}

#[test]
fn who_is_left_alone_is_told() {
    let mut broker = engaged();
    assert!(broker.depart(0));
    // It comes again, and has to wait for the other one.
    broker.arrive(0);
    assert!(!broker.begin());
    assert!(!broker.answer(1, Answer::Released));
    assert!(broker.begin());
    // Who has left already need not be told.
    assert!(!broker.answer(1, Answer::Released));
    assert!(!broker.depart(0));
}

#[test]
fn who_refuses_is_not_asked_again() {
    let mut broker = engaged();
    assert!(broker.answer(0, Answer::Refused));
    assert!(!broker.answer(1, Answer::Released));
    assert!(!broker.begin());
    broker.arrive(0);
    assert!(!broker.begin());
    // Another one may want it.
    assert!(!broker.depart(0));
    broker.arrive(0);
    assert!(broker.begin());
}

#[test]
fn what_was_removed_begins_no_more() {
    let mut broker = engaged();
    assert!(broker.remove());
    assert!(!broker.remove());
    assert!(!broker.answer(0, Answer::Released));
    assert!(!broker.answer(1, Answer::Released));
    assert!(!broker.begin());
}

#[test]
fn there_are_two_sides() {
    let mut broker = engaged();
    broker.arrive(2);
    assert!(!broker.depart(usize::MAX));
    assert!(!broker.answer(2, Answer::Refused));
    assert_eq!(broker, engaged());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive,
    Depart,
    Answer(Answer),
    Begin,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        Just(Step::Arrive),
        Just(Step::Depart),
        Just(Step::Begin),
        Just(Step::Answer(Answer::None)),
        Just(Step::Answer(Answer::Attached)),
        Just(Step::Answer(Answer::Released)),
        Just(Step::Answer(Answer::Refused)),
    ];
    (0..2usize, step)
}

proptest! {
    #[test]
    fn memory_is_cleared_when_nobody_uses_it(steps in prop::collection::vec(step(), 0..100)) {
        let mut broker = Broker::new();
        // Who may use the memory, and who has been told that the other one is gone.
        let (mut uses, mut is_alone) = ([false; 2], [false; 2]);
        for (side, step) in steps {
            let other = 1 - side;
            match step {
                Step::Arrive => broker.arrive(side),
                Step::Depart => {
                    let had = uses[side];
                    uses[side] = false;
                    let told = broker.depart(side);
                    prop_assert_eq!(told, had && uses[other]);
                    is_alone[other] |= told;
                }
                Step::Answer(answer) => {
                    let had = uses[side];
                    let told = broker.answer(side, answer);
                    if matches!(answer, Answer::Released | Answer::Refused) {
                        uses[side] = false;
                    }
                    prop_assert_eq!(told, had && answer == Answer::Refused && uses[other]);
                    is_alone[other] |= told;
                }
                Step::Begin => {
                    if broker.begin() {
                        prop_assert_eq!(uses, [false; 2]);
                        uses = [true; 2];
                        is_alone = [false; 2];
                    }
                }
            }
            let engaged = [0, 1].map(|side| broker.side(side) == Side::Engaged);
            prop_assert_eq!(engaged, uses);
        }
    }
}
