// SPDX-License-Identifier: GPL-2.0

//! The terminal of whoever runs this.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{self, OptionalActions, Termios};

use crate::failure::{Failure, Result};

/// What is typed here, byte by byte; or what a pipe or a file has to say.
///
/// Where standard input is a terminal it is raw as long as this lives: each key
/// is seen at once, and none has a meaning.
pub struct Keyboard {
    stdin: io::Stdin,
    cooked: Option<Termios>,
}

impl Keyboard {
    /// Begins to listen.
    pub fn new() -> Result<Self> {
        let stdin = io::stdin();
        let cooked = if termios::isatty(&stdin) {
            Some(make_raw(&stdin).map_err(|source| Failure::System {
                what: "use the terminal",
                source,
            })?)
        } else {
            None
        };
        Ok(Self { stdin, cooked })
    }

    /// Whether a person may be typing.
    pub fn is_terminal(&self) -> bool {
        self.cooked.is_some()
    }

    /// What was typed; nothing: no more will be.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 1024];
        // Past the buffer of standard input, in which nobody would poll for it.
        let len = rustix::io::read(&self.stdin, &mut buffer)?;
        Ok(buffer[..len].to_vec())
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(cooked) = &self.cooked {
            // What is left to say is said first. There is nobody to be told.
            let _ = termios::tcsetattr(&self.stdin, OptionalActions::Drain, cooked);
        }
    }
}

fn make_raw(terminal: &impl AsFd) -> io::Result<Termios> {
    let cooked = termios::tcgetattr(terminal)?;
    let mut raw = cooked.clone();
    raw.make_raw();
    termios::tcsetattr(terminal, OptionalActions::Drain, &raw)?;
    Ok(cooked)
}
