// SPDX-License-Identifier: GPL-2.0

//! Kernels of different versions find out what both know.
//!
//! The host offers; the agent chooses, and says what; the host checks that.

use core::fmt;

/// The feature: the agent beats.
pub const HEARTBEAT: u64 = 1 << 0;
/// There are channels between instances (`MK_PROTOCOL_PEERS`).
pub const PEERS: u64 = 1 << 2;

/// The agent may ask for channels (`MK_PROTOCOL_CREATE`).
pub const CREATE: u64 = 1 << 3;

/// The feature: the host tells its time.
pub const CLOCK: u64 = 1 << 1;

/// What one side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The lowest version.
    pub version_min: u32,
    /// The highest one.
    pub version_max: u32,
    /// Features: `MK_PROTOCOL_...`.
    pub features: u64,
}

/// What both use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version.
    pub version: u32,
    /// The features.
    pub features: u64,
}

/// Why there are no terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No version is known to both: this side's and the peer's.
    Versions(Offer, Offer),
    /// The agent says that no version is known to both: what the host knows, and
    /// the highest that the agent knows.
    Strange(Offer, u32),
    /// A version was chosen that was not offered.
    Version(u32),
    /// Features were chosen that were not offered: these.
    Features(u64),
}

impl Offer {
    /// The best that both sides know.
    pub fn meet(&self, peer: &Self) -> Result<Terms, Error> {
        let version = self.version_max.min(peer.version_max);
        if version < self.version_min.max(peer.version_min) {
            return Err(Error::Versions(*self, *peer));
        }
        Ok(Terms {
            version,
            features: self.features & peer.features,
        })
    }

    /// Checks what the peer has chosen.
    pub fn check(&self, chosen: &Terms) -> Result<(), Error> {
        if !(self.version_min..=self.version_max).contains(&chosen.version) {
            return Err(Error::Version(chosen.version));
        }
        match chosen.features & !self.features {
            0 => Ok(()),
            unknown => Err(Error::Features(unknown)),
        }
    }
}

impl Terms {
    /// Whether both know all of these.
    pub fn has(&self, features: u64) -> bool {
        self.features & features == features
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Versions(own, peer) => write!(
                f,
                "this module speaks versions {} to {} of the protocol, the other kernel's {} to \
                 {}; use modules nearer in age",
                own.version_min, own.version_max, peer.version_min, peer.version_max
            ),
            Self::Strange(own, highest) => write!(
                f,
                "this module speaks versions {} to {} of the protocol, the agent none of them, \
                 and {highest} at most; use modules nearer in age",
                own.version_min, own.version_max
            ),
            Self::Version(version) => {
                write!(
                    f,
                    "the agent chose version {version}, which was not offered"
                )
            }
            Self::Features(features) => {
                write!(
                    f,
                    "the agent chose features {features:#x}, which were not offered"
                )
            }
        }
    }
}
