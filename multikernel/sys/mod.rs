// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of what the kernel exports and the kernel crate does not have yet.

pub(crate) mod acpi;
pub(crate) mod clock;
pub(crate) mod contig;
pub(crate) mod export;
pub(crate) mod ffi;
pub(crate) mod file;
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
pub(crate) mod notifier;
pub(crate) mod physical;
pub(crate) mod pool;
pub(crate) mod random;
pub(crate) mod shared;
pub(crate) mod ticker;
pub(crate) mod time;
pub(crate) mod wait;
pub(crate) mod zstd;
