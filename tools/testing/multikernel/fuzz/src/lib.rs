// SPDX-License-Identifier: GPL-2.0

//! The module's pure logic, as the fuzz targets see it: the same files.

#[path = "../../../../../multikernel/pure/mod.rs"]
pub mod pure;
