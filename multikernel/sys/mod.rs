// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of what the kernel exports and the kernel crate does not have yet.
//!
//! What others can use as well, our series brings to the kernel crate. Here, and only here, is
//! decided whether it comes from there or, on a kernel without the series, from [`stock`].

pub(crate) mod acpi;
pub(crate) mod clock;
pub(crate) mod contig;
pub(crate) mod crash;
pub(crate) mod export;
pub(crate) mod ffi;
pub(crate) mod file;
pub(crate) mod foreign;
pub(crate) mod guard;
pub(crate) mod hvc;
pub(crate) mod iomem;
pub(crate) mod kexec;
pub(crate) mod later;
pub(crate) mod line;
pub(crate) mod lock;
pub(crate) mod lockdown;
pub(crate) mod module;
pub(crate) mod node;
pub(crate) mod physical;
pub(crate) mod pool;
pub(crate) mod random;
pub(crate) mod rcu;
pub(crate) mod shared;
#[cfg(not(CONFIG_MULTIKERNEL))]
pub(crate) mod stock;
pub(crate) mod ticker;
pub(crate) mod time;
pub(crate) mod wait;
pub(crate) mod zstd;

// Only a kernel with the series has the option.
#[cfg(CONFIG_MULTIKERNEL)]
pub(crate) use kernel::{cpu::hotplug, notifier, page::contig::ContigPages};
#[cfg(not(CONFIG_MULTIKERNEL))]
pub(crate) use stock::{contig::ContigPages, hotplug, notifier};
