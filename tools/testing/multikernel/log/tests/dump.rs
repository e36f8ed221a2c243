// SPDX-License-Identifier: GPL-2.0

//! Memory of stock kernels that were booted in QEMU, against what those
//! kernels printed on their serial consoles. `dump` makes the files; the
//! environment variable `MK_LOG_DUMPS` names their directory.

use std::collections::VecDeque;
use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use libtest_mimic::Arguments;
use libtest_mimic::Trial;
use multikernel_log::pure::memory::Error;
use multikernel_log::pure::memory::Memory;
use multikernel_log::pure::printk::Next;
use multikernel_log::pure::printk::Reader;
use multikernel_log::pure::printk::Record;
use multikernel_log::pure::range::Range;
use multikernel_log::pure::vmcoreinfo;
use multikernel_log::pure::vmcoreinfo::Key;
use multikernel_log::pure::vmcoreinfo::VmcoreInfo;

struct Dump {
    name: String,
    memory: File,
    bytes: u64,
    console: Vec<u8>,
}

impl Memory for Dump {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        assert!(
            pa % 4096 + buf.len() as u64 <= 4096,
            "a read across a page: {} bytes at {pa:#x}",
            buf.len()
        );
        self.memory.read_exact_at(buf, pa).is_ok()
    }
}

impl Dump {
    fn open(directory: &Path, name: &str) -> Self {
        let memory = File::open(directory.join(format!("{name}.memory"))).unwrap();
        Dump {
            name: name.to_string(),
            bytes: memory.metadata().unwrap().len(),
            memory,
            console: fs::read(directory.join(format!("{name}.console"))).unwrap(),
        }
    }

    fn ranges(&self) -> [Range; 1] {
        [Range::new(0, self.bytes).unwrap()]
    }

    fn reader(&self) -> Reader<'_, Self> {
        Reader::find(self, self.ranges())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
            .stopped()
    }

    fn info(&self) -> VmcoreInfo {
        vmcoreinfo::find(self, self.ranges(), |info| Ok(info.clone())).unwrap()
    }

    /// What the kernel printed on the console: its lines with a time. In a panic
    /// it begins again with a line that another CPU may not have got to the end of.
    fn console_lines(&self) -> VecDeque<Vec<u8>> {
        let lines = self.console.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut all = VecDeque::<Vec<u8>>::new();
        let mut again = false;
        for line in lines.skip_while(|line| !contains(line, b"] Linux version ")) {
            if line.starts_with(b"[") {
                if again && all.back().is_some_and(|last| line.starts_with(last)) {
                    all.pop_back();
                }
                all.push_back(line.to_vec());
            }
            again = line == b"** replaying previous printk message **";
        }
        all
    }

    /// The release that the kernel said it has.
    fn release(&self) -> String {
        let text = String::from_utf8_lossy(&self.console);
        let (_, after) = text.split_once("] Linux version ").unwrap();
        after.split(' ').next().unwrap().to_string()
    }
}

fn contains(line: &[u8], what: &[u8]) -> bool {
    line.windows(what.len()).any(|part| part == what)
}

/// All records, with their texts.
fn records(dump: &Dump) -> Vec<(Record, Vec<u8>)> {
    let reader = dump.reader();
    let mut all = Vec::new();
    let mut text = [0; 2048];
    let mut seq = 0;
    loop {
        match reader.next(seq, &mut text).unwrap() {
            Next::Record(record) => {
                assert_eq!(record.text_len, record.full_len);
                seq = record.seq + 1;
                all.push((record, text[..record.text_len].to_vec()));
            }
            Next::Pending(seq) => panic!("record {seq} of a stopped kernel is pending"),
            Next::End => return all,
        }
    }
}

/// A record in the lines that the kernel makes of it for a console.
fn printed((record, text): &(Record, Vec<u8>)) -> Vec<Vec<u8>> {
    let (s, us) = (record.time_ns / 1_000_000_000, record.time_ns / 1000);
    let prefix = format!("[{s:5}.{:06}] ", us % 1_000_000).into_bytes();
    text.split(|byte| *byte == b'\n')
        .map(|line| [&prefix[..], line].concat())
        .collect()
}

/// The log and the console have the same lines, from the first that is still
/// in the log up to the one that has `last`.
fn assert_same(dump: &Dump, last: &str) {
    let until_last = |lines: &mut Vec<Vec<u8>>| {
        let end = lines
            .iter()
            .rposition(|line| contains(line, last.as_bytes()));
        lines.truncate(end.expect("the last line should be there") + 1);
    };
    let mut log: Vec<_> = records(dump).iter().flat_map(printed).collect();
    until_last(&mut log);
    let mut console = dump.console_lines();
    assert!(log.len() > 200, "{}: {} lines only", dump.name, log.len());
    while console.front().is_some_and(|line| *line != log[0]) {
        console.pop_front();
    }
    let mut console: Vec<_> = console.into();
    until_last(&mut console);
    for (log, console) in log.iter().zip(&console) {
        assert_eq!(
            String::from_utf8_lossy(log),
            String::from_utf8_lossy(console),
            "{}: the log, and the console",
            dump.name
        );
    }
    assert_eq!(log.len(), console.len(), "{}: lines", dump.name);
}

fn full(dump: &Dump) {
    assert_eq!(dump.info().get(Key::FiveLevels), Ok(0));
    assert_same(dump, "] log is full");

    let records = records(dump);
    let first = &records[0].0;
    assert!(first.seq > 0 && first.lost == first.seq, "nothing was lost");
    for pair in records.windows(2) {
        assert_eq!((pair[1].0.seq, pair[1].0.lost), (pair[0].0.seq + 1, 0));
        assert!(pair[0].0.level.is_some_and(|level| level < 8));
    }
    let find = |text: &[u8]| {
        let found = records.iter().find(|(_, t)| t == text);
        found.unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(text)))
    };
    let (three, _) = find(b"level three");
    // User space cannot write as the kernel: it gets facility 1.
    assert_eq!((three.level, three.facility), (Some(3), Some(1)));
    find(b"two\nlines");
    assert_eq!(find(b"").0.full_len, 0);
    assert_eq!(find("caf\u{e9} \x1b[1mbold".as_bytes()).0.level, Some(6));
    let long = format!("long {:0900}", 7);
    assert_eq!(find(long.as_bytes()).0.full_len, 905);

    let mut out = [0; 128];
    assert_eq!(dump.reader().find_panic(&mut out), None);
}

fn panicked(dump: &Dump) {
    assert_eq!(dump.info().get(Key::FiveLevels), Ok(1));
    assert_same(dump, "---[ end Kernel panic");
    assert_eq!(records(dump)[0].0.seq, 0);

    let mut out = [0; 128];
    let len = dump.reader().find_panic(&mut out);
    assert_eq!(
        len.map(|len| String::from_utf8_lossy(&out[..len]).into_owned()),
        Some("sysrq triggered crash".to_string())
    );
    let mut out = [0; 5];
    assert_eq!(dump.reader().find_panic(&mut out), Some(5));
    assert_eq!(&out, b"sysrq");
}

/// It panicked before it had VMCOREINFO: that is what is said.
fn early(dump: &Dump) {
    let error = Reader::find(dump, dump.ranges()).err();
    assert_eq!(error, Some(Error::NotYet));
}

fn check(directory: &Path, name: &str) {
    let dump = Dump::open(directory, name);
    match name.rsplit('-').next() {
        Some("early") => return early(&dump),
        Some("full") => full(&dump),
        Some("panic") => panicked(&dump),
        _ => panic!("no test for such a dump"),
    }
    let info = dump.info();
    assert_eq!(String::from_utf8_lossy(info.release()), dump.release());
}

/// One test for each dump, or one that counts as ignored.
fn main() {
    let trials = match std::env::var_os("MK_LOG_DUMPS").map(PathBuf::from) {
        Some(directory) => {
            let names = fs::read_to_string(directory.join("dumps"))
                .unwrap_or_else(|error| panic!("{}/dumps: {error}", directory.display()));
            assert!(!names.is_empty(), "{}/dumps is empty", directory.display());
            let trial = |name: &str| {
                let (directory, name) = (directory.clone(), name.to_string());
                Trial::test(format!("dump of {name}"), move || {
                    check(&directory, &name);
                    Ok(())
                })
            };
            names.lines().map(trial).collect()
        }
        None => {
            vec![Trial::test("dumps, named by MK_LOG_DUMPS", || {
                Err("MK_LOG_DUMPS is not set".into())
            })
            .with_ignored_flag(true)]
        }
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
