// SPDX-License-Identifier: GPL-2.0

//! Records of a log as text and as JSON.

use std::fmt::Write as _;

use multikernel::{Caller, Record};
use serde::Serialize;

use crate::units::nanoseconds;

/// The lines of a record as `dmesg` has them, `[    1.234567] text`. What a
/// terminal could take for a command is escaped.
pub fn lines(record: &Record) -> String {
    let time = record.time;
    let mut out = String::new();
    if record.lost > 0 {
        let _ = writeln!(out, "[ {} records are lost ]", record.lost);
    }
    for line in record.text.split('\n') {
        let _ = write!(out, "[{:5}.{:06}] ", time.as_secs(), time.subsec_micros());
        for c in line.chars() {
            match c {
                '\t' => out.push(c),
                c if c.is_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        out.push('\n');
    }
    out
}

/// A record for programs.
#[derive(Serialize)]
pub struct Json<'a> {
    seq: u64,
    lost: u64,
    time_ns: u64,
    level: Option<u8>,
    facility: Option<u8>,
    cpu: Option<u32>,
    task: Option<u32>,
    text: &'a str,
}

impl<'a> From<&'a Record> for Json<'a> {
    fn from(record: &'a Record) -> Self {
        let (cpu, task) = match record.caller {
            Caller::Cpu(cpu) => (Some(cpu), None),
            Caller::Task(task) => (None, Some(task)),
        };
        Self {
            seq: record.seq,
            lost: record.lost,
            time_ns: nanoseconds(record.time),
            level: record.level,
            facility: record.facility,
            cpu,
            task,
            text: &record.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    fn record(text: &str) -> Record {
        Record {
            seq: 7,
            lost: 0,
            time: Duration::from_nanos(1_234_567_890),
            level: Some(6),
            facility: Some(0),
            caller: Caller::Task(1),
            text: text.into(),
        }
    }

    #[test]
    fn a_line_looks_as_in_dmesg() {
        assert_eq!(lines(&record("hello")), "[    1.234567] hello\n");
        assert_eq!(lines(&record("")), "[    1.234567] \n");
    }

    #[test]
    fn every_line_of_a_record_has_its_time() {
        assert_eq!(
            lines(&record("one\n two")),
            "[    1.234567] one\n[    1.234567]  two\n"
        );
    }

    #[test]
    fn what_is_lost_is_told() {
        let mut record = record("next");
        record.lost = 3;
        assert_eq!(
            lines(&record),
            "[ 3 records are lost ]\n[    1.234567] next\n"
        );
    }

    #[test]
    fn a_terminal_is_not_commanded() {
        assert_eq!(
            lines(&record("a\tb\x1b[2J\u{9b}c\rä")),
            "[    1.234567] a\tb\\x1b[2J\\x9bc\\x0dä\n"
        );
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let text = serde_json::to_string(&Json::from(&record("a \"b\""))).unwrap();
        assert_eq!(
            text,
            r#"{"seq":7,"lost":0,"time_ns":1234567890,"level":6,"facility":0,"cpu":null,"task":1,"text":"a \"b\""}"#
        );
    }
}
