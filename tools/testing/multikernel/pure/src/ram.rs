// SPDX-License-Identifier: GPL-2.0

//! The memory of a channel, or of an area, in this process.

use std::sync::atomic::{fence, AtomicU64, Ordering::Relaxed};

use crate::pure::half::{Data, Halves, Size, DATA, FENCE, LOAD, STORE};

const WORD: usize = 8;

/// Both halves.
pub struct Ram {
    size: Size,
    halves: [Vec<AtomicU64>; 2],
}

impl Ram {
    /// As the host gives it to both sides; `size` bytes of data each.
    pub fn new(size: u64) -> Self {
        let size = Size::new(size).unwrap();
        let words = (DATA + size.bytes() as usize) / WORD;
        let half = || (0..words).map(|_| AtomicU64::new(0)).collect();
        Self {
            size,
            halves: [half(), half()],
        }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// What side 0 or 1 sees.
    pub fn side(&self, side: usize) -> Side<'_> {
        Side { ram: self, side }
    }

    fn word(&self, half: usize, at: usize) -> &AtomicU64 {
        assert_eq!(at % WORD, 0, "not a word: {at}");
        &self.halves[half][at / WORD]
    }
}

/// Memory as one side sees it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    ram: &'a Ram,
    side: usize,
}

impl Side<'_> {
    /// Reads a word of this side's own half, which only the peer does.
    pub fn own(&self, at: usize) -> u64 {
        self.ram.word(self.side, at).load(LOAD)
    }

    /// The same, some bytes.
    pub fn own_bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let words = (at..at + len).step_by(WORD);
        words.flat_map(|at| self.own(at).to_le_bytes()).collect()
    }
}

impl Halves for Side<'_> {
    fn load(&self, at: usize) -> u64 {
        self.ram.word(1 - self.side, at).load(LOAD)
    }

    fn store(&self, at: usize, word: u64) {
        self.ram.word(self.side, at).store(word, STORE);
    }

    fn fence(&self) {
        fence(FENCE);
    }
}

impl Data for Side<'_> {
    fn read(&self, at: usize, to: &mut [u8]) {
        for (at, to) in (at..).step_by(WORD).zip(to.chunks_mut(WORD)) {
            assert!(at >= DATA);
            let word = self.ram.word(1 - self.side, at).load(Relaxed);
            to.copy_from_slice(&word.to_le_bytes()[..to.len()]);
        }
    }

    fn write(&self, at: usize, from: &[u8]) {
        for (at, from) in (at..).step_by(WORD).zip(from.chunks(WORD)) {
            assert!(at >= DATA);
            let word = self.ram.word(self.side, at);
            // Nobody else writes this half.
            let mut bytes = word.load(Relaxed).to_le_bytes();
            bytes[..from.len()].copy_from_slice(from);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
    }
}
