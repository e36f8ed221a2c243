// SPDX-License-Identifier: GPL-2.0

//! This kernel's side of a channel, from when it is offered until it is left.

use super::{age, party::Party};
use crate::{
    pure::{
        half::{self, Halves, Size, State},
        ring::{self, Fault, ReceiveError, Receiver, SendError, Sender},
    },
    sys::{node::Buffer, shared::View},
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use kernel::{bindings, new_mutex, prelude::*, sync::Arc, sync::Mutex};

/// There is something to be read, or the end.
pub(crate) const READABLE: u32 = bindings::POLLIN | bindings::POLLRDNORM;
/// There is room.
pub(crate) const WRITABLE: u32 = bindings::POLLOUT | bindings::POLLWRNORM;
/// What else can be told of the end.
pub(crate) const ENDED: u32 = bindings::POLLHUP | bindings::POLLRDHUP | bindings::POLLERR;

/// Nobody has moved a message yet.
const NOBODY: u32 = 0;
/// This module does, for who reads and writes.
const KERNEL: u32 = 1;
/// A program does, with the rings mapped.
const USER: u32 = 2;

/// A conversation. When nobody uses it any more the host is told, after all else of it is gone.
#[pin_data]
pub(crate) struct Conversation {
    view: View,
    /// As the peer sees it: what this side says that it waits for.
    mirror: View,
    other: Size,
    #[pin]
    sender: Mutex<Sender<View>>,
    #[pin]
    receiver: Mutex<Receiver<View>>,
    own: Size,
    /// Who keeps the positions in the rings: [`NOBODY`] yet, and so on.
    mover: AtomicU32,
    /// What it waited for when [`Self::wishes`] was asked last.
    wishes: [AtomicU64; 2],
    party: Party,
}

/// What there is now.
pub(crate) enum Step<T> {
    Done(T),
    /// Nothing; who waits is rung.
    Wait,
    /// The peer has left.
    Left,
    /// It did what it must not do.
    Broken(Fault),
}

impl Conversation {
    /// At the beginning of it. `own` and `other` are the sizes of the halves' data.
    pub(crate) fn new(view: View, own: Size, other: Size, party: Party) -> Result<Arc<Self>> {
        age::fill_half(&view);
        Arc::pin_init(
            try_pin_init!(Self {
                sender <- new_mutex!(Sender::new(view.clone(), own)),
                receiver <- new_mutex!(Receiver::new(view.clone(), other)),
                mirror: view.swapped(),
                view,
                other,
                own,
                mover: AtomicU32::new(NOBODY),
                wishes: [const { AtomicU64::new(0) }; 2],
                party,
            }),
            GFP_KERNEL,
        )
    }

    /// Says what this side does. Whoever leaves rings.
    pub(crate) fn publish(&self, state: State) {
        // A state only rises.
        let now = State::new(self.mirror.load(half::STATE));
        if now.is_none_or(|now| now < state) {
            state.publish(&self.view);
        }
        if !state.is_live() {
            self.party.ring();
        }
    }

    /// Takes a message. With `is_wanted`, the peer rings when there is one.
    pub(crate) fn receive(&self, to: &mut Buffer, is_wanted: bool) -> Step<Result<usize>> {
        let mut receiver = self.receiver.lock();
        if let Err(errno) = self.is_moved_by(KERNEL) {
            return Step::Done(Err(errno));
        }
        loop {
            match receiver.peek() {
                Ok(message) => {
                    let len = message.bytes();
                    if len > to.len() {
                        return Step::Done(Err(EMSGSIZE));
                    }
                    if let Err(errno) = to.fill(&self.view, &message.pieces()) {
                        return Step::Done(Err(errno));
                    }
                    message.consume();
                    if receiver.bell() {
                        self.party.ring();
                    }
                    return Step::Done(Ok(len));
                }
                Err(ReceiveError::Empty) => {}
                Err(ReceiveError::Left(_)) => return Step::Left,
                Err(ReceiveError::Broken(fault)) => return Step::Broken(fault),
            }
            if !is_wanted || receiver.wait() {
                return Step::Wait;
            }
        }
    }

    /// Sends a message. With `is_wanted`, the peer rings when there is room.
    pub(crate) fn send(&self, from: &mut Buffer, is_wanted: bool) -> Step<Result<usize>> {
        let len = from.len();
        let mut sender = self.sender.lock();
        if let Err(errno) = self.is_moved_by(KERNEL) {
            return Step::Done(Err(errno));
        }
        loop {
            match sender.reserve(len) {
                Ok(slot) => {
                    if let Err(errno) = from.drain(&self.view, &slot.pieces()) {
                        return Step::Done(Err(errno));
                    }
                    slot.commit();
                    if sender.bell() {
                        self.party.ring();
                    }
                    return Step::Done(Ok(len));
                }
                Err(SendError::Length(_)) => return Step::Done(Err(EMSGSIZE)),
                Err(SendError::Full) => {}
                Err(SendError::Left(_)) => return Step::Left,
                Err(SendError::Broken(fault)) => return Step::Broken(fault),
            }
            if !is_wanted || sender.wait(len) {
                return Step::Wait;
            }
        }
    }

    /// Which of the events `wanted` there are; for the others the peer rings. There is room when
    /// any message fits.
    pub(crate) fn events(&self, wanted: u32) -> u32 {
        if self.mover.load(Ordering::Relaxed) == USER {
            return self.mapped_events();
        }
        let mut events = 0;
        if wanted & READABLE != 0 && !self.receiver.lock().wait() {
            events |= READABLE;
        }
        let mut sender = self.sender.lock();
        let longest = sender.size().message_max() as usize;
        if wanted & WRITABLE != 0 && !sender.wait(longest) {
            events |= WRITABLE;
        }
        // Once the peer has left nothing can be sent, and the end can be read.
        let ended = (events & !WRITABLE) | READABLE | ENDED;
        match sender.check(longest) {
            Ok(()) | Err(SendError::Full | SendError::Length(_)) => events,
            Err(SendError::Left(_)) => ended & !bindings::POLLERR,
            Err(SendError::Broken(_)) => ended,
        }
    }

    /// User space knows the positions, and has said what it waits for.
    fn mapped_events(&self) -> u32 {
        let (is_readable, is_writable) = self.glance();
        let mut events = 0;
        for (is_there, event) in [(is_readable, READABLE), (is_writable, WRITABLE)] {
            if is_there {
                events |= event;
            }
        }
        match self.peer_left() {
            None => events,
            Some(_) => (events & !WRITABLE) | READABLE | ENDED & !bindings::POLLERR,
        }
    }

    /// The rings are user space's from now on. It takes no lock: others are held while memory of
    /// user space is read, and this is called while that is being mapped.
    pub(crate) fn map(&self) -> Result {
        self.is_moved_by(USER)
    }

    /// `EBUSY`: somebody else began to move messages.
    fn is_moved_by(&self, mover: u32) -> Result {
        let order = Ordering::Relaxed;
        match self.mover.compare_exchange(NOBODY, mover, order, order) {
            Err(other) if other != mover => Err(EBUSY),
            _ => Ok(()),
        }
    }

    /// Rings the peer.
    pub(crate) fn ring(&self) {
        self.party.ring();
    }

    /// This side's half, and the peer's: where they are, and the sizes of their data.
    pub(crate) fn halves(&self) -> [(u64, Size); 2] {
        let View { own, other } = &self.view;
        [(own.address(), self.own), (other.address(), self.other)]
    }

    /// Whether the peer has left, and whether it is dead.
    pub(crate) fn peer_left(&self) -> Option<State> {
        let mut sender = self.sender.lock();
        match sender.check(1) {
            Err(SendError::Left(state)) => Some(state),
            Err(SendError::Broken(_)) => Some(State::Broken),
            _ => None,
        }
    }

    /// Whether a message may have come, or the peer left, as the cheapest look tells.
    pub(crate) fn has_news_to_read(&self) -> bool {
        self.receiver.lock().has_news()
    }

    /// Whether the peer may have read something, or left, as the cheapest look tells.
    pub(crate) fn has_news_of_room(&self) -> bool {
        self.sender.lock().has_news()
    }

    /// Whether something can be read.
    pub(crate) fn has_message(&self) -> bool {
        self.receiver.lock().peek().is_ok()
    }

    /// How many of the things that this side waits for are others than the last time: the peer
    /// rings once for each of them. Only this side writes what that is made of.
    pub(crate) fn wishes(&self) -> u32 {
        let is_new = |(before, at): (&AtomicU64, usize)| {
            let now = self.mirror.load(at);
            u32::from(before.swap(now, Ordering::Relaxed) != now)
        };
        let wanted = [half::WANT_DATA, half::WANT_ROOM];
        self.wishes.iter().zip(wanted).map(is_new).sum()
    }

    /// What there may be of what this side waits for, without waiting for anybody: to be read, and
    /// room.
    pub(crate) fn glance(&self) -> (bool, bool) {
        (
            ring::may_receive(&self.view, &self.mirror, self.other),
            ring::may_send(&self.view, &self.mirror),
        )
    }
}
