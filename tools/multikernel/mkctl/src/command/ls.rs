// SPDX-License-Identifier: GPL-2.0

//! `mkctl ls`

use std::fmt::Write as _;
use std::io::Write;

use multikernel::{Device, Entry, Reason};
use serde::Serialize;

use super::write_json;
use crate::cli::Format;
use crate::failure::Result;
use crate::units;

#[derive(Serialize)]
struct List<'a> {
    instances: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: &'a str,
    state: String,
    reason: String,
    nr_cpus: u32,
    memory: u64,
    agent: String,
}

/// Lists the instances.
pub fn ls(device: &Device, format: &Format, out: &mut dyn Write) -> Result<()> {
    let entries = device.list()?;
    if format.json {
        return write_json(out, &json(&entries));
    }
    Ok(out.write_all(table(&entries).as_bytes())?)
}

fn json(entries: &[Entry]) -> List<'_> {
    let instances = entries.iter().map(|entry| Item {
        name: &entry.name,
        state: entry.state.to_string(),
        reason: entry.reason.to_string(),
        nr_cpus: entry.cpus,
        memory: entry.memory,
        agent: entry.agent.to_string(),
    });
    List {
        instances: instances.collect(),
    }
}

fn table(entries: &[Entry]) -> String {
    let width = |header: &str, length: fn(&Entry) -> usize| {
        entries.iter().map(length).fold(header.len(), usize::max)
    };
    let name = width("NAME", |entry| entry.name.len());
    let state = width("STATE", |entry| entry.state.to_string().len());
    let reason = width("REASON", |entry| entry.reason.to_string().len());

    let mut text = format!(
        "{:name$}  {:state$}  {:reason$}  {:>4}  {:>9}\n",
        "NAME", "STATE", "REASON", "CPUS", "MEMORY"
    );
    for entry in entries {
        let why = match entry.reason {
            Reason::None => "-".to_owned(),
            reason => reason.to_string(),
        };
        let _ = writeln!(
            text,
            "{:name$}  {:state$}  {why:reason$}  {:>4}  {:>9}",
            entry.name,
            entry.state,
            entry.cpus,
            units::size(entry.memory)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use multikernel::{Agent, State};

    fn entries() -> Vec<Entry> {
        vec![
            Entry {
                name: "blue".into(),
                state: State::Running,
                reason: Reason::None,
                cpus: 2,
                memory: 384 << 20,
                agent: Agent::Ready,
            },
            Entry {
                name: "a-longer-name".into(),
                state: State::Crashed,
                reason: Reason::StartFailed,
                cpus: 12,
                memory: 0,
                agent: Agent::None,
            },
        ]
    }

    #[test]
    fn the_table_is_aligned() {
        assert_eq!(
            table(&entries()),
            "\
NAME           STATE    REASON        CPUS     MEMORY
blue           running  -                2    384 MiB
a-longer-name  crashed  start-failed    12        0 B
"
        );
        assert_eq!(table(&[]), "NAME  STATE  REASON  CPUS     MEMORY\n");
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let mut out = Vec::new();
        write_json(&mut out, &json(&entries())).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{
  "instances": [
    {
      "name": "blue",
      "state": "running",
      "reason": "none",
      "nr_cpus": 2,
      "memory": 402653184,
      "agent": "ready"
    },
    {
      "name": "a-longer-name",
      "state": "crashed",
      "reason": "start-failed",
      "nr_cpus": 12,
      "memory": 0,
      "agent": "none"
    }
  ]
}
"#
        );
    }
}
