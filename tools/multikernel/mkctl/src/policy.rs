// SPDX-License-Identifier: GPL-2.0

//! What is to be done when an instance ends, and how soon.

use std::time::Duration;

use clap::ValueEnum;
use multikernel::Reason;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Leave it as it is
    Leave,
    /// Load the same again, and start it
    Restart,
    /// Remove it
    Remove,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By its own wish.
    Exit,
    /// In a way that was not meant.
    Crash,
    /// Somebody has killed it, who knows why.
    Killed,
    /// In a way that leaves nothing to be done.
    Final,
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Restart | Reason::Halt => Self::Exit,
            Reason::Killed => Self::Killed,
            Reason::HostDown | Reason::Stuck => Self::Final,
            // Whatever a newer module knows.
            _ => Self::Crash,
        }
    }
}

/// What to do when.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// When it exits.
    pub on_exit: Action,
    /// When it crashes.
    pub on_crash: Action,
}

impl Policy {
    /// What to do after that end.
    pub fn after(&self, end: End) -> Action {
        match (end, self.on_exit) {
            (End::Exit, action) => action,
            (End::Crash, _) => self.on_crash,
            (End::Killed, Action::Remove) => Action::Remove,
            (End::Killed | End::Final, _) => Action::Leave,
        }
    }

    /// What to do when whoever looks after it is told to end.
    pub fn at_the_end(&self) -> Action {
        match self.on_exit {
            Action::Leave => Action::Leave,
            Action::Restart | Action::Remove => Action::Remove,
        }
    }
}

/// How long to wait before the next start: longer each time, unless the last run was a good one.
pub struct BackOff(Duration);

impl BackOff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);
    const GOOD: Duration = Duration::from_secs(60);

    /// Nothing has gone wrong yet.
    pub fn new() -> Self {
        Self(Self::FIRST)
    }

    /// After a run so long.
    pub fn after(&mut self, ran: Duration) -> Duration {
        if ran >= Self::GOOD {
            self.0 = Self::FIRST;
        }
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Action; 3] = [Action::Leave, Action::Restart, Action::Remove];

    #[test]
    fn exits_and_crashes_have_their_own_policies() {
        for on_exit in ALL {
            for on_crash in ALL {
                let policy = Policy { on_exit, on_crash };
                assert_eq!(policy.after(End::from(Reason::Halt)), on_exit);
                assert_eq!(policy.after(End::from(Reason::Restart)), on_exit);
                assert_eq!(policy.after(End::from(Reason::Panic)), on_crash);
                assert_eq!(policy.after(End::from(Reason::StartFailed)), on_crash);
                assert_eq!(policy.after(End::from(Reason::Unknown(99))), on_crash);
            }
        }
    }

    #[test]
    fn what_somebody_killed_does_not_come_again() {
        for (on_exit, action) in ALL
            .into_iter()
            .zip([Action::Leave, Action::Leave, Action::Remove])
        {
            let on_crash = Action::Restart;
            let policy = Policy { on_exit, on_crash };
            assert_eq!(policy.after(End::from(Reason::Killed)), action);
            assert_eq!(policy.after(End::from(Reason::Stuck)), Action::Leave);
            assert_eq!(policy.after(End::from(Reason::HostDown)), Action::Leave);
        }
    }

    #[test]
    fn at_the_end_nothing_is_started() {
        let at_the_end = |on_exit| {
            let on_crash = Action::Restart;
            Policy { on_exit, on_crash }.at_the_end()
        };
        assert_eq!(
            ALL.map(at_the_end),
            [Action::Leave, Action::Remove, Action::Remove]
        );
    }

    #[test]
    fn pauses_grow_until_a_good_run() {
        let mut back_off = BackOff::new();
        let mut pauses = |ran, times| -> Vec<u64> {
            (0..times)
                .map(|_| back_off.after(Duration::from_secs(ran)).as_secs())
                .collect()
        };
        assert_eq!(pauses(59, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses(60, 2), [1, 1]);
        assert_eq!(pauses(0, 3), [2, 4, 8]);
    }
}
