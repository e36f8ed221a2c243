// SPDX-License-Identifier: GPL-2.0

//! Starts Linux kernels beside the running one.
//!
//! The kernel module `multikernel` gives some of the CPUs and memory of a
//! machine to further kernels, without a hypervisor. This crate is the safe
//! form of its interface, the ioctls of `/dev/multikernel` (see
//! `Documentation/multikernel/uapi.rst`):
//!
//! * [`Device`]: what the host can do, and the instances that there are;
//! * [`Pool`]: where their memory comes from;
//! * [`Instance`]: one of them, from its creation to its end;
//! * [`Channel`]: an end of a channel between two kernels;
//! * [`mapped`]: the same without calls and copies, by its rings in memory;
//! * [`Console`]: what it shows on its terminal, and what is typed there;
//! * [`Map`]: its memory, read-only;
//! * [`Log`]: its kernel's log, read from there;
//! * [`Events`]: what happens to instances, as it happens;
//! * [`Topology`]: the host's CPUs, and which of them an instance best gets.
//!
//! Every [`Error`] says what was tried on what, the error number, and what the
//! kernel says was wrong.

mod abi;
mod channel;
mod console;
mod cpulist;
mod device;
mod error;
mod events;
mod instance;
mod ioctl;
mod kexec;
mod log;
mod map;
pub mod mapped;
mod named;
mod pool;
mod topology;

/// Files of the module that are the same inside the kernel and out of it.
#[path = "../../../../multikernel/pure"]
#[allow(dead_code)]
mod pure {
    pub mod bytes;
    pub mod half;
    pub mod memory;
    pub mod pagewalk;
    pub mod printk;
    pub mod range;
    pub mod ring;
    pub mod vmcoreinfo;
}

pub use channel::{Channel, ChannelEntry, ChannelState, Rings, Wait, MESSAGE_MAX};
pub use console::{Console, ConsoleOptions, CONSOLE_BYTES};
pub use cpulist::{CpuList, CpuListError};
pub use device::{ApicMode, Blocker, Device, Entry, Feature, Lifetime, Query, Role};
pub use error::{Errno, Error, Operation, Result};
pub use events::{EventRecord, Events, Happening};
pub use instance::{
    Agent, AgentFeatures, AgentGone, Event, Image, Info, Instance, Range, Reason, State,
};
pub use log::{Caller, Log, LogError, Record};
pub use map::Map;
pub use pool::{Pool, PoolKind};
pub use topology::{Core, PickError, Topology, TopologyError, Wish};

/// Version of the ABI that this crate was built for.
pub const ABI_VERSION: u32 = abi::MK_ABI_VERSION;

/// The memory of an instance is a multiple of this many bytes.
pub const MEMORY_ALIGN: u64 = abi::MK_MEMORY_ALIGN as u64;

/// An instance has at least this many bytes of memory.
pub const MEMORY_MIN: u64 = abi::MK_MEMORY_MIN as u64;

/// An instance has at most this many CPUs.
pub const MAX_CPUS: usize = abi::MK_MAX_CPUS as usize;
