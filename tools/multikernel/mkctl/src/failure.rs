// SPDX-License-Identifier: GPL-2.0

//! Why a command failed: its text, its advice, and its exit code.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use multikernel::{
    Agent, Blocker, Errno, Error, Info, LogError, Operation, PickError, Record, TopologyError,
};

use multikernel_exec::ClientError;

use crate::{host, record, units};

/// Exit codes; `Documentation/multikernel/mkctl.rst` lists them. A wrong
/// command line has 2, which is clap's.
pub mod exit {
    /// What was asked for failed.
    pub const FAILED: u8 = 1;
    /// There is no such instance.
    pub const NO_INSTANCE: u8 = 3;
    /// The time to wait is over.
    pub const TIMEOUT: u8 = 4;
    /// This host cannot start instances.
    pub const BLOCKED: u8 = 5;
    /// The instance ended, or its kernel panicked, while it was waited for.
    pub const ENDED: u8 = 6;
    /// Added to the number of the signal that ended the command.
    pub const SIGNAL: u8 = 128;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// CPUs cannot be chosen.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// The host's CPUs cannot be read.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// An instance's log cannot be read.
    #[error("cannot read the log of `{name}`: {source}")]
    Log {
        /// The instance.
        name: String,
        /// Why.
        source: LogError,
    },
    /// There can be no log yet.
    #[error("`{0}` has no log: it was not started yet")]
    NeverRan(String),
    /// A file cannot be opened.
    #[error("cannot open {what} `{}`: {source}", .path.display())]
    File {
        /// What it is needed for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused what never fails.
    #[error("cannot {what}: {source}")]
    System {
        /// What it was.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What there is to tell cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// This host cannot start instances.
    #[error("this host cannot start instances: {}", blocked(.0))]
    Blocked(Vec<Blocker>),
    /// It is the host that has instances.
    #[error("this kernel is an instance, which has none of its own: only its host can do that")]
    NotHost,
    /// The host's kernel knows no instances.
    #[error("this host's kernel does not load kernels of instances by kexec")]
    NoKexec,
    /// In an instance the other end is said already.
    #[error("`--peer {0}` is for the host: an instance only has channels of its own")]
    PeerOfInstance(String),
    /// Nobody has said whose channels.
    #[error("whose channels? On the host `mkctl channel ls` takes the name of an instance")]
    WhoseChannels,
    /// Something else came over a channel than should, or nothing can come any more.
    #[error("`{}`: {what}", .end.display())]
    Conversation {
        /// The end in this kernel.
        end: PathBuf,
        /// What it was.
        what: String,
    },
    /// `check` found something that is missing; it has told what.
    #[error("this host cannot start instances")]
    Unable,
    /// The time is over.
    #[error("`{name}`: {what} did not come within {}", units::duration(*.timeout))]
    Timeout {
        /// The instance.
        name: String,
        /// What was waited for.
        what: String,
        /// For how long.
        timeout: Duration,
        /// The last of its log.
        tail: Vec<Record>,
    },
    /// It ended while it was waited for.
    #[error("`{}` {}", .info.name, ended(.info))]
    Ended {
        /// All about it.
        info: Box<Info>,
        /// The last of its log.
        tail: Vec<Record>,
    },
    /// Its kernel panicked while it was waited for.
    #[error("`{name}` panicked: {message}")]
    Panicked {
        /// The instance.
        name: String,
        /// The message of the panic.
        message: String,
        /// The last of its log.
        tail: Vec<Record>,
    },
    /// It was removed while it was waited for.
    #[error("`{0}` was removed")]
    Removed(String),
    /// Nobody is there who could be asked.
    #[error("`{name}` has no agent that could be asked: it is {agent}")]
    NoAgent {
        /// The instance.
        name: String,
        /// The state of its agent.
        agent: Agent,
    },
    /// Something in an instance was not done.
    #[error("`{name}`: {source}")]
    Exec {
        /// The instance.
        name: String,
        /// Why.
        source: ClientError,
    },
    /// A command in an instance failed; it has told why itself.
    #[error("the command failed with exit code {0}")]
    Command(u8),
    /// What is copied is not in an instance at one side alone.
    #[error("one of FROM and TO has to be in an instance, NAME:PATH, and the other one here")]
    Places,
    /// There is no terminal to pass on.
    #[error("--tty takes a terminal, and the standard input is none")]
    NoTerminal,
    /// A signal came.
    #[error("interrupted by signal {signal}{}", .state.map(|state| format!(": {state}")).unwrap_or_default())]
    Interrupted {
        /// Its number.
        signal: i32,
        /// What is left behind.
        state: Option<&'static str>,
    },
}

fn blocked(blockers: &[Blocker]) -> String {
    let why: Vec<_> = blockers.iter().map(|b| host::blocker(*b).0).collect();
    why.join("; ")
}

/// How an instance ended, after its name.
pub fn ended(info: &Info) -> String {
    let mut text = format!("{} ({})", info.state, info.reason);
    if !info.text.is_empty() {
        let _ = write!(text, ": {}", info.text);
    }
    text
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Kernel(error) => match (error.operation(), error.errno()) {
                (Operation::Open, Errno::NOENT) => exit::NO_INSTANCE,
                (Operation::Ping, Errno::TIMEDOUT) => exit::TIMEOUT,
                (
                    Operation::OpenDevice,
                    Errno::NOENT | Errno::NXIO | Errno::NODEV | Errno::ACCESS | Errno::PERM,
                ) => exit::BLOCKED,
                _ => exit::FAILED,
            },
            Self::Removed(_) => exit::NO_INSTANCE,
            Self::Timeout { .. } => exit::TIMEOUT,
            Self::Blocked(_) | Self::Unable | Self::NotHost | Self::NoKexec => exit::BLOCKED,
            Self::Ended { .. } | Self::Panicked { .. } => exit::ENDED,
            Self::Interrupted { signal, .. } => {
                u8::try_from(*signal).map_or(exit::FAILED, |signal| exit::SIGNAL + signal)
            }
            Self::Command(code) => *code,
            Self::Exec {
                source: ClientError::Silent(_),
                ..
            } => exit::TIMEOUT,
            Self::Exec { .. }
            | Self::PeerOfInstance(_)
            | Self::WhoseChannels
            | Self::Conversation { .. }
            | Self::NoAgent { .. }
            | Self::Places
            | Self::NoTerminal
            | Self::Pick(_)
            | Self::Topology(_)
            | Self::Log { .. }
            | Self::NeverRan(_)
            | Self::File { .. }
            | Self::System { .. }
            | Self::Output(_) => exit::FAILED,
        }
    }

    /// Whether there is nobody left to be told.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do, a line each.
    fn advice(&self) -> Vec<String> {
        match self {
            Self::Kernel(error) => match (error.operation(), error.errno()) {
                (Operation::OpenDevice, Errno::NOENT | Errno::NXIO | Errno::NODEV) => {
                    vec![host::module_advice()]
                }
                (Operation::OpenDevice, Errno::ACCESS | Errno::PERM) => {
                    vec![host::PRIVILEGE_ADVICE.to_owned()]
                }
                (Operation::OpenChannel, Errno::NOENT) => {
                    vec!["`mkctl channel ls` lists the channels".to_owned()]
                }
                (Operation::Open, Errno::NOENT) => {
                    vec!["`mkctl ls` lists the instances".to_owned()]
                }
                (Operation::Console, Errno::BUSY) => {
                    vec!["`--read-only` watches it".to_owned()]
                }
                (Operation::Load, Errno::PERM) => {
                    vec!["a signed kernel can be loaded with `--kexec`, \
                          if `mkctl check` has no complaint"
                        .to_owned()]
                }
                (Operation::KexecLoad, errno) => vec![refused_by_kexec(errno).to_owned()],
                (Operation::Stop, Errno::NOTCONN) => {
                    vec!["`mkctl kill` ends it without its help".to_owned()]
                }
                _ => error
                    .largest_memory()
                    .map(|largest| {
                        let size = units::size_argument(largest);
                        format!("the largest that can be had now: --memory {size}")
                    })
                    .into_iter()
                    .collect(),
            },
            Self::Blocked(blockers) => blockers
                .iter()
                .map(|blocker| host::blocker(*blocker).1.to_owned())
                .collect(),
            Self::Log {
                source: LogError::NotYet,
                ..
            } => vec!["try again when it has booted, or use --follow".to_owned()],
            Self::NotHost => vec!["here `mkctl channel` is of use".to_owned()],
            Self::NoKexec => vec![
                "leave `--kexec` out, or boot a kernel with the patch series of multikernel"
                    .to_owned(),
            ],
            Self::PeerOfInstance(peer) => {
                vec![format!("name it in place of INSTANCE: `{peer}`")]
            }
            _ => Vec::new(),
        }
    }

    /// The last of the log of the instance that did not do as it should.
    fn tail(&self) -> &[Record] {
        match self {
            Self::Timeout { tail, .. } | Self::Ended { tail, .. } | Self::Panicked { tail, .. } => {
                tail
            }
            _ => &[],
        }
    }

    /// All that is to be told about it.
    pub fn report(&self) -> String {
        if matches!(self, Self::Command(_)) {
            return String::new();
        }
        let mut text = format!("mkctl: {self}\n");
        for advice in self.advice() {
            let _ = writeln!(text, "  -> {advice}");
        }
        if !self.tail().is_empty() {
            text.push_str("the last of its log:\n");
            for record in self.tail() {
                text.push_str(&record::lines(record));
            }
        }
        text
    }
}

/// What an errno of `kexec_file_load()`, which has no room for a text, means.
fn refused_by_kexec(errno: Errno) -> &'static str {
    match errno {
        Errno::NODATA => "the kernel is not signed",
        Errno::NOKEY => "the kernel was signed with a key that this host does not trust",
        Errno::KEYREJECTED | Errno::BADMSG => {
            "the kernel's signature is wrong: it was changed after it was signed"
        }
        Errno::PERM => {
            "the host is locked down and the kernel has no valid signature, or \
             `sysctl kernel.kexec_load_disabled` forbids it"
        }
        _ => "the host's log (`dmesg`) tells what was wrong",
    }
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use multikernel::{Caller, Device};

    fn record(text: &str) -> Record {
        Record {
            seq: 0,
            lost: 0,
            time: Duration::from_secs(2),
            level: None,
            facility: None,
            caller: Caller::Cpu(0),
            text: text.into(),
        }
    }

    #[test]
    fn a_failure_is_told_with_advice_and_log() {
        let failure = Failure::Timeout {
            name: "blue".into(),
            what: "a line that matches `up`".into(),
            timeout: Duration::from_secs(90),
            tail: vec![record("one"), record("two")],
        };
        assert_eq!(failure.code(), exit::TIMEOUT);
        assert_eq!(
            failure.report(),
            "\
mkctl: `blue`: a line that matches `up` did not come within 1 min 30 s
the last of its log:
[    2.000000] one
[    2.000000] two
"
        );
    }

    #[test]
    fn every_blocker_is_told_with_advice() {
        let failure = Failure::Blocked(vec![Blocker::Lockdown, Blocker::NoSlot]);
        assert_eq!(failure.code(), exit::BLOCKED);
        let report = failure.report();
        assert!(
            report.starts_with(
                "mkctl: this host cannot start instances: the kernel is locked down; \
                 no memory below 1 MiB is left\n  -> "
            ),
            "{report}"
        );
        assert_eq!(report.matches("  -> ").count(), 2);
    }

    #[test]
    fn codes_are_those_that_are_documented() {
        let no_device = Device::open_at(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(Failure::from(no_device).code(), 5);
        let other = Device::open_at(Path::new("/dev/null")).unwrap();
        // Not a multikernel device: it has no such call.
        let other = other.instance("blue").unwrap_err();
        assert_eq!(Failure::from(other).code(), 1);
        assert_eq!(Failure::Removed("blue".into()).code(), 3);
        assert_eq!(Failure::Unable.code(), 5);
        assert_eq!(Failure::from(PickError::None).code(), 1);
        let interrupted = Failure::Interrupted {
            signal: 15,
            state: None,
        };
        assert_eq!(interrupted.code(), 143);
        assert_eq!(interrupted.to_string(), "interrupted by signal 15");
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_no_failure() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(Failure::from(broken).is_broken_pipe());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(!Failure::from(full).is_broken_pipe());
    }
}
