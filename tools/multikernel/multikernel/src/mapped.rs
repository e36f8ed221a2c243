// SPDX-License-Identifier: GPL-2.0

//! Channels without calls and copies: their rings, mapped.
//!
//! [`Channel::map`](crate::Channel::map) makes a [`Sender`] and a [`Receiver`]
//! of an end, which may go to different threads. A message is written where its
//! receiver will read it ([`Sender::reserve`], [`Slot::commit`]), and read where
//! its sender has written it ([`Receiver::peek`], [`Message::consume`]). The
//! kernel is called in two cases: to wait, and to ring a peer that waits. So
//! two ends that look all the time (the `try_` calls) never enter it.
//!
//! A call of its own that asks whether the peer waits costs more than a short
//! message. Who sends many in a row sends them by [`Slot::commit_quietly`], and
//! calls [`Sender::flush`] when there are no more for now; who takes many does
//! the same with [`Message::consume_quietly`] and [`Receiver::flush`].
//!
//! To sleep and to be woken costs as much as many messages. Where there is a CPU
//! for it, [`Sender::set_patience`] and [`Receiver::set_patience`] make those
//! that wait look for a while before they sleep.
//!
//! The peer is not trusted. What it says of its ring is read once and checked,
//! by the code that the kernel module itself uses; what cannot be breaks the
//! channel ([`io::ErrorKind::InvalidData`]). But the bytes of a message are the
//! peer's: they may change while they are read. [`Message::copy_to`] copies
//! each once. Who reads them in place has to bear that.
//!
//! ```no_run
//! use multikernel::{Channel, Wait};
//!
//! let (mut sender, mut receiver) = Channel::open("blue", "questions", Wait::Yes)?.map()?;
//! let mut slot = sender.reserve(5)?;
//! slot.copy_from(b"hello");
//! slot.commit()?;
//! if let Some(answer) = receiver.peek()? {
//!     let mut text = vec![0; answer.bytes()];
//!     answer.copy_to(&mut text);
//!     answer.consume()?;
//!     println!("{}", String::from_utf8_lossy(&text));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::pure::ring::{self, Fault, ReceiveError, SendError};

mod end;

pub use end::Doorbell;
use end::{End, Shared};

/// Maps the rings of an end.
pub(crate) fn map(fd: OwnedFd) -> io::Result<(Sender, Receiver)> {
    Ok(both(End::of_file(fd)?))
}

/// An end in shared memory that did not come from the module, with a doorbell to
/// match. `own` and `peer` are where the half that each side writes begins in
/// `memory`, on a page, and the size of its ring; all is zero at first. A half is
/// 4096 bytes longer than its ring.
///
/// # Safety
///
/// The halves are apart. As long as this end lives, nobody in this process
/// accesses them but it and the end that is its peer.
pub unsafe fn over(
    bell: Box<dyn Doorbell>,
    memory: BorrowedFd<'_>,
    own: (u64, u32),
    peer: (u64, u32),
) -> io::Result<(Sender, Receiver)> {
    Ok(both(End::map(bell, memory, own, peer)?))
}

/// At the beginning of a conversation.
fn both(end: End) -> (Sender, Receiver) {
    let end = Shared(Arc::new(end));
    let sender = Sender {
        ring: ring::Sender::new(end.clone(), end.0.own_size()),
        end: end.clone(),
        is_cut_off: false,
        patience: Duration::ZERO,
    };
    let receiver = Receiver {
        ring: ring::Receiver::new(end.clone(), end.0.peer_size()),
        end,
        is_cut_off: false,
        patience: Duration::ZERO,
    };
    (sender, receiver)
}

/// The sending half of an end. When both halves are dropped the end is closed:
/// the peer reads what was sent, then the end.
///
/// It can be polled for ([`AsFd`]) after [`Sender::ask`].
pub struct Sender {
    ring: ring::Sender<Shared>,
    end: Shared,
    /// The channel was removed.
    is_cut_off: bool,
    /// How long to look before waiting.
    patience: Duration,
}

/// The receiving half of an end. When both halves are dropped the end is closed.
///
/// It can be polled for ([`AsFd`]) after [`Receiver::ask`].
pub struct Receiver {
    ring: ring::Receiver<Shared>,
    end: Shared,
    /// The channel was removed.
    is_cut_off: bool,
    /// How long to look before waiting.
    patience: Duration,
}

/// Room for a message, in the ring. Dropped, it is not sent.
///
/// What is there at first is not said: it may be what an earlier message had.
pub struct Slot<'a> {
    slot: ring::Slot<'a, Shared>,
    end: &'a Shared,
}

/// A message, in the ring. Dropped, it stays, and comes again.
pub struct Message<'a> {
    message: ring::Message<'a, Shared>,
    end: &'a Shared,
}

impl Sender {
    /// For how long [`Sender::reserve`] and [`Sender::wait`] keep the CPU and
    /// look, before they ask to be rung and sleep: not at all, at first.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The longest message.
    pub fn message_max(&self) -> usize {
        self.ring.size().message_max() as usize
    }

    /// Room for a message of `bytes` bytes, as soon as there is some.
    ///
    /// [`io::ErrorKind::InvalidInput`]: no message has this length;
    /// [`io::ErrorKind::BrokenPipe`]: the peer has left;
    /// [`io::ErrorKind::InvalidData`]: it did what it must not do.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<Slot<'_>> {
        self.wait(bytes, None)?;
        self.try_reserve(bytes)
    }

    /// The same, at once or not at all: [`io::ErrorKind::WouldBlock`].
    #[inline]
    pub fn try_reserve(&mut self, bytes: usize) -> io::Result<Slot<'_>> {
        if self.is_cut_off {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.ring.reserve(bytes) {
            Ok(slot) => Ok(Slot {
                slot,
                end: &self.end,
            }),
            Err(error) => Err(refusal(&self.end, error)),
        }
    }

    /// Waits until [`Sender::try_reserve`] has something else to tell than that
    /// it would have to wait. `false`: that took too long.
    pub fn wait(&mut self, bytes: usize, timeout: Option<Duration>) -> io::Result<bool> {
        let limit = Limit::new(timeout);
        if self.can_go_on(bytes) || self.look(bytes, &limit)? {
            return Ok(true);
        }
        while !self.is_cut_off && self.ask(bytes) {
            self.flush()?;
            match wait(&self.end, PollFlags::OUT, &limit)? {
                Waited::Over => return Ok(false),
                Waited::Rung => {}
                Waited::Left => self.is_cut_off = self.ask(bytes),
            }
        }
        Ok(true)
    }

    /// Whether there is no need to wait.
    #[inline]
    fn can_go_on(&mut self, bytes: usize) -> bool {
        self.is_cut_off || self.ring.check(bytes) != Err(SendError::Full)
    }

    /// Looks for a while, and returns whether that has ended the wait.
    fn look(&mut self, bytes: usize, limit: &Limit) -> io::Result<bool> {
        if self.patience.is_zero() {
            return Ok(false);
        }
        // Whoever waits for what was sent cannot make room.
        self.flush()?;
        let limit = limit.sooner(self.patience);
        while !limit.is_over() {
            // There may be some room, and too little.
            let _ = (0..LOOKS).any(|_| self.ring.has_news());
            if self.can_go_on(bytes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks the peer to ring when a message of `bytes` bytes fits, or a quarter
    /// of the ring is free if that is more. `true`: until then this end is not
    /// `POLLOUT`; to be called before each poll. `false`: there is no need to
    /// wait.
    ///
    /// [`Sender::flush`] is to be called before this end waits.
    #[must_use]
    pub fn ask(&mut self, bytes: usize) -> bool {
        self.ring.wait(bytes)
    }

    /// Rings the peer if it waits for what was sent quietly.
    pub fn flush(&mut self) -> io::Result<()> {
        ring_if(&self.end, self.ring.bell())
    }
}

impl Receiver {
    /// For how long [`Receiver::peek`] and [`Receiver::wait`] keep the CPU and
    /// look, before they ask to be rung and sleep: not at all, at first.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The next message, as soon as there is one. Nothing: the peer has closed
    /// its end, or is gone, and everything was read.
    ///
    /// [`io::ErrorKind::InvalidData`]: it did what it must not do.
    pub fn peek(&mut self) -> io::Result<Option<Message<'_>>> {
        self.wait(None)?;
        self.try_peek()
    }

    /// The same, at once or not at all: [`io::ErrorKind::WouldBlock`].
    #[inline]
    pub fn try_peek(&mut self) -> io::Result<Option<Message<'_>>> {
        match self.ring.peek() {
            Ok(message) => Ok(Some(Message {
                message,
                end: &self.end,
            })),
            Err(ReceiveError::Empty) if !self.is_cut_off => Err(io::ErrorKind::WouldBlock.into()),
            Err(ReceiveError::Empty | ReceiveError::Left(_)) => Ok(None),
            Err(ReceiveError::Broken(fault)) => Err(broken(&self.end, fault)),
        }
    }

    /// Waits until [`Receiver::try_peek`] has something else to tell than that
    /// it would have to wait. `false`: that took too long.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let limit = Limit::new(timeout);
        if self.can_go_on() || self.look(&limit)? {
            return Ok(true);
        }
        while !self.is_cut_off && self.ask() {
            self.flush()?;
            match wait(&self.end, PollFlags::IN, &limit)? {
                Waited::Over => return Ok(false),
                Waited::Rung => {}
                Waited::Left => self.is_cut_off = self.ask(),
            }
        }
        Ok(true)
    }

    /// Whether there is no need to wait.
    #[inline]
    fn can_go_on(&mut self) -> bool {
        self.is_cut_off || self.ring.peek().err() != Some(ReceiveError::Empty)
    }

    /// Looks for a while, and returns whether that has ended the wait.
    fn look(&mut self, limit: &Limit) -> io::Result<bool> {
        if self.patience.is_zero() {
            return Ok(false);
        }
        // Most of the time this is enough, and the clock is not needed.
        let mut is_there = self.glimpse();
        if !is_there {
            // Whoever waits for room cannot send.
            self.flush()?;
            let limit = limit.sooner(self.patience);
            while !is_there && !limit.is_over() {
                is_there = self.glimpse();
            }
        }
        Ok(is_there)
    }

    /// Many looks.
    #[inline]
    fn glimpse(&mut self) -> bool {
        (0..LOOKS).any(|_| self.ring.has_news()) || self.can_go_on()
    }

    /// Asks the peer to ring at the next message. `true`: until then this end
    /// is not `POLLIN`; to be called before each poll. `false`: there is no
    /// need to wait.
    ///
    /// [`Receiver::flush`] is to be called before this end waits.
    #[must_use]
    pub fn ask(&mut self) -> bool {
        self.ring.wait()
    }

    /// Rings the peer if it waits for room that was made quietly.
    pub fn flush(&mut self) -> io::Result<()> {
        ring_if(&self.end, self.ring.bell())
    }
}

impl Slot<'_> {
    /// The room: one piece, or two where the ring begins again. The second may
    /// be empty.
    pub fn pieces(&mut self) -> [&mut [u8]; 2] {
        self.slot.pieces().map(|piece| {
            // They are there as long as the end. Other kernels only read them.
            // SAFETY: the two are apart from each other, in the half that this
            // side alone writes, and belong to the slot: one at a time.
            unsafe { &mut *self.end.0.own_bytes(piece) }
        })
    }

    /// Fills it.
    ///
    /// # Panics
    ///
    /// If `message` has not as many bytes as were reserved.
    pub fn copy_from(&mut self, message: &[u8]) {
        let [first, second] = self.pieces();
        let (head, tail) = message.split_at(first.len());
        first.copy_from_slice(head);
        second.copy_from_slice(tail);
    }

    /// Sends it, and rings the peer if it waits.
    #[inline]
    pub fn commit(self) -> io::Result<()> {
        let Self { slot, end } = self;
        ring_if(end, slot.commit().bell())
    }

    /// Sends it. The peer sees it if it looks; if it waits,
    /// [`Sender::flush`] rings it.
    #[inline]
    pub fn commit_quietly(self) {
        self.slot.commit();
    }
}

impl Message<'_> {
    /// How many bytes it has: never 0.
    pub fn bytes(&self) -> usize {
        self.message.bytes()
    }

    /// Copies it, as much as there is room for; each byte is read once. Returns
    /// how many these are.
    pub fn copy_to(&self, mut to: &mut [u8]) -> usize {
        let room = to.len();
        for piece in self.pieces() {
            let bytes = piece.len().min(to.len());
            let (part, rest) = to.split_at_mut(bytes);
            // SAFETY: the bytes are in the mapping, and `part` is elsewhere. What
            // the peer writes meanwhile is copied as it is at some moment.
            unsafe { ptr::copy_nonoverlapping(piece.cast::<u8>(), part.as_mut_ptr(), bytes) };
            to = rest;
        }
        room - to.len()
    }

    /// Where it is: in one piece, or in two where the ring begins again. The
    /// second may be empty.
    ///
    /// Until it is consumed the bytes may be read there, in the knowledge that
    /// a peer that is not trusted can change them at any time.
    #[inline]
    pub fn pieces(&self) -> [*const [u8]; 2] {
        self.message
            .pieces()
            .map(|piece| self.end.0.peer_bytes(piece))
    }

    /// Gives its room back, and rings the peer if it waits for that.
    #[inline]
    pub fn consume(self) -> io::Result<()> {
        let Self { message, end } = self;
        ring_if(end, message.consume().bell())
    }

    /// Gives its room back. A peer that waits for that is rung by
    /// [`Receiver::flush`].
    #[inline]
    pub fn consume_quietly(self) {
        self.message.consume();
    }
}

/// Between two looks at the clock, and at whether the peer has left.
const LOOKS: usize = 128;

/// When to wait no longer.
struct Limit(Option<Instant>);

impl Limit {
    fn new(timeout: Option<Duration>) -> Self {
        // One that is too long to be told is for ever.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The same, or in `patience`, whichever comes first.
    fn sooner(&self, patience: Duration) -> Self {
        let end = Instant::now().checked_add(patience);
        Self(self.0.into_iter().chain(end).min())
    }

    fn is_over(&self) -> bool {
        self.0.is_some_and(|limit| Instant::now() >= limit)
    }

    fn left(&self) -> Option<Duration> {
        self.0
            .map(|limit| limit.saturating_duration_since(Instant::now()))
    }
}

/// Why a wait has ended.
enum Waited {
    /// There may be what was waited for.
    Rung,
    /// There may be, and it is the last.
    Left,
    /// The time is over.
    Over,
}

fn wait(end: &Shared, events: PollFlags, limit: &Limit) -> io::Result<Waited> {
    let left = limit.left();
    let came = end.0.bell.wait(events, left)?;
    Ok(if came.contains(PollFlags::HUP) {
        Waited::Left
    } else if came.is_empty() && left.is_some_and(|left| left.is_zero()) {
        Waited::Over
    } else {
        Waited::Rung
    })
}

#[inline]
fn ring_if(end: &Shared, is_wanted: bool) -> io::Result<()> {
    match is_wanted {
        true => end.0.bell.ring(),
        false => Ok(()),
    }
}

fn refusal(end: &Shared, error: SendError) -> io::Error {
    match error {
        SendError::Full => io::ErrorKind::WouldBlock.into(),
        SendError::Left(_) => io::ErrorKind::BrokenPipe.into(),
        SendError::Broken(fault) => broken(end, fault),
        SendError::Length(bytes) => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a message of {bytes} bytes: it has to have 1 to {}",
                end.0.own_size().message_max()
            ),
        ),
    }
}

/// The peer is told, too.
fn broken(end: &Shared, fault: Fault) -> io::Error {
    end.0.complain();
    io::Error::new(io::ErrorKind::InvalidData, fault.to_string())
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Who waits for what was sent last will not hear of it otherwise while
        // the receiver lives on.
        let _ = self.flush();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // As above, for room.
        let _ = self.flush();
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.0.bell.descriptor()
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.0.bell.descriptor()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sender");
        debug
            .field("sent", &self.ring.tail())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Receiver");
        debug
            .field("read", &self.ring.head())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
