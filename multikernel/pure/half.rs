// SPDX-License-Identifier: GPL-2.0

//! The memory of a channel: two halves, each written by one side only.
//!
//! A half begins with a page of words, each on cache lines of its own, and the
//! data follow: what this side sends. So each side maps its own half writable
//! and the peer's read-only. `include/linux/multikernel_abi.h` (`struct
//! mk_half`) and Documentation/multikernel/protocol.rst have the layout.

use core::sync::atomic::Ordering;

/// The order of [`Halves::load`] where words are atomics. That these three are
/// enough is what tools/testing/multikernel/loom checks.
pub const LOAD: Ordering = Ordering::Acquire;
/// That of [`Halves::store`].
pub const STORE: Ordering = Ordering::Release;
/// That of [`Halves::fence`].
pub const FENCE: Ordering = Ordering::SeqCst;

/// Where the state is: [`State`].
pub const STATE: usize = 0;
/// How far this side has read what the peer sends: a position.
pub const HEAD: usize = 128;
/// The position beyond which this side waits for something to read.
pub const WANT_DATA: usize = 256;
/// The peer's [`HEAD`] that this side waits for, to have room to send.
pub const WANT_ROOM: usize = 384;
/// Where the data begin.
pub const DATA: usize = 4096;

/// Both halves, as one side sees them.
///
/// The words are little-endian. Offsets are multiples of 8 and less than
/// [`DATA`] plus the size of the half's data. What stands in the peer's half
/// may change at any time to anything.
pub trait Halves {
    /// Reads a word of the peer's half: no later read comes before it
    /// (acquire).
    fn load(&self, at: usize) -> u64;

    /// Writes a word of this side's half: no earlier read or write comes after
    /// it (release).
    fn store(&self, at: usize, word: u64);

    /// Keeps all reads and writes before it from those after it (a full
    /// barrier).
    fn fence(&self);
}

impl<H: Halves + ?Sized> Halves for &H {
    fn load(&self, at: usize) -> u64 {
        (**self).load(at)
    }

    fn store(&self, at: usize, word: u64) {
        (**self).store(at, word);
    }

    fn fence(&self) {
        (**self).fence();
    }
}

/// The data of both halves, too, where copying is as simple as that.
///
/// Offsets are those of [`Halves`], and whole ranges are within the data.
pub trait Data: Halves {
    /// Reads bytes of the peer's half, each once.
    fn read(&self, at: usize, to: &mut [u8]);

    /// Writes bytes of this side's half.
    fn write(&self, at: usize, from: &[u8]);
}

impl<D: Data + ?Sized> Data for &D {
    fn read(&self, at: usize, to: &mut [u8]) {
        (**self).read(at, to);
    }

    fn write(&self, at: usize, from: &[u8]) {
        (**self).write(at, from);
    }
}

/// What one side says of the channel. It only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has come yet.
    New,
    /// In use.
    Open,
    /// Closed: it sends and reads no more.
    Closed,
    /// It found something impossible in the peer's half, and left.
    Broken,
    /// It is dead; the host has written this.
    Gone,
}

impl State {
    /// All of them, by their numbers.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Open,
        Self::Closed,
        Self::Broken,
        Self::Gone,
    ];

    /// What a word says; `None`: it makes no sense.
    pub fn new(word: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(word).ok()?).copied()
    }

    /// Whether this side may still send, and reads what it is sent.
    pub fn is_live(self) -> bool {
        self <= Self::Open
    }

    /// Says it in this side's half. Whoever leaves rings the peer's doorbell
    /// afterwards, wanted or not.
    pub fn publish(self, halves: &impl Halves) {
        halves.store(STATE, self as u64);
    }
}

/// How many bytes of data a half has: a power of two, two lines at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u32);

/// What a message begins at a multiple of.
pub const LINE: u32 = 64;
/// What stands before each message: its header.
pub const HEADER: u32 = 8;
/// The longest message of any channel.
pub const MESSAGE_MAX: u32 = 64 << 10;

impl Size {
    /// The largest.
    pub const MAX: u32 = 1 << 30;

    /// Checks it.
    pub fn new(bytes: u64) -> Option<Self> {
        let bytes = u32::try_from(bytes).ok()?;
        let fits = (2 * LINE..=Self::MAX).contains(&bytes) && bytes.is_power_of_two();
        fits.then_some(Self(bytes))
    }

    /// In bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// The longest message: one that fits when nothing else is there.
    pub fn message_max(self) -> u32 {
        // The line behind a message is not its own; it says that nothing follows.
        MESSAGE_MAX.min(self.0.saturating_sub(LINE + HEADER))
    }

    /// Offset in the half of the byte at `position`.
    pub fn at(self, position: u64) -> usize {
        // No more than `MAX` bits are left.
        DATA.wrapping_add((position & u64::from(self.0.wrapping_sub(1))) as usize)
    }
}
