// SPDX-License-Identifier: GPL-2.0

//! The module's pure logic, as user space sees it: the same files.

#[path = "../../../../../multikernel/pure/mod.rs"]
pub mod pure;

pub mod ram;

#[cfg(test)]
#[path = "../../../../../multikernel/tests/mod.rs"]
mod tests;
