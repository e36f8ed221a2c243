// SPDX-License-Identifier: GPL-2.0

//! The memory of one half.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::Relaxed;

use crate::pure::half::{DATA, HEAD, LINE, LOAD, STATE, STORE, WANT_DATA, WANT_ROOM};

const WORD: usize = 8;
const WORDS_PER_LINE: usize = LINE as usize / WORD;

/// Words that both sides use at once, and data that they must not: two sides
/// at one word of the data, one of them writing, fail the model.
pub struct Memory {
    words: [AtomicU64; 4],
    lines: Vec<Line>,
}

/// Its first word may be a header.
struct Line {
    header: AtomicU64,
    data: [UnsafeCell<u64>; WORDS_PER_LINE - 1],
}

impl Memory {
    pub fn new(size: u32) -> Self {
        let line = |_| Line {
            header: AtomicU64::new(0),
            data: std::array::from_fn(|_| UnsafeCell::new(0)),
        };
        Self {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            lines: (0..size / LINE).map(line).collect(),
        }
    }

    /// How many bytes of data it has.
    pub fn size(&self) -> u32 {
        self.lines.len() as u32 * LINE
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        match at {
            STATE => &self.words[0],
            HEAD => &self.words[1],
            WANT_DATA => &self.words[2],
            WANT_ROOM => &self.words[3],
            _ => {
                let at = at - DATA;
                assert_eq!(at % LINE as usize, 0, "not a header");
                &self.lines[at / LINE as usize].header
            }
        }
    }

    pub fn load(&self, at: usize) -> u64 {
        self.word(at).load(LOAD)
    }

    pub fn store(&self, at: usize, word: u64) {
        self.word(at).store(word, STORE);
    }

    /// A word of data, which is a header in another lap when it begins a line.
    pub fn read(&self, at: usize) -> u64 {
        match self.data(at) {
            Ok(cell) => cell.with(|word| {
                // SAFETY: loom has checked that nobody writes it.
                unsafe { *word }
            }),
            Err(header) => header.load(Relaxed),
        }
    }

    pub fn write(&self, at: usize, word: u64) {
        match self.data(at) {
            Ok(cell) => cell.with_mut(|data| {
                // SAFETY: loom has checked that nobody else uses it.
                unsafe { *data = word }
            }),
            Err(header) => header.store(word, Relaxed),
        }
    }

    fn data(&self, at: usize) -> Result<&UnsafeCell<u64>, &AtomicU64> {
        let at = at - DATA;
        assert_eq!(at % WORD, 0, "not a word");
        let word = at / WORD;
        let line = &self.lines[word / WORDS_PER_LINE];
        match word % WORDS_PER_LINE {
            0 => Err(&line.header),
            n => Ok(&line.data[n - 1]),
        }
    }
}

// SAFETY: loom checks each use of the cells.
unsafe impl Send for Memory {}
// SAFETY: As above.
unsafe impl Sync for Memory {}
