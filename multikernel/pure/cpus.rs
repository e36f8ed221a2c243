// SPDX-License-Identifier: GPL-2.0

//! Which CPUs an instance may have.

use super::acpi::{APIC_ID_MAX, CPUS_MAX};
use super::name::Name;
use core::fmt;

/// What is to be known of the host. Numbers of CPUs are the host's.
pub trait Host {
    /// Whether there is such a CPU: any number may be asked for. All other
    /// questions are about CPUs for which this is true.
    fn exists(&self, cpu: u32) -> bool;

    /// Whether the host uses it, or lent it to `owner()`.
    fn online(&self, cpu: u32) -> bool;

    /// Whether the host booted on it.
    fn is_boot(&self, cpu: u32) -> bool;

    /// Which other instance has reserved it.
    fn owner(&self, cpu: u32) -> Option<Name>;

    /// Its APIC ID.
    fn apic_id(&self, cpu: u32) -> u32;

    /// The `n`-th CPU of its core, itself among them, online or lent; by the
    /// topology: the masks of the kernel forget CPUs that are offline.
    fn sibling(&self, cpu: u32, n: usize) -> Option<u32>;
}

/// Why an instance cannot have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// None.
    Empty,
    /// More than [`CPUS_MAX`].
    TooMany(usize),
    /// There is no such CPU.
    Missing(u32),
    /// Named twice.
    Repeated(u32),
    /// The host booted on it: INIT would reset the machine.
    Boot(u32),
    /// Reserved by another instance.
    Owned {
        /// Which one.
        cpu: u32,
        /// By whom.
        owner: Name,
    },
    /// Offline on the host.
    Offline(u32),
    /// It cannot be addressed alone.
    ApicId {
        /// Which one.
        cpu: u32,
        /// Its APIC ID.
        id: u32,
    },
    /// Another kernel would have a part of the same core.
    Split {
        /// Which one.
        cpu: u32,
        /// A CPU of that core that is not among them.
        sibling: u32,
    },
}

/// Checks that an instance may have `cpus`. With `split`, a core may be split
/// between two kernels.
pub fn check(cpus: &[u32], host: &impl Host, split: bool) -> Result<(), Error> {
    if cpus.is_empty() {
        return Err(Error::Empty);
    }
    if cpus.len() > CPUS_MAX {
        return Err(Error::TooMany(cpus.len()));
    }
    for (n, cpu) in cpus.iter().copied().enumerate() {
        if !host.exists(cpu) {
            return Err(Error::Missing(cpu));
        }
        if cpus[..n].contains(&cpu) {
            return Err(Error::Repeated(cpu));
        }
        if host.is_boot(cpu) {
            return Err(Error::Boot(cpu));
        }
        if let Some(owner) = host.owner(cpu) {
            return Err(Error::Owned { cpu, owner });
        }
        if !host.online(cpu) {
            return Err(Error::Offline(cpu));
        }
        let id = host.apic_id(cpu);
        if id > APIC_ID_MAX {
            return Err(Error::ApicId { cpu, id });
        }
    }
    if split {
        return Ok(());
    }
    for cpu in cpus.iter().copied() {
        let mut siblings = (0..).map_while(|n| host.sibling(cpu, n));
        if let Some(sibling) = siblings.find(|sibling| !cpus.contains(sibling)) {
            return Err(Error::Split { cpu, sibling });
        }
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no CPUs are given; an instance needs at least one"),
            Self::TooMany(n) => write!(f, "{n} CPUs are given; {CPUS_MAX} are the most"),
            Self::Missing(cpu) => write!(f, "CPU {cpu} does not exist"),
            Self::Repeated(cpu) => write!(f, "CPU {cpu} is given twice"),
            Self::Boot(cpu) => write!(
                f,
                "CPU {cpu} is the one that the host booted on; it can never be lent"
            ),
            Self::Owned { cpu, owner } => {
                write!(f, "CPU {cpu} is reserved by the instance {owner}")
            }
            Self::Offline(cpu) => write!(f, "CPU {cpu} is offline; bring it online first"),
            Self::ApicId { cpu, id } => write!(
                f,
                "CPU {cpu} has APIC ID {id}; instances can have those up to {APIC_ID_MAX} only"
            ),
            Self::Split { cpu, sibling } => write!(
                f,
                "CPU {cpu} shares its core with CPU {sibling}; give both, or allow cores to be \
                 split"
            ),
        }
    }
}
