// SPDX-License-Identifier: GPL-2.0

//! The console of an instance.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};

use crate::abi;

/// How much of what a console has shown can still be read.
pub const CONSOLE_BYTES: usize = abi::MK_CONSOLE_BYTES as usize;

/// How to open a console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// To type, too: one can at a time.
    pub write: bool,
    /// To begin with what is shown from now on, instead of the oldest that is
    /// kept.
    pub from_now: bool,
}

/// The console of an instance: what it shows is read, and what is written is
/// typed there.
///
/// Reading waits for more, and comes to an end when the instance does not run.
/// When it runs again, reading goes on.
///
/// ```no_run
/// # fn example(instance: &multikernel::Instance) -> Result<(), Box<dyn std::error::Error>> {
/// let mut console = instance.console(multikernel::ConsoleOptions::default())?;
/// std::io::copy(&mut console, &mut std::io::stdout())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Console(File);

impl Console {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    /// Whether reading and writing fail with [`io::ErrorKind::WouldBlock`]
    /// where they would have to wait.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(&self.0)?;
        flags.set(OFlags::NONBLOCK, nonblocking);
        Ok(fcntl_setfl(&self.0, flags)?)
    }
}

impl io::Read for Console {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read, Write};

    #[test]
    fn it_waits_only_if_it_is_wanted() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let (mut read, mut write) = (Console::new(read), Console::new(write));
        read.set_nonblocking(true).unwrap();
        let error = read.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        read.set_nonblocking(false).unwrap();
        write.write_all(b"x").unwrap();
        assert_eq!(read.read(&mut [0; 2]).unwrap(), 1);
    }
}
