// SPDX-License-Identifier: GPL-2.0

//! An instance, watched: its state and its log.

use std::time::{Duration, Instant};

use multikernel::{Errno, Event, Info, Instance, Log, LogError, Record, State};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;

/// How often the log is looked at. Nothing tells of a new line in it: the
/// instance does not know that it is read.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long a log may be unreadable.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is new about an instance.
pub struct News {
    /// All about it.
    pub info: Info,
    /// What its log got since the last time.
    pub records: Vec<Record>,
}

/// The log of one run of an instance.
struct Run {
    number: u64,
    log: Log,
    /// Since when it is watched.
    since: Instant,
}

/// Watches an instance, from one run of it to the next.
pub struct Follower<'a> {
    instance: &'a Instance,
    interrupt: Option<&'a Interrupt>,
    run: Option<Run>,
    /// Since when its log cannot be read.
    failing: Option<Instant>,
    /// How long to wait for more of the log; none: there is no more to come
    /// without a change of state.
    pause: Option<Duration>,
}

impl<'a> Follower<'a> {
    /// Begins with the first record that is there.
    pub fn new(instance: &'a Instance, interrupt: Option<&'a Interrupt>) -> Self {
        Self {
            instance,
            interrupt,
            run: None,
            failing: None,
            pause: None,
        }
    }

    /// What is new. Does not wait.
    pub fn look(&mut self) -> Result<News> {
        // The state first: what its end left in the log is then read with it.
        let info = info(self.instance)?;
        let records = match self.records(&info)? {
            Ok(records) => {
                self.failing = None;
                records
            }
            Err(source) => {
                // Who loads it anew wipes its memory before its state tells so.
                let since = *self.failing.get_or_insert_with(Instant::now);
                if since.elapsed() >= PATIENCE {
                    return Err(Failure::Log {
                        name: info.name,
                        source,
                    });
                }
                Vec::new()
            }
        };
        Ok(News { info, records })
    }

    fn records(&mut self, info: &Info) -> Result<std::result::Result<Vec<Record>, LogError>> {
        self.pause = None;
        if !has_run(info) {
            self.run = None;
            return Ok(Ok(Vec::new()));
        }
        let run = match self.run.take() {
            Some(run) if run.number == info.runs => run,
            _ => Run {
                number: info.runs,
                log: self.instance.log()?,
                since: Instant::now(),
            },
        };
        let run = self.run.insert(run);
        let ended = info.state.has_ended();
        if ended {
            run.log.snapshot();
        }
        let begin = Instant::now();
        let records = run.log.read();
        if !ended || records.is_err() {
            self.pause = Some(pause(begin.elapsed(), run.since.elapsed()));
        }
        Ok(match records {
            Err(LogError::NotYet) => Ok(Vec::new()),
            records => records,
        })
    }

    /// Waits until there may be news, but not beyond `deadline`. `false`: that
    /// has come.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let left = left(deadline);
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        let pause = left.into_iter().chain(self.pause).min();
        match wait(self.instance, self.interrupt, pause)? {
            Event::Destroyed => Err(Failure::Removed(self.instance.name().to_owned())),
            Event::Changed | Event::TimedOut => Ok(true),
        }
    }
}

/// How long to wait until the log is looked at again, when that took so long, and the run has been
/// watched for so long.
fn pause(took: Duration, watched: Duration) -> Duration {
    // To search all of its memory takes a while: do not do that all the time. But who waits for a
    // kernel that boots shall not wait for half as long again as it takes to have a log.
    INTERVAL.max((took * 4).min(watched / 2))
}

/// How long it is until a deadline.
pub fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Whether what is in an instance's memory now runs, or ran.
pub fn has_run(info: &Info) -> bool {
    info.state == State::Running || info.state.has_ended()
}

/// All about an instance; fails as it should if it was removed meanwhile.
pub fn info(instance: &Instance) -> Result<Info> {
    instance.info().map_err(|error| match error.errno() {
        Errno::NODEV | Errno::NOENT => Failure::Removed(instance.name().to_owned()),
        _ => error.into(),
    })
}

/// Waits for a change of an instance's state or for a signal, which is a
/// failure, but no longer than `timeout`.
pub fn wait(
    instance: &Instance,
    interrupt: Option<&Interrupt>,
    timeout: Option<Duration>,
) -> Result<Event> {
    let Some(interrupt) = interrupt else {
        return Ok(instance.poll(timeout)?);
    };
    interrupt.check()?;
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut fds = [
        PollFd::new(instance, Event::POLL),
        PollFd::new(interrupt, PollFlags::IN),
    ];
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => (),
        Err(errno) => {
            return Err(Failure::System {
                what: "wait",
                source: errno.into(),
            })
        }
    }
    interrupt.check()?;
    Ok(Event::from_poll(fds[0].revents()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_not_there_yet_is_soon_looked_for_again() {
        let seconds = Duration::from_secs;
        // A look at a log that was found takes next to nothing.
        assert_eq!(pause(Duration::ZERO, seconds(100)), INTERVAL);
        // The first search took all the time so far.
        assert_eq!(pause(seconds(2), seconds(2)), seconds(1));
        // In the long run searches take a fifth of the time.
        assert_eq!(pause(seconds(2), seconds(100)), seconds(8));
    }
}
