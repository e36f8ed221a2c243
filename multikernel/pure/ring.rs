// SPDX-License-Identifier: GPL-2.0

//! One direction of a channel: messages from one sender to one receiver,
//! without locks.
//!
//! Positions count bytes from the channel's beginning, and never wrap. At a
//! position that is a multiple of [`LINE`] stands a header, and the message
//! behind it; a header of 0 says that nothing is there yet. The sender clears
//! the header behind a message before it writes that of the message itself. So
//! the receiver waits on the very line that the message comes in, and needs no
//! index of the sender's.
//!
//! In the other direction goes [`HEAD`]: how far the receiver has read. And each
//! side tells what it waits for ([`WANT_DATA`], [`WANT_ROOM`]), so that the
//! other one rings its doorbell only then. Whoever waits says so, puts a fence,
//! and looks again; whoever might be waited for writes, puts a fence, and looks
//! whether it is. One of them sees the other.
//!
//! Each side keeps its own position to itself, and takes nothing from the
//! peer's half without a check. What cannot be there breaks the channel:
//! [`Fault`]. Both calls that can find a fault go on finding it.

use super::bytes::pair;
use super::half::{Data, Halves, Size, State, HEADER, LINE};
use super::half::{HEAD, STATE, WANT_DATA, WANT_ROOM};
use core::fmt;

/// The sender's end.
#[derive(Debug)]
pub struct Sender<H> {
    halves: H,
    size: Size,
    /// Where the next message goes.
    tail: u64,
    /// How far the receiver has read, as far as this side knows.
    head: u64,
    /// `tail` when it was last seen whether the receiver waits.
    told: u64,
    peer: State,
    fault: Option<Fault>,
}

/// The receiver's end.
#[derive(Debug)]
pub struct Receiver<H> {
    halves: H,
    size: Size,
    /// Where the next message is expected.
    head: u64,
    /// `head` when it was last seen whether the sender waits.
    told: u64,
    peer: State,
    fault: Option<Fault>,
}

/// Room for a message. Without [`Slot::commit`] it is not sent.
#[derive(Debug)]
pub struct Slot<'a, H> {
    sender: &'a mut Sender<H>,
    len: u32,
}

/// A message. Without [`Message::consume`] it stays.
#[derive(Debug)]
pub struct Message<'a, H> {
    receiver: &'a mut Receiver<H>,
    len: u32,
}

/// Some bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where they are in the sender's half.
    pub at: usize,
    /// How many they are.
    pub len: usize,
}

/// A message is in one piece, or in two where the data begin again. The second
/// may be empty.
pub type Pieces = [Piece; 2];

/// What the peer's half cannot have, if the peer is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A state that does not exist, or that nobody comes back to.
    State(u64),
    /// A header with a length that no message has, or of another place.
    Header {
        /// Where.
        position: u64,
        /// What stands there.
        header: u64,
    },
    /// It has read what was not sent, or less than it had, or half a line.
    Head {
        /// What it says.
        head: u64,
        /// What it had said before.
        before: u64,
        /// What was sent.
        tail: u64,
    },
}

/// Why nothing can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No message has this length; the longest has [`Size::message_max`].
    Length(usize),
    /// There is no room now.
    Full,
    /// The peer has left, and this is its last word.
    Left(State),
    /// The peer did what it must not do.
    Broken(Fault),
}

/// Why nothing can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// Nothing is there now.
    Empty,
    /// All was read, and the peer has left; this is its last word.
    Left(State),
    /// The peer did what it must not do.
    Broken(Fault),
}

/// What a message of `len` bytes takes.
fn record(len: u32) -> u64 {
    u64::from(len)
        .wrapping_add(u64::from(HEADER))
        .next_multiple_of(u64::from(LINE))
}

/// The header of a message at `position`: its length, and which line of all
/// lines this is, so that one from elsewhere is noticed.
fn header(position: u64, len: u32) -> u64 {
    pair(len, (position / u64::from(LINE)) as u32)
}

fn pieces(size: Size, position: u64, len: u32) -> Pieces {
    let at = size.at(position.wrapping_add(u64::from(HEADER)));
    let limit = size.at(0).wrapping_add(size.bytes() as usize);
    let len = len as usize;
    let first = len.min(limit.wrapping_sub(at));
    [
        Piece { at, len: first },
        Piece {
            at: size.at(0),
            len: len.wrapping_sub(first),
        },
    ]
}

impl<H: Halves> Sender<H> {
    /// At the beginning of a channel: both halves are zero but for the states.
    /// `size` is that of this side's half.
    pub fn new(halves: H, size: Size) -> Self {
        Self {
            halves,
            size,
            tail: 0,
            head: 0,
            told: 0,
            peer: State::New,
            fault: None,
        }
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Whether a message of `len` bytes could be sent now, without sending it.
    pub fn check(&mut self, len: usize) -> Result<(), SendError> {
        self.room(len).map(drop)
    }

    /// Where the next message goes: how many bytes have ever been used.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Whether the receiver has read more than this side knows of, or has left,
    /// as the cheapest look tells: for who looks again and again.
    pub fn has_news(&self) -> bool {
        self.halves.load(HEAD) != self.head || !may_stay(&self.halves)
    }

    /// Room for a message of `len` bytes, at once or not at all.
    pub fn reserve(&mut self, len: usize) -> Result<Slot<'_, H>, SendError> {
        let len = self.room(len)?;
        Ok(Slot { sender: self, len })
    }

    /// Sends a message, at once or not at all.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError>
    where
        H: Data,
    {
        let slot = self.reserve(message.len())?;
        let [first, second] = slot.pieces();
        let halves = &slot.sender.halves;
        if let Some((head, tail)) = message.split_at_checked(first.len) {
            halves.write(first.at, head);
            halves.write(second.at, tail);
        }
        slot.commit();
        Ok(())
    }

    /// Whether the receiver waits for what was committed: then its doorbell has
    /// to be rung. To be called after the last of several commits, and before
    /// this side does anything else.
    #[must_use]
    pub fn bell(&mut self) -> bool {
        self.halves.fence();
        let want = self.halves.load(WANT_DATA);
        let is_wanted = (self.told..self.tail).contains(&want);
        self.told = self.tail;
        is_wanted
    }

    /// Asks for the doorbell to be rung when there is room for a message of
    /// `len` bytes, or a quarter of the ring if that is more, so that a fast
    /// sender is not woken for every message. Returns whether this is worth
    /// waiting for: `false` says that [`Sender::reserve`] has something else
    /// to tell than [`SendError::Full`].
    ///
    /// The doorbell may ring for nothing, so this is to be called before each
    /// wait.
    #[must_use]
    pub fn wait(&mut self, len: usize) -> bool {
        let Err(SendError::Full) = self.room(len) else {
            return false;
        };
        // It is no longer than a message can be, or the ring would not be full.
        let need = self.need(len as u32).max(u64::from(self.size.bytes() / 4));
        let want = self.tail.wrapping_add(need);
        let want = want.saturating_sub(u64::from(self.size.bytes()));
        self.halves.store(WANT_ROOM, want);
        self.halves.fence();
        self.room(len) == Err(SendError::Full)
    }

    /// What has to be free for a message of `len` bytes: the line behind it is
    /// cleared with it.
    fn need(&self, len: u32) -> u64 {
        record(len).wrapping_add(u64::from(LINE))
    }

    /// Checks whether there is room for `len` bytes.
    fn room(&mut self, len: usize) -> Result<u32, SendError> {
        if let Some(fault) = self.fault {
            return Err(SendError::Broken(fault));
        }
        self.peer = state(&self.halves, self.peer).map_err(|fault| self.broken(fault))?;
        if !self.peer.is_live() {
            return Err(SendError::Left(self.peer));
        }
        let fits = |len: &u32| (1..=self.size.message_max()).contains(len);
        let Some(short) = u32::try_from(len).ok().filter(fits) else {
            return Err(SendError::Length(len));
        };
        let need = self.need(short);
        if self.free() < need {
            self.see_head()?;
        }
        if self.free() < need {
            return Err(SendError::Full);
        }
        Ok(short)
    }

    fn free(&self) -> u64 {
        u64::from(self.size.bytes()).wrapping_sub(self.tail.wrapping_sub(self.head))
    }

    fn see_head(&mut self) -> Result<(), SendError> {
        let head = self.halves.load(HEAD);
        if !(self.head..=self.tail).contains(&head) || head % u64::from(LINE) != 0 {
            return Err(self.broken(Fault::Head {
                head,
                before: self.head,
                tail: self.tail,
            }));
        }
        self.head = head;
        Ok(())
    }

    fn broken(&mut self, fault: Fault) -> SendError {
        self.fault = Some(fault);
        SendError::Broken(fault)
    }
}

impl<'a, H: Halves> Slot<'a, H> {
    /// Where the bytes go, in this side's half.
    pub fn pieces(&self) -> Pieces {
        pieces(self.sender.size, self.sender.tail, self.len)
    }

    /// Sends it: the receiver can see it now. [`Sender::bell`] says whether it
    /// looks.
    pub fn commit(self) -> &'a mut Sender<H> {
        let Self { sender, len } = self;
        let next = sender.tail.wrapping_add(record(len));
        sender.halves.store(sender.size.at(next), 0);
        let header = header(sender.tail, len);
        sender.halves.store(sender.size.at(sender.tail), header);
        sender.tail = next;
        sender
    }
}

impl<H: Halves> Receiver<H> {
    /// At the beginning of a channel: both halves are zero but for the states.
    /// `size` is that of the peer's half.
    pub fn new(halves: H, size: Size) -> Self {
        Self {
            halves,
            size,
            head: 0,
            told: 0,
            peer: State::New,
            fault: None,
        }
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Where the next message is expected: how many bytes have ever been read.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Whether there is anything where the next message is expected, or the
    /// sender has left, as the cheapest look tells: for who looks again and
    /// again.
    pub fn has_news(&self) -> bool {
        self.halves.load(self.size.at(self.head)) != 0 || !may_stay(&self.halves)
    }

    /// The next message, if it is there.
    pub fn peek(&mut self) -> Result<Message<'_, H>, ReceiveError> {
        let len = self.next()?;
        Ok(Message {
            receiver: self,
            len,
        })
    }

    /// Takes the next message, as much of it as `to` has room for, and returns
    /// its whole length.
    pub fn receive(&mut self, to: &mut [u8]) -> Result<usize, ReceiveError>
    where
        H: Data,
    {
        let message = self.peek()?;
        let len = message.bytes();
        let [first, second] = message.pieces();
        let halves = &message.receiver.halves;
        let room = to.len();
        if let Some((head, tail)) = to.split_at_mut_checked(first.len.min(room)) {
            halves.read(first.at, head);
            let rest = second.len.min(tail.len());
            if let Some(tail) = tail.get_mut(..rest) {
                halves.read(second.at, tail);
            }
        }
        message.consume();
        Ok(len)
    }

    /// Whether the sender waits for the room that was made: then its doorbell
    /// has to be rung. To be called after the last of several messages was
    /// consumed, and before this side does anything else.
    #[must_use]
    pub fn bell(&mut self) -> bool {
        self.halves.fence();
        let want = self.halves.load(WANT_ROOM);
        let is_wanted = self.told < want && want <= self.head;
        self.told = self.head;
        is_wanted
    }

    /// Asks for the doorbell to be rung at the next message. Returns whether
    /// this is worth waiting for: `false` says that [`Receiver::peek`] has
    /// something else to tell than [`ReceiveError::Empty`].
    ///
    /// The doorbell may ring for nothing, so this is to be called before each
    /// wait.
    #[must_use]
    pub fn wait(&mut self) -> bool {
        if self.next() != Err(ReceiveError::Empty) {
            return false;
        }
        self.halves.store(WANT_DATA, self.head);
        self.halves.fence();
        self.next() == Err(ReceiveError::Empty)
    }

    /// Length of the next message.
    fn next(&mut self) -> Result<u32, ReceiveError> {
        if let Some(fault) = self.fault {
            return Err(ReceiveError::Broken(fault));
        }
        if let Some(len) = self.look()? {
            return Ok(len);
        }
        self.peer = state(&self.halves, self.peer).map_err(|fault| self.broken(fault))?;
        if self.peer.is_live() {
            return Err(ReceiveError::Empty);
        }
        // It may have sent something before it left.
        self.look()?.ok_or(ReceiveError::Left(self.peer))
    }

    /// Length of the message in the next line, if there is one.
    fn look(&mut self) -> Result<Option<u32>, ReceiveError> {
        let word = self.halves.load(self.size.at(self.head));
        if word == 0 {
            return Ok(None);
        }
        let len = word as u32;
        if word != header(self.head, len) || !(1..=self.size.message_max()).contains(&len) {
            return Err(self.broken(Fault::Header {
                position: self.head,
                header: word,
            }));
        }
        Ok(Some(len))
    }

    fn broken(&mut self, fault: Fault) -> ReceiveError {
        self.fault = Some(fault);
        ReceiveError::Broken(fault)
    }
}

impl<'a, H: Halves> Message<'a, H> {
    /// Where the bytes are, in the peer's half. They may change while they are
    /// read, and afterwards: to be copied once, then checked.
    pub fn pieces(&self) -> Pieces {
        pieces(self.receiver.size, self.receiver.head, self.len)
    }

    /// How many they are: 1 to [`Size::message_max`].
    pub fn bytes(&self) -> usize {
        self.len as usize
    }

    /// Gives its room back. [`Receiver::bell`] says whether the sender waits
    /// for that.
    pub fn consume(self) -> &'a mut Receiver<H> {
        let Self { receiver, len } = self;
        receiver.head = receiver.head.wrapping_add(record(len));
        receiver.halves.store(HEAD, receiver.head);
        receiver
    }
}

/// What the peer says of itself; it had said `before`.
fn state(halves: &impl Halves, before: State) -> Result<State, Fault> {
    let word = halves.load(STATE);
    State::new(word)
        .filter(|state| *state >= before)
        .ok_or(Fault::State(word))
}

/// Whether there may be what a receiver waits for, without its lock: for who is
/// rung. `own` is this side's half as the peer sees it.
pub fn may_receive(halves: &impl Halves, own: &impl Halves, size: Size) -> bool {
    halves.load(size.at(own.load(WANT_DATA))) != 0 || !may_stay(halves)
}

/// Whether there may be the room that a sender waits for.
pub fn may_send(halves: &impl Halves, own: &impl Halves) -> bool {
    halves.load(HEAD) >= own.load(WANT_ROOM) || !may_stay(halves)
}

fn may_stay(halves: &impl Halves) -> bool {
    State::new(halves.load(STATE)).is_some_and(State::is_live)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::State(word) => write!(
                f,
                "the peer says that its state is {word:#x}, which cannot be"
            ),
            Self::Header { position, header } => write!(
                f,
                "the peer sent a message with the header {header:#x} at {position:#x}"
            ),
            Self::Head { head, before, tail } => write!(
                f,
                "the peer says that it has read up to {head:#x}; \
                 it had read up to {before:#x}, and {tail:#x} was sent"
            ),
        }
    }
}
