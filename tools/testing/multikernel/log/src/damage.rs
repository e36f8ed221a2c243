// SPDX-License-Identifier: GPL-2.0

//! Damaged memory, and all that a reader can do with it.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::pure::memory::Memory;
use crate::pure::printk::Next;
use crate::pure::printk::Reader;
use crate::synthetic::Image;

/// Memory with other words in some places, of which only so much can be read:
/// there are inputs that lead a reader on for long.
pub struct Damaged<'a> {
    image: &'a Image,
    words: BTreeMap<u64, u64>,
    left: Cell<usize>,
}

impl<'a> Damaged<'a> {
    /// `image`, not damaged, for `reads` reads.
    pub fn new(image: &'a Image, reads: usize) -> Self {
        Damaged {
            image,
            words: BTreeMap::new(),
            left: Cell::new(reads),
        }
    }

    /// Puts `word` at the physical address `pa`, a multiple of 8.
    pub fn put(&mut self, pa: u64, word: u64) {
        self.words.insert(pa, word);
    }

    /// The word at the physical address `pa`, a multiple of 8.
    pub fn word(&self, pa: u64) -> u64 {
        let word = self.words.get(&pa).copied();
        word.or_else(|| self.image.read_u64(pa)).unwrap_or(0)
    }

    /// How many reads are left.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// Finds a log and reads all of it, as long as that is possible. What
    /// comes out makes sense, whatever is in there.
    pub fn exercise(&self) {
        let Ok(reader) = Reader::find(self, self.image.ranges()) else {
            return;
        };
        let mut text = [0; 200];
        let mut next = 0;
        while let Ok(found) = reader.next(next, &mut text) {
            next = match found {
                Next::Record(record) => {
                    assert_eq!(record.text_len, record.full_len.min(text.len()));
                    assert_eq!(record.seq, next + record.lost);
                    assert!(record.level.unwrap_or(0) < 8);
                    record.seq + 1
                }
                Next::Pending(seq) => {
                    assert!(seq >= next);
                    seq + 1
                }
                Next::End => break,
            };
            if let Ok((first, end)) = reader.bounds() {
                assert!(first <= end && next <= end);
            }
        }
        let reader = reader.stopped();
        let mut out = [0; 40];
        if let Some(len) = reader.find_panic(&mut out) {
            assert!(out[..len].iter().all(|byte| (b' '..=b'~').contains(byte)));
            assert!(out[len..].iter().all(|byte| *byte == 0));
        }
        assert!(!matches!(reader.next(0, &mut text), Ok(Next::Pending(_))));
    }
}

impl Memory for Damaged<'_> {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        if left == 0 || !self.image.read(pa, buf) {
            return false;
        }
        let end = pa + buf.len() as u64;
        for (at, word) in self.words.range(pa.saturating_sub(7)..end) {
            for (at, byte) in (*at..).zip(word.to_le_bytes()) {
                if (pa..end).contains(&at) {
                    buf[(at - pa) as usize] = byte;
                }
            }
        }
        true
    }
}
