// SPDX-License-Identifier: GPL-2.0

//! Lockdown: what a host that keeps its own root from changing it asks of the
//! kernels that it starts.
//!
//! An instance shares the machine with its host, and could write to memory and
//! registers of the host's. So a host that is locked down starts only kernels
//! whose signature was verified, and has them lock themselves down as far as it
//! is: otherwise the root of an instance, who may be the host's, could do there
//! what is refused here.

use core::fmt;

/// How far a kernel is locked down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lockdown {
    /// Not at all.
    None,
    /// Nobody can change it.
    Integrity,
    /// Nor read what it keeps for itself.
    Confidentiality,
}

impl Lockdown {
    /// The option that makes a kernel lock itself down so far.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Integrity => Some("lockdown=integrity"),
            Self::Confidentiality => Some("lockdown=confidentiality"),
        }
    }
}

/// Why a loaded kernel may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Its signature was verified.
    pub is_verified: bool,
    /// What it is told to lock down.
    pub lockdown: Lockdown,
}

/// Why a kernel is not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody knows whose it is.
    Unverified,
    /// The host was locked down after it was loaded.
    Weaker,
}

impl Trust {
    /// Whether a host that is locked down so far may start it.
    pub fn check(self, host: Lockdown) -> Result<(), Error> {
        if host == Lockdown::None {
            Ok(())
        } else if !self.is_verified {
            Err(Error::Unverified)
        } else if self.lockdown < host {
            Err(Error::Weaker)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unverified => {
                "this kernel is locked down, and what is loaded has no signature that was verified"
            }
            Self::Weaker => {
                "this kernel was locked down after the load, which told the other nothing of it; \
                 load it again"
            }
        })
    }
}
