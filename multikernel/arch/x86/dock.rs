// SPDX-License-Identifier: GPL-2.0

//! What the CPUs of an instance need that wait in its dock ([`crate::pure::dock`]).

use super::{gates, trampoline};
use crate::pure::dock::{CODE, IDT};

/// Writes the code of the dock at `start`, through `write(address, bytes)`.
pub(crate) fn write<E>(
    start: u64,
    mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    write(start + CODE, trampoline::code())?;
    let gates = gates::table(start + CODE, &trampoline::dock_handlers());
    write(start + IDT, &gates)
}
