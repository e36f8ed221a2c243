// SPDX-License-Identifier: GPL-2.0

//! The sending end of a console: what a terminal shows.
//!
//! A kernel prints wherever it is, and cannot wait. What does not fit is lost,
//! and whoever reads learns how much that was.

use super::half::{Data, Size};
use super::ring::{SendError, Sender};
use core::fmt;
use core::fmt::Write;

/// Where a terminal shows what it has to show.
#[derive(Debug)]
pub struct Screen<H> {
    sender: Sender<H>,
    /// Bytes that are lost since the last that was shown.
    lost: u64,
}

impl<H: Data> Screen<H> {
    /// At the beginning of a channel; `size` is that of this side's half.
    pub fn new(halves: H, size: Size) -> Self {
        Self {
            sender: Sender::new(halves, size),
            lost: 0,
        }
    }

    /// Shows something, and returns how much of it need not come again: all, or
    /// with `can_wait` nothing, if there is no room now. Where nobody reads any
    /// more it is shown to nobody.
    pub fn show(&mut self, bytes: &[u8], can_wait: bool) -> usize {
        let sent = self.tell_lost().and_then(|()| self.sender.send(bytes));
        match sent {
            Err(SendError::Full) if can_wait => return 0,
            Err(SendError::Full | SendError::Length(_)) => {
                self.lost = self.lost.saturating_add(bytes.len() as u64);
            }
            Ok(()) | Err(SendError::Left(_) | SendError::Broken(_)) => {}
        }
        bytes.len()
    }

    /// Whether the reader's doorbell has to be rung: to be called after
    /// something was shown.
    #[must_use]
    pub fn bell(&mut self) -> bool {
        self.sender.bell()
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

/// A short text; what does not fit is not there.
struct Text {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; 64],
            len: 0,
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = self.bytes.get_mut(self.len..).unwrap_or(&mut []);
        for (to, from) in rest.iter_mut().zip(text.bytes()) {
            *to = from;
            self.len = self.len.wrapping_add(1);
        }
        Ok(())
    }
}
