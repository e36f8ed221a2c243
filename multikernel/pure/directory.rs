// SPDX-License-Identifier: GPL-2.0

//! The channels of an instance, as the host tells them to its agent, and what
//! the agent answers.
//!
//! An entry is written by the host alone, and its state last. Its memory is
//! given to others only when the agent has answered that it left, or is dead.

use super::bytes::pair;
use super::half::{Halves, Size, DATA};
use super::name;
use super::name::Name;
use super::range::{Range, PAGE};
use core::fmt;

/// Most entries.
pub const CHANNELS_MAX: u32 = 64;
/// The smallest ring of a channel.
pub const RING_BYTES_MIN: u32 = 4096;

const STATE: usize = 0;
/// And the peer, in the high half.
const KIND: usize = 8;
const OWN: usize = 16;
const OTHER: usize = 24;
/// Of the own half, and of the other in the high half.
const BYTES: usize = 32;
/// Where the peer is rung, a [`super::doorbell::Doorbell`]. It changes alone.
pub const DOORBELL: usize = 40;
const NAME: usize = 64;
const PEER_NAME: usize = 96;
/// Size of an entry, as far as it is known here.
pub const ENTRY_BYTES: usize = 128;

/// What the host says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is there.
    Free,
    /// A channel to be used.
    Offered,
    /// A channel to be left.
    Withdrawn,
}

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For programs and modules.
    Data,
    /// Between the host and the agent.
    Control,
    /// A terminal.
    Console,
}

/// A channel, as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it is for.
    pub kind: Kind,
    /// 0: the host; otherwise the number of an instance.
    pub peer: u32,
    /// The half that this side writes.
    pub own: Half,
    /// The half that the peer writes.
    pub other: Half,
    /// Its name.
    pub name: Name,
    /// That of the instance, if the peer is one.
    pub peer_name: Option<Name>,
}

/// Where a half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// Physical address: a page.
    pub address: u64,
    /// Size of its data.
    pub size: Size,
}

/// Which channel of all that were ever in an entry, and whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// No two channels in an entry have the same.
    pub generation: u32,
    /// What the host says.
    pub state: State,
}

/// What the agent says of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// It is in use.
    Attached,
    /// It was in use, and is never touched again.
    Released,
    /// It was not in use, and will not be.
    Refused,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such state.
    State(u64),
    /// No such kind.
    Kind(u32),
    /// Not a place for a half: its address and size.
    Half(u64, u32),
    /// Both halves are in one place.
    Overlap,
    /// Not a name.
    Name(name::Error),
    /// The host changed it meanwhile: to be read again.
    Changed,
}

impl Half {
    fn new(address: u64, bytes: u32) -> Result<Self, Error> {
        let error = Error::Half(address, bytes);
        if bytes < RING_BYTES_MIN || address % PAGE != 0 || address == 0 {
            return Err(error);
        }
        let size = Size::new(bytes.into()).ok_or(error)?;
        let half = Self { address, size };
        half.range().map(|_| half).ok_or(error)
    }

    /// All of it, the words before the data too.
    pub fn range(&self) -> Option<Range> {
        let bytes = u64::from(self.size.bytes()).wrapping_add(DATA as u64);
        Range::new(self.address, bytes)
    }
}

impl Status {
    /// Reads that of the entry at offset `at` of the host's part.
    pub fn read(halves: &impl Halves, at: usize) -> Result<Self, Error> {
        let word = halves.load(at.wrapping_add(STATE));
        let state = match word as u32 {
            0 => State::Free,
            1 => State::Offered,
            2 => State::Withdrawn,
            _ => return Err(Error::State(word)),
        };
        Ok(Self {
            generation: (word >> 32) as u32,
            state,
        })
    }

    /// Writes it.
    pub fn publish(self, halves: &impl Halves, at: usize) {
        let word = pair(self.state as u32, self.generation);
        halves.store(at.wrapping_add(STATE), word);
    }
}

impl Channel {
    /// Reads the entry at offset `at` of the host's part, which has this status.
    pub fn read(halves: &impl Halves, at: usize, status: Status) -> Result<Self, Error> {
        let load = |offset: usize| halves.load(at.wrapping_add(offset));
        let kind = load(KIND);
        let (own, other, bytes) = (load(OWN), load(OTHER), load(BYTES));
        let (name, peer_name) = (
            text(halves, at.wrapping_add(NAME)),
            text(halves, at.wrapping_add(PEER_NAME)),
        );
        if Status::read(halves, at)? != status {
            return Err(Error::Changed);
        }
        let channel = Self {
            kind: match kind as u32 {
                0 => Kind::Data,
                1 => Kind::Control,
                2 => Kind::Console,
                unknown => return Err(Error::Kind(unknown)),
            },
            peer: (kind >> 32) as u32,
            own: Half::new(own, bytes as u32)?,
            other: Half::new(other, (bytes >> 32) as u32)?,
            name: Name::new(&name).map_err(Error::Name)?,
            peer_name: match peer_name {
                [0, ..] => None,
                _ => Some(Name::new(&peer_name).map_err(Error::Name)?),
            },
        };
        match (channel.own.range(), channel.other.range()) {
            (Some(own), Some(other)) if !own.overlaps(other) => Ok(channel),
            _ => Err(Error::Overlap),
        }
    }

    /// Writes it to the free entry at offset `at` of the host's part; its status
    /// comes next.
    pub fn write(&self, halves: &impl Halves, at: usize) {
        let store = |offset: usize, word| halves.store(at.wrapping_add(offset), word);
        store(KIND, pair(self.kind as u32, self.peer));
        store(OWN, self.own.address);
        store(OTHER, self.other.address);
        let bytes = |half: &Half| half.size.bytes();
        store(BYTES, pair(bytes(&self.own), bytes(&self.other)));
        let none = [0; name::BYTES];
        let peer_name = self.peer_name.as_ref().map_or(&none, Name::as_bytes);
        put_text(halves, at.wrapping_add(NAME), self.name.as_bytes());
        put_text(halves, at.wrapping_add(PEER_NAME), peer_name);
    }
}

impl Answer {
    /// The word that answers for a channel.
    pub fn word(self, generation: u32) -> u64 {
        pair(self as u32, generation)
    }

    /// What a word of the agent says of the channel with this generation.
    /// `Err`: nothing that makes sense.
    pub fn parse(word: u64, generation: u32) -> Result<Self, u64> {
        if (word >> 32) as u32 != generation {
            // It is on an earlier one.
            return Ok(Self::None);
        }
        match word as u32 {
            0 => Ok(Self::None),
            1 => Ok(Self::Attached),
            2 => Ok(Self::Released),
            3 => Ok(Self::Refused),
            _ => Err(word),
        }
    }
}

/// Offsets of the words of a name.
fn words(at: usize) -> [usize; name::BYTES / 8] {
    [0, 8, 16, 24].map(|offset| at.wrapping_add(offset))
}

/// Reads a name, each word once.
fn text(halves: &impl Halves, at: usize) -> [u8; name::BYTES] {
    let mut bytes = [0; name::BYTES];
    for (word, at) in bytes.chunks_exact_mut(8).zip(words(at)) {
        word.copy_from_slice(&halves.load(at).to_le_bytes());
    }
    bytes
}

fn put_text(halves: &impl Halves, at: usize, bytes: &[u8; name::BYTES]) {
    for (word, at) in bytes.chunks_exact(8).zip(words(at)) {
        halves.store(at, super::bytes::u64(word, 0).unwrap_or(0));
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(word) => write!(f, "the entry's state is {word:#x}, which means nothing"),
            Self::Kind(kind) => write!(f, "channels of kind {kind} are not known here"),
            Self::Half(address, bytes) => {
                write!(
                    f,
                    "half a channel cannot be at {address:#x} with {bytes:#x} bytes"
                )
            }
            Self::Overlap => f.write_str("the halves of the channel overlap"),
            Self::Name(error) => error.fmt(f),
            Self::Changed => f.write_str("the entry has changed"),
        }
    }
}
