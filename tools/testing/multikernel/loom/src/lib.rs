// SPDX-License-Identifier: GPL-2.0

//! Two sides of a channel under loom: it runs what they do in every order
//! that their processors may, with every value that a read may give.

#[path = "../../../../../multikernel/pure/mod.rs"]
#[allow(dead_code)]
pub mod pure;

mod area;
mod memory;
mod side;

pub use area::{area, Area};
pub use memory::Memory;
pub use side::{pair, In, Out, Side};
