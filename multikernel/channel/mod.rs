// SPDX-License-Identifier: GPL-2.0

//! What host and agent have in common: the channels between them.

pub(crate) mod control;

use crate::pure::handshake::Offer;

/// What this module knows of the protocol, on either side.
pub(crate) const OFFER: Offer = Offer {
    version_min: 1,
    version_max: 1,
    features: 0,
};
