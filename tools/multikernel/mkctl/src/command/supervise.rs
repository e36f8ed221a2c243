// SPDX-License-Identifier: GPL-2.0

//! `mkctl run --supervise`: an instance is looked after until it has ended for good.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use multikernel::{Agent, Errno, Event, Info, Instance, State};

use super::lifecycle::Files;
use super::stop::stop_or_kill;
use crate::cli::Supervision;
use crate::failure::{self, Failure, Result};
use crate::follow::{self, left};
use crate::interrupt::Interrupt;
use crate::notify::{notify, READY, STOPPING};
use crate::policy::{Action, BackOff, End, Policy};
use crate::units;

/// When to look again at an instance with which somebody else does something.
const AGAIN: Duration = Duration::from_millis(100);

/// Looks after an instance that runs.
pub struct Supervisor<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// What it is loaded with each time.
    pub files: &'a Files<'a>,
    /// What is wanted.
    pub arguments: &'a Supervision,
    /// Signals.
    pub interrupt: &'a Interrupt,
}

impl Supervisor<'_> {
    /// Does what the policies say until there is nothing left to do, or a signal comes.
    pub fn supervise(&self, out: &mut dyn Write) -> Result<()> {
        notify(READY);
        let result = match self.keep(out) {
            Err(Failure::Interrupted { signal, .. }) => {
                notify(STOPPING);
                self.tell(out, format_args!("signal {signal}: it is stopped"))?;
                self.end(out)
            }
            result => result,
        };
        match result {
            Err(Failure::Removed(_)) => self.tell(out, "somebody has removed it"),
            result => result,
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            on_exit: self.arguments.on_exit.unwrap_or(Action::Leave),
            on_crash: self.arguments.on_crash.unwrap_or(Action::Leave),
        }
    }

    fn keep(&self, out: &mut dyn Write) -> Result<()> {
        let mut back_off = BackOff::new();
        loop {
            let (info, end) = self.watch(out)?;
            self.tell(out, failure::ended(&info))?;
            let action = self.policy().after(end);
            match action {
                Action::Restart => self.restart(&info, &mut back_off, out)?,
                Action::Leave => self.tell(out, "it is left as it is")?,
                Action::Remove => self.remove(out)?,
            }
            if action == Action::Restart {
                continue;
            }
            return match end {
                End::Crash | End::Final => Err(Failure::Ended {
                    info: Box::new(info),
                    tail: Vec::new(),
                }),
                End::Exit | End::Killed => Ok(()),
            };
        }
    }

    /// Waits until it has ended. One that hangs is killed: that is a crash.
    fn watch(&self, out: &mut dyn Write) -> Result<(Info, End)> {
        let mut has_hung = false;
        loop {
            let info = follow::info(self.instance)?;
            if info.state.has_ended() {
                let end = match has_hung {
                    true => End::Crash,
                    false => End::from(info.reason),
                };
                return Ok((info, end));
            }
            if info.state == State::Running && info.agent == Agent::Hung {
                self.tell(out, "it hangs: killed")?;
                has_hung = self.kill()?;
                if !has_hung {
                    self.wait(Some(AGAIN))?;
                }
                continue;
            }
            self.wait(None)?;
        }
    }

    /// Loads the same again and starts it, unless somebody else does first. What fails is tried again.
    fn restart(&self, ended: &Info, back_off: &mut BackOff, out: &mut dyn Write) -> Result<()> {
        let ran = match (ended.started, ended.ended) {
            (Some(started), Some(ended)) => ended.saturating_sub(started),
            _ => Duration::ZERO,
        };
        let mut pause = back_off.after(ran);
        loop {
            let text = units::duration(pause);
            self.tell(out, format_args!("it is started again in {text}"))?;
            if self.pause(pause)? {
                return self.tell(out, "somebody else has started it");
            }
            let started = self
                .files
                .load(self.instance)
                .and_then(|()| Ok(self.instance.start()?));
            match started {
                Ok(()) => return self.tell(out, State::Running),
                // It was removed, or that is what the next look finds.
                Err(failure) => self.tell(out, failure)?,
            }
            pause = back_off.after(Duration::ZERO);
        }
    }

    /// Waits for so long. `true`: it runs before.
    fn pause(&self, pause: Duration) -> Result<bool> {
        let deadline = Instant::now() + pause;
        loop {
            if follow::info(self.instance)?.state == State::Running {
                return Ok(true);
            }
            if left(Some(deadline)) == Some(Duration::ZERO) {
                return Ok(false);
            }
            self.wait(left(Some(deadline)))?;
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        match follow::wait(self.instance, Some(self.interrupt), timeout)? {
            Event::Destroyed => Err(Failure::Removed(self.instance.name().to_owned())),
            Event::Changed | Event::TimedOut => Ok(()),
        }
    }

    /// Ends it in good order if it has an agent; it does not come again.
    fn end(&self, out: &mut dyn Write) -> Result<()> {
        if follow::info(self.instance)?.state == State::Running {
            match stop_or_kill(self.instance, self.arguments.stop_timeout) {
                Err(Failure::Kernel(error)) if error.errno() == Errno::NOTCONN => {
                    self.tell(out, "it has no agent: killed")?;
                    self.kill()?;
                }
                // It has just ended.
                Err(Failure::Kernel(error)) if error.errno() == Errno::BADFD => {}
                result => result?,
            }
            self.tell(out, failure::ended(&follow::info(self.instance)?))?;
        }
        match self.policy().at_the_end() {
            Action::Remove => self.remove(out),
            _ => Ok(()),
        }
    }

    /// `false`: it has ended before, or somebody else is about to end it.
    fn kill(&self) -> Result<bool> {
        match self.instance.kill() {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.errno(), Errno::BADFD | Errno::BUSY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&self, out: &mut dyn Write) -> Result<()> {
        loop {
            match self.instance.destroy(true) {
                Ok(()) => return self.tell(out, "removed"),
                // Somebody else is about to remove it, say.
                Err(error) if error.errno() == Errno::BUSY => {
                    follow::info(self.instance)?;
                    self.instance.poll(Some(AGAIN))?;
                }
                Err(error) if error.errno() == Errno::NODEV => {
                    return Err(Failure::Removed(self.instance.name().to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn tell(&self, out: &mut dyn Write, what: impl Display) -> Result<()> {
        writeln!(out, "{}: {what}", self.instance.name())?;
        Ok(out.flush()?)
    }
}
