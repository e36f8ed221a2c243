// SPDX-License-Identifier: GPL-2.0

//! What the trampoline needs around it, in an instance's slot below 1 MiB ([`crate::pure::slot`]).

use super::{gates, trampoline};
use crate::pure::slot::{MAILBOX, STUB, TRAMPOLINE};

/// Offset of 576 bytes for XRSTOR, which is told that all is in its initial state.
const XSAVE: usize = STUB as usize + 0x400;
/// Offset of the trampoline's IDT.
const IDT: usize = STUB as usize + 0x800;

// The assembly counts on it.
const _: () = assert!(MAILBOX == TRAMPOLINE + 0x1000 && STUB == TRAMPOLINE + 0x2000);

/// Page tables for the way into long mode, in the instance's RAM: they are needed only before it
/// runs and after it ended.
pub(crate) const EARLY_TABLES: usize = 0x1000;

/// The reset value of MXCSR, which XRSTOR reads even where the state is initial.
const MXCSR: u32 = 0x1f80;
const MXCSR_OFFSET: usize = 24;

const PRESENT_WRITE: u64 = 0x3;
const LARGE: u64 = 0x80;

/// Writes everything that the trampoline needs but its list, through `write(offset, bytes)`.
pub(crate) fn write_trampoline(base: u64, mut write: impl FnMut(usize, &[u8])) {
    write(TRAMPOLINE as usize, trampoline::code());
    write(XSAVE, &[0; 576]);
    write(XSAVE + MXCSR_OFFSET, &MXCSR.to_le_bytes());

    let gates = gates::table(base + TRAMPOLINE, &trampoline::handlers());
    write(IDT, &gates);

    let table = |n: usize| base + (EARLY_TABLES + 0x1000 * n) as u64;
    for (n, entry) in [
        table(1) | PRESENT_WRITE,
        table(2) | PRESENT_WRITE,
        PRESENT_WRITE | LARGE,
    ]
    .into_iter()
    .enumerate()
    {
        // A parked CPU may be using the same tables: no entry goes away in between.
        write(EARLY_TABLES + 0x1000 * n, &entry.to_le_bytes());
        write(EARLY_TABLES + 0x1000 * n + 8, &[0; 0xff8]);
    }
}
