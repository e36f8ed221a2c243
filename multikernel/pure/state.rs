// SPDX-License-Identifier: GPL-2.0

//! The life of an instance.
//!
//! ```text
//!             set_memory            load              start
//!   (created) ----------> created --------> loaded ---------> running
//!                            ^                 ^                 |
//!                 set_memory |            load |                 | kill, or it ends
//!                            +---- stopped, crashed <------------+
//! ```
//!
//! Taking a CPU or reading an image takes long, and no lock is held
//! meanwhile. So an operation has a beginning and an end, and another one that
//! begins in between is refused.

use core::fmt;

/// Where in its life an instance is (`MK_STATE_...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// No kernel is in its memory.
    Created = 0,
    /// A kernel is ready to be started.
    Loaded = 1,
    /// Its CPUs are its own.
    Running = 2,
    /// It has ended as it should.
    Stopped = 3,
    /// It has ended as it should not.
    Crashed = 4,
}

/// Why it has ended (`MK_REASON_...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// It has not.
    None = 0,
    /// The host killed it.
    Killed = 1,
    /// It restarted itself.
    Restart = 2,
    /// It halted or powered off.
    Halt = 3,
    /// It panicked.
    Panic = 4,
    /// The host goes down.
    HostDown = 5,
    /// Its boot CPU did not start.
    StartFailed = 6,
    /// A CPU could not be stopped.
    Stuck = 7,
    /// It rang the host without end.
    Misbehaved = 8,
}

impl Reason {
    /// The state that an instance is in afterwards.
    fn state(self) -> State {
        match self {
            Self::Panic | Self::StartFailed | Self::Stuck | Self::Misbehaved => State::Crashed,
            Self::None | Self::Killed | Self::Restart | Self::Halt | Self::HostDown => {
                State::Stopped
            }
        }
    }
}

/// What can be done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reserve CPUs.
    SetCpus,
    /// Take memory.
    SetMemory,
    /// Put a kernel into its memory.
    Load,
    /// Give it its CPUs.
    Start,
    /// Take its CPUs back.
    Kill,
    /// End its existence.
    Destroy,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should.
    Done,
    /// It failed, and all is as before.
    Unchanged,
    /// It failed, and what it was to replace is lost: the memory, of
    /// [`Operation::SetMemory`]; the kernel, of [`Operation::Load`]; of
    /// [`Operation::Start`], the CPUs started and came back.
    Lost,
}

/// Why an operation cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Another one is under way.
    Busy(Operation),
    /// Not while it runs.
    Running,
    /// Only while it runs, and it is in this state.
    NotRunning(State),
    /// This has to be done before.
    Needs(Operation),
    /// It does not exist any more.
    Gone,
}

/// The life of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    state: State,
    reason: Reason,
    under_way: Option<Operation>,
    generation: u64,
    runs: u64,
    has_cpus: bool,
    has_memory: bool,
    is_gone: bool,
}

impl Life {
    /// A new instance.
    pub const fn new() -> Self {
        Self {
            state: State::Created,
            reason: Reason::None,
            under_way: None,
            generation: 0,
            runs: 0,
            has_cpus: false,
            has_memory: false,
            is_gone: false,
        }
    }

    /// Where in its life it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it has ended, in [`State::Stopped`] and [`State::Crashed`].
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What is being done with it.
    pub fn under_way(&self) -> Option<Operation> {
        self.under_way
    }

    /// Counts changes, of the state and of what [`Life::changed`] tells.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How often it was started.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether it was destroyed.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether `operation` may begin now.
    pub fn check(&self, operation: Operation) -> Result<(), Error> {
        use Operation::{Destroy, Kill, Load, SetCpus, SetMemory, Start};

        if self.is_gone {
            return Err(Error::Gone);
        }
        if let Some(other) = self.under_way {
            return Err(Error::Busy(other));
        }
        let needs = |first| Err(Error::Needs(first));
        match (operation, self.state) {
            (Kill, State::Running) => Ok(()),
            (Kill, state) => Err(Error::NotRunning(state)),
            (_, State::Running) => Err(Error::Running),
            (SetCpus | SetMemory | Destroy, _) => Ok(()),
            (Load, _) if !self.has_memory => needs(SetMemory),
            (Load, _) => Ok(()),
            (Start, State::Loaded) if !self.has_cpus => needs(SetCpus),
            (Start, State::Loaded) => Ok(()),
            (Start, _) => needs(Load),
        }
    }

    /// Whether it runs.
    pub fn check_running(&self) -> Result<(), Error> {
        match self.state {
            _ if self.is_gone => Err(Error::Gone),
            State::Running => Ok(()),
            state => Err(Error::NotRunning(state)),
        }
    }

    /// Counts another change of what is told about it.
    pub fn changed(&mut self) {
        self.generation += 1;
    }

    /// Begins `operation`, which [`Life::end`] ends.
    pub fn begin(&mut self, operation: Operation) -> Result<(), Error> {
        self.check(operation)?;
        self.under_way = Some(operation);
        Ok(())
    }

    /// Ends what is under way.
    pub fn end(&mut self, outcome: Outcome) {
        let Some(operation) = self.under_way.take() else {
            return;
        };
        match (operation, outcome) {
            (_, Outcome::Unchanged) => {}
            (Operation::SetCpus, outcome) => self.has_cpus = outcome == Outcome::Done,
            (Operation::SetMemory, outcome) => {
                self.has_memory = outcome == Outcome::Done;
                self.change(State::Created, Reason::None);
            }
            (Operation::Load, Outcome::Done) => self.change(State::Loaded, Reason::None),
            (Operation::Load, Outcome::Lost) => self.change(State::Created, Reason::None),
            (Operation::Start, Outcome::Done) => {
                self.runs += 1;
                self.change(State::Running, Reason::None);
            }
            (Operation::Start, Outcome::Lost) => {
                self.change(State::Crashed, Reason::StartFailed);
            }
            (Operation::Kill, _) => {
                // It may have ended by itself in the meantime.
                self.stopped(Reason::Killed);
            }
            (Operation::Destroy, _) => self.is_gone = true,
        }
    }

    /// It has ended by itself, or the host ends it. Returns whether that is
    /// news: only what runs can end.
    pub fn stopped(&mut self, reason: Reason) -> bool {
        let is_news = self.state == State::Running;
        if is_news {
            self.change(reason.state(), reason);
        }
        is_news
    }

    fn change(&mut self, state: State, reason: Reason) {
        if (self.state, self.reason) != (state, reason) {
            self.changed();
        }
        (self.state, self.reason) = (state, reason);
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Loaded => "loaded",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Killed => "killed",
            Self::Restart => "restarted itself",
            Self::Halt => "halted or powered off",
            Self::Panic => "panicked",
            Self::HostDown => "the host went down",
            Self::StartFailed => "its boot CPU did not start",
            Self::Stuck => "a CPU could not be stopped",
            Self::Misbehaved => "it rang without end",
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetCpus => "set its CPUs",
            Self::SetMemory => "set its memory",
            Self::Load => "load a kernel",
            Self::Start => "start it",
            Self::Kill => "kill it",
            Self::Destroy => "destroy it",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(other) => write!(
                f,
                "another request is under way, to {other}; wait until it is done"
            ),
            Self::Running => f.write_str("the instance is running; kill it first"),
            Self::NotRunning(state) => write!(f, "the instance does not run: it is {state}"),
            Self::Needs(first) => write!(f, "{first} first"),
            Self::Gone => f.write_str("the instance was destroyed"),
        }
    }
}
