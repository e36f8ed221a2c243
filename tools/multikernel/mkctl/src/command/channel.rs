// SPDX-License-Identifier: GPL-2.0

//! `mkctl channel`

use std::fmt::Write as _;
use std::io::Write;

use multikernel::{ChannelEntry, Device, Instance, Rings, Role};
use serde::Serialize;

use super::{round_trip, write_json};
use crate::cli::{Channel, ChannelCreate, ChannelEnds, ChannelList};
use crate::failure::{Failure, Result};
use crate::units;

#[derive(Serialize)]
struct List<'a> {
    channels: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: &'a str,
    peer: Option<&'a str>,
    state: String,
    from_bytes: u32,
    to_bytes: u32,
    conversations: u64,
    broken: u32,
}

/// What a channel is called by at its end in an instance, if its other end is the host's.
const HOST: &str = "host";

/// Makes, removes, lists or tries channels. Who tries one only needs its end.
pub fn channel(
    device: impl FnOnce() -> multikernel::Result<Device>,
    command: &Channel,
    out: &mut dyn Write,
) -> Result<()> {
    match command {
        Channel::Create(arguments) => {
            let (ends, rings) = (Ends::new(device()?, &arguments.ends)?, rings(arguments));
            let mut names = arguments.ends.channels.iter();
            names.try_for_each(|name| ends.create(name, rings))
        }
        Channel::Rm(arguments) => {
            let ends = Ends::new(device()?, arguments)?;
            arguments
                .channels
                .iter()
                .try_for_each(|name| ends.remove(name))
        }
        Channel::Ls(arguments) => list(&device()?, arguments, out),
        Channel::Ping(arguments) => round_trip::ping(arguments, out),
        Channel::Echo(arguments) => round_trip::echo(arguments),
    }
}

fn rings(arguments: &ChannelCreate) -> Rings {
    let size = |bytes: Option<u32>| bytes.or(arguments.ring).unwrap_or(0);
    Rings {
        from_bytes: size(arguments.from),
        to_bytes: size(arguments.to),
    }
}

/// Those at both ends; none: the host.
enum Ends<'a> {
    /// As the host says it.
    OnHost(Instance, Option<Instance>),
    /// As an instance says it, which is one of them.
    InInstance(Device, Option<&'a str>),
}

impl<'a> Ends<'a> {
    fn new(device: Device, arguments: &'a ChannelEnds) -> Result<Self> {
        let (instance, peer) = (&arguments.instance, &arguments.peer);
        if device.query()?.role == Role::Instance {
            return match peer {
                None => Ok(Self::InInstance(device, unless_host(instance))),
                Some(peer) => Err(Failure::PeerOfInstance(peer.clone())),
            };
        }
        let instance = device.instance(instance)?;
        let peer = peer.as_ref().map(|peer| device.instance(peer));
        Ok(Self::OnHost(instance, peer.transpose()?))
    }

    fn create(&self, name: &str, rings: Rings) -> Result<()> {
        Ok(match self {
            Self::OnHost(instance, peer) => instance.create_channel(name, peer.as_ref(), rings),
            Self::InInstance(device, peer) => device.create_channel(name, *peer, rings),
        }?)
    }

    fn remove(&self, name: &str) -> Result<()> {
        Ok(match self {
            Self::OnHost(instance, peer) => instance.remove_channel(name, peer.as_ref()),
            Self::InInstance(device, peer) => device.remove_channel(name, *peer),
        }?)
    }
}

fn unless_host(name: &str) -> Option<&str> {
    (name != HOST).then_some(name)
}

fn list(device: &Device, arguments: &ChannelList, out: &mut dyn Write) -> Result<()> {
    let name = arguments.instance.as_deref();
    let entries = match (device.query()?.role, name) {
        (Role::Instance, name) => {
            let mut entries = device.channels()?;
            entries.retain(|entry| is_with(entry, name));
            entries
        }
        (_, Some(name)) => device.instance(name)?.channels()?,
        (_, None) => return Err(Failure::WhoseChannels),
    };
    if arguments.format.json {
        let channels = entries.iter().map(item).collect();
        return write_json(out, &List { channels });
    }
    Ok(out.write_all(table(&entries).as_bytes())?)
}

/// Whether the other end of a channel of this instance is that one's, if one is named.
fn is_with(entry: &ChannelEntry, name: Option<&str>) -> bool {
    name.is_none_or(|name| entry.peer.as_deref() == unless_host(name))
}

fn item(entry: &ChannelEntry) -> Item<'_> {
    Item {
        name: &entry.name,
        peer: entry.peer.as_deref(),
        state: entry.state.to_string(),
        from_bytes: entry.from_bytes,
        to_bytes: entry.to_bytes,
        conversations: entry.conversations,
        broken: entry.broken,
    }
}

fn table(entries: &[ChannelEntry]) -> String {
    let width = |header: &str, length: fn(&ChannelEntry) -> usize| {
        entries.iter().map(length).fold(header.len(), usize::max)
    };
    let peer_of = |entry: &ChannelEntry| entry.peer.clone().unwrap_or_else(|| "(host)".into());
    let name = width("NAME", |entry| entry.name.len());
    let peer = width("PEER", |entry| entry.peer.as_ref().map_or(6, String::len));

    let mut text = format!(
        "{:name$}  {:peer$}  {:6}  {:>8}  {:>8}  {:>13}\n",
        "NAME", "PEER", "STATE", "FROM", "TO", "CONVERSATIONS"
    );
    for entry in entries {
        let _ = writeln!(
            text,
            "{:name$}  {:peer$}  {:6}  {:>8}  {:>8}  {:>13}",
            entry.name,
            peer_of(entry),
            entry.state,
            units::size(entry.from_bytes.into()),
            units::size(entry.to_bytes.into()),
            entry.conversations
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use multikernel::ChannelState;

    fn entries() -> Vec<ChannelEntry> {
        let entry = ChannelEntry {
            name: "questions".into(),
            peer: None,
            state: ChannelState::Ready,
            broken: 0,
            from_bytes: 256 << 10,
            to_bytes: 4 << 10,
            conversations: 3,
        };
        let other = ChannelEntry {
            name: "x".into(),
            peer: Some("green".into()),
            state: ChannelState::Away,
            ..entry.clone()
        };
        vec![entry, other]
    }

    #[test]
    fn the_table_is_aligned() {
        assert_eq!(
            table(&entries()),
            "\
NAME       PEER    STATE       FROM        TO  CONVERSATIONS
questions  (host)  ready    256 KiB     4 KiB              3
x          green   away     256 KiB     4 KiB              3
"
        );
    }

    #[test]
    fn an_instance_lists_those_with_one_peer() {
        let entries = entries();
        let names = |peer| {
            let with = entries.iter().filter(|entry| is_with(entry, peer));
            with.map(|entry| entry.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["questions", "x"]);
        assert_eq!(names(Some("host")), ["questions"]);
        assert_eq!(names(Some("green")), ["x"]);
        assert!(names(Some("blue")).is_empty());
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let entries = entries();
        let channels = entries[1..].iter().map(item).collect();
        let mut out = Vec::new();
        write_json(&mut out, &List { channels }).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{
  "channels": [
    {
      "name": "x",
      "peer": "green",
      "state": "away",
      "from_bytes": 262144,
      "to_bytes": 4096,
      "conversations": 3,
      "broken": 0
    }
  ]
}
"#
        );
    }
}
