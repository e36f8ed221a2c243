// SPDX-License-Identifier: GPL-2.0

//! `mkctl console`

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

use multikernel::{Agent, Console, ConsoleOptions, Device, Errno, Info, Instance, State};
use rustix::event::{PollFd, PollFlags};

use crate::cli::{self, Escape};
use crate::failure::{ended, Failure, Result};
use crate::follow;
use crate::interrupt::Interrupt;
use crate::terminal::Keyboard;

/// What is typed faster than it is taken is kept, up to here.
const TYPED_MAX: usize = 4096;

/// Shows the console of an instance, and types there.
pub fn console(device: &Device, arguments: &cli::Console, out: &mut dyn Write) -> Result<()> {
    let interrupt = Interrupt::new()?;
    let instance = device.instance(&arguments.name)?;
    attach(&instance, &arguments.options, &interrupt, out)
}

/// Why one is not attached any more.
enum End {
    /// The key for it was hit.
    Left,
    /// All was shown, and the instance does not run.
    Stopped,
}

/// The same, until the instance ends.
pub fn attach(
    instance: &Instance,
    options: &cli::ConsoleOptions,
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<()> {
    let name = instance.name();
    let console = instance.console(ConsoleOptions {
        write: !options.read_only,
        from_now: options.no_scrollback,
    })?;
    console.set_nonblocking(true).map_err(wait_failed)?;
    let before = follow::info(instance)?;
    if before.state == State::Running && before.agent == Agent::None {
        eprintln!("mkctl: nothing is shown before the module is loaded in `{name}`");
    }
    let end = {
        let keyboard = match options.read_only {
            true => None,
            false => Some(Keyboard::new()?),
        };
        if let Some(true) = keyboard.as_ref().map(Keyboard::is_terminal) {
            if let Some(key) = options.escape.name() {
                eprint!("mkctl: {key} leaves the console of `{name}`\r\n");
            }
        }
        Attached {
            console,
            keyboard,
            escape: options.escape,
            typed: VecDeque::new(),
        }
        .run(interrupt, out)?
    };
    match end {
        End::Left => {
            eprintln!("\nmkctl: left the console of `{name}`");
            Ok(())
        }
        End::Stopped => tell_end(&before, follow::info(instance)?),
    }
}

/// Says why there is no more to come.
fn tell_end(before: &Info, info: Info) -> Result<()> {
    if before.state != State::Running && before.runs == info.runs {
        eprintln!("mkctl: `{}` does not run: {}", info.name, ended(&info));
    } else if info.state == State::Crashed {
        return Err(Failure::Ended {
            info: Box::new(info),
            tail: Vec::new(),
        });
    } else {
        eprintln!("mkctl: `{}` {}", info.name, ended(&info));
    }
    Ok(())
}

struct Attached {
    console: Console,
    /// None: only to watch, or nothing comes from there any more.
    keyboard: Option<Keyboard>,
    escape: Escape,
    /// What is not taken yet.
    typed: VecDeque<u8>,
}

impl Attached {
    fn run(mut self, interrupt: &Interrupt, out: &mut dyn Write) -> Result<End> {
        loop {
            let (shown, typed) = self.wait(interrupt)?;
            if typed && self.listen()? {
                return Ok(End::Left);
            }
            self.send()?;
            if shown && self.show(out)? {
                return Ok(End::Stopped);
            }
        }
    }

    /// Waits until there is something to do: whether something was shown, or typed.
    fn wait(&self, interrupt: &Interrupt) -> Result<(bool, bool)> {
        let mut events = PollFlags::IN;
        events.set(PollFlags::OUT, !self.typed.is_empty());
        let mut fds = vec![
            PollFd::new(&self.console, events),
            PollFd::new(interrupt, PollFlags::IN),
        ];
        if let Some(keyboard) = &self.keyboard {
            // A person may want to leave, whatever is not taken.
            if keyboard.is_terminal() || self.typed.len() < TYPED_MAX {
                fds.push(PollFd::new(keyboard, PollFlags::IN));
            }
        }
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(wait_failed(errno.into())),
        }
        let shown = fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP);
        let typed = fds.get(2).is_some_and(|fd| !fd.revents().is_empty());
        interrupt.check()?;
        Ok((shown, typed))
    }

    /// Takes what was typed here. `true`: it was the key to leave.
    fn listen(&mut self) -> Result<bool> {
        let Some(keyboard) = &mut self.keyboard else {
            return Ok(false);
        };
        let bytes = match keyboard.read() {
            Ok(bytes) => bytes,
            Err(error) if is_nothing(&error) => return Ok(false),
            Err(source) => {
                return Err(Failure::System {
                    what: "read standard input",
                    source,
                })
            }
        };
        if bytes.is_empty() && !keyboard.is_terminal() {
            self.keyboard = None;
            return Ok(false);
        }
        let is_key = |byte: &u8| keyboard.is_terminal() && self.escape.is(*byte);
        let leave = bytes.is_empty() || bytes.iter().any(is_key);
        let bytes = bytes.into_iter().take_while(|byte| !is_key(byte));
        // What a person types where nobody takes it is lost, as on any terminal.
        self.typed.extend(bytes.take(match keyboard.is_terminal() {
            true => TYPED_MAX.saturating_sub(self.typed.len()),
            false => usize::MAX,
        }));
        Ok(leave)
    }

    /// Types as much as is taken.
    fn send(&mut self) -> Result<()> {
        while !self.typed.is_empty() {
            let (bytes, _) = self.typed.as_slices();
            match self.console.write(bytes) {
                Ok(len) => drop(self.typed.drain(..len)),
                // Nobody is there yet.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) if is_nothing(&error) => return Ok(()),
                Err(error) => return Err(wait_failed(error)),
            }
        }
        Ok(())
    }

    /// Shows what there is. `true`: it is the end.
    fn show(&mut self, out: &mut dyn Write) -> Result<bool> {
        let mut buffer = [0; 4096];
        match self.console.read(&mut buffer) {
            Ok(0) => Ok(true),
            Ok(len) => {
                out.write_all(&buffer[..len])?;
                out.flush()?;
                Ok(false)
            }
            Err(error) if is_nothing(&error) => Ok(false),
            Err(error) => Err(wait_failed(error)),
        }
    }
}

fn is_nothing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn wait_failed(source: std::io::Error) -> Failure {
    Failure::System {
        what: "use the console",
        source,
    }
}
