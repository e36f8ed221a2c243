// SPDX-License-Identifier: GPL-2.0

//! Where exceptions lead while a CPU is between two owners.

use super::trampoline::Handlers;

/// Those that are exceptions.
const VECTORS: usize = 32;
const GATE_BYTES: usize = 16;

/// An IDT for the trampoline's code at `code`.
pub(crate) fn table(code: u64, handlers: &Handlers) -> [u8; VECTORS * GATE_BYTES] {
    let mut table = [0; VECTORS * GATE_BYTES];
    for (vector, to) in table.chunks_exact_mut(GATE_BYTES).enumerate() {
        let offset = match vector {
            2 => handlers.nmi,
            13 => handlers.general_protection,
            18 => handlers.machine_check,
            _ => handlers.other,
        };
        to.copy_from_slice(&gate(code + offset as u64));
    }
    table
}

/// A 64-bit interrupt gate to `address` (SDM 3A, 6.14.1).
fn gate(address: u64) -> [u8; GATE_BYTES] {
    const CODE64: u64 = 0x10;
    const INTERRUPT_GATE: u64 = 0x8e00;
    let low =
        (address & 0xffff) | CODE64 << 16 | INTERRUPT_GATE << 32 | (address >> 16 & 0xffff) << 48;
    let mut bytes = [0; GATE_BYTES];
    bytes[..8].copy_from_slice(&low.to_le_bytes());
    bytes[8..].copy_from_slice(&(address >> 32).to_le_bytes());
    bytes
}
