// SPDX-License-Identifier: GPL-2.0

//! The host: the kernel that gives CPUs and memory away, and takes them back.

pub(crate) mod bells;
pub(crate) mod channel;
pub(crate) mod console;
pub(crate) mod cpus;
pub(crate) mod device;
pub(crate) mod directory;
pub(crate) mod events;
pub(crate) mod fail;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod instance;
pub(crate) mod ioctl;
pub(crate) mod kexec;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod loader;
pub(crate) mod memory;
pub(crate) mod pools;
pub(crate) mod registry;
pub(crate) mod slots;
mod unpacking;
pub(crate) mod watcher;
