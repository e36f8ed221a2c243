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
    snapshot: bool,
}

impl Log {
    pub(crate) fn new(map: Map) -> Self {
        Self {
            map,
            info: None,
            next: 0,
            pending: None,
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
                    if since.elapsed() < PATIENCE || seq + 1 >= end {
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
