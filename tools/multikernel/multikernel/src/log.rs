// SPDX-License-Identifier: GPL-2.0

//! The log of an instance, read from its memory.
//!
//! It asks nothing of the instance, so it works on unmodified kernels and on
//! crashed ones. The reader itself is the module's own (`multikernel/pure/`).

use std::time::{Duration, Instant};

use crate::map::Map;
use crate::pure::memory::Memory;
use crate::pure::printk::{self, Next, Reader};
use crate::pure::range;
use crate::pure::vmcoreinfo::{self, VmcoreInfo};

pub use crate::pure::memory::Error as LogError;
pub use crate::pure::printk::Caller;

/// More than any kernel puts into a record.
const TEXT_MAX: usize = 8192;

/// How long a record may be unfinished before those after it are read. One is
/// written in microseconds, unless its CPU was stopped meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How every message of a panic begins.
const PANIC: &str = "Kernel panic - not syncing: ";

impl Memory for Map {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        Map::read(self, pa, buf)
    }
}

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number. The first record of a kernel has 0.
    pub seq: u64,
    /// How many records before it were overwritten before they were read.
    pub lost: u64,
    /// When it was written, by the instance's own clock.
    pub time: Duration,
    /// Its level, from 0 (emergency) to 7 (debug), where that can be told.
    pub level: Option<u8>,
    /// 0: the kernel; others: user space; where that can be told.
    pub facility: Option<u8>,
    /// Who wrote it.
    pub caller: Caller,
    /// Its text, which may have several lines.
    pub text: String,
}

impl Record {
    fn new(raw: &printk::Record, text: &[u8]) -> Self {
        Self {
            seq: raw.seq,
            lost: raw.lost,
            time: Duration::from_nanos(raw.time_ns),
            level: raw.level,
            facility: raw.facility,
            caller: raw.caller,
            text: String::from_utf8_lossy(text).into_owned(),
        }
    }

    /// The message of a panic, if that is what this record tells. One that
    /// user space wrote does not count.
    pub fn panic(&self) -> Option<&str> {
        if self.facility.unwrap_or(0) != 0 {
            return None;
        }
        self.text.lines().next()?.strip_prefix(PANIC)
    }
}

/// The log of the kernel that runs, or ran, in an instance.
///
/// ```no_run
/// # fn example(instance: &multikernel::Instance) -> Result<(), Box<dyn std::error::Error>> {
/// let mut log = instance.log()?;
/// for record in log.read()? {
///     println!("{:?} {}", record.time, record.text);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Log {
    map: Map,
    /// Tells where it is, once it was found.
    info: Option<VmcoreInfo>,
    /// The record to be read next.
    next: u64,
    /// An unfinished record, and since when it is known to be.
    pending: Option<(u64, Instant)>,
    patience: Duration,
    snapshot: bool,
}

impl Log {
    pub(crate) fn new(map: Map) -> Self {
        Self {
            map,
            info: None,
            next: 0,
            pending: None,
            patience: PATIENCE,
            snapshot: false,
        }
    }

    /// Reads what is there as it is now: for a kernel that no longer runs, and
    /// where nobody comes back for more. From now on, nothing is waited for
    /// that is still being written.
    pub fn snapshot(&mut self) {
        self.snapshot = true;
    }

    /// The records since the last call; at first, those that are there.
    ///
    /// Until the kernel has set up its VMCOREINFO, half-way through its boot,
    /// there is no log to be read: [`LogError::NotYet`]. To find that out
    /// takes a look at each page of the instance. After any error the log is
    /// looked for again: the instance may be loaded anew at this moment.
    pub fn read(&mut self) -> Result<Vec<Record>, LogError> {
        let records = self.read_on();
        if records.is_err() {
            self.info = None;
        }
        records
    }

    fn read_on(&mut self) -> Result<Vec<Record>, LogError> {
        let mut reader = reader(&self.map, &mut self.info)?;
        if self.snapshot {
            reader = reader.stopped();
        }

        let mut records = Vec::new();
        let mut text = [0; TEXT_MAX];
        loop {
            match reader.next(self.next, &mut text)? {
                Next::Record(record) => {
                    records.push(Record::new(&record, &text[..record.text_len]));
                    self.next = record.seq + 1;
                }
                Next::Pending(seq) => {
                    let known = self.pending.filter(|(pending, _)| *pending == seq);
                    let (_, since) = *self.pending.insert(known.unwrap_or((seq, Instant::now())));
                    // The latest record may be continued, however late.
                    let (_, end) = reader.bounds()?;
                    if since.elapsed() < self.patience || seq + 1 >= end {
                        return Ok(records);
                    }
                    self.next = seq + 1;
                }
                Next::End => return Ok(records),
            }
        }
    }

    /// The message of the latest panic in it, if there was one.
    pub fn panic(&mut self) -> Result<Option<String>, LogError> {
        let reader = reader(&self.map, &mut self.info)?.stopped();
        let mut message = [0; 1024];
        let length = reader.find_panic(&mut message);
        Ok(length.map(|length| String::from_utf8_lossy(&message[..length]).into_owned()))
    }
}

/// A reader of the log that `info` tells of. If nothing is known of one yet it
/// is looked for.
fn reader<'a>(map: &'a Map, info: &mut Option<VmcoreInfo>) -> Result<Reader<'a, Map>, LogError> {
    if let Some(info) = info {
        return Reader::new(map, info);
    }
    let ranges = map.ranges().iter();
    let ranges = ranges.filter_map(|range| range::Range::new(range.start, range.bytes));
    vmcoreinfo::find(map, ranges, |found| {
        let reader = Reader::new(map, found)?;
        *info = Some(found.clone());
        Ok(reader)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use multikernel_log::pure::memory::Memory as _;
    use multikernel_log::synthetic::{Expected, Machine, Options};

    use crate::instance::Range;

    /// A kernel whose memory is a file, so that it can be mapped.
    struct Kernel {
        machine: Machine,
        memory: File,
    }

    impl Kernel {
        fn new(machine: Machine) -> Self {
            let memory = tempfile::tempfile().unwrap();
            Self { machine, memory }
        }

        fn log(&mut self) -> Log {
            self.write();
            let [range] = self.machine.ranges();
            let range = Range {
                start: range.start(),
                bytes: range.bytes(),
            };
            Log::new(Map::new(self.memory.as_fd(), vec![range]).unwrap())
        }

        /// Makes what the machine did visible.
        fn write(&mut self) {
            self.machine.settle();
            let [range] = self.machine.ranges();
            let mut page = [0; 4096];
            for pa in (range.start()..range.end()).step_by(page.len()) {
                assert!(self.machine.image.read(pa, &mut page));
                self.memory.write_all_at(&page, pa - range.start()).unwrap();
            }
        }

        fn says(&mut self, text: &str) {
            self.machine.log(&Expected::line(text));
            self.write();
        }
    }

    fn texts(log: &mut Log) -> Vec<String> {
        let records = log.read().unwrap().into_iter();
        records.map(|record| record.text).collect()
    }

    #[test]
    fn each_record_is_read_once() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.says("one");
        kernel.says("two");
        let mut log = kernel.log();
        assert_eq!(texts(&mut log), ["one", "two"]);
        assert_eq!(texts(&mut log), [""; 0]);
        kernel.says("three");
        let records = log.read().unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].seq, 2);
        assert_eq!(records[0].time, Duration::from_nanos(0x1234_5678_9abc));
        assert_eq!(records[0].caller, Caller::Task(1));
    }

    #[test]
    fn a_log_that_comes_later_is_found() {
        let mut kernel = Kernel::new(Machine::without_note(Options::default()));
        kernel.says("early");
        let mut log = kernel.log();
        assert_eq!(log.read(), Err(LogError::NotYet));
        let note = kernel.machine.note();
        kernel.machine.put_note(3, &note);
        kernel.write();
        assert_eq!(texts(&mut log), ["early"]);
    }

    #[test]
    fn what_is_overwritten_is_counted() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.says("first");
        let mut log = kernel.log();
        assert_eq!(texts(&mut log), ["first"]);
        for n in 0..100 {
            kernel.says(&format!("line {n}"));
        }
        let records = log.read().unwrap();
        assert!(records[0].lost > 0);
        assert_eq!(records[0].seq, 1 + records[0].lost);
        assert_eq!(records.last().unwrap().text, "line 99");
        assert_eq!(
            records.iter().map(|record| 1 + record.lost).sum::<u64>(),
            100
        );
    }

    #[test]
    fn the_latest_record_is_waited_for_however_long_it_takes() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.machine.log_open(&Expected::line("half"));
        let mut log = kernel.log();
        log.patience = Duration::ZERO;
        assert_eq!(texts(&mut log), [""; 0]);
        assert_eq!(texts(&mut log), [""; 0]);
        assert!(kernel.machine.continue_last(b" and half"));
        kernel.says("next");
        assert_eq!(texts(&mut log), ["half and half", "next"]);
    }

    #[test]
    fn a_record_that_nobody_finishes_is_passed_over() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.says("one");
        kernel.machine.reserve(8);
        kernel.says("three");
        let mut log = kernel.log();
        assert_eq!(texts(&mut log), ["one"]);
        log.patience = Duration::ZERO;
        assert_eq!(texts(&mut log), ["three"]);
    }

    #[test]
    fn a_snapshot_waits_for_nothing() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.machine.reserve(8);
        kernel.says("two");
        kernel.machine.log_open(&Expected::line("half"));
        let mut log = kernel.log();
        log.snapshot();
        assert_eq!(texts(&mut log), ["two", "half"]);
    }

    #[test]
    fn a_log_that_is_wiped_is_looked_for_again() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.says("one");
        let mut log = kernel.log();
        assert_eq!(texts(&mut log), ["one"]);
        let length = kernel.memory.metadata().unwrap().len();
        kernel.memory.set_len(0).unwrap();
        kernel.memory.set_len(length).unwrap();
        assert!(log.read().is_err());
        assert_eq!(log.read(), Err(LogError::NotYet));
        kernel.says("two");
        assert_eq!(texts(&mut log), ["two"]);
    }

    #[test]
    fn panics_are_known() {
        let mut kernel = Kernel::new(Machine::new(Options::default()));
        kernel.says("fine");
        let mut log = kernel.log();
        assert_eq!(log.panic(), Ok(None));
        // User space may say what it wants.
        let mut fake = Expected::line("Kernel panic - not syncing: a joke");
        fake.facility = 1;
        kernel.machine.log(&fake);
        kernel.says("Kernel panic - not syncing: no init");
        let records = log.read().unwrap();
        let panics: Vec<_> = records.iter().map(Record::panic).collect();
        assert_eq!(panics, [None, None, Some("no init")]);
        assert_eq!(log.panic(), Ok(Some("no init".into())));
    }
}
