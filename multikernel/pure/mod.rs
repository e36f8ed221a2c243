// SPDX-License-Identifier: GPL-2.0

//! What the module decides and lays out, apart from doing it.
//!
//! Everything here is plain computation on bytes and numbers: `core` only, no
//! allocation, no `unsafe`, nothing of the kernel. So `cargo test` and the
//! fuzzers (`tools/testing/multikernel/`) compile the very files that the
//! kernel runs, and siblings are named by `super::`.
//!
//! Nothing here panics, whatever the input: sizes come from files, from user
//! space, or from the memory of another kernel.

#![forbid(unsafe_code)]
// One crate's private module and another crate's public one: both are `pub`.
#![allow(unreachable_pub)]

pub mod acpi;
pub mod agent;
pub mod apicset;
pub mod area;
pub mod arrivals;
pub mod bootparams;
pub mod broker;
pub mod bytes;
pub mod bzimage;
pub mod clock;
pub mod cmdline;
pub mod cpus;
pub mod directory;
pub mod dock;
pub mod doorbell;
pub mod e820;
pub mod guest;
pub mod half;
pub mod handshake;
pub mod heart;
pub mod history;
pub mod kaslr;
pub mod layout;
pub mod lockdown;
pub mod madt;
pub mod memory;
pub mod message;
pub mod name;
pub mod pagewalk;
pub mod paging;
pub mod pool;
pub mod printk;
pub mod range;
pub mod realmode;
pub mod ring;
pub mod screen;
pub mod scrollback;
pub mod slot;
pub mod spin;
pub mod state;
pub mod storm;
pub mod taken;
pub mod tboot;
pub mod vmcoreinfo;
pub mod vmlinux;
