// SPDX-License-Identifier: GPL-2.0

//! The files that the kernel runs.
//!
//! They must not panic, whatever is in an instance's memory, so the lints
//! against everything that could are errors.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![forbid(unsafe_code)]

#[path = "../../../../../multikernel/pure/bytes.rs"]
pub mod bytes;
#[path = "../../../../../multikernel/pure/memory.rs"]
pub mod memory;
#[path = "../../../../../multikernel/pure/pagewalk.rs"]
pub mod pagewalk;
#[path = "../../../../../multikernel/pure/printk.rs"]
pub mod printk;
// Its invariants leave room for what it subtracts, and other files use more.
#[allow(clippy::arithmetic_side_effects, dead_code)]
#[path = "../../../../../multikernel/pure/range.rs"]
pub mod range;
#[path = "../../../../../multikernel/pure/vmcoreinfo.rs"]
pub mod vmcoreinfo;
