// SPDX-License-Identifier: GPL-2.0

//! Where a kernel goes, physically and virtually, if the loader unpacks it:
//! what its own decompressor would decide otherwise.
//!
//! Sources: `choose_random_location()` and `handle_mem_options()` in
//! arch/x86/boot/compressed/kaslr.c.

/// Virtual addresses that a randomized kernel has (`KERNEL_IMAGE_SIZE`).
const IMAGE_MAX: u64 = 1 << 30;

/// What the command line of a kernel says about its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: a random one.
    Random,
    /// The same each time: `nokaslr`.
    Fixed,
    /// It limits or divides memory, as only the kernel's own decompressor heeds.
    Own,
}

impl Wish {
    /// Reads a command line as the decompressor does, without regard to quotes
    /// and `--`.
    pub fn of(line: &[u8]) -> Self {
        let has = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
        if has(b"mem=") || has(b"memmap=") || has(b"hugepages") {
            Self::Own
        } else if line.split(|b| *b == b' ').any(|word| word == b"nokaslr") {
            Self::Fixed
        } else {
            Self::Random
        }
    }
}

/// One of the numbers below `count`, by a random number: each as likely as the
/// others, but for one part in 2^64 / `count`. 0 if `count` is 0.
pub fn pick(random: u64, count: u64) -> u64 {
    ((u128::from(random) * u128::from(count)) >> 64) as u64
}

/// How far above `base`, where it was linked to, a kernel is in its virtual
/// addresses: a multiple of `alignment`, such that `size` bytes fit.
pub fn offset(base: u64, size: u64, alignment: u64, random: u64) -> u64 {
    let room = IMAGE_MAX.saturating_sub(base).checked_sub(size);
    let more = room.and_then(|room| room.checked_div(alignment));
    let count = more.map_or(0, |more| more.saturating_add(1));
    pick(random, count).saturating_mul(alignment)
}
