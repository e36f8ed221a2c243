// SPDX-License-Identifier: GPL-2.0

//! `mkctl show`

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use multikernel::{Agent, AgentGone, CpuList, Device, Info, Instance, LogError, Reason, State};
use rustix::time::{clock_gettime, ClockId};
use serde::Serialize;

use super::write_json;
use crate::cli::Show;
use crate::failure::{Failure, Result};
use crate::follow;
use crate::units::{self, nanoseconds};

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    id: Option<u64>,
    state: String,
    reason: String,
    text: &'a str,
    panic: Option<&'a str>,
    generation: u64,
    cpus: &'a [u32],
    memory: u64,
    node: Option<u32>,
    ranges: Vec<Range>,
    slot: u64,
    slot_bytes: u32,
    runs: u64,
    now_ns: u64,
    started_ns: Option<u64>,
    ended_ns: Option<u64>,
    load_ns: u64,
    ready_ns: Option<u64>,
    take_ns: u64,
    give_ns: u64,
    agent: String,
    agent_gone: Option<String>,
    agent_version: Option<u32>,
    agent_features: Vec<&'static str>,
    hung_ns: Option<u64>,
}

#[derive(Serialize)]
struct Range {
    start: u64,
    bytes: u64,
}

/// All there is to tell about an instance.
struct Facts {
    info: Info,
    /// What its log says of a panic, though it is thought to run: nobody is
    /// told when an unmodified kernel panics and stays there.
    panic: Option<String>,
    /// `CLOCK_BOOTTIME`
    now: Duration,
}

impl Facts {
    fn new(instance: &Instance) -> Result<Self> {
        let info = follow::info(instance)?;
        let panic = match info.state {
            State::Running => panic(instance),
            _ => None,
        };
        let now = clock_gettime(ClockId::Boottime);
        Ok(Self {
            info,
            panic,
            now: Duration::try_from(now).unwrap_or_default(),
        })
    }

    fn json(&self) -> Json<'_> {
        let info = &self.info;
        let ranges = info.ranges.iter().map(|range| Range {
            start: range.start,
            bytes: range.bytes,
        });
        Json {
            name: &info.name,
            id: info.id,
            state: info.state.to_string(),
            reason: info.reason.to_string(),
            text: &info.text,
            panic: self.panic.as_deref(),
            generation: info.generation,
            cpus: &info.cpus,
            memory: info.memory,
            node: info.node,
            ranges: ranges.collect(),
            slot: info.slot,
            slot_bytes: info.slot_bytes,
            runs: info.runs,
            now_ns: nanoseconds(self.now),
            started_ns: info.started.map(nanoseconds),
            ended_ns: info.ended.map(nanoseconds),
            load_ns: nanoseconds(info.load),
            ready_ns: info.ready.map(nanoseconds),
            take_ns: nanoseconds(info.take),
            give_ns: nanoseconds(info.give),
            agent: info.agent.to_string(),
            agent_gone: info.agent_gone.map(|why| why.to_string()),
            agent_version: info.agent_version,
            agent_features: info.agent_features.names().collect(),
            hung_ns: info.hung_after.map(nanoseconds),
        }
    }

    fn text(&self) -> String {
        let info = &self.info;
        let mut text = format!("{}: {}", info.name, info.state);
        if info.reason != Reason::None {
            let _ = write!(text, " ({})", info.reason);
        }
        if !info.text.is_empty() {
            let _ = write!(text, ": {}", info.text);
        }
        if let Some(panic) = &self.panic {
            let _ = write!(
                text,
                ", but its log shows: Kernel panic - not syncing: {panic}"
            );
        }
        text.push('\n');

        let mut line = |key: &str, value: String| {
            let _ = writeln!(text, "  {key:<8}  {value}");
        };
        if let Some(id) = info.id {
            line("id", id.to_string());
        }
        line("CPUs", cpus(&info.cpus));
        let node = info
            .node
            .map_or(String::new(), |node| format!(" on node {node}"));
        line("memory", format!("{}{node}", units::size(info.memory)));
        for range in &info.ranges {
            let last = range.start + (range.bytes - 1);
            let size = units::size(range.bytes);
            line("", format!("{:#x}-{last:#x} ({size})", range.start));
        }
        if info.slot_bytes != 0 {
            let size = units::size(info.slot_bytes.into());
            line("slot", format!("{:#x} ({size})", info.slot));
        }
        if !info.load.is_zero() {
            let ready = match info.ready {
                Some(ready) => format!("ready after {}", units::duration(ready)),
                None => "not ready yet".to_owned(),
            };
            let load = units::duration(info.load);
            line("loading", format!("took {load}; {ready}"));
        }
        line("runs", info.runs.to_string());
        if info.agent != Agent::None {
            let why = info.agent_gone.map(|why| format!(" ({why})"));
            let missing: Vec<_> = info.agent_features.missing().collect();
            let terms = match (info.agent, info.agent_gone, info.agent_version) {
                // The two modules are of different ages.
                (Agent::Gone, Some(AgentGone::Version), Some(version)) => {
                    format!(", which speaks version {version} of the protocol at most")
                }
                (Agent::Ready | Agent::Hung, _, _) if !missing.is_empty() => {
                    format!(", without {}", missing.join(", "))
                }
                _ => String::new(),
            };
            line(
                "agent",
                format!("{}{}{terms}", info.agent, why.unwrap_or_default()),
            );
        }
        if let Some(started) = info.started {
            let ago = units::duration(self.now.saturating_sub(started));
            let take = units::duration(info.take);
            line("started", format!("{ago} ago; taking its CPUs took {take}"));
        }
        // It is of an earlier run while a later one goes on.
        let ended = info.ended.filter(|_| info.state != State::Running);
        if let Some(ended) = ended {
            let ago = units::duration(self.now.saturating_sub(ended));
            let give = units::duration(info.give);
            line("ended", format!("{ago} ago; giving them back took {give}"));
        }
        text
    }
}

fn cpus(cpus: &[u32]) -> String {
    let list: CpuList = cpus.iter().copied().collect();
    match cpus {
        [] => "none".to_owned(),
        [_] => list.to_string(),
        [first, ..] => format!("{list} (boots on {first})"),
    }
}

/// What the log of an instance says of a panic. Where it cannot be read, that
/// is told aside: the rest is worth being shown.
fn panic(instance: &Instance) -> Option<String> {
    let name = || instance.name().to_owned();
    let panic = instance.log().map_err(Failure::from).and_then(|mut log| {
        match log.panic() {
            // It cannot have panicked and told so.
            Err(LogError::NotYet) => Ok(None),
            panic => panic.map_err(|source| Failure::Log {
                name: name(),
                source,
            }),
        }
    });
    panic.unwrap_or_else(|failure| {
        eprint!("{}", failure.report());
        None
    })
}

/// Shows all about an instance.
pub fn show(device: &Device, arguments: &Show, out: &mut dyn Write) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    if arguments.format.json {
        return json(&instance, out);
    }
    let facts = Facts::new(&instance)?;
    Ok(out.write_all(facts.text().as_bytes())?)
}

/// Shows it for programs.
pub fn json(instance: &Instance, out: &mut dyn Write) -> Result<()> {
    write_json(out, &Facts::new(instance)?.json())
}

#[cfg(test)]
mod tests {
    use super::*;

    use multikernel::AgentFeatures;

    fn facts() -> Facts {
        Facts {
            info: Info {
                name: "blue".into(),
                id: Some(7),
                state: State::Stopped,
                reason: Reason::Restart,
                text: "restarted itself".into(),
                generation: 4,
                memory: 384 << 20,
                slot: 0x20000,
                slot_bytes: 0x10000,
                node: None,
                runs: 1,
                started: Some(Duration::from_millis(100_500)),
                ended: Some(Duration::from_secs(107)),
                take: Duration::from_micros(12_300),
                give: Duration::from_micros(23_400),
                load: Duration::from_micros(45_600),
                ready: Some(Duration::from_micros(678_900)),
                cpus: vec![3, 1, 2],
                ranges: vec![
                    multikernel::Range {
                        start: 0x4000_0000,
                        bytes: 256 << 20,
                    },
                    multikernel::Range {
                        start: 0x1_0000_0000,
                        bytes: 128 << 20,
                    },
                ],
                agent: Agent::Gone,
                agent_gone: Some(AgentGone::Restart),
                agent_version: Some(1),
                agent_features: AgentFeatures(0b1111),
                hung_after: Some(Duration::from_secs(10)),
            },
            panic: None,
            now: Duration::from_secs(110),
        }
    }

    #[test]
    fn all_is_shown_to_people() {
        assert_eq!(
            facts().text(),
            "\
blue: stopped (restart): restarted itself
  id        7
  CPUs      3,1-2 (boots on 3)
  memory    384 MiB
            0x40000000-0x4fffffff (256 MiB)
            0x100000000-0x107ffffff (128 MiB)
  slot      0x20000 (64 KiB)
  loading   took 45.6 ms; ready after 678.9 ms
  runs      1
  agent     gone (restart)
  started   9.5 s ago; taking its CPUs took 12.3 ms
  ended     3.0 s ago; giving them back took 23.4 ms
"
        );
    }

    #[test]
    fn an_agent_of_another_age_is_told() {
        let mut facts = facts();
        facts.info.agent = Agent::Ready;
        facts.info.agent_gone = None;
        facts.info.agent_features = AgentFeatures(0b1010);
        assert!(facts
            .text()
            .contains("  agent     ready, without heartbeat, peers\n"));
        facts.info.agent = Agent::Gone;
        facts.info.agent_gone = Some(AgentGone::Version);
        facts.info.agent_version = Some(2);
        assert!(facts.text().contains(
            "  agent     gone (version), which speaks version 2 of the protocol at most\n"
        ));
    }

    #[test]
    fn a_panic_that_nobody_was_told_of_is_shown() {
        let mut facts = facts();
        facts.info.state = State::Running;
        facts.info.reason = Reason::None;
        facts.info.text.clear();
        facts.panic = Some("sysrq triggered crash".into());
        let text = facts.text();
        assert!(text.starts_with(
            "blue: running, but its log shows: Kernel panic - not syncing: sysrq triggered crash\n"
        ));
        assert!(!text.contains("ended"));
    }

    #[test]
    fn what_there_is_not_yet_is_not_shown() {
        let mut facts = facts();
        // An older module.
        facts.info.id = None;
        facts.info.state = State::Created;
        facts.info.reason = Reason::None;
        facts.info.text.clear();
        facts.info.cpus.clear();
        facts.info.ranges.clear();
        facts.info.memory = 0;
        facts.info.slot_bytes = 0;
        facts.info.runs = 0;
        facts.info.agent = Agent::None;
        facts.info.agent_gone = None;
        facts.info.load = Duration::ZERO;
        facts.info.ready = None;
        facts.info.started = None;
        facts.info.ended = None;
        assert_eq!(
            facts.text(),
            "blue: created\n  CPUs      none\n  memory    0 B\n  runs      0\n"
        );
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let mut facts = facts();
        facts.info.ended = None;
        let mut out = Vec::new();
        write_json(&mut out, &facts.json()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{
  "name": "blue",
  "id": 7,
  "state": "stopped",
  "reason": "restart",
  "text": "restarted itself",
  "panic": null,
  "generation": 4,
  "cpus": [
    3,
    1,
    2
  ],
  "memory": 402653184,
  "node": null,
  "ranges": [
    {
      "start": 1073741824,
      "bytes": 268435456
    },
    {
      "start": 4294967296,
      "bytes": 134217728
    }
  ],
  "slot": 131072,
  "slot_bytes": 65536,
  "runs": 1,
  "now_ns": 110000000000,
  "started_ns": 100500000000,
  "ended_ns": null,
  "load_ns": 45600000,
  "ready_ns": 678900000,
  "take_ns": 12300000,
  "give_ns": 23400000,
  "agent": "gone",
  "agent_gone": "restart",
  "agent_version": 1,
  "agent_features": [
    "heartbeat",
    "clock",
    "peers",
    "create"
  ],
  "hung_ns": 10000000000
}
"#
        );
    }
}
