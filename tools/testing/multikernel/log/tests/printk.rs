// SPDX-License-Identifier: GPL-2.0

//! Reading logs that are made for the test: whole ones, ones that a writer is
//! at, and damaged ones.

use std::collections::BTreeMap;

use multikernel_log::damage::Damaged;
use multikernel_log::pure::memory::Error;
use multikernel_log::pure::memory::Memory;
use multikernel_log::pure::pagewalk::PageTables;
use multikernel_log::pure::printk::Caller;
use multikernel_log::pure::printk::Next;
use multikernel_log::pure::printk::Reader;
use multikernel_log::pure::printk::Record;
use multikernel_log::pure::range::Range;
use multikernel_log::pure::vmcoreinfo;
use multikernel_log::pure::vmcoreinfo::Key;
use multikernel_log::pure::vmcoreinfo::VmcoreInfo;
use multikernel_log::synthetic;
use multikernel_log::synthetic::Expected;
use multikernel_log::synthetic::Image;
use multikernel_log::synthetic::Live;
use multikernel_log::synthetic::Machine;
use multikernel_log::synthetic::Options;
use multikernel_log::synthetic::Place;
use multikernel_log::synthetic::Shape;
use proptest::collection::vec;
use proptest::prelude::*;

fn reader(machine: &Machine) -> Reader<'_, Image> {
    Reader::find(&machine.image, machine.ranges()).unwrap()
}

fn failure(machine: &Machine) -> Error {
    Reader::find(&machine.image, machine.ranges())
        .err()
        .expect("there should be no log")
}

/// What a record that was read should have been.
fn as_expected(record: &Record, text: &[u8]) -> Expected {
    assert_eq!(record.text_len, record.full_len);
    Expected {
        text: text[..record.text_len].to_vec(),
        time_ns: record.time_ns,
        level: record.level.unwrap_or(6),
        facility: record.facility.unwrap_or(0),
        caller: match record.caller {
            Caller::Task(id) => id,
            Caller::Cpu(cpu) => cpu | (1 << 31),
        },
    }
}

/// Reads from record `seq` up to the end, or up to one that is being written.
fn read_from<M: Memory>(reader: &Reader<'_, M>, seq: u64) -> (Vec<(u64, Expected)>, Next) {
    let mut records = Vec::new();
    let mut text = [0; 2048];
    let mut next = seq;
    loop {
        match reader.next(next, &mut text).unwrap() {
            Next::Record(record) => {
                assert_eq!(record.seq, next + record.lost);
                next = record.seq + 1;
                records.push((record.seq, as_expected(&record, &text)));
            }
            last => return (records, last),
        }
    }
}

fn all_shapes_and_places() -> Vec<Options> {
    let mut all = Vec::new();
    for shape in [Shape::OLD, Shape::NEW, Shape::STRANGE] {
        for place in [
            Place::Static,
            Place::Direct(0),
            Place::Direct(1),
            Place::Direct(2),
            Place::Scattered,
        ] {
            for five_levels in [false, true] {
                for encrypted in [false, true] {
                    all.push(Options {
                        shape,
                        place,
                        five_levels,
                        encrypted,
                        count_bits: 6,
                        size_bits: 11,
                    });
                }
            }
        }
    }
    all
}

#[test]
fn every_shape_in_every_place() {
    for options in all_shapes_and_places() {
        let mut machine = Machine::new(options);
        for n in 0..300 {
            machine.log(&Expected::line(&format!("record {n} of many")));
        }
        machine.settle();
        let (records, last) = read_from(&reader(&machine), 0);
        assert_eq!(records, machine.alive(false), "{options:?}");
        assert!(records.len() > 50 && last == Next::End);
    }
}

#[test]
fn release() {
    let machine = Machine::new(Options::default());
    let info = vmcoreinfo::find(&machine.image, machine.ranges(), |info| Ok(info.clone()));
    assert_eq!(info.unwrap().release(), b"7.3.4-synthetic");
}

#[test]
fn empty_log() {
    for shape in [Shape::OLD, Shape::NEW] {
        let machine = Machine::new(Options {
            shape,
            ..Options::default()
        });
        let reader = reader(&machine);
        assert_eq!(reader.bounds(), Ok((0, 0)));
        assert_eq!(reader.next(0, &mut []), Ok(Next::End));
        assert_eq!(reader.next(1, &mut []), Err(Error::Replaced(1, 0)));
    }
}

#[test]
fn follow() {
    let mut machine = Machine::new(Options::default());
    let mut next = 0;
    for round in 0..40 {
        for n in 0..round % 7 {
            machine.log(&Expected::line(&format!("{n} of round {round}")));
        }
        machine.settle();
        let (records, last) = read_from(&reader(&machine), next);
        assert_eq!(records.len(), round % 7);
        assert_eq!(last, Next::End);
        next += records.len() as u64;
        assert_eq!(next, machine.next_seq());
    }
}

/// The ring holds 16 records: of 100 that came meanwhile, the last are left.
#[test]
fn follower_is_told_what_it_lost() {
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("read"));
    machine.settle();
    for n in 1..=100 {
        machine.log(&Expected::line(&n.to_string()));
    }
    machine.settle();
    let mut text = [0; 64];
    let Next::Record(record) = reader(&machine).next(1, &mut text).unwrap() else {
        panic!("no record");
    };
    let (oldest, expected) = machine.alive(false).remove(0);
    assert_eq!((record.seq, record.lost), (oldest, oldest - 1));
    assert_eq!(text[..record.text_len], expected.text);
    assert!(oldest > 80);
}

/// Texts are long, so that many descriptors have none any more.
#[test]
fn more_descriptors_than_texts() {
    let mut machine = Machine::new(Options {
        count_bits: 9,
        ..Options::default()
    });
    for n in 0..450 {
        machine.log(&Expected::line(&format!("{n:0100}")));
    }
    machine.settle();
    let (records, _) = read_from(&reader(&machine), 0);
    assert_eq!(records, machine.alive(false));
    assert_eq!(records.len(), 4);
}

#[test]
fn texts_of_all_sizes() {
    for shape in [Shape::OLD, Shape::NEW] {
        let mut machine = Machine::new(Options {
            shape,
            ..Options::default()
        });
        for n in 0..600 {
            let text: String = ('a'..='z').cycle().take(n * 7 % 230).collect();
            machine.log(&Expected::line(&text));
            machine.settle();
            let (records, _) = read_from(&reader(&machine), 0);
            assert_eq!(records, machine.alive(false));
        }
    }
}

/// 4 blocks of 128 bytes fill the ring to its end.
#[test]
fn text_up_to_the_end_of_the_ring() {
    for (shape, left) in [(Shape::OLD, 3), (Shape::NEW, 4)] {
        let mut machine = Machine::new(Options {
            shape,
            ..Options::default()
        });
        for n in 0..40 {
            machine.log(&Expected::line(&format!("{n:0120}")));
        }
        machine.settle();
        let (records, _) = read_from(&reader(&machine), 0);
        assert_eq!(records, machine.alive(false));
        assert_eq!(records.len(), left);
    }
}

#[test]
fn what_a_record_has() {
    let mut machine = Machine::new(Options::default());
    let expected = Expected {
        text: b"two\nlines \xc3\xa9 \xff".to_vec(),
        time_ns: u64::MAX - 5,
        level: 3,
        facility: 11,
        caller: (1 << 31) | 5,
    };
    machine.log(&expected);
    machine.log(&Expected::line(""));
    machine.settle();
    let mut text = [b'#'; 32];
    let record = |seq, text: &mut [u8]| match reader(&machine).next(seq, text) {
        Ok(Next::Record(record)) => record,
        other => panic!("{other:?}"),
    };
    let first = record(0, &mut text);
    assert_eq!(as_expected(&first, &text), expected);
    assert_eq!(first.caller, Caller::Cpu(5));
    assert_eq!(text[first.text_len], b'#');
    assert_eq!(record(1, &mut text).text_len, 0);

    // A buffer that is too small, and none.
    let mut small = [0; 5];
    let first = record(0, &mut small);
    assert_eq!((first.text_len, first.full_len), (5, expected.text.len()));
    assert_eq!(&small, b"two\nl");
    assert_eq!(record(0, &mut []).text_len, 0);
}

#[test]
fn level_is_unknown_where_the_layout_does_not_tell() {
    let mut machine = Machine::new(Options {
        shape: Shape::STRANGE,
        ..Options::default()
    });
    machine.log(&Expected::line("x"));
    machine.settle();
    let Ok(Next::Record(record)) = reader(&machine).next(0, &mut [0; 8]) else {
        panic!("no record");
    };
    assert_eq!((record.level, record.facility), (None, None));
}

#[test]
fn unfinished_records() {
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("whole"));
    machine.log_open(&Expected::line("and so"));
    machine.settle();
    let open = (1, machine.written[&1].clone());
    assert_eq!(read_from(&reader(&machine), 1).1, Next::Pending(1));
    assert_eq!(read_from(&reader(&machine).stopped(), 1).0, [open]);

    assert!(machine.continue_last(b" on"));
    machine.reserve(8);
    machine.settle();
    let continued = (1, Expected::line("and so on"));
    let (records, last) = read_from(&reader(&machine), 1);
    assert_eq!((&records[..], last), (&[continued][..], Next::Pending(2)));
    let (records, last) = read_from(&reader(&machine).stopped(), 1);
    assert_eq!((records.len(), last), (1, Next::End));

    // One that came after it can be read by who goes on.
    machine.log(&Expected::line("later"));
    machine.settle();
    assert_eq!(read_from(&reader(&machine), 2).1, Next::Pending(2));
    assert_eq!(reader(&machine).bounds(), Ok((0, 4)));
    assert_eq!(read_from(&reader(&machine), 3).0.len(), 1);
    let (records, _) = read_from(&reader(&machine).stopped(), 0);
    let seqs: Vec<_> = records.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [0, 1, 3]);
}

/// Before each store of a writer, and after the last, the reader tells what
/// there is.
#[test]
fn between_any_two_stores() {
    for shape in [Shape::OLD, Shape::NEW] {
        let mut machine = Machine::new(Options {
            shape,
            count_bits: 2,
            size_bits: 8,
            ..Options::default()
        });
        for n in 0..14 {
            let before: BTreeMap<_, _> = machine.alive(false).into_iter().collect();
            let from = n as u64;
            machine.log(&Expected::line(&format!("record {n:0$}", n * 5)));
            let after: BTreeMap<_, _> = machine.alive(false).into_iter().collect();
            while !machine.stores.is_empty() {
                let (records, last) = read_from(&reader(&machine), 0);
                for (seq, record) in &records {
                    assert_eq!(before.get(seq), Some(record));
                }
                for seq in before.keys().filter(|seq| after.contains_key(seq)) {
                    assert!(records.iter().any(|(read, _)| read == seq), "no {seq}");
                }
                let (_, end) = reader(&machine).bounds().unwrap();
                let expected = if end > from {
                    Next::Pending(from)
                } else {
                    Next::End
                };
                assert_eq!(last, expected);
                machine.store_one();
            }
            assert_eq!(read_from(&reader(&machine), 0).0, machine.alive(false));
        }
    }
}

fn panic_of(machine: &Machine) -> Option<String> {
    let mut out = [0; 64];
    let len = reader(machine).stopped().find_panic(&mut out)?;
    Some(String::from_utf8(out[..len].to_vec()).unwrap())
}

#[test]
fn panics() {
    let mut machine = Machine::new(Options {
        count_bits: 6,
        size_bits: 11,
        ..Options::default()
    });
    let mut log = |text: &str| {
        machine.log(&Expected::line(text));
        machine.settle();
        panic_of(&machine)
    };
    assert_eq!(log("Linux version 7.3.4"), None);
    assert_eq!(log("no Kernel panic - not syncing: here"), None);
    let first = Some("Fatal exception".to_string());
    assert_eq!(log("Kernel panic - not syncing: Fatal exception"), first);
    assert_eq!(log("CPU: 1 PID: 1"), first);
    let end = "---[ end Kernel panic - not syncing: Fatal exception ]---";
    assert_eq!(log(end), first);
    let second = Some("sec?nd ? one".to_string());
    assert_eq!(
        log("Kernel panic - not syncing: sec\u{7}nd \u{1b} one\nof two lines"),
        second
    );
    machine.log(&Expected {
        facility: 1,
        ..Expected::line("Kernel panic - not syncing: user space said so")
    });
    machine.settle();
    assert_eq!(panic_of(&machine), second);
    machine.log(&Expected::line(&format!(
        "---[ end Kernel panic - not syncing: {:0300} ]---",
        1
    )));
    machine.settle();
    assert_eq!(panic_of(&machine), Some("0".repeat(64)));
}

#[test]
fn panic_of_which_only_the_end_is_left() {
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("Kernel panic - not syncing: x [y]"));
    for n in 0..30 {
        machine.log(&Expected::line(&format!("stack {n}")));
    }
    machine.settle();
    assert_eq!(panic_of(&machine), None);
    machine.log(&Expected::line(
        "---[ end Kernel panic - not syncing: x [y] ]---",
    ));
    machine.settle();
    assert_eq!(panic_of(&machine), Some("x [y]".to_string()));
}

#[test]
fn no_note_yet() {
    let mut machine = Machine::without_note(Options::default());
    assert_eq!(failure(&machine), Error::NotYet);
    // Not at the start of a page, it is none.
    let note = machine.note();
    machine.put_note(0, &[&[0; 8], &note[..]].concat());
    assert_eq!(failure(&machine), Error::NotYet);
}

#[test]
fn notes_that_are_none() {
    let good = Machine::without_note(Options::default()).note();
    let with = |at: usize, bytes: &[u8]| {
        let mut note = good.clone();
        note[at..at + bytes.len()].copy_from_slice(bytes);
        note
    };
    let bad = [
        with(0, &[12]),
        with(4, &5000u32.to_le_bytes()),
        with(4, &0u32.to_le_bytes()),
        with(8, &[1]),
        with(12, b"v"),
        with(22, b"X"),
        with(24, b"o"),
        synthetic::note(b""),
        synthetic::note(b"OSRELEASE="),
        synthetic::note(b"OSRELEASE=\n"),
        synthetic::note(b"OSRELEASE=a b\n"),
        synthetic::note(format!("OSRELEASE={:065}\n", 1).as_bytes()),
        synthetic::note(b"SYMBOL(prb)=ffffffff81003018\n"),
    ];
    for (n, note) in bad.iter().enumerate() {
        let mut machine = Machine::without_note(Options::default());
        machine.put_note(0, note);
        assert_eq!(failure(&machine), Error::NotYet, "note {n}");
    }
}

/// Copies of other kernels' notes come before and after the real one.
#[test]
fn the_right_one_of_many_notes() {
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("found"));
    machine.settle();
    let text = machine.vmcoreinfo();
    let other = |from: &str, to: &str| {
        assert!(text.contains(from));
        synthetic::note(text.replace(from, to).as_bytes())
    };
    machine.put_note(0, &other("SYMBOL(prb)=ffff", "SYMBOL(prb)=ffef"));
    machine.put_note(1, &other("phys_base)=", "phys_base)=4096"));
    machine.put_note(2, &other("SYMBOL(init_top_pgt)=", "SYMBOL(init_top_pgt)=f"));
    machine.put_note(3, &synthetic::note(b"OSRELEASE=6.1\n"));
    machine.put_note(9, &other("81003018", "81003000"));
    assert_eq!(read_from(&reader(&machine), 0).0.len(), 1);
}

#[test]
fn each_key_is_needed() {
    let optional = [
        Key::FiveLevels,
        Key::EncryptionMask,
        Key::ImageSize,
        Key::InitTopPgt,
        Key::SwapperPgDir,
    ];
    for key in Key::ALL {
        let mut machine = Machine::without_note(Options::default());
        let text = machine.vmcoreinfo();
        assert!(text.contains(key.text()), "{key:?}");
        let without = text
            .lines()
            .filter(|line| !line.starts_with(key.text()))
            .fold(String::new(), |text, line| text + line + "\n");
        machine.put_note(0, &synthetic::note(without.as_bytes()));
        if optional.contains(key) {
            reader(&machine);
        } else {
            assert_eq!(failure(&machine), Error::Missing(key.text()));
        }
    }
}

#[test]
fn impossible_values() {
    let cases = [
        (Key::AtomicLongSize, "8", "4", 4),
        (Key::DescSize, "24", "0", 0),
        (Key::InfoSize, "112", "4097", 4097),
        (Key::InfoSeq, "0", "-1", u64::MAX),
        (Key::FiveLevels, "0", "2", 2),
        (Key::PhysBase, "1059061760", "1059061761", 1059061761),
        (Key::PhysBase, "1059061760", "-1059061760", !1059061760 + 1),
        (
            Key::InitTopPgt,
            "ffffffff81001000",
            "ffffffff81001008",
            0xffff_ffff_8100_1008,
        ),
        (
            Key::InitTopPgt,
            "ffffffff81001000",
            "ffff888000001000",
            0xffff_8880_0000_1000,
        ),
    ];
    for (key, old, new, value) in cases {
        let mut machine = Machine::without_note(Options::default());
        let text = machine.vmcoreinfo();
        let line = |value| format!("{}={value}\n", key.text());
        assert!(text.contains(&line(old)), "{key:?}");
        let text = text.replace(&line(old), &line(new));
        machine.put_note(0, &synthetic::note(text.as_bytes()));
        assert_eq!(failure(&machine), Error::Impossible(key.text(), value));
    }
}

/// What cannot be read as a number is as if it were not there.
#[test]
fn numbers_that_are_none() {
    for bad in ["", " 0", "+0", "0 ", "--1", "1e3", "99999999999999999999"] {
        let mut machine = Machine::without_note(Options::default());
        let text = machine
            .vmcoreinfo()
            .replace("(printk_info.seq)=0", &format!("(printk_info.seq)={bad}"));
        machine.put_note(0, &synthetic::note(text.as_bytes()));
        let missing = Error::Missing("OFFSET(printk_info.seq)");
        assert_eq!(failure(&machine), missing, "\"{bad}\"");
    }
}

#[test]
fn lines_that_are_too_long_or_cut() {
    let mut machine = Machine::without_note(Options::default());
    let text = machine.vmcoreinfo().replace(
        "PAGESIZE=4096\n",
        &format!("X={:0200}\nPAGESIZE=4096\n\n\n=\n", 1),
    );
    // The last line has no end: it is not taken.
    let text = text + "OFFSET(printk_info.seq)=4000";
    machine.put_note(0, &synthetic::note(text.as_bytes()));
    machine.log(&Expected::line("x"));
    machine.settle();
    assert_eq!(read_from(&reader(&machine), 0).0.len(), 1);
}

#[test]
fn rings_that_cannot_be() {
    for (what, at, value) in [
        ("its number of records", 0x3fe0, 0u32),
        ("its number of records", 0x3fe0, 27),
        ("its size of text", 0x3fe0 + 48, 0),
        ("its size of text", 0x3fe0 + 48, 32),
    ] {
        let mut machine = Machine::new(Options::default());
        machine.image.write(IMAGE + at, &value.to_le_bytes());
        let damaged = failure(&machine);
        assert!(
            matches!(damaged, Error::Damaged(_, found) if found == u64::from(value)),
            "{what}: {damaged}"
        );
    }
    // Arrays that reach where nothing is mapped.
    let mut machine = Machine::new(Options::default());
    machine.image.write(IMAGE + 0x3fe0, &20u32.to_le_bytes());
    assert!(matches!(failure(&machine), Error::Unmapped(_)));
    // A record with the sequence number of another index.
    let mut machine = Machine::new(Options::default());
    let [_, _, infos, _] = machine.places();
    machine.write_va(infos + 15 * 112, &5u64.to_le_bytes());
    assert!(matches!(failure(&machine), Error::Damaged(..)));
    // A tail that is too far back, and one that is before record 0.
    let mut machine = Machine::new(Options::default());
    for _ in 0..20 {
        machine.log(&Expected::line(""));
    }
    machine.settle();
    for (tail, bounds) in [(16, (16, 20)), (1, (4, 20)), (-31, (20, 20))] {
        let tail = i64::wrapping_sub(tail, 16) as u64 & ((1 << 62) - 1);
        machine
            .image
            .write(IMAGE + 0x3fe0 + 32, &tail.to_le_bytes());
        assert_eq!(reader(&machine).bounds(), Ok(bounds));
    }
    // A head before its tail.
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("x"));
    machine.settle();
    let reader = reader(&machine);
    assert_eq!(reader.bounds(), Ok((0, 1)));
    let mut image = machine.image.clone();
    image.write(IMAGE + 0x3fe0 + 24, &0u64.to_le_bytes());
    image.write(IMAGE + 0x3fe0 + 32, &9u64.to_le_bytes());
    assert!(Reader::find(&image, image.ranges()).is_err());
}

/// One record is damaged: it is lost, and the others are not.
#[test]
fn damaged_records() {
    let seq = 5;
    let [desc, info] = {
        let [_, descs, infos, _] = Machine::new(Options::default()).places();
        [descs + seq * 24, infos + seq * 112]
    };
    let lpos = 0u64.wrapping_sub(512);
    for (what, va, bytes) in [
        ("sequence number", info, 21u64.to_le_bytes()),
        ("length of its text", info + 16, [25, 0, 0, 0, 1, 0, 0, 0]),
        ("state", desc, ((1u64 << 62) - 11 + (3 << 62)).to_le_bytes()),
        (
            "begin, not aligned",
            desc + 8,
            (lpos + 5 * 32 + 4).to_le_bytes(),
        ),
        (
            "begin, only an ID",
            desc + 8,
            (lpos + 6 * 32 - 8).to_le_bytes(),
        ),
        (
            "begin, after its end",
            desc + 8,
            (lpos + 6 * 32 + 8).to_le_bytes(),
        ),
        ("begin, a lap before", desc + 8, (lpos - 1024).to_le_bytes()),
        ("begin, none", desc + 8, 1u64.to_le_bytes()),
        (
            "end, not aligned",
            desc + 16,
            (lpos + 6 * 32 + 1).to_le_bytes(),
        ),
    ] {
        let mut machine = Machine::new(Options::default());
        for n in 0..10 {
            machine.log(&Expected::line(&format!("{n:024}")));
        }
        machine.settle();
        assert_eq!(read_from(&reader(&machine), 0).0.len(), 10);
        machine.write_va(va, &bytes);
        let (records, _) = read_from(&reader(&machine), 0);
        let seqs: Vec<_> = records.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, [0, 1, 2, 3, 4, 6, 7, 8, 9], "{what}");
    }
}

/// Records of two writers, of which the first did not come far: its record is
/// awaited, and not passed over.
#[test]
fn a_writer_behind_another() {
    for laps in [0, 1] {
        let mut machine = Machine::new(Options::default());
        for _ in 0..laps * 16 + 3 {
            machine.log(&Expected::line("x"));
        }
        machine.settle();
        let next = machine.next_seq();
        machine.log(&Expected::line("behind"));
        machine.log(&Expected::line("ahead"));
        machine.settle();
        let [_, descs, ..] = machine.places();
        // What was there before: nothing, or the record a lap ago.
        let before = match laps {
            0 => 0u64,
            _ => (next.wrapping_sub(32) & ((1 << 62) - 1)) | (3 << 62),
        };
        machine.write_va(descs + next % 16 * 24, &before.to_le_bytes());
        assert_eq!(read_from(&reader(&machine), next).1, Next::Pending(next));
        let (records, _) = read_from(&reader(&machine).stopped(), next);
        assert_eq!(records, [(next + 1, Expected::line("ahead"))]);
    }
}

/// The most that a kernel tells: the text reaches into a second page.
#[test]
fn longest_vmcoreinfo() {
    let mut machine = Machine::without_note(Options::default());
    let text = machine.vmcoreinfo();
    let (first, rest) = text.split_at(text.find('\n').unwrap() + 1);
    let fill = "SYMBOL(of_no_meaning)=0\n".repeat(200);
    let fill = &fill[..4096 - text.len() - 1];
    let text = format!("{first}{fill}\n{rest}");
    assert_eq!(text.len(), 4096);
    machine.put_note(0, &synthetic::note(text.as_bytes()));
    machine.log(&Expected::line("x"));
    machine.settle();
    assert_eq!(read_from(&reader(&machine), 0).0.len(), 1);
}

/// Where [`Machine`] has the image of its kernel.
const IMAGE: u64 = synthetic::BASE + (2 << 20);

#[test]
fn page_tables_that_lead_nowhere() {
    let options = Options {
        place: Place::Direct(0),
        ..Options::default()
    };
    let machine = Machine::new(options);
    let info = vmcoreinfo::find(&machine.image, machine.ranges(), |info| Ok(info.clone()));
    let tables = PageTables::new(&info.unwrap()).unwrap();
    let [_, descs, ..] = machine.places();
    let entry = machine.top_entry(descs);
    for (value, expected) in [
        (0, Error::Unmapped(descs)),
        // Not present, but not zero.
        (!1, Error::Unmapped(descs)),
        // A large page where none can be: the bit is not looked at.
        (IMAGE | 0x81, Error::Unmapped(descs)),
    ] {
        let mut image = machine.image.clone();
        image.write(entry, &u64::to_le_bytes(value));
        assert_eq!(tables.translate(&image, descs), Err(expected));
    }
    // Out of the memory.
    let mut image = machine.image.clone();
    image.write(entry, &0x7fff_f063u64.to_le_bytes());
    assert!(matches!(
        tables.translate(&image, descs),
        Err(Error::Outside(_))
    ));
    // A table that is its own: 4 steps, then it is a page.
    let mut image = machine.image.clone();
    let top = entry & !0xfff;
    for index in 0..512 {
        image.write(top + index * 8, &(top | 0x63).to_le_bytes());
    }
    assert_eq!(tables.translate(&image, descs), Ok(top | descs & 0xfff));
}

#[test]
fn memory_in_many_ranges() {
    let mut machine = Machine::new(Options::default());
    machine.log(&Expected::line("x"));
    machine.settle();
    let [whole] = machine.ranges();
    let half = whole.bytes() / 2;
    let parts = [
        Range::new(u64::MAX - 100, 100),
        Range::new(whole.start(), 1),
        Range::new(whole.start() + half, half),
        Range::new(whole.start() + 5, half - 5),
    ];
    let reader = Reader::find(&machine.image, parts.into_iter().flatten()).unwrap();
    assert_eq!(read_from(&reader, 0).0.len(), 1);
    let elsewhere = Range::new(0, 1 << 20);
    let none = Reader::find(&machine.image, elsewhere);
    assert_eq!(none.err(), Some(Error::NotYet));
}

/// All 2^18 descriptors lie on the same page and are of other records: each is
/// looked at once, at most.
#[test]
fn lost_records_without_end() {
    const BITS: u32 = 18;
    const ARRAYS: u64 = 0xffff_c900_0000_0000;
    let mut machine = Machine::new(Options::default());
    let page = IMAGE + (1 << 20);
    for at in (0..112 << BITS).step_by(4096) {
        machine.map(ARRAYS + at, page, 0);
    }
    let first: u64 = 1 << 50;
    let end = first + (1 << BITS);
    let ring = IMAGE + 0x3fe0;
    let mut write = |pa, value: u64| machine.image.write(pa, &value.to_le_bytes());
    write(ring, BITS.into());
    write(ring + 8, ARRAYS);
    write(ring + 16, ARRAYS);
    write(ring + 24, end - 1);
    write(ring + 32, first);
    // State and sequence number of each are those of a record after all.
    for at in (0..4096).step_by(8) {
        write(page + at, end | (3 << 62));
    }

    let budget = Damaged::new(&machine.image, usize::MAX);
    let reader = Reader::find(&budget, machine.ranges()).unwrap();
    assert_eq!(reader.bounds(), Ok((first, end)));
    let before = budget.left();
    assert_eq!(reader.next(first, &mut []), Ok(Next::End));
    assert!(before - budget.left() < 10 << BITS);
    let before = budget.left();
    assert_eq!(reader.find_panic(&mut [0; 64]), None);
    assert!(before - budget.left() < 10 << 14);
}

#[test]
fn errors_say_what_is_wrong() {
    for (error, text) in [
        (
            Error::NotYet,
            "no VMCOREINFO in its memory: its kernel has not booted that far \
             (or was built without CONFIG_VMCORE_INFO)",
        ),
        (
            Error::Missing("SYMBOL(prb)"),
            "its VMCOREINFO has no SYMBOL(prb)",
        ),
        (
            Error::Impossible("SIZE(prb_desc)", 0),
            "its VMCOREINFO has an impossible SIZE(prb_desc): 0x0",
        ),
        (
            Error::Outside(0x1000),
            "physical address 0x1000 is not in its memory",
        ),
        (
            Error::Unmapped(0xffff_0000),
            "its page tables do not map virtual address 0xffff0000",
        ),
        (
            Error::Damaged("its head", 16),
            "its log is damaged: its head is 0x10",
        ),
        (
            Error::Replaced(9, 4),
            "its log ends at record 4, before record 9: \
             another kernel was started in its place",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// A thing that a writer does.
#[derive(Clone, Debug)]
enum Step {
    Log(Expected),
    Open(Expected),
    Continue(Vec<u8>),
}

fn step(text_max: usize) -> impl Strategy<Value = Step> {
    let expected = (
        vec(any::<u8>(), 0..text_max),
        any::<u64>(),
        0..8u8,
        any::<u8>(),
        any::<u32>(),
    )
        .prop_map(|(text, time_ns, level, facility, caller)| Expected {
            text,
            time_ns,
            level,
            facility,
            caller,
        });
    prop_oneof![
        6 => expected.clone().prop_map(Step::Log),
        2 => expected.prop_map(Step::Open),
        2 => vec(any::<u8>(), 1..text_max).prop_map(Step::Continue),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let place = prop_oneof![
        Just(Place::Static),
        Just(Place::Scattered),
        (0..3u32).prop_map(Place::Direct),
    ];
    let shape = prop_oneof![Just(Shape::OLD), Just(Shape::NEW)];
    (shape, place, any::<bool>(), 1..6u32, 8..10u32).prop_map(
        |(shape, place, five_levels, count_bits, size_bits)| Options {
            shape,
            place,
            five_levels,
            encrypted: false,
            count_bits,
            size_bits,
        },
    )
}

fn take(machine: &mut Machine, step: &Step) {
    match step {
        Step::Log(record) => {
            machine.log(record);
        }
        Step::Open(record) => {
            machine.log_open(record);
        }
        Step::Continue(more) => {
            machine.continue_last(more);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What is in the ring is read, all of it, in its order and as it was.
    #[test]
    fn any_log(options in options(), steps in vec(step(110), 0..120)) {
        let mut machine = Machine::new(options);
        for step in &steps {
            take(&mut machine, step);
        }
        machine.settle();
        let (records, last) = read_from(&reader(&machine).stopped(), 0);
        prop_assert_eq!(records, machine.alive(true));
        prop_assert_eq!(last, Next::End);
    }

    /// With a writer at work, what is read is what was written, in its order;
    /// and when the writer is done, the rest is there.
    #[test]
    fn any_log_that_is_written_meanwhile(
        options in options(),
        seed in any::<u64>(),
        steps in vec(step(110), 1..120),
    ) {
        let mut machine = Machine::new(options);
        machine.log(&Expected::line("the first"));
        machine.settle();
        let start = machine.image.clone();
        for step in &steps {
            take(&mut machine, step);
        }
        let stores = machine.stores.clone();
        let live = Live::new(start, stores, seed);
        // All few descriptors may change faster than they are looked at.
        let reader = loop {
            let left = live.left();
            match Reader::find(&live, machine.ranges()) {
                Err(Error::Damaged(..)) if left > 0 => (),
                found => break found.unwrap(),
            }
        };
        let mut text = [0; 400];
        let mut next = 0;
        let mut done = false;
        loop {
            match reader.next(next, &mut text).unwrap() {
                Next::Record(record) => {
                    prop_assert_eq!(record.seq, next + record.lost);
                    let expected = &machine.written[&record.seq];
                    prop_assert_eq!(&as_expected(&record, &text), expected);
                    next = record.seq + 1;
                }
                Next::Pending(_) | Next::End if done => break,
                Next::Pending(_) | Next::End => done = live.left() == 0,
            }
        }
        machine.settle();
        let rest: Vec<_> = machine
            .alive(false)
            .into_iter()
            .filter(|(seq, _)| *seq >= next)
            .collect();
        prop_assert_eq!(rest, vec![]);
    }

    /// Damage anywhere in a log, its note and its page tables.
    #[test]
    fn any_damage(
        options in options(),
        steps in vec(step(40), 0..40),
        damage in vec((any::<prop::sample::Index>(), any::<u64>(), 0..7u32), 1..12),
    ) {
        let mut machine = Machine::new(options);
        for step in &steps {
            take(&mut machine, step);
        }
        machine.settle();
        let used = machine.image.used();
        let mut damaged = Damaged::new(&machine.image, 200_000);
        for (place, value, kind) in damage {
            let at = used[place.index(used.len())];
            let old = damaged.word(at);
            let new = match kind {
                0 => value,
                1 => old ^ (1 << (value % 64)),
                2 => old.wrapping_add(value % 5).wrapping_sub(2),
                3 => u64::MAX,
                4 => (old & !0xff) | (value & 0xff),
                5 => synthetic::BASE + value % (6 << 20),
                _ => 0,
            };
            damaged.put(at, new);
        }
        damaged.exercise();
    }

    /// Any text as VMCOREINFO: keys that are known, any values.
    #[test]
    fn any_vmcoreinfo(
        values in vec((0..Key::ALL.len(), any::<i64>(), 0..4u32), 0..60),
        tail in vec(any::<u8>(), 0..200),
    ) {
        let mut machine = Machine::without_note(Options::default());
        let mut text = machine.vmcoreinfo();
        for (key, value, kind) in values {
            let key = Key::ALL[key].text();
            let value = match kind {
                0 => value,
                1 => value & 0xffff,
                2 => value & 0x38,
                _ => continue,
            };
            text += &if key.starts_with("SYMBOL") {
                format!("{key}={value:x}\n")
            } else {
                format!("{key}={value}\n")
            };
        }
        let mut text = text.into_bytes();
        text.extend(tail);
        text.truncate(4096);
        machine.put_note(0, &synthetic::note(&text));
        let info = VmcoreInfo::read(&machine.image, synthetic::BASE + (1 << 20));
        prop_assert!(info.is_some());
        Damaged::new(&machine.image, 200_000).exercise();
    }
}
