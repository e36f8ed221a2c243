// SPDX-License-Identifier: GPL-2.0

//! Signals that end a command, so that it can clean up first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::failure::{Failure, Result};

/// Notes a signal that would have ended the process. A second one does.
///
/// Its descriptor can be read from then on, so it can be polled along with
/// others.
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
    wake: UnixStream,
}

impl Interrupt {
    /// Begins to take signals.
    pub fn new() -> Result<Self> {
        Self::register().map_err(|source| Failure::System {
            what: "take signals",
            source,
        })
    }

    fn register() -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let second = Arc::new(AtomicBool::new(false));
        let (wake, waker) = UnixStream::pair()?;
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the second signal finds what the first one set.
            flag::register_conditional_default(number, Arc::clone(&second))?;
            flag::register(number, Arc::clone(&second))?;
            flag::register_usize(number, Arc::clone(&signal), number as usize)?;
            low_level::pipe::register(number, waker.try_clone()?)?;
        }
        Ok(Self { signal, wake })
    }

    /// Fails if a signal has come.
    pub fn check(&self) -> Result<()> {
        match self.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Failure::Interrupted {
                signal: signal as i32,
                state: None,
            }),
        }
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_once() {
        let interrupt = Interrupt::new().unwrap();
        assert!(interrupt.check().is_ok());
        low_level::raise(SIGHUP).unwrap();
        let failure = interrupt.check().unwrap_err();
        assert_eq!(failure.code(), 128 + SIGHUP as u8);
    }
}
