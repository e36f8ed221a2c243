// SPDX-License-Identifier: GPL-2.0

//! The tboot page: how an unmodified instance tells that it has ended.
//!
//! tboot is firmware of Intel's trusted execution. A kernel that finds its
//! page calls the entry that stands there whenever it restarts, halts, powers
//! off or takes a processor offline, before it touches any reset register
//! (`tboot_shutdown()`, arch/x86/kernel/tboot.c). Ours leads to a few
//! instructions that count and halt. Layout: include/linux/tboot.h.
//!
//! The instance may write anything to the page, at any time.

use super::range::PAGE;

/// Where the instance says why it called, 32 bits: `shutdown_type`.
pub const SHUTDOWN_TYPE: usize = 28;

const UUID: [u8; 16] = [
    0xff, 0x8d, 0x3c, 0x66, 0xb3, 0xe8, 0x82, 0x4b, 0xbf, 0xaa, 0x19, 0xea, 0x4d, 0x05, 0x7a, 0x08,
];
const VERSION: usize = 16;
/// Linux wants 5 or more; 6 came with no field that it reads.
const VERSION_VALUE: u32 = 6;
const SHUTDOWN_ENTRY: usize = 24;
const BASE: usize = 104;
const SIZE: usize = 108;

/// No `shutdown_type` of Linux.
const NONE: u32 = u32::MAX;

/// What an instance has called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// A restart: on command, or after a panic.
    Restart,
    /// Power off.
    PowerOff,
    /// A halt.
    Halt,
    /// One of its processors went offline; the instance goes on.
    CpuOffline,
    /// A sleep state, or a number that has no meaning.
    Other(u32),
}

/// Writes the page. The instance maps `size` bytes at `base` as code that it
/// may also write to, and calls `entry`, which must be in there.
pub fn write(page: &mut [u8; PAGE as usize], entry: u32, base: u32, size: u32) {
    page.fill(0);
    let fields: [(usize, u32); 5] = [
        (VERSION, VERSION_VALUE),
        (SHUTDOWN_ENTRY, entry),
        (SHUTDOWN_TYPE, NONE),
        (BASE, base),
        (SIZE, size),
    ];
    page[..UUID.len()].copy_from_slice(&UUID);
    for (at, value) in fields {
        page[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// What the instance has called for last; `None`: nothing so far. `calls` is
/// what the stub has counted, `shutdown_type` the word at [`SHUTDOWN_TYPE`];
/// they are read in this order.
pub fn shutdown(calls: u32, shutdown_type: u32) -> Option<Shutdown> {
    if calls == 0 || shutdown_type == NONE {
        return None;
    }
    Some(match shutdown_type {
        0 => Shutdown::Restart,
        1 => Shutdown::PowerOff,
        4 => Shutdown::Halt,
        5 => Shutdown::CpuOffline,
        other => Shutdown::Other(other),
    })
}
