// SPDX-License-Identifier: GPL-2.0

//! Where a kernel is rung: a vector of one of its processors.
//!
//! It may move at any time. Then whoever is rung there publishes the new place,
//! puts a fence, and looks at everything as if it had been rung: who read the old
//! place had sent before, and who sends later reads the new one.

use core::fmt;

/// All processors, in either mode of the local APIC.
const EVERYONE: [u32; 2] = [0xff, u32::MAX];

/// The first vector that is no exception.
const VECTOR_MIN: u32 = 0x20;
const VECTOR_MAX: u32 = 0xff;
const VECTOR_SHIFT: u32 = 32;
const MOVES_SHIFT: u32 = 40;
const VALID: u64 = 1 << 63;

/// A place to ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell {
    apic_id: u32,
    vector: u8,
    moves: u16,
}

/// Why nobody may ring there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Bits that mean nothing.
    Word(u64),
    /// No processor of the peer has this APIC ID.
    ApicId(u32),
    /// Exceptions, or none.
    Vector(u32),
}

impl Doorbell {
    /// A place that was not published yet.
    pub fn new(apic_id: u32, vector: u32) -> Result<Self, Error> {
        let is_vector = |vector: &u32| (VECTOR_MIN..=VECTOR_MAX).contains(vector);
        Ok(Self {
            apic_id,
            vector: Some(vector)
                .filter(is_vector)
                .and_then(|vector| u8::try_from(vector).ok())
                .ok_or(Error::Vector(vector))?,
            moves: 0,
        })
    }

    /// From a word that the peer has published; `None`: it cannot be rung.
    /// `is_peers` tells which APIC IDs are the peer's.
    pub fn parse(word: u64, is_peers: impl Fn(u32) -> bool) -> Result<Option<Self>, Error> {
        if word == 0 {
            return Ok(None);
        }
        let doorbell = Self {
            moves: (word >> MOVES_SHIFT) as u16,
            ..Self::new(word as u32, (word >> VECTOR_SHIFT) as u32 & VECTOR_MAX)?
        };
        if doorbell.word() != word {
            return Err(Error::Word(word));
        }
        if EVERYONE.contains(&doorbell.apic_id) || !is_peers(doorbell.apic_id) {
            return Err(Error::ApicId(doorbell.apic_id));
        }
        Ok(Some(doorbell))
    }

    /// The same doorbell in another place, or there once more.
    pub fn moved(self, apic_id: u32, vector: u32) -> Result<Self, Error> {
        Ok(Self {
            moves: self.moves.wrapping_add(1),
            ..Self::new(apic_id, vector)?
        })
    }

    /// As it is published.
    pub fn word(self) -> u64 {
        VALID
            | (u64::from(self.moves) << MOVES_SHIFT)
            | (u64::from(self.vector) << VECTOR_SHIFT)
            | u64::from(self.apic_id)
    }

    /// The processor.
    pub fn apic_id(self) -> u32 {
        self.apic_id
    }

    /// The vector.
    pub fn vector(self) -> u8 {
        self.vector
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "a doorbell is {word:#x}, which means nothing"),
            Self::ApicId(id) => {
                write!(
                    f,
                    "a doorbell is at APIC ID {id:#x}, which is not its owner's"
                )
            }
            Self::Vector(vector) => write!(f, "a doorbell has the vector {vector:#x}"),
        }
    }
}
