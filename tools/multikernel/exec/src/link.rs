// SPDX-License-Identifier: GPL-2.0

//! A descriptor that keeps the boundaries of messages.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{retry_on_intr, Errno};

/// One end of a conversation. Both directions can be used by several threads.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

impl Link {
    /// Takes a channel, or a socket of packets, which blocks.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        Self { fd: fd.into() }
    }

    /// Sends a frame; waits for room.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        match retry_on_intr(|| rustix::io::write(&self.fd, frame))? {
            sent if sent == frame.len() => Ok(()),
            sent => Err(io::Error::other(format!(
                "{sent} bytes of a frame of {} were sent",
                frame.len()
            ))),
        }
    }

    /// Waits for a frame. `None`: the other side has left.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer)) {
            Ok(0) => Ok(None),
            Ok(bytes) => Ok(buffer.get(..bytes)),
            Err(Errno::CONNRESET) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until there is something to receive, for so long. Returns whether there is.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut fds = [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN)];
        // A signal begins the time anew: nothing depends on it being exact.
        Ok(retry_on_intr(|| rustix::event::poll(&mut fds, Some(&timeout)))? > 0)
    }
}
