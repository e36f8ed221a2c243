// SPDX-License-Identifier: GPL-2.0

//! The device of the module.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::abi;
use crate::error::{Error, Operation, Result};
use crate::events::Events;
use crate::instance::{Agent, Instance, Reason, State};
use crate::ioctl;
use crate::named::named;
use crate::pool::Pool;

named! {
    /// Why a host cannot start instances.
    pub enum Blocker: u64 {
        /// The kernel is locked down, which forbids this as it forbids kexec.
        Lockdown = MK_BLOCKED_LOCKDOWN, "lockdown";
        /// Memory is encrypted: SME, SEV or TDX is active.
        Encryption = MK_BLOCKED_ENCRYPTION, "encryption";
        /// INIT and SIPI cannot be sent to a CPU.
        Apic = MK_BLOCKED_APIC, "apic";
        /// The kernel's own code below 1 MiB was not found.
        RealMode = MK_BLOCKED_REAL_MODE, "real-mode";
        /// No memory below 1 MiB is left.
        NoSlot = MK_BLOCKED_NO_SLOT, "no-slot";
        /// Every APIC ID is in use: none can stand for "nobody".
        ApicId = MK_BLOCKED_APIC_ID, "apic-id";
        /// The frequency of the time stamp counter is unknown.
        Tsc = MK_BLOCKED_TSC, "tsc";
    }
}

named! {
    /// What a module can do.
    pub enum Feature: u64 {
        /// The memory of an instance can be mapped.
        Mmap = MK_FEATURE_MMAP, "mmap";
        /// Why an instance without an agent stopped is seen.
        StopReason = MK_FEATURE_STOP_REASON, "stop-reason";
        /// An instance's agent is seen, and can be asked.
        Agent = MK_FEATURE_AGENT, "agent";
        /// An instance can have channels.
        Channels = MK_FEATURE_CHANNELS, "channels";
        /// Instances with an agent have a console.
        Console = MK_FEATURE_CONSOLE, "console";
        /// What happens to instances can be followed.
        Events = MK_FEATURE_EVENTS, "events";
        /// Where memory comes from can be read.
        Pools = MK_FEATURE_POOLS, "pools";
        /// Kernels can be loaded by `kexec_file_load()`, too.
        Kexec = MK_FEATURE_KEXEC, "kexec";
    }
}

named! {
    /// How the host addresses its interrupt controllers.
    pub enum ApicMode: u32 {
        /// 8-bit IDs, registers in memory.
        Xapic = MK_APIC_XAPIC, "xapic";
        /// 32-bit IDs, registers of the CPU.
        X2apic = MK_APIC_X2APIC, "x2apic";
    }
}

named! {
    /// What the module is in this kernel.
    pub enum Role: u32 {
        /// It starts others.
        Host = MK_ROLE_HOST, "host";
        /// It was started: it has channels, and no instances.
        Instance = MK_ROLE_INSTANCE, "instance";
    }
}

/// What the module and the host can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Version of the ABI that the module has.
    pub abi_version: u32,
    /// Slots below 1 MiB; each instance needs one.
    pub slots: u32,
    /// How many of them are free.
    pub slots_free: u32,
    /// How many instances exist.
    pub instances: u32,
    /// What the module can do.
    pub features: Vec<Feature>,
    /// Why this host cannot start instances; empty: it can.
    pub blockers: Vec<Blocker>,
    /// Frequency of the time stamp counter, in kHz.
    pub tsc_khz: u32,
    /// How interrupt controllers are addressed.
    pub apic_mode: ApicMode,
    /// The CPU that can never be lent.
    pub boot_cpu: u32,
    /// An APIC ID that no CPU of this machine has.
    pub spare_apic_id: u32,
    /// What the module is in this kernel. In an instance it has nothing to tell of the rest but
    /// its version and features.
    pub role: Role,
}

impl From<abi::mk_query> for Query {
    fn from(raw: abi::mk_query) -> Self {
        let bits = |set: u64| {
            (0..u64::BITS)
                .map(|bit| 1 << bit)
                .filter(move |bit| set & bit != 0)
        };
        Self {
            abi_version: raw.abi_version,
            slots: raw.nr_slots,
            slots_free: raw.nr_slots_free,
            instances: raw.nr_instances,
            features: bits(raw.features).map(Feature::from_raw).collect(),
            blockers: bits(raw.blockers).map(Blocker::from_raw).collect(),
            tsc_khz: raw.tsc_khz,
            apic_mode: ApicMode::from_raw(raw.apic_mode),
            boot_cpu: raw.boot_cpu,
            spare_apic_id: raw.spare_apic_id,
            role: Role::from_raw(raw.role),
        }
    }
}

/// An instance, as the list of all of them has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Why it is stopped or crashed.
    pub reason: Reason,
    /// How many CPUs it has or will have.
    pub cpus: u32,
    /// How many bytes of memory it has.
    pub memory: u64,
    /// Whether its agent is there.
    pub agent: Agent,
}

impl From<&abi::mk_list_entry> for Entry {
    fn from(raw: &abi::mk_list_entry) -> Self {
        Self {
            name: ioctl::text_of(&raw.name),
            state: State::from_raw(raw.state),
            reason: Reason::from_raw(raw.reason),
            cpus: raw.nr_cpus,
            memory: raw.memory,
            agent: Agent::from_raw(raw.agent),
        }
    }
}

/// How long an instance lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is destroyed.
    Persistent,
    /// Until its last descriptor is closed, if it is not destroyed before.
    /// Only [`Device::create`] makes such descriptors; those of
    /// [`Device::instance`] count too.
    Descriptor,
}

/// The device of the module, opened.
///
/// ```no_run
/// let device = multikernel::Device::open()?;
/// for entry in device.list()? {
///     println!("{} is {}", entry.name, entry.state);
/// }
/// # Ok::<(), multikernel::Error>(())
/// ```
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    path: String,
}

impl Device {
    /// Where it is.
    pub const PATH: &'static str = "/dev/multikernel";

    /// Opens it. It takes `CAP_SYS_BOOT`, and the module to be loaded.
    pub fn open() -> Result<Self> {
        Self::open_at(Path::new(Self::PATH))
    }

    /// Opens it where it is not at its usual place.
    pub fn open_at(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy().into_owned();
        match rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: name }),
            Err(errno) => Err(Error::new(Operation::OpenDevice, &name, errno)),
        }
    }

    pub(crate) fn error(&self, operation: Operation, failure: ioctl::Failure) -> Error {
        Error::new(operation, &self.path, failure.errno).with_message(failure.message)
    }

    /// What the module and this host can do.
    pub fn query(&self) -> Result<Query> {
        ioctl::query(self.fd.as_fd())
            .map(Query::from)
            .map_err(|failure| self.error(Operation::Query, failure))
    }

    /// The instances, in the order of their creation.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let entries =
            ioctl::list(self.fd.as_fd()).map_err(|failure| self.error(Operation::List, failure))?;
        Ok(entries.iter().map(Entry::from).collect())
    }

    /// Where the memory of instances comes from: first the pools, if there are any, then the page
    /// allocators of nodes.
    pub fn pools(&self) -> Result<Vec<Pool>> {
        let entries = ioctl::pools(self.fd.as_fd())
            .map_err(|failure| self.error(Operation::Pools, failure))?;
        Ok(entries.iter().map(Pool::from).collect())
    }

    /// What has happened to instances, and what happens to them from now on.
    pub fn events(&self) -> Result<Events> {
        ioctl::events(self.fd.as_fd())
            .map(|fd| Events::new(fd, &self.path))
            .map_err(|failure| self.error(Operation::Events, failure))
    }

    /// Creates an instance: no CPU, no memory, nothing loaded.
    ///
    /// A name has 1 to 31 printable ASCII characters, no `/` and no space.
    pub fn create(&self, name: &str, lifetime: Lifetime) -> Result<Instance> {
        let flags = match lifetime {
            Lifetime::Persistent => 0,
            Lifetime::Descriptor => abi::MK_CREATE_AUTO_DESTROY,
        };
        ioctl::create(self.fd.as_fd(), name, flags)
            .map(|fd| Instance::new(fd, name))
            .map_err(|failure| {
                Error::new(Operation::Create, name, failure.errno).with_message(failure.message)
            })
    }

    /// Opens an instance that exists.
    pub fn instance(&self, name: &str) -> Result<Instance> {
        ioctl::open(self.fd.as_fd(), name)
            .map(|fd| Instance::new(fd, name))
            .map_err(|failure| {
                Error::new(Operation::Open, name, failure.errno).with_message(failure.message)
            })
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::error::Errno;

    #[test]
    fn a_device_that_is_not_there_is_told() {
        let error = Device::open_at(Path::new("/nonexistent/multikernel")).unwrap_err();
        assert_eq!(error.operation(), Operation::OpenDevice);
        assert_eq!(error.errno(), Errno::NOENT);
        assert!(error.to_string().contains("/nonexistent/multikernel"));
    }

    #[test]
    fn a_file_of_another_kind_is_told() {
        let device = Device::open_at(Path::new("/dev/null")).unwrap();
        let error = device.query().unwrap_err();
        assert_eq!(error.operation(), Operation::Query);
        assert_eq!(error.errno(), Errno::NOTTY);
    }

    #[test]
    fn bits_become_names_and_unknown_ones_are_kept() {
        let query = Query::from(abi::mk_query {
            blockers: u64::from(abi::MK_BLOCKED_LOCKDOWN | abi::MK_BLOCKED_TSC) | (1 << 40),
            features: u64::from(abi::MK_FEATURE_MMAP),
            apic_mode: abi::MK_APIC_X2APIC,
            ..Default::default()
        });
        assert_eq!(
            query.blockers,
            [Blocker::Lockdown, Blocker::Tsc, Blocker::Unknown(1 << 40)]
        );
        assert_eq!(query.features, [Feature::Mmap]);
        assert_eq!(query.apic_mode.to_string(), "x2apic");
    }
}
