// SPDX-License-Identifier: GPL-2.0

//! What host and agent ask of each other, over the control channel.

use super::bytes::{array, pair, put, u32, u64};
use super::name::{self, Name};
use core::fmt;

/// Room for any message.
pub const BYTES_MAX: usize = HEADER_BYTES + PING_BYTES_MAX;
/// The longest body of a ping.
pub const PING_BYTES_MAX: usize = 2048;

const HEADER_BYTES: usize = 16;
const SHUTDOWN_BYTES: usize = 24;
const CREATE_BYTES: usize = 88;
const CREATED_BYTES: usize = 24;

const PING: u32 = 1;
const ANSWER: u32 = 2;
const SHUTDOWN: u32 = 3;
const CREATE: u32 = 4;
const REMOVE: u32 = 5;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The same in a question and its answer.
    pub cookie: u64,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer; what it has to tell depends on the question.
    Answer(Outcome, &'a [u8]),
    /// To the agent: end in good order.
    Shutdown(How),
    /// To the host: make a channel.
    Create {
        /// Size of its rings; 0: any.
        ring_bytes: u32,
        /// Its name.
        name: Name,
        /// The instance at its other end; `None`: the host.
        peer: Option<Name>,
    },
    /// To the host: remove a channel.
    Remove {
        /// Its name.
        name: Name,
        /// The instance at its other end; `None`: the host.
        peer: Option<Name>,
    },
    /// Of a kind that is not known here: to be answered, with
    /// [`Outcome::Unknown`].
    Unknown(u32),
}

/// How an instance ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Power off.
    PowerOff = 1,
    /// Restart.
    Restart = 2,
    /// Halt.
    Halt = 3,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or will be.
    Done,
    /// No such kind of message.
    Unknown,
    /// Something in it is wrong.
    Invalid,
    /// There is one of that name.
    Exists,
    /// There is no such peer.
    NoPeer,
    /// No room is left.
    NoRoom,
    /// This is not for everyone.
    Forbidden,
    /// An error that is not known here.
    Other(u32),
}

/// What a new channel is: the answer to [`Body::Create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Which entry of the directory.
    pub channel: u32,
    /// Its generation.
    pub generation: u32,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It ends too early, or too late.
    Length(usize),
    /// A field has a value that it cannot have, at this offset.
    Field(usize),
    /// A name is none.
    Name(name::Error),
}

impl Outcome {
    const KNOWN: [Self; 7] = [
        Self::Done,
        Self::Unknown,
        Self::Invalid,
        Self::Exists,
        Self::NoPeer,
        Self::NoRoom,
        Self::Forbidden,
    ];

    /// As it is sent: `MK_ERROR_...`.
    pub fn number(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Unknown => 1,
            Self::Invalid => 2,
            Self::Exists => 3,
            Self::NoPeer => 4,
            Self::NoRoom => 5,
            Self::Forbidden => 6,
            Self::Other(number) => number,
        }
    }

    fn new(number: u32) -> Self {
        let known = Self::KNOWN.get(number as usize).copied();
        known.unwrap_or(Self::Other(number))
    }
}

impl<'a> Message<'a> {
    /// Reads a message, of which this side has a copy. Structures may have grown
    /// at their ends.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let length = Error::Length(bytes.len());
        let (Some(kind), Some(error), Some(cookie)) = (u32(bytes, 0), u32(bytes, 4), u64(bytes, 8))
        else {
            return Err(length);
        };
        let rest = bytes.get(HEADER_BYTES..).ok_or(length)?;
        let needs = |size: usize| (bytes.len() >= size).then_some(()).ok_or(length);
        if error != 0 && kind != ANSWER {
            return Err(Error::Field(4));
        }
        let body = match kind {
            PING if rest.len() > PING_BYTES_MAX => return Err(length),
            PING => Body::Ping(rest),
            ANSWER => Body::Answer(Outcome::new(error), rest),
            SHUTDOWN => {
                needs(SHUTDOWN_BYTES)?;
                Body::Shutdown(match u32(bytes, 16) {
                    Some(1) => How::PowerOff,
                    Some(2) => How::Restart,
                    Some(3) => How::Halt,
                    _ => return Err(Error::Field(16)),
                })
            }
            CREATE | REMOVE => {
                needs(CREATE_BYTES)?;
                let name = |at| {
                    let bytes: [u8; name::BYTES] = array(bytes, at).ok_or(length)?;
                    Ok(match bytes {
                        [0, ..] => None,
                        _ => Some(Name::new(&bytes).map_err(Error::Name)?),
                    })
                };
                let (own, peer) = (name(24)?.ok_or(Error::Name(name::Error::Empty))?, name(56)?);
                match kind {
                    REMOVE => Body::Remove { name: own, peer },
                    _ => Body::Create {
                        ring_bytes: u32(bytes, 16).ok_or(length)?,
                        name: own,
                        peer,
                    },
                }
            }
            _ => Body::Unknown(kind),
        };
        Ok(Self { cookie, body })
    }

    /// Writes it, and returns its length. `None`: it does not fit into `out`.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let (kind, error, size) = match self.body {
            Body::Ping(bytes) => (PING, 0, HEADER_BYTES.checked_add(bytes.len())?),
            Body::Answer(outcome, bytes) => {
                let size = HEADER_BYTES.checked_add(bytes.len())?;
                (ANSWER, outcome.number(), size)
            }
            Body::Shutdown(_) => (SHUTDOWN, 0, SHUTDOWN_BYTES),
            Body::Create { .. } => (CREATE, 0, CREATE_BYTES),
            Body::Remove { .. } => (REMOVE, 0, CREATE_BYTES),
            Body::Unknown(kind) => (kind, 0, HEADER_BYTES),
        };
        let out = out.get_mut(..size)?;
        out.fill(0);
        put(out, 0, &kind.to_le_bytes())?;
        put(out, 4, &error.to_le_bytes())?;
        put(out, 8, &self.cookie.to_le_bytes())?;
        match &self.body {
            Body::Ping(bytes) | Body::Answer(_, bytes) => put(out, HEADER_BYTES, bytes)?,
            Body::Shutdown(how) => put(out, 16, &(*how as u32).to_le_bytes())?,
            Body::Create { name, peer, .. } | Body::Remove { name, peer } => {
                if let Body::Create { ring_bytes, .. } = &self.body {
                    put(out, 16, &ring_bytes.to_le_bytes())?;
                }
                put(out, 24, name.as_bytes())?;
                if let Some(peer) = peer {
                    put(out, 56, peer.as_bytes())?;
                }
            }
            Body::Unknown(_) => {}
        }
        Some(size)
    }
}

impl Created {
    /// Reads it from the rest of an answer.
    pub fn parse(rest: &[u8]) -> Option<Self> {
        Some(Self {
            channel: u32(rest, 0)?,
            generation: u32(rest, 4)?,
        })
    }

    /// The rest of an answer.
    pub fn bytes(self) -> [u8; CREATED_BYTES - HEADER_BYTES] {
        pair(self.channel, self.generation).to_le_bytes()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(bytes) => write!(f, "a message cannot have {bytes} bytes"),
            Self::Field(at) => write!(f, "a message has a wrong value at offset {at}"),
            Self::Name(error) => error.fmt(f),
        }
    }
}
