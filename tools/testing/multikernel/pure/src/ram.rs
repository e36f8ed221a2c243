// SPDX-License-Identifier: GPL-2.0

//! The memory of a channel, or of an area, in this process.

use std::sync::atomic::AtomicU64;

use crate::pure::half::{Size, DATA};

// The tests that KUnit runs have it, too.
#[allow(clippy::duplicate_mod)]
#[path = "../../../../../multikernel/tests/side.rs"]
mod side;

pub use side::Side;

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
        Side::new(&self.halves[side], &self.halves[1 - side], 0)
    }
}

impl Side<'_> {
    /// Reads bytes of this side's own half, which only the peer does.
    pub fn own_bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let words = (at..at + len).step_by(WORD);
        words.flat_map(|at| self.own(at).to_le_bytes()).collect()
    }
}
