// SPDX-License-Identifier: GPL-2.0

//! `mkctl events`

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use multikernel::{Device, EventRecord, Happening, Reason};
use rustix::time::{clock_gettime, ClockId};
use serde::Serialize;

use crate::cli::Events;
use crate::failure::Result;
use crate::units::{self, nanoseconds};

/// An event for programs.
#[derive(Serialize)]
struct Json<'a> {
    seq: u64,
    lost: u64,
    time_ns: u64,
    realtime_ns: u64,
    name: &'a str,
    instance: u64,
    run: u64,
    event: &'static str,
    state: Option<String>,
    reason: Option<String>,
    text: Option<&'a str>,
}

/// Tells what has happened to instances.
pub fn events(device: &Device, arguments: &Events, out: &mut dyn Write) -> Result<()> {
    let mut events = device.events()?;
    // What is there already is not waited for.
    let timeout = (!arguments.follow).then_some(Duration::ZERO);
    let start = arguments.since.map(|since| {
        let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
        now.saturating_sub(since)
    });
    let mut lost = 0;
    loop {
        let news = events.read(timeout)?;
        if news.is_empty() && !arguments.follow {
            return Ok(());
        }
        for mut event in news {
            // It may have been one that is wanted.
            lost += event.lost;
            if is_wanted(&event, &arguments.names, start) {
                event.lost = std::mem::take(&mut lost);
                write(&event, arguments.format.json, out)?;
            }
        }
        out.flush()?;
    }
}

fn is_wanted(event: &EventRecord, names: &[String], start: Option<Duration>) -> bool {
    (names.is_empty() || names.contains(&event.name))
        && start.is_none_or(|start| event.boottime >= start)
}

fn write(event: &EventRecord, json: bool, out: &mut dyn Write) -> Result<()> {
    if !json {
        return Ok(out.write_all(lines(event).as_bytes())?);
    }
    // One line each, so that they can be read while they come.
    serde_json::to_writer(&mut *out, &Json::from(event)).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

impl<'a> From<&'a EventRecord> for Json<'a> {
    fn from(event: &'a EventRecord) -> Self {
        let (what, state, reason, text) = match &event.what {
            Happening::Created => ("created", None, None, None),
            Happening::State {
                state,
                reason,
                text,
            } => (
                "state",
                Some(state.to_string()),
                Some(reason.to_string()),
                Some(text.as_str()),
            ),
            Happening::Agent { agent, gone } => (
                "agent",
                Some(agent.to_string()),
                gone.map(|gone| gone.to_string()),
                None,
            ),
            Happening::Destroyed => ("destroyed", None, None, None),
            _ => ("unknown", None, None, None),
        };
        Self {
            seq: event.seq,
            lost: event.lost,
            time_ns: nanoseconds(event.boottime),
            realtime_ns: nanoseconds(event.realtime),
            name: &event.name,
            instance: event.instance,
            run: event.run,
            event: what,
            state,
            reason,
            text,
        }
    }
}

/// An event for people.
fn lines(event: &EventRecord) -> String {
    let mut out = String::new();
    if event.lost > 0 {
        let _ = writeln!(out, "({} events are lost)", event.lost);
    }
    let _ = write!(out, "{}  {}: ", units::utc(event.realtime), event.name);
    let _ = match &event.what {
        Happening::Created => write!(out, "created"),
        Happening::State {
            state,
            reason: Reason::None,
            ..
        } => write!(out, "{state}"),
        Happening::State {
            state,
            reason,
            text,
        } if text.is_empty() => write!(out, "{state} ({reason})"),
        Happening::State {
            state,
            reason,
            text,
        } => write!(out, "{state} ({reason}): {text}"),
        Happening::Agent { agent, gone: None } => write!(out, "agent {agent}"),
        Happening::Agent {
            agent,
            gone: Some(gone),
        } => write!(out, "agent {agent} ({gone})"),
        Happening::Destroyed => write!(out, "destroyed"),
        other => write!(out, "{other:?}"),
    };
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    use multikernel::{Agent, AgentGone, State};

    fn event(what: Happening) -> EventRecord {
        EventRecord {
            seq: 7,
            lost: 0,
            boottime: Duration::from_nanos(1_234_567_890),
            realtime: Duration::from_nanos(1_600_000_000_250_000_000),
            name: "blue".into(),
            instance: 3,
            run: 2,
            what,
        }
    }

    fn panicked() -> EventRecord {
        event(Happening::State {
            state: State::Crashed,
            reason: Reason::Panic,
            text: "a \"b\"".into(),
        })
    }

    #[test]
    fn a_line_tells_when_who_and_what() {
        let told = |what| {
            let line = lines(&event(what));
            let told = line.strip_prefix("2020-09-13T12:26:40.250000Z  blue: ");
            told.unwrap().trim_end().to_owned()
        };
        assert_eq!(told(Happening::Created), "created");
        assert_eq!(told(Happening::Destroyed), "destroyed");
        assert_eq!(told(panicked().what), "crashed (panic): a \"b\"");
        let killed = Happening::State {
            state: State::Stopped,
            reason: Reason::Killed,
            text: String::new(),
        };
        assert_eq!(told(killed), "stopped (killed)");
        let gone = |agent, gone| told(Happening::Agent { agent, gone });
        assert_eq!(gone(Agent::Ready, None), "agent ready");
        let panic = Some(AgentGone::Panic);
        assert_eq!(gone(Agent::Gone, panic), "agent gone (panic)");
    }

    #[test]
    fn what_is_lost_is_told_first() {
        let mut event = event(Happening::Created);
        event.lost = 3;
        assert!(lines(&event).starts_with("(3 events are lost)\n2020-"));
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let event = event(Happening::Created);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(is_wanted(&event, &[], None));
        assert!(is_wanted(&event, &names(&["red", "blue"]), None));
        assert!(!is_wanted(&event, &names(&["red"]), None));
        assert!(is_wanted(&event, &[], Some(event.boottime)));
        let later = event.boottime + Duration::from_nanos(1);
        assert!(!is_wanted(&event, &[], Some(later)));
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let text = serde_json::to_string(&Json::from(&panicked())).unwrap();
        assert_eq!(
            text,
            r#"{"seq":7,"lost":0,"time_ns":1234567890,"realtime_ns":1600000000250000000,"name":"blue","instance":3,"run":2,"event":"state","state":"crashed","reason":"panic","text":"a \"b\""}"#
        );
        let gone = event(Happening::Agent {
            agent: Agent::Gone,
            gone: Some(AgentGone::Ended),
        });
        let text = serde_json::to_string(&Json::from(&gone)).unwrap();
        assert!(text.ends_with(r#""event":"agent","state":"gone","reason":"ended","text":null}"#));
    }
}
