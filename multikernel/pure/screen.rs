// SPDX-License-Identifier: GPL-2.0

//! The sending end of a console: what a terminal shows.
//!
//! A kernel prints wherever it is, and cannot wait. What does not fit is lost,
//! and whoever reads learns how much that was.

use super::half::{Data, Size, HEADER, LINE};
use super::ring::{SendError, Sender};
use core::fmt;
use core::fmt::Write;

/// A kernel prints in pieces of 16 bytes, each of which would take a line of the ring. So many
/// bytes of them are kept until their line ends, and then take four at most.
const PIECES: usize = 4 * LINE as usize - HEADER as usize;

/// Where a terminal shows what it has to show.
#[derive(Debug)]
pub struct Screen<H> {
    sender: Sender<H>,
    /// What a kernel has begun to print.
    begun: Text,
    /// Bytes that are lost since the last that was shown.
    lost: u64,
}

impl<H: Data> Screen<H> {
    /// At the beginning of a channel; `size` is that of this side's half.
    pub fn new(halves: H, size: Size) -> Self {
        Self {
            sender: Sender::new(halves, size),
            begun: Text::default(),
            lost: 0,
        }
    }

    /// Shows something, and returns how much of it need not come again: all, or
    /// with `can_wait` nothing, if there is no room now. Where nobody reads any
    /// more it is shown to nobody. Without `can_wait` it may be shown only when
    /// its line ends.
    pub fn show(&mut self, bytes: &[u8], can_wait: bool) -> usize {
        if can_wait {
            if self.show_begun().and_then(|()| self.send(bytes)) == Err(SendError::Full) {
                return 0;
            }
            return bytes.len();
        }
        if !self.begun.add(bytes) {
            self.end_line();
            if !self.begun.add(bytes) && self.send(bytes) == Err(SendError::Full) {
                self.lose(bytes.len());
            }
        }
        if bytes.contains(&b'\n') {
            self.end_line();
        }
        bytes.len()
    }

    /// Whether the reader's doorbell has to be rung: to be called after
    /// something was shown.
    #[must_use]
    pub fn bell(&mut self) -> bool {
        self.sender.bell()
    }

    /// What has begun is shown, or lost.
    fn end_line(&mut self) {
        if self.show_begun() == Err(SendError::Full) {
            let begun = core::mem::take(&mut self.begun);
            self.lose(begun.bytes().len());
        }
    }

    fn show_begun(&mut self) -> Result<(), SendError> {
        if !self.begun.bytes().is_empty() {
            let begun = core::mem::take(&mut self.begun);
            if self.send(begun.bytes()) == Err(SendError::Full) {
                self.begun = begun;
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// After what is missing. `Err`: there is no room now.
    fn send(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        match self.tell_lost().and_then(|()| self.sender.send(bytes)) {
            Err(SendError::Full) => return Err(SendError::Full),
            Err(SendError::Length(_)) => self.lose(bytes.len()),
            Ok(()) | Err(SendError::Left(_) | SendError::Broken(_)) => {}
        }
        Ok(())
    }

    fn lose(&mut self, bytes: usize) {
        self.lost = self.lost.saturating_add(bytes as u64);
    }

    /// Tells between the others what is missing.
    fn tell_lost(&mut self) -> Result<(), SendError> {
        if self.lost == 0 {
            return Ok(());
        }
        let mut text = Text::default();
        // It has room for the longest number.
        let _ = write!(text, "\r\n[{} bytes are missing here]\r\n", self.lost);
        self.sender.send(text.bytes())?;
        self.lost = 0;
        Ok(())
    }
}

/// A short text.
#[derive(Debug)]
struct Text {
    bytes: [u8; PIECES],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; PIECES],
            len: 0,
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// `false`: there is no room, and nothing was added.
    fn add(&mut self, bytes: &[u8]) -> bool {
        let end = self.len.saturating_add(bytes.len());
        let Some(rest) = self.bytes.get_mut(self.len..end) else {
            return false;
        };
        for (to, from) in rest.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.len = end;
        true
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.add(text.as_bytes()) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
