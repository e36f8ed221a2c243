// SPDX-License-Identifier: GPL-2.0

//! What has happened to instances.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::abi;
use crate::error::{Errno, Error, Operation, Result};
use crate::instance::{Agent, AgentGone, Reason, State};
use crate::ioctl;

/// So many are read at once.
const AT_ONCE: usize = 32;

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// The instance exists.
    Created,
    /// It is in another state.
    State {
        /// Which.
        state: State,
        /// Why it is stopped or crashed.
        reason: Reason,
        /// The same for a person: an instance's panic message, say. May be empty.
        text: String,
    },
    /// Its agent is.
    Agent {
        /// In which.
        agent: Agent,
        /// Why it is gone; none: it is not, or does not say.
        gone: Option<AgentGone>,
    },
    /// It exists no more.
    Destroyed,
    /// What this version of the library does not know.
    Unknown(u32),
}

/// What has happened, when, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Its number: that of the event before it, of any instance, plus 1.
    pub seq: u64,
    /// So many events before it were forgotten unread.
    pub lost: u64,
    /// When, since the host booted (`CLOCK_BOOTTIME`).
    pub boottime: Duration,
    /// When, since 1970 (`CLOCK_REALTIME`).
    pub realtime: Duration,
    /// The name of the instance.
    pub name: String,
    /// Tells instances of the same name apart.
    pub instance: u64,
    /// How often it had been started.
    pub run: u64,
    /// What has happened to it.
    pub what: Happening,
}

impl From<&abi::mk_event> for EventRecord {
    fn from(raw: &abi::mk_event) -> Self {
        Self {
            seq: raw.seq,
            lost: raw.lost,
            boottime: Duration::from_nanos(raw.boottime),
            realtime: Duration::from_nanos(raw.realtime),
            name: ioctl::text_of(&raw.name),
            instance: raw.instance,
            run: raw.run,
            what: match raw.what {
                abi::MK_EVENT_CREATED => Happening::Created,
                abi::MK_EVENT_STATE => Happening::State {
                    state: State::from_raw(raw.state),
                    reason: Reason::from_raw(raw.reason),
                    text: ioctl::text_of(&raw.text),
                },
                abi::MK_EVENT_AGENT => Happening::Agent {
                    agent: Agent::from_raw(raw.state),
                    gone: AgentGone::of(raw.reason),
                },
                abi::MK_EVENT_DESTROYED => Happening::Destroyed,
                unknown => Happening::Unknown(unknown),
            },
        }
    }
}

/// Reads events, beginning with the oldest that the module has kept. None is lost as long as they are
/// read about as fast as they come; [`EventRecord::lost`] tells if one was.
///
/// ```no_run
/// let mut events = multikernel::Device::open()?.events()?;
/// for event in events.read(None)? {
///     println!("{}: {:?}", event.name, event.what);
/// }
/// # Ok::<(), multikernel::Error>(())
/// ```
#[derive(Debug)]
pub struct Events {
    fd: OwnedFd,
    device: String,
}

impl Events {
    pub(crate) fn new(fd: OwnedFd, device: &str) -> Self {
        Self {
            fd,
            device: device.to_owned(),
        }
    }

    /// What has happened since the last time. Waits until there is something, but no longer than
    /// `timeout`: nothing came then.
    pub fn read(&mut self, timeout: Option<Duration>) -> Result<Vec<EventRecord>> {
        let failed = |errno| Error::new(Operation::Events, &self.device, errno);
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let mut raw = [abi::mk_event::default(); AT_ONCE];
        match ioctl::read_events(self.fd.as_fd(), &mut raw) {
            Ok(count) => Ok(raw[..count].iter().map(EventRecord::from).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(errno) => Err(failed(errno)),
        }
    }
}

/// To be polled for input.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(what: u32, state: u32, reason: u32) -> abi::mk_event {
        let mut raw = abi::mk_event {
            seq: 7,
            lost: 2,
            boottime: 1_500_000_000,
            realtime: 1_600_000_000_000_000_000,
            instance: 3,
            run: 4,
            what,
            state,
            reason,
            ..Default::default()
        };
        for (to, from) in raw.name.iter_mut().zip(b"blue") {
            *to = *from as std::ffi::c_char;
        }
        for (to, from) in raw.text.iter_mut().zip(b"oops") {
            *to = *from as std::ffi::c_char;
        }
        raw
    }

    #[test]
    fn an_event_is_read() {
        let raw = raw(
            abi::MK_EVENT_STATE,
            abi::MK_STATE_CRASHED,
            abi::MK_REASON_PANIC,
        );
        let event = EventRecord::from(&raw);
        assert_eq!((event.seq, event.lost), (7, 2));
        assert_eq!(event.boottime, Duration::from_millis(1500));
        assert_eq!(event.realtime, Duration::from_secs(1_600_000_000));
        assert_eq!(event.name, "blue");
        assert_eq!((event.instance, event.run), (3, 4));
        assert_eq!(
            event.what,
            Happening::State {
                state: State::Crashed,
                reason: Reason::Panic,
                text: "oops".into()
            }
        );
    }

    #[test]
    fn every_kind_is_known() {
        let what = |what, state, reason| EventRecord::from(&raw(what, state, reason)).what;
        assert_eq!(what(abi::MK_EVENT_CREATED, 0, 0), Happening::Created);
        assert_eq!(what(abi::MK_EVENT_DESTROYED, 0, 0), Happening::Destroyed);
        let ready = Happening::Agent {
            agent: Agent::Ready,
            gone: None,
        };
        assert_eq!(
            what(abi::MK_EVENT_AGENT, abi::MK_AGENT_STATE_READY, 0),
            ready
        );
        let gone = Happening::Agent {
            agent: Agent::Gone,
            gone: Some(AgentGone::Panic),
        };
        assert_eq!(
            what(
                abi::MK_EVENT_AGENT,
                abi::MK_AGENT_STATE_GONE,
                abi::MK_AGENT_GONE_PANIC
            ),
            gone
        );
        assert_eq!(what(77, 0, 0), Happening::Unknown(77));
    }
}
