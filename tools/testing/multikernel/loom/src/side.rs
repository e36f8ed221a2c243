// SPDX-License-Identifier: GPL-2.0

//! One side of a channel: its half, its view of the other, and the doorbells.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
// Those of the standard library are no steps that loom puts in another order.
use std::sync::Arc;

use loom::sync::atomic::fence;
use loom::sync::Notify;

use crate::pure::half::{Data, Halves, Size, State, FENCE, STATE};
use crate::pure::ring::{may_receive, may_send, ReceiveError, Receiver, SendError, Sender};
use crate::Memory;

/// What one side has.
#[derive(Clone)]
pub struct Side {
    own: Arc<Memory>,
    peer: Arc<Memory>,
    /// Rings here.
    bell: Arc<Notify>,
    peer_bell: Arc<Notify>,
    /// How many more times it writes until it dies.
    life: Arc<AtomicUsize>,
}

/// Two sides, with rings of `size` bytes.
pub fn pair(size: u32) -> [Side; 2] {
    let halves = [(); 2].map(|()| Arc::new(Memory::new(size)));
    let bells = [(); 2].map(|()| Arc::new(Notify::new()));
    [0, 1].map(|n: usize| Side {
        own: halves[n].clone(),
        peer: halves[1 - n].clone(),
        bell: bells[n].clone(),
        peer_bell: bells[1 - n].clone(),
        life: Arc::new(AtomicUsize::new(usize::MAX)),
    })
}

impl Side {
    /// Lets it die: after so many more writes it does nothing.
    pub fn dies_after(&self, writes: usize) {
        self.life.store(writes, Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.life.load(Relaxed) == 0
    }

    /// Whether it can still write; counts.
    fn writes(&self) -> bool {
        let life = self.life.load(Relaxed);
        self.life.store(life.saturating_sub(1), Relaxed);
        life > 0
    }

    fn size(&self) -> Size {
        Size::new(self.own.size().into()).unwrap()
    }

    /// Rings the peer's doorbell.
    fn ring(&self) {
        if !self.is_dead() {
            self.peer_bell.notify();
        }
    }

    /// Waits until the doorbell rings and there is what `may_go_on` looks for. If
    /// nobody rings, or it does not see that, the model fails.
    fn sleep(&self, may_go_on: impl Fn(&Self, &Self) -> bool) {
        // This side's half as the peer sees it.
        let mirror = Self {
            own: self.peer.clone(),
            peer: self.own.clone(),
            ..self.clone()
        };
        loop {
            self.bell.wait();
            if may_go_on(self, &mirror) {
                return;
            }
        }
    }

    /// Leaves, as `state` says.
    pub fn leave(&self, state: State) {
        state.publish(self);
        self.ring();
    }

    /// What the host does when this side is dead.
    pub fn bury(&self) {
        assert!(self.is_dead());
        self.own.store(STATE, State::Gone as u64);
        self.peer_bell.notify();
    }
}

/// A sender, and its doorbell.
pub struct Out {
    pub side: Side,
    ring: Sender<Side>,
}

impl Out {
    pub fn new(side: &Side) -> Self {
        Self {
            side: side.clone(),
            ring: Sender::new(side.clone(), side.size()),
        }
    }

    /// Sends words, waiting for room. `Err`: the peer has left; or this side is
    /// dead, `None`.
    pub fn send(&mut self, message: &[u64]) -> Result<(), Option<State>> {
        self.put(message)?;
        if self.ring.bell() {
            self.side.ring();
        }
        Ok(())
    }

    /// The same, without a look whether the receiver waits.
    pub fn put(&mut self, message: &[u64]) -> Result<(), Option<State>> {
        let bytes: Vec<u8> = message.iter().flat_map(|word| word.to_le_bytes()).collect();
        loop {
            let sent = self.ring.send(&bytes);
            if self.side.is_dead() {
                return Err(None);
            }
            match sent {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    if self.ring.wait(bytes.len()) && !self.side.is_dead() {
                        self.side.sleep(may_send);
                    }
                }
                Err(SendError::Left(state)) => return Err(Some(state)),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// A receiver, and its doorbell.
pub struct In {
    pub side: Side,
    ring: Receiver<Side>,
}

impl In {
    pub fn new(side: &Side) -> Self {
        Self {
            side: side.clone(),
            ring: Receiver::new(side.clone(), side.size()),
        }
    }

    /// Takes a message, waiting for it. `Err`: the peer has left; or this side
    /// is dead, `None`.
    pub fn receive(&mut self) -> Result<Vec<u64>, Option<State>> {
        let mut bytes = [0; 128];
        loop {
            let received = self.ring.receive(&mut bytes);
            if self.side.is_dead() {
                return Err(None);
            }
            match received {
                Ok(len) => {
                    if self.ring.bell() {
                        self.side.ring();
                    }
                    let words = bytes[..len].chunks_exact(8);
                    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
                    return Ok(words.map(word).collect());
                }
                Err(ReceiveError::Empty) => {
                    if self.ring.wait() && !self.side.is_dead() {
                        let size = self.ring.size();
                        self.side
                            .sleep(|side, mirror| may_receive(side, mirror, size));
                    }
                }
                Err(ReceiveError::Left(state)) => return Err(Some(state)),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

impl Halves for Side {
    fn load(&self, at: usize) -> u64 {
        self.peer.load(at)
    }

    fn store(&self, at: usize, word: u64) {
        if self.writes() {
            self.own.store(at, word);
        }
    }

    fn fence(&self) {
        fence(FENCE);
    }
}

impl Data for Side {
    fn read(&self, at: usize, to: &mut [u8]) {
        for (at, to) in (at..).step_by(8).zip(to.chunks_mut(8)) {
            to.copy_from_slice(&self.peer.read(at).to_le_bytes());
        }
    }

    fn write(&self, at: usize, from: &[u8]) {
        for (at, from) in (at..).step_by(8).zip(from.chunks(8)) {
            if self.writes() {
                self.own
                    .write(at, u64::from_le_bytes(from.try_into().unwrap()));
            }
        }
    }
}
