// SPDX-License-Identifier: GPL-2.0

//! The memory of a channel in that of a test.

use core::sync::atomic::{fence, AtomicU64, Ordering::Relaxed};

use crate::pure::half::{Data, Halves, DATA, FENCE, LOAD, STORE};

const WORD: usize = 8;

/// Both halves as one side sees them.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    own: &'a [AtomicU64],
    peers: &'a [AtomicU64],
    /// Bytes before the data that are left out, as nobody uses them.
    gap: usize,
}

impl<'a> Side<'a> {
    /// Of two halves, from whose pages the last `gap` bytes are left out.
    pub fn new(own: &'a [AtomicU64], peers: &'a [AtomicU64], gap: usize) -> Self {
        Self { own, peers, gap }
    }

    /// Reads a word of this side's own half, which only the peer does.
    pub fn own(&self, at: usize) -> u64 {
        self.word(self.own, at).load(LOAD)
    }

    fn word(&self, half: &'a [AtomicU64], at: usize) -> &'a AtomicU64 {
        assert_eq!(at % WORD, 0, "not a word: {at}");
        let gap = if at < DATA { 0 } else { self.gap };
        &half[(at - gap) / WORD]
    }
}

impl Halves for Side<'_> {
    fn load(&self, at: usize) -> u64 {
        self.word(self.peers, at).load(LOAD)
    }

    fn store(&self, at: usize, word: u64) {
        self.word(self.own, at).store(word, STORE);
    }

    fn fence(&self) {
        fence(FENCE);
    }
}

impl Data for Side<'_> {
    fn read(&self, at: usize, to: &mut [u8]) {
        for (at, to) in (at..).step_by(WORD).zip(to.chunks_mut(WORD)) {
            assert!(at >= DATA);
            let word = self.word(self.peers, at).load(Relaxed);
            to.copy_from_slice(&word.to_le_bytes()[..to.len()]);
        }
    }

    fn write(&self, at: usize, from: &[u8]) {
        for (at, from) in (at..).step_by(WORD).zip(from.chunks(WORD)) {
            assert!(at >= DATA);
            let word = self.word(self.own, at);
            // Nobody else writes this half.
            let mut bytes = word.load(Relaxed).to_le_bytes();
            bytes[..from.len()].copy_from_slice(from);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
    }
}
