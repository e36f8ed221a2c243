// SPDX-License-Identifier: GPL-2.0

//! The agent: this module in an instance.

pub(crate) mod channel;
pub(crate) mod clock;
pub(crate) mod console;
pub(crate) mod device;
pub(crate) mod guard;
pub(crate) mod session;
