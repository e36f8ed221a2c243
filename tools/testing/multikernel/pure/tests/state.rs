// SPDX-License-Identifier: GPL-2.0

//! The life of an instance, whatever is done; `multikernel/tests` has the rest.

use multikernel_pure::pure::state::{Error, Life, Operation, Outcome, Reason, State};
use proptest::prelude::*;
use Operation::{Destroy, Kill, Load, SetCpus, SetMemory, Start};
use Outcome::{Done, Lost, Unchanged};

const OPERATIONS: [Operation; 6] = [SetCpus, SetMemory, Load, Start, Kill, Destroy];

#[test]
fn messages_say_what_to_do() {
    let says = |error: Error, words: &str| assert_eq!(error.to_string(), words);
    says(
        Error::Busy(Load),
        "another request is under way, to load a kernel; wait until it is done",
    );
    says(Error::Running, "the instance is running; kill it first");
    says(
        Error::NotRunning(State::Created),
        "the instance does not run: it is created",
    );
    says(Error::Needs(Load), "load a kernel first");
    says(Error::Gone, "the instance was destroyed");
    assert_eq!(Reason::Panic.to_string(), "panicked");
    assert_eq!(State::Crashed.to_string(), "crashed");
}

proptest! {
    /// Whatever is done: only what is complete runs, and counts go up.
    #[test]
    fn it_stays_sound(steps in proptest::collection::vec((0usize..7, 0usize..3), 0..60)) {
        let mut life = Life::new();
        for (step, outcome) in steps {
            let before = life;
            match OPERATIONS.get(step) {
                Some(operation) => {
                    if life.begin(*operation).is_ok() {
                        life.end([Done, Unchanged, Lost][outcome]);
                    } else {
                        prop_assert_eq!(life, before);
                    }
                }
                None => {
                    life.stopped([Reason::Halt, Reason::Panic, Reason::HostDown][outcome]);
                }
            }
            prop_assert_eq!(life.under_way(), None);
            let is_new = (life.state(), life.reason()) != (before.state(), before.reason());
            prop_assert_eq!(life.generation(), before.generation() + u64::from(is_new));
            if life.state() == State::Running && before.state() != State::Running {
                prop_assert_eq!(before.state(), State::Loaded);
                prop_assert_eq!(life.runs(), before.runs() + 1);
            } else {
                prop_assert_eq!(life.runs(), before.runs());
            }
            let has_ended = matches!(life.state(), State::Stopped | State::Crashed);
            prop_assert_eq!(has_ended, life.reason() != Reason::None);
            prop_assert!(!before.is_gone() || life == before);
        }
    }
}
