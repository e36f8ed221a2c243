// SPDX-License-Identifier: GPL-2.0

//! What host and agent have in common: the channels between them.

pub(crate) mod control;
pub(crate) mod conversation;
pub(crate) mod endpoint;
mod kernel;
pub(crate) mod party;
pub(crate) mod switchboard;

use crate::pure::handshake::{self, Offer};

/// What this module knows of the protocol, on either side.
pub(crate) const OFFER: Offer = Offer {
    version_min: 1,
    version_max: 1,
    features: handshake::HEARTBEAT | handshake::CLOCK | handshake::PEERS | handshake::CREATE,
};
