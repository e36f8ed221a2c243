// SPDX-License-Identifier: GPL-2.0

//! What is x86-64's: the local APIC, the code between two owners, what INIT leaves behind.

pub(crate) mod apic;
pub(crate) mod dock;
pub(crate) mod gates;
pub(crate) mod msr;
pub(crate) mod slot;
pub(crate) mod trampoline;
