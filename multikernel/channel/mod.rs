// SPDX-License-Identifier: GPL-2.0

//! What host and agent have in common: the channels between them.

pub(crate) mod age;
pub(crate) mod control;
pub(crate) mod conversation;
pub(crate) mod endpoint;
mod kernel;
pub(crate) mod party;
pub(crate) mod switchboard;
