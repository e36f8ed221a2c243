// SPDX-License-Identifier: GPL-2.0

//! `mkctl channel`

use std::fmt::Write as _;
use std::io::Write;

use multikernel::{ChannelEntry, Device, Instance, Rings};
use serde::Serialize;

use super::write_json;
use crate::cli::{Channel, ChannelCreate, ChannelEnds, ChannelList};
use crate::failure::Result;
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

/// Makes, removes or lists channels.
pub fn channel(device: &Device, command: &Channel, out: &mut dyn Write) -> Result<()> {
    match command {
        Channel::Create(arguments) => create(device, arguments),
        Channel::Rm(ends) => remove(device, ends),
        Channel::Ls(arguments) => list(device, arguments, out),
    }
}

/// The instances at both ends; none: the host.
fn open(device: &Device, ends: &ChannelEnds) -> Result<(Instance, Option<Instance>)> {
    let instance = device.instance(&ends.instance)?;
    let peer = ends.peer.as_ref().map(|peer| device.instance(peer));
    Ok((instance, peer.transpose()?))
}

fn create(device: &Device, arguments: &ChannelCreate) -> Result<()> {
    let (instance, peer) = open(device, &arguments.ends)?;
    let size = |bytes: Option<u32>| bytes.or(arguments.ring).unwrap_or(0);
    let rings = Rings {
        from_bytes: size(arguments.from),
        to_bytes: size(arguments.to),
    };
    Ok(instance.create_channel(&arguments.ends.channel, peer.as_ref(), rings)?)
}

fn remove(device: &Device, ends: &ChannelEnds) -> Result<()> {
    let (instance, peer) = open(device, ends)?;
    Ok(instance.remove_channel(&ends.channel, peer.as_ref())?)
}

fn list(device: &Device, arguments: &ChannelList, out: &mut dyn Write) -> Result<()> {
    let entries = device.instance(&arguments.instance)?.channels()?;
    if arguments.format.json {
        let channels = entries.iter().map(item).collect();
        return write_json(out, &List { channels });
    }
    Ok(out.write_all(table(&entries).as_bytes())?)
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
