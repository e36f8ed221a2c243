// SPDX-License-Identifier: GPL-2.0

//! What several tests need. Each uses some of it.
#![allow(dead_code)]

use std::cell::RefCell;

use multikernel_pure::pure::clock::Clock;
use multikernel_pure::pure::half::Halves;
use multikernel_pure::pure::range::Range;

/// A kernel: the size of its file, and how it starts.
pub struct Kernel {
    pub size: u64,
    pub head: Vec<u8>,
}

impl Kernel {
    /// From a seed of the fuzzer: 8 bytes of size, then the start of the file.
    fn seed(bytes: &[u8]) -> Self {
        let (size, head) = bytes.split_first_chunk().unwrap();
        Self {
            size: u64::from_le_bytes(*size),
            head: head.to_vec(),
        }
    }

    /// The kernels of Debian that the project is tried with.
    pub fn stock() -> [(&'static str, Self); 5] {
        macro_rules! seeds {
            ($($name:literal),*) => {
                [$(($name, Self::seed(include_bytes!(
                    concat!("../../../fuzz/seeds/bzimage/", $name)
                )))),*]
            };
        }
        seeds!(
            "debian-6.1-cloud",
            "debian-6.12-cloud",
            "debian-7.3-amd64",
            "debian-7.3-cloud",
            "debian-7.3-rt"
        )
    }

    /// One of them.
    pub fn cloud() -> Self {
        let [.., (_, cloud), _] = Self::stock();
        cloud
    }

    /// The same, with `bytes` at offset `at`.
    pub fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.head[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }
}

/// What one side writes, one word after the other: where, and what.
#[derive(Default)]
pub struct Written(RefCell<Vec<(usize, u64)>>);

impl Written {
    pub fn take(&self) -> Vec<(usize, u64)> {
        self.0.take()
    }
}

impl Halves for Written {
    fn load(&self, _at: usize) -> u64 {
        unreachable!("it only writes");
    }

    fn store(&self, at: usize, word: u64) {
        self.0.borrow_mut().push((at, word));
    }

    fn fence(&self) {}
}

/// A host's time.
pub fn clock() -> Clock {
    Clock {
        tsc: 1_000_000,
        realtime_ns: 1_800_000_000_000_000_000,
        // 2.5 GHz.
        multiplier: (2 << 30) / 5,
        shift: 30,
        tai_offset: 37,
        is_synchronized: false,
    }
}

pub fn range(start: u64, bytes: u64) -> Range {
    Range::new(start, bytes).unwrap()
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
