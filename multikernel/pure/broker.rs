// SPDX-License-Identifier: GPL-2.0

//! When the two sides of a channel have a conversation, and when the next one.
//!
//! A conversation is offered to both sides when both are there and free of the
//! one before; each side has left it when it says so, or is gone. So the memory
//! of a channel is cleared only when nobody uses it.

use super::directory::Answer;

/// What one side does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nobody is there.
    Away,
    /// It is there, and in no conversation.
    Free,
    /// A conversation was offered to it, or it has one.
    Engaged,
    /// It does not want what it was offered.
    Refused,
}

/// Both sides of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broker {
    sides: [Side; 2],
    /// How many conversations there were.
    conversations: u64,
    is_removed: bool,
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}

impl Broker {
    /// Nobody is there yet.
    pub fn new() -> Self {
        Self {
            sides: [Side::Away; 2],
            conversations: 0,
            is_removed: false,
        }
    }

    /// What a side does.
    pub fn side(&self, side: usize) -> Side {
        self.sides.get(side).copied().unwrap_or(Side::Away)
    }

    /// How many conversations were offered.
    pub fn conversations(&self) -> u64 {
        self.conversations
    }

    /// A side is there: it was away before.
    pub fn arrive(&mut self, side: usize) {
        if self.side(side) == Side::Away {
            self.set(side, Side::Free);
        }
    }

    /// A side is gone. Returns whether the other one is to be told, as it was
    /// in a conversation with it.
    #[must_use]
    pub fn depart(&mut self, side: usize) -> bool {
        let was = self.side(side);
        self.set(side, Side::Away);
        was == Side::Engaged && self.other(side) == Side::Engaged
    }

    /// A side has answered to what it was offered last. Returns whether the
    /// other one is to be told that it will not come.
    #[must_use]
    pub fn answer(&mut self, side: usize, answer: Answer) -> bool {
        if self.side(side) != Side::Engaged {
            return false;
        }
        match answer {
            Answer::None | Answer::Attached => false,
            Answer::Released => {
                self.set(side, Side::Free);
                false
            }
            Answer::Refused => {
                self.set(side, Side::Refused);
                self.other(side) == Side::Engaged
            }
        }
    }

    /// Whether the next conversation is to be offered, to both sides, now.
    #[must_use]
    pub fn begin(&mut self) -> bool {
        let is_time = !self.is_removed && self.sides == [Side::Free; 2];
        if is_time {
            self.sides = [Side::Engaged; 2];
            self.conversations = self.conversations.wrapping_add(1);
        }
        is_time
    }

    /// There will be no more conversations. Returns whether it is news.
    pub fn remove(&mut self) -> bool {
        !core::mem::replace(&mut self.is_removed, true)
    }

    /// Whether the channel was removed.
    pub fn is_removed(&self) -> bool {
        self.is_removed
    }

    fn other(&self, side: usize) -> Side {
        self.side(1usize.wrapping_sub(side))
    }

    fn set(&mut self, side: usize, to: Side) {
        if let Some(side) = self.sides.get_mut(side) {
            *side = to;
        }
    }
}
