// SPDX-License-Identifier: GPL-2.0

//! One end of the control channel.

use super::age;
use crate::{
    pure::{
        half::{Size, State},
        message::{Body, Message, Outcome, BYTES_MAX},
        ring::{Fault, ReceiveError, Receiver, SendError, Sender},
    },
    sys::shared::View,
};
use core::fmt;
use kernel::prelude::*;

/// More than a ring holds: whoever sends so many while this side looks keeps it from its work.
const AT_ONCE: usize = 256;

/// An end of it. Dropped, it says so in its half; the peer has to be rung after that.
pub(crate) struct Control {
    view: View,
    sender: Sender<View>,
    receiver: Receiver<View>,
    question: KVec<u8>,
    answer: KVec<u8>,
}

/// Why there is nothing to be had from it any more.
pub(crate) enum Trouble {
    /// The peer has left.
    Left,
    /// It did what it must not do.
    Broken(Fault),
    /// It sends faster than is good.
    TooMany,
}

impl Control {
    /// At the beginning of the channel. `own` and `other` are the sizes of the halves' data.
    pub(crate) fn open(view: View, own: Size, other: Size) -> Result<Self> {
        let buffer = |bytes: usize| -> Result<KVec<u8>> {
            let mut buffer = KVec::with_capacity(bytes, GFP_KERNEL)?;
            buffer.resize(bytes, 0, GFP_KERNEL)?;
            Ok(buffer)
        };
        let control = Self {
            sender: Sender::new(view.clone(), own),
            receiver: Receiver::new(view.clone(), other),
            view,
            // One more, so that a message that is too long is seen to be.
            question: buffer(BYTES_MAX + 1)?,
            answer: buffer(BYTES_MAX)?,
        };
        age::fill_half(&control.view);
        State::Open.publish(&control.view);
        Ok(control)
    }

    /// Sends a message, now or not at all. [`Control::bell`] has to be asked afterwards.
    pub(crate) fn send(&mut self, message: &Message<'_>) -> core::result::Result<(), SendError> {
        let len = message.write(&mut self.answer).unwrap_or(0);
        let len = age::grow(&mut self.answer, len);
        self.sender.send(self.answer.get(..len).unwrap_or(&[]))
    }

    /// Takes all that has come. `f` says what a question is answered with; it gets the answers,
    /// too, for which it has nothing to say. [`Control::bell`] has to be asked afterwards.
    pub(crate) fn take(
        &mut self,
        mut f: impl for<'a> FnMut(&Message<'a>) -> Option<Body<'a>>,
    ) -> core::result::Result<(), Trouble> {
        for _ in 0..AT_ONCE {
            // Nothing is taken that could not be answered: the peer rings when there is room.
            if self.sender.wait(BYTES_MAX) {
                return Ok(());
            }
            let len = match self.receiver.receive(&mut self.question) {
                Ok(len) => len,
                Err(ReceiveError::Empty) if self.receiver.wait() => return Ok(()),
                Err(ReceiveError::Empty) => continue,
                Err(ReceiveError::Left(_)) => return Err(Trouble::Left),
                Err(ReceiveError::Broken(fault)) => return Err(Trouble::Broken(fault)),
            };
            let bytes = self.question.get(..len).unwrap_or(&self.question);
            let answer = match Message::parse(bytes) {
                Ok(message) => f(&message).map(|body| Message {
                    cookie: message.cookie,
                    body,
                }),
                Err(_) => refusal(bytes),
            };
            let Some(answer) = answer else { continue };
            let len = answer.write(&mut self.answer).unwrap_or(0);
            let len = age::grow(&mut self.answer, len);
            match self.sender.send(self.answer.get(..len).unwrap_or(&[])) {
                Ok(()) => {}
                Err(SendError::Broken(fault)) => return Err(Trouble::Broken(fault)),
                // There was room, and messages have a length.
                Err(_) => return Err(Trouble::Left),
            }
        }
        Err(Trouble::TooMany)
    }

    /// Whether the peer has to be rung.
    #[must_use]
    pub(crate) fn bell(&mut self) -> bool {
        let (sent, taken) = (self.sender.bell(), self.receiver.bell());
        sent || taken
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        State::Closed.publish(&self.view);
    }
}

/// What a message that makes no sense is answered with: nothing, if it does not even have a cookie.
fn refusal(bytes: &[u8]) -> Option<Message<'static>> {
    let cookie = crate::pure::bytes::u64(bytes, 8)?;
    Some(Message {
        cookie,
        body: Body::Answer(Outcome::Invalid, &[]),
    })
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the other kernel has left the control channel"),
            Self::Broken(fault) => fault.fmt(f),
            Self::TooMany => f.write_str("the other kernel floods the control channel"),
        }
    }
}
