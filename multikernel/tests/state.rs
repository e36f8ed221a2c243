// SPDX-License-Identifier: GPL-2.0

//! The life of an instance: every operation in every state.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_state))]
mod suite {
    use crate::pure::state::{Error, Life, Operation, Outcome, Reason, State};
    use Operation::{Destroy, Kill, Load, SetCpus, SetMemory, Start};
    use Outcome::{Done, Lost, Unchanged};

    const OPERATIONS: [Operation; 6] = [SetCpus, SetMemory, Load, Start, Kill, Destroy];

    fn after(steps: &[Operation]) -> Life {
        let mut life = Life::new();
        for step in steps {
            life.begin(*step).unwrap();
            life.end(Done);
        }
        life
    }

    /// What each operation is told.
    type Verdicts = [Result<(), Error>; OPERATIONS.len()];

    const READY: [Operation; 3] = [SetCpus, SetMemory, Load];
    const RUNNING: [Operation; 4] = [SetCpus, SetMemory, Load, Start];

    /// Instances in each state, and what each operation says there.
    #[test]
    fn every_operation_in_every_state() {
        let stopped = |reason| {
            let mut life = after(&RUNNING);
            assert!(life.stopped(reason));
            life
        };
        let idle = |state| Err(Error::NotRunning(state));
        let needs = |first| Err(Error::Needs(first));
        let ok = Ok(());
        let running = Err(Error::Running);
        let table: [(Life, State, Verdicts); 8] = [
            (
                after(&[]),
                State::Created,
                [
                    ok,
                    ok,
                    needs(SetMemory),
                    needs(Load),
                    idle(State::Created),
                    ok,
                ],
            ),
            (
                after(&[SetMemory]),
                State::Created,
                [ok, ok, ok, needs(Load), idle(State::Created), ok],
            ),
            (
                after(&[SetMemory, Load]),
                State::Loaded,
                [ok, ok, ok, needs(SetCpus), idle(State::Loaded), ok],
            ),
            (
                after(&READY),
                State::Loaded,
                [ok, ok, ok, ok, idle(State::Loaded), ok],
            ),
            (
                after(&RUNNING),
                State::Running,
                [running, running, running, running, ok, running],
            ),
            (
                stopped(Reason::Halt),
                State::Stopped,
                [ok, ok, ok, needs(Load), idle(State::Stopped), ok],
            ),
            (
                stopped(Reason::Panic),
                State::Crashed,
                [ok, ok, ok, needs(Load), idle(State::Crashed), ok],
            ),
            (after(&[Destroy]), State::Created, [Err(Error::Gone); 6]),
        ];
        for (life, state, expected) in table {
            assert_eq!(life.state(), state);
            for (operation, expected) in OPERATIONS.into_iter().zip(expected) {
                assert_eq!(life.check(operation), expected);
                let mut life = life;
                assert_eq!(life.begin(operation), expected);
                assert_eq!(life.under_way(), expected.is_ok().then_some(operation));
            }
        }
    }

    #[test]
    fn one_thing_at_a_time() {
        for first in OPERATIONS {
            let mut life = match first {
                Kill => after(&RUNNING),
                _ => after(&READY),
            };
            life.begin(first).unwrap();
            for second in OPERATIONS {
                assert_eq!(life.begin(second), Err(Error::Busy(first)));
            }
            life.end(Unchanged);
            assert_eq!(life.under_way(), None);
            life.check(first).unwrap();
        }
    }

    #[test]
    fn what_fails_leaves_what_it_left() {
        // (steps before, operation, outcome, state after, what start says then)
        let needs = |first| Err(Error::Needs(first));
        let cases = [
            (SetCpus, Lost, State::Loaded, needs(SetCpus)),
            (SetMemory, Lost, State::Created, needs(Load)),
            (SetMemory, Done, State::Created, needs(Load)),
            (Load, Lost, State::Created, needs(Load)),
            (Load, Done, State::Loaded, Ok(())),
            (Start, Lost, State::Crashed, needs(Load)),
        ];
        for (operation, outcome, state, start) in cases {
            let mut life = after(&READY);
            life.begin(operation).unwrap();
            life.end(outcome);
            assert_eq!(life.state(), state);
            assert_eq!(life.check(Start), start);
        }
        for operation in [SetCpus, SetMemory, Load, Start, Destroy] {
            let before = after(&READY);
            let mut life = before;
            life.begin(operation).unwrap();
            life.end(Unchanged);
            assert_eq!(life, before);
        }
        // Without memory there is nothing to load into.
        let mut life = after(&READY);
        life.begin(SetMemory).unwrap();
        life.end(Lost);
        assert_eq!(life.check(Load), Err(Error::Needs(SetMemory)));
        // A start that failed tells so.
        let mut life = after(&READY);
        life.begin(Start).unwrap();
        life.end(Lost);
        assert_eq!(life.reason(), Reason::StartFailed);
        assert_eq!(life.runs(), 0);
    }

    #[test]
    fn each_reason_has_its_state() {
        for (reason, state) in [
            (Reason::Killed, State::Stopped),
            (Reason::Restart, State::Stopped),
            (Reason::Halt, State::Stopped),
            (Reason::HostDown, State::Stopped),
            (Reason::Panic, State::Crashed),
            (Reason::StartFailed, State::Crashed),
            (Reason::Stuck, State::Crashed),
        ] {
            let mut life = after(&RUNNING);
            assert!(life.stopped(reason));
            assert_eq!((life.state(), life.reason()), (state, reason));
            // The first reason counts.
            assert!(!life.stopped(Reason::Killed));
            assert_eq!(life.reason(), reason);
            // A new kernel has not ended.
            life.begin(Load).unwrap();
            life.end(Done);
            assert_eq!(life.reason(), Reason::None);
        }
        let mut life = after(&READY);
        assert!(!life.stopped(Reason::Panic));
        assert_eq!(life.state(), State::Loaded);
    }

    #[test]
    fn a_kill_may_come_too_late() {
        let mut life = after(&RUNNING);
        life.begin(Kill).unwrap();
        assert!(life.stopped(Reason::Restart));
        life.end(Done);
        assert_eq!(life.reason(), Reason::Restart);
        let mut life = after(&RUNNING);
        life.begin(Kill).unwrap();
        life.end(Done);
        assert_eq!(life.reason(), Reason::Killed);
    }

    #[test]
    fn changes_are_counted() {
        let mut life = Life::new();
        let mut seen = life.generation();
        let mut changed = |life: &Life| {
            let before = core::mem::replace(&mut seen, life.generation());
            life.generation() - before
        };
        for (step, changes) in [
            (SetCpus, 0),
            (SetMemory, 0),
            (Load, 1),
            (Load, 0),
            (Start, 1),
            (Kill, 1),
            (SetCpus, 0),
            (Load, 1),
            (SetMemory, 1),
        ] {
            life.begin(step).unwrap();
            assert_eq!(changed(&life), 0);
            life.end(Done);
            assert_eq!(changed(&life), changes);
        }
        assert_eq!(life.runs(), 1);
    }

    #[test]
    fn only_what_runs_can_be_asked() {
        for steps in [&[][..], &[SetMemory], &[SetMemory, Load]] {
            let life = after(steps);
            let error = Error::NotRunning(life.state());
            assert_eq!(life.check_running(), Err(error));
        }
        let mut life = after(&[SetCpus, SetMemory, Load, Start]);
        assert_eq!(life.check_running(), Ok(()));
        // While it is killed, too: it runs as long as it does.
        life.begin(Kill).unwrap();
        assert_eq!(life.check_running(), Ok(()));
        life.end(Done);
        assert_eq!(life.check_running(), Err(Error::NotRunning(State::Stopped)));
        life.begin(Destroy).unwrap();
        life.end(Done);
        assert_eq!(life.check_running(), Err(Error::Gone));
    }

    #[test]
    fn other_changes_count_too() {
        let mut life = after(&[SetMemory]);
        let before = life;
        life.changed();
        assert_eq!(life.generation(), before.generation() + 1);
        assert_eq!(life.state(), before.state());
    }
}
