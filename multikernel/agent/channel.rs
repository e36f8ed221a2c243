// SPDX-License-Identifier: GPL-2.0

//! The channels of programs in an instance.

use super::session::Session;
use crate::{
    channel::{
        conversation::Conversation,
        endpoint::{Place, HOST},
        party::Party,
        switchboard::Switchboard,
    },
    pure::directory::Channel,
    sys::shared::View,
    uapi::*,
};
use kernel::{prelude::*, sync::Arc};

/// A channel that the host has told of, until it takes it back.
pub(crate) struct End {
    channel: Channel,
    view: View,
    place: Place,
}

impl End {
    /// Makes an end of a channel, whose halves are mapped.
    pub(crate) fn new(
        switchboard: &Arc<Switchboard>,
        channel: Channel,
        view: View,
    ) -> Result<Self> {
        let is_host = |name: &str| name == HOST;
        let is_path = |name: &str| name.contains('!');
        let peer = channel.peer_name;
        let peer_name = peer.as_ref().map_or("", |name| name.as_str());
        // The path of a node is made of them.
        if is_path(channel.name.as_str()) || is_path(peer_name) || is_host(peer_name) {
            return Err(EINVAL);
        }
        Ok(Self {
            channel,
            view,
            place: Place::new(switchboard, peer, channel.name)?,
        })
    }

    /// Whether it is that very channel.
    pub(crate) fn is(&self, channel: &Channel) -> bool {
        self.channel == *channel
    }

    /// Whether it would have the same path.
    pub(crate) fn is_in_the_way_of(&self, channel: &Channel) -> bool {
        self.channel.name == channel.name && self.channel.peer_name == channel.peer_name
    }

    /// A new conversation, in this entry of the directory.
    pub(crate) fn begin(&self, session: &Arc<Session>, number: u32, generation: u32) -> Result {
        let party = Party::Entry {
            session: session.clone(),
            number,
            generation,
        };
        let (own, other) = (self.channel.own.size, self.channel.other.size);
        let conversation = Conversation::new(self.view.clone(), own, other, party)?;
        self.place.endpoint().begin(conversation);
        Ok(())
    }

    /// Tells of it.
    pub(crate) fn describe(&self) -> mk_channel_entry {
        let endpoint = self.place.endpoint();
        let peer = self.channel.peer_name;
        mk_channel_entry {
            name: *self.channel.name.as_bytes(),
            peer: peer.map_or([0; MK_NAME_SIZE as usize], |name| *name.as_bytes()),
            state: match (endpoint.is_open(), endpoint.has_conversation()) {
                (true, _) => MK_CHANNEL_OPEN,
                (false, true) => MK_CHANNEL_READY,
                (false, false) => MK_CHANNEL_ENDING,
            },
            broken: endpoint.broken(),
            from_bytes: self.channel.own.size.bytes(),
            to_bytes: self.channel.other.size.bytes(),
            conversations: endpoint.conversations(),
        }
    }

    /// Leaves what nobody has opened and has come to its end.
    pub(crate) fn settle(&self) {
        let endpoint = self.place.endpoint();
        endpoint.settle();
        endpoint.settle_with_dead();
    }
}
