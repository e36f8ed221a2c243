// SPDX-License-Identifier: GPL-2.0

//! Who is at the other end of a conversation, and who is told when this side has left.

use crate::{
    agent::session::Session,
    host::{channel::Seat, link::Link},
};
use kernel::sync::Arc;

/// What rings the peer. Dropped, this side has left.
pub(crate) enum Party {
    /// This is the host.
    Instance { link: Arc<Link>, seat: Arc<Seat> },
    /// This is an instance: the channel is in this entry of its directory.
    Entry {
        session: Arc<Session>,
        number: u32,
        generation: u32,
    },
}

impl Party {
    pub(crate) fn ring(&self) {
        match self {
            Self::Instance { link, .. } => link.ring(),
            Self::Entry {
                session, number, ..
            } => session.ring_peer(*number),
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        match self {
            Self::Instance { seat, .. } => seat.leave(),
            Self::Entry {
                session,
                number,
                generation,
            } => session.released(*number, *generation),
        }
    }
}
