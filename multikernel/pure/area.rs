// SPDX-License-Identifier: GPL-2.0

//! The memory that a host shares with one instance: the host's part, then the
//! agent's. They are the two [`Halves`] of it; offsets are from the beginning of
//! each part.

use super::bytes::{self, pair};
use super::directory::{CHANNELS_MAX, ENTRY_BYTES};
use super::doorbell::Doorbell;
use super::half::Halves;
use super::handshake::Offer;
use super::range::{Range, PAGE};
use core::fmt;

/// Signature of the ACPI table that tells where it is.
pub const SIGNATURE: [u8; 4] = *b"MKRN";
/// Size of that table.
pub const TABLE_BYTES: usize = 56;
const TABLE_AREA: usize = 40;
const TABLE_AREA_BYTES: usize = 48;

/// Where each part says where it is rung.
pub const DOORBELL: usize = 256;

/// Where each part counts how often it had something to tell besides what is in
/// the channels of programs: what is found there needs more than a glance.
pub const CALLS: usize = 320;

const MAGIC: usize = 0;
const HOST_MAGIC: u64 = u64::from_le_bytes(*b"MKRNHOST");
/// The lowest one, and the highest in the high half.
const VERSIONS: usize = 8;
const FEATURES: usize = 16;
const RUN: usize = 24;
const HEARTBEAT_NS: usize = 32;
const CLOCK_AT: usize = 40;
const CHANNELS_AT: usize = 48;
/// How many channels, and the size of an entry in the high half.
const CHANNELS: usize = 56;
const AGENT_AT: usize = 64;
const VERDICT: usize = 128;

/// What the host tells once, before it starts an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it knows.
    pub offer: Offer,
    /// How often it has started the instance.
    pub run: u64,
    /// How often the agent has to beat.
    pub heartbeat_ns: u64,
    /// Where the clock is.
    pub clock_at: u32,
    /// Where the directory is.
    pub channels_at: u32,
    /// How many entries it has.
    pub channels: u32,
    /// And their size.
    pub entry_bytes: u32,
    /// Where the agent's part begins.
    pub agent_at: u32,
}

/// What the host says of an agent's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has not looked.
    None,
    /// They can go on.
    Accepted,
    /// That was not offered.
    Refused,
    /// The agent has done what it must not do.
    Misbehaved,
}

/// What is wrong with the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The table is too short, or tells of no whole pages.
    Table,
    /// No host has written there.
    Magic(u64),
    /// Something lies outside of its part: this word of the host's page.
    Outside(usize, u64),
}

/// Where the area is, from its ACPI table.
pub fn parse_table(table: &[u8]) -> Result<Range, Error> {
    let fields = (
        bytes::u64(table, TABLE_AREA),
        bytes::u64(table, TABLE_AREA_BYTES),
    );
    let (Some(start), Some(size)) = fields else {
        return Err(Error::Table);
    };
    if start % PAGE != 0 || size % PAGE != 0 || u32::try_from(size).is_err() {
        return Err(Error::Table);
    }
    Range::new(start, size).ok_or(Error::Table)
}

/// Writes what is behind the header of that table. `None`: it is too short.
pub fn write_table(table: &mut [u8], area: Range) -> Option<()> {
    bytes::put(table, TABLE_AREA, &area.start().to_le_bytes())?;
    bytes::put(table, TABLE_AREA_BYTES, &area.bytes().to_le_bytes())
}

impl Host {
    /// Writes it. The doorbell has to be there before.
    pub fn publish(&self, halves: &impl Halves) {
        for (at, word) in [
            (
                VERSIONS,
                pair(self.offer.version_min, self.offer.version_max),
            ),
            (FEATURES, self.offer.features),
            (RUN, self.run),
            (HEARTBEAT_NS, self.heartbeat_ns),
            (CLOCK_AT, self.clock_at.into()),
            (CHANNELS_AT, self.channels_at.into()),
            (CHANNELS, pair(self.channels, self.entry_bytes)),
            (AGENT_AT, self.agent_at.into()),
            (MAGIC, HOST_MAGIC),
        ] {
            halves.store(at, word);
        }
    }

    /// Reads it, in an area of `bytes` bytes.
    pub fn read(halves: &impl Halves, bytes: u64) -> Result<Self, Error> {
        let magic = halves.load(MAGIC);
        if magic != HOST_MAGIC {
            return Err(Error::Magic(magic));
        }
        // `size` bytes at the offset in a word, a multiple of `align`, end here.
        let within = |at: usize, size: u64, align: u64, end: u64| {
            let word = halves.load(at);
            let fits = word % align == 0 && word.checked_add(size).is_some_and(|last| last <= end);
            let error = Error::Outside(at, word);
            u32::try_from(word).ok().filter(|_| fits).ok_or(error)
        };
        let agent_at = within(AGENT_AT, PAGE, PAGE, bytes)?;
        let channels = halves.load(CHANNELS);
        let (count, entry_bytes) = (channels as u32, (channels >> 32) as u32);
        if !(1..=CHANNELS_MAX).contains(&count)
            || (entry_bytes as usize) < ENTRY_BYTES
            || entry_bytes % 8 != 0
        {
            return Err(Error::Outside(CHANNELS, channels));
        }
        let directory = u64::from(count).wrapping_mul(entry_bytes.into());
        let versions = halves.load(VERSIONS);
        Ok(Self {
            offer: Offer {
                version_min: versions as u32,
                version_max: (versions >> 32) as u32,
                features: halves.load(FEATURES),
            },
            run: halves.load(RUN),
            heartbeat_ns: halves.load(HEARTBEAT_NS),
            clock_at: within(CLOCK_AT, PAGE, PAGE, agent_at.into())?,
            channels_at: within(CHANNELS_AT, directory, 8, agent_at.into())?,
            channels: count,
            entry_bytes,
            agent_at,
        })
    }

    /// Offset of an entry of the directory.
    pub fn entry(&self, channel: u32) -> Option<usize> {
        let offset = channel.checked_mul(self.entry_bytes)?;
        let at = self.channels_at.checked_add(offset)?;
        (channel < self.channels).then_some(at as usize)
    }
}

impl Verdict {
    /// Writes it, on the agent with this number.
    pub fn publish(self, halves: &impl Halves, attach: u64) {
        halves.store(VERDICT, pair(self as u32, attach as u32));
    }

    /// Reads it. `Err`: it makes no sense.
    pub fn read(halves: &impl Halves, attach: u64) -> Result<Self, u64> {
        let word = halves.load(VERDICT);
        if word >> 32 != attach & u64::from(u32::MAX) {
            // It is on another.
            return Ok(Self::None);
        }
        match word as u32 {
            0 => Ok(Self::None),
            1 => Ok(Self::Accepted),
            2 => Ok(Self::Refused),
            3 => Ok(Self::Misbehaved),
            _ => Err(word),
        }
    }
}

/// Says where this side is rung, from now on. It then has to look at all that it
/// could be rung for.
pub fn publish_doorbell(halves: &impl Halves, doorbell: Option<Doorbell>) {
    halves.store(DOORBELL, doorbell.map_or(0, Doorbell::word));
    halves.fence();
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("the ACPI table MKRN tells of no memory"),
            Self::Magic(magic) => write!(
                f,
                "the memory that the ACPI table MKRN tells of begins with {magic:#x}, \
                 which no host writes"
            ),
            Self::Outside(at, word) => {
                write!(f, "the host's page has {word:#x} at {at}, which cannot be")
            }
        }
    }
}
