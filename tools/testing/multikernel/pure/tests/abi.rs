// SPDX-License-Identifier: GPL-2.0

//! The C header and the Rust code put the same things into the same places: a
//! C program tells where, and what Rust writes is looked for there.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use multikernel_pure::pure::agent::{self, Agent, Gone};
use multikernel_pure::pure::area::{self, Host, Verdict};
use multikernel_pure::pure::clock::Clock;
use multikernel_pure::pure::directory::{self, Answer, Channel, Half, Kind, State, Status};
use multikernel_pure::pure::dock::{self, Dock};
use multikernel_pure::pure::doorbell::Doorbell;
use multikernel_pure::pure::guest::{self, Guest};
use multikernel_pure::pure::half::{self, Halves, Size};
use multikernel_pure::pure::handshake::{self, Offer, Terms};
use multikernel_pure::pure::message::{self, Body, Created, How, Message, Outcome};
use multikernel_pure::pure::name::Name;
use multikernel_pure::pure::range::Range;
use multikernel_pure::ram::{Ram, Side};

/// What the header says: of `offsets` ("type.field"), `sizes` and `values`.
struct Header(HashMap<String, u64>);

impl Header {
    fn read(test: &str, offsets: &[&str], sizes: &[&str], values: &[&str]) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{test}"));
        let list = out.with_extension("h");
        let offset = |name: &&str| format!("OFFSET({});\n", name.replace('.', ", "));
        let lines = offsets.iter().map(offset);
        let lines = lines.chain(sizes.iter().map(|name| format!("SIZE({name});\n")));
        let lines = lines.chain(values.iter().map(|name| format!("VALUE({name});\n")));
        fs::write(&list, lines.collect::<String>()).unwrap();
        let status = Command::new(env::var("CC").unwrap_or_else(|_| "cc".to_string()))
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(top.join("../../../../include/linux"))
            .arg(format!("-DLIST=\"{}\"", list.display()))
            .arg("-o")
            .arg(&out)
            .arg(top.join("tests/common/abi.c"))
            .status()
            .expect("a C compiler should run");
        assert!(status.success(), "the C compiler failed: {status}");
        let told = Command::new(&out).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        Self(
            told.lines()
                .map(|line| {
                    let (name, value) = line.split_once(' ').unwrap();
                    (name.to_string(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    fn at(&self, name: &str) -> usize {
        self.0[name] as usize
    }
}

/// Compares fields with what is expected, and everything else with 0.
fn compare(test: &str, part: Side<'_>, base: usize, kind: &str, fields: &[(&str, u64, usize)]) {
    let names: Vec<_> = fields.iter().map(|f| format!("{kind}.{}", f.0)).collect();
    let offsets: Vec<_> = names.iter().map(String::as_str).collect();
    let header = Header::read(test, &offsets, &[kind], &[]);
    let mut left = part.own_bytes(base, header.at(kind));
    for ((_, value, bytes), name) in fields.iter().zip(&names) {
        let at = header.at(name);
        let field = &mut left[at..at + bytes];
        assert_eq!(field, &value.to_le_bytes()[..*bytes], "{name} at {at}");
        field.fill(0);
    }
    assert_eq!(left.iter().position(|byte| *byte != 0), None, "{kind}");
}

fn name(text: &str) -> Name {
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Name::new(&bytes).unwrap()
}

const OFFER: Offer = Offer {
    version_min: 2,
    version_max: 5,
    features: 0x1122_3344_5566_7788,
};

#[test]
fn host_page() {
    let ram = Ram::new(1 << 16);
    let host = Host {
        offer: OFFER,
        run: 3,
        heartbeat_ns: 1_000_000_000,
        clock_at: 0x1000,
        channels_at: 0x2000,
        channels: 64,
        entry_bytes: 128,
        agent_at: 0x4000,
    };
    host.publish(&ram.side(0));
    Verdict::Refused.publish(&ram.side(0), 0x1_0000_0007);
    let doorbell = Doorbell::new(0x21, 0x43)
        .unwrap()
        .moved(0x65, 0x87)
        .unwrap();
    area::publish_doorbell(&ram.side(0), Some(doorbell));
    compare(
        "host",
        ram.side(0),
        0,
        "mk_host_page",
        &[
            ("magic", u64::from_le_bytes(*b"MKRNHOST"), 8),
            ("version_min", 2, 4),
            ("version_max", 5, 4),
            ("features", OFFER.features, 8),
            ("run", 3, 8),
            ("heartbeat_ns", 1_000_000_000, 8),
            ("clock_at", 0x1000, 8),
            ("channels_at", 0x2000, 8),
            ("nr_channels", 64, 4),
            ("channel_bytes", 128, 4),
            ("agent_at", 0x4000, 8),
            ("verdict", (7 << 32) | 2, 8),
            ("doorbell", (1 << 63) | (1 << 40) | (0x87 << 32) | 0x65, 8),
        ],
    );
    assert_eq!(Host::read(&ram.side(1), 0x5000), Ok(host));
}

#[test]
fn agent_page() {
    let ram = Ram::new(1 << 16);
    let agent = Agent {
        terms: Terms {
            version: 4,
            features: 6,
        },
        run: 3,
        attach: 0x1_0000_0007,
    };
    agent.publish(&ram.side(1));
    area::publish_doorbell(&ram.side(1), Some(Doorbell::new(1, 0x30).unwrap()));
    let mut fields = vec![
        ("magic", u64::from_le_bytes(*b"MKRNAGNT"), 8),
        ("version", 4, 4),
        ("features", 6, 8),
        ("run", 3, 8),
        ("attach", 0x1_0000_0007, 8),
        ("state", 1, 8),
        ("doorbell", (1 << 63) | (0x30 << 32) | 1, 8),
    ];
    compare("agent", ram.side(1), 0, "mk_agent_page", &fields);
    assert_eq!(Agent::read(&ram.side(0), 3), Some(agent));

    agent::leave(&ram.side(1), Gone::Panic, b"why");
    fields[5].1 = (5 << 32) | 2;
    fields.push(("text", u32::from_le_bytes(*b"why\0").into(), 8));
    compare("agent-gone", ram.side(1), 0, "mk_agent_page", &fields);

    let header = Header::read(
        "agent-words",
        &[
            "mk_agent_page.heartbeat",
            "mk_agent_page.answers",
            "mk_agent_page.calls",
            "mk_host_page.calls",
        ],
        &[],
        &["MK_AGENT_TEXT"],
    );
    assert_eq!(header.at("mk_agent_page.heartbeat"), agent::HEARTBEAT);
    assert_eq!(header.at("mk_agent_page.answers"), agent::ANSWERS);
    assert_eq!(header.at("mk_agent_page.calls"), area::CALLS);
    assert_eq!(header.at("mk_host_page.calls"), area::CALLS);
    assert_eq!(header.at("MK_AGENT_TEXT"), agent::TEXT_BYTES);
}

#[test]
fn guest_kernels() {
    let header = Header::read(
        "guest-info",
        &[
            "mk_guest_info.magic",
            "mk_guest_info.bytes",
            "mk_guest_info.version",
            "mk_guest_info.setup_type",
            "mk_guest_info.features",
            "mk_berth.apic_id",
            "mk_berth.command",
            "mk_berth.entry",
            "mk_berth.efer",
        ],
        &["mk_guest_info", "mk_berth"],
        &[
            "MK_GUEST_VERSION",
            "MK_GUEST_DOCK",
            "MK_BERTH_GO",
            "MK_BERTH_READY",
            "MK_BERTH_RUN",
        ],
    );
    let mut info = vec![0; 16 + header.at("mk_guest_info")];
    info[..4].copy_from_slice(b"LToP");
    info[4] = 16;
    let mut put = |name: &str, bytes: &[u8]| {
        let at = 16 + header.at(name);
        info[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put("mk_guest_info.magic", b"MKGU");
    put("mk_guest_info.bytes", &[header.at("mk_guest_info") as u8]);
    put(
        "mk_guest_info.version",
        &[header.at("MK_GUEST_VERSION") as u8],
    );
    put("mk_guest_info.setup_type", &[11]);
    put(
        "mk_guest_info.features",
        &[header.at("MK_GUEST_DOCK") as u8],
    );
    let guest = Guest::find(&info).unwrap();
    assert!(guest.knows_docks());

    assert_eq!(header.at("mk_berth"), dock::BERTH_BYTES);
    assert_eq!(header.at("mk_berth.apic_id"), 0);
    assert_eq!(header.at("mk_berth.command"), dock::COMMAND);
    assert_eq!(header.at("mk_berth.entry"), dock::ENTRY);
    assert_eq!(header.at("mk_berth.efer"), dock::EFER);
    assert_eq!(header.at("MK_BERTH_GO"), dock::GO as usize);
    assert_eq!(header.at("MK_BERTH_READY"), dock::READY as usize);
    assert_eq!(header.at("MK_BERTH_RUN"), dock::RUN as usize);

    let ram = Ram::new(1 << 16);
    let mut bytes = [0; guest::SETUP_DATA_BYTES];
    let config = guest::Config {
        down: 0x1_2345_6000,
        doorbell: Doorbell::new(2, 0x30).unwrap(),
        now: Some((33, 44)),
        tsc_khz: 55,
        console: 0x2_3456_7000,
        console_size: Size::new(1 << 16).unwrap(),
        dock: Some(Dock {
            start: 0x3_4567_8000,
            entrance: 0x123,
            berths: 5,
        }),
    };
    guest.write(&mut bytes, &config);
    for (n, word) in bytes.chunks_exact(8).enumerate() {
        ram.side(0)
            .store(n * 8, u64::from_le_bytes(word.try_into().unwrap()));
    }
    compare(
        "guest",
        ram.side(0),
        16,
        "mk_guest",
        &[
            ("down", 0x1_2345_6000, 8),
            ("doorbell", (1 << 63) | (0x30 << 32) | 2, 8),
            ("tsc", 33, 8),
            ("realtime_ns", 44, 8),
            ("tsc_khz", 55, 4),
            ("console_bytes", 1 << 16, 4),
            ("console", 0x2_3456_7000, 8),
            ("dock", 0x3_4567_9123, 8),
            ("dock_root", 0x3_4567_8000, 8),
            ("berths", 0x3_4567_a000, 8),
            ("nr_berths", 5, 4),
        ],
    );
}

#[test]
fn clock() {
    let ram = Ram::new(1 << 16);
    let clock = Clock {
        tsc: 11,
        realtime_ns: 22,
        multiplier: 33,
        shift: 44,
        tai_offset: -37,
        is_synchronized: true,
    };
    clock.publish(&ram.side(0), 0x1000, &mut 8);
    compare(
        "clock",
        ram.side(0),
        0x1000,
        "mk_clock",
        &[
            ("sequence", 10, 8),
            ("flags", 3, 8),
            ("tsc", 11, 8),
            ("realtime_ns", 22, 8),
            ("multiplier", 33, 8),
            ("shift", 44, 4),
            ("tai_offset", -37i64 as u64, 4),
        ],
    );
}

#[test]
fn channel() {
    let ram = Ram::new(1 << 16);
    let half = |address, bytes| Half {
        address,
        size: Size::new(bytes).unwrap(),
    };
    let channel = Channel {
        kind: Kind::Console,
        peer: 9,
        own: half(0x10_0000, 0x1000),
        other: half(0x20_0000, 0x2000),
        name: name("channel"),
        peer_name: Some(name("peer")),
    };
    let status = Status {
        generation: 5,
        state: State::Withdrawn,
    };
    channel.write(&ram.side(0), 0x2080);
    status.publish(&ram.side(0), 0x2080);
    compare(
        "channel",
        ram.side(0),
        0x2080,
        "mk_channel",
        &[
            ("state", (5 << 32) | 2, 8),
            ("kind", 2, 4),
            ("peer", 9, 4),
            ("own", 0x10_0000, 8),
            ("other", 0x20_0000, 8),
            ("own_bytes", 0x1000, 4),
            ("other_bytes", 0x2000, 4),
            ("name", u64::from_le_bytes(*b"channel\0"), 8),
            ("peer_name", u32::from_le_bytes(*b"peer").into(), 8),
        ],
    );
    assert_eq!(Status::read(&ram.side(1), 0x2080), Ok(status));
    assert_eq!(Channel::read(&ram.side(1), 0x2080, status), Ok(channel));
}

#[test]
fn numbers() {
    const VALUES: &[&str] = &[
        "MK_PROTOCOL_PAGE",
        "MK_PROTOCOL_HEARTBEAT",
        "MK_CHANNELS_MAX",
        "MK_CHANNEL_NAME",
        "MK_CHANNEL_FREE",
        "MK_CHANNEL_OFFERED",
        "MK_CHANNEL_DATA",
        "MK_CHANNEL_CONTROL",
        "MK_ANSWER_NONE",
        "MK_ANSWER_ATTACHED",
        "MK_ANSWER_RELEASED",
        "MK_ANSWER_REFUSED",
        "MK_VERDICT_NONE",
        "MK_VERDICT_ACCEPTED",
        "MK_VERDICT_MISBEHAVED",
        "MK_GONE_NONE",
        "MK_GONE_UNLOADED",
        "MK_GONE_RESTART",
        "MK_GONE_HALT",
        "MK_GONE_POWER_OFF",
        "MK_GONE_KEXEC",
        "MK_GONE_VERSION",
        "MK_HALF_NEW",
        "MK_HALF_OPEN",
        "MK_HALF_CLOSED",
        "MK_HALF_BROKEN",
        "MK_HALF_GONE",
        "MK_RING_LINE",
        "MK_RING_HEADER",
        "MK_RING_BYTES_MIN",
        "MK_RING_BYTES_MAX",
        "MK_RING_MESSAGE_MAX",
        "MK_PING_BYTES_MAX",
        "MK_DOORBELL_APIC_ID",
        "MK_DOORBELL_VECTOR",
        "MK_DOORBELL_MOVES",
        "MK_DOORBELL_VALID",
    ];
    let offsets = [
        "mk_half.state",
        "mk_half.head",
        "mk_half.want_data",
        "mk_half.want_room",
        "mk_channel.doorbell",
        "mk_host_page.doorbell",
        "mk_agent_page.doorbell",
        "mk_acpi.area",
        "mk_acpi.area_bytes",
    ];
    let header = Header::read(
        "numbers",
        &offsets,
        &["mk_half", "mk_channel", "mk_acpi"],
        VALUES,
    );
    let doorbell = Doorbell::new(u32::MAX, 0xff).unwrap();
    let mut table = [0; area::TABLE_BYTES];
    let range = Range::new(0x1000, 0x2000).unwrap();
    area::write_table(&mut table, range).unwrap();
    assert_eq!(area::parse_table(&table), Ok(range));
    let find = |value: u64| {
        let mut words = table.windows(8);
        words.position(|word| word == value.to_le_bytes()).unwrap() as u64
    };
    let ours: &[(&str, u64)] = &[
        ("MK_PROTOCOL_PAGE", 4096),
        ("MK_PROTOCOL_HEARTBEAT", handshake::HEARTBEAT),
        ("MK_CHANNELS_MAX", directory::CHANNELS_MAX.into()),
        ("MK_CHANNEL_NAME", name("x").as_bytes().len() as u64),
        ("MK_CHANNEL_FREE", State::Free as u64),
        ("MK_CHANNEL_OFFERED", State::Offered as u64),
        ("MK_CHANNEL_DATA", Kind::Data as u64),
        ("MK_CHANNEL_CONTROL", Kind::Control as u64),
        ("MK_ANSWER_NONE", Answer::None.word(0)),
        ("MK_ANSWER_ATTACHED", Answer::Attached.word(0)),
        ("MK_ANSWER_RELEASED", Answer::Released.word(0)),
        ("MK_ANSWER_REFUSED", Answer::Refused.word(0)),
        ("MK_VERDICT_NONE", Verdict::None as u64),
        ("MK_VERDICT_ACCEPTED", Verdict::Accepted as u64),
        ("MK_VERDICT_MISBEHAVED", Verdict::Misbehaved as u64),
        ("MK_GONE_NONE", Gone::None as u64),
        ("MK_GONE_UNLOADED", Gone::Unloaded as u64),
        ("MK_GONE_RESTART", Gone::Restart as u64),
        ("MK_GONE_HALT", Gone::Halt as u64),
        ("MK_GONE_POWER_OFF", Gone::PowerOff as u64),
        ("MK_GONE_KEXEC", Gone::Kexec as u64),
        ("MK_GONE_VERSION", Gone::Version as u64),
        ("MK_HALF_NEW", half::State::New as u64),
        ("MK_HALF_OPEN", half::State::Open as u64),
        ("MK_HALF_CLOSED", half::State::Closed as u64),
        ("MK_HALF_BROKEN", half::State::Broken as u64),
        ("MK_HALF_GONE", half::State::Gone as u64),
        ("MK_RING_LINE", half::LINE.into()),
        ("MK_RING_HEADER", half::HEADER.into()),
        ("MK_RING_BYTES_MIN", directory::RING_BYTES_MIN.into()),
        ("MK_RING_BYTES_MAX", Size::MAX.into()),
        ("MK_RING_MESSAGE_MAX", half::MESSAGE_MAX.into()),
        ("MK_PING_BYTES_MAX", message::PING_BYTES_MAX as u64),
        ("MK_DOORBELL_APIC_ID", doorbell.word() & 0xffff_ffff),
        (
            "MK_DOORBELL_VECTOR",
            doorbell.word() & !0xffff_ffff & !(1 << 63),
        ),
        ("MK_DOORBELL_MOVES", 0xffff << 40),
        ("MK_DOORBELL_VALID", doorbell.word() & (1 << 63)),
        ("mk_half.state", half::STATE as u64),
        ("mk_half.head", half::HEAD as u64),
        ("mk_half.want_data", half::WANT_DATA as u64),
        ("mk_half.want_room", half::WANT_ROOM as u64),
        ("mk_half", half::DATA as u64),
        ("mk_channel", directory::ENTRY_BYTES as u64),
        ("mk_channel.doorbell", directory::DOORBELL as u64),
        ("mk_host_page.doorbell", area::DOORBELL as u64),
        ("mk_agent_page.doorbell", area::DOORBELL as u64),
        ("mk_acpi", area::TABLE_BYTES as u64),
        ("mk_acpi.area", find(0x1000)),
        ("mk_acpi.area_bytes", find(0x2000)),
    ];
    for (name, value) in ours {
        assert_eq!(header.0[*name], *value, "{name}");
    }
    assert_eq!(ours.len(), header.0.len());
}

#[test]
fn messages() {
    let offsets = [
        "mk_message.type",
        "mk_message.error",
        "mk_message.cookie",
        "mk_shutdown.how",
        "mk_create.ring_bytes",
        "mk_create.name",
        "mk_create.peer",
        "mk_created.channel",
        "mk_created.generation",
    ];
    let sizes = ["mk_message", "mk_shutdown", "mk_create", "mk_created"];
    let values = [
        "MK_MESSAGE_PING",
        "MK_MESSAGE_ANSWER",
        "MK_MESSAGE_SHUTDOWN",
        "MK_MESSAGE_CREATE",
        "MK_MESSAGE_REMOVE",
        "MK_ERROR_UNKNOWN",
        "MK_ERROR_FORBIDDEN",
        "MK_SHUTDOWN_POWER_OFF",
        "MK_SHUTDOWN_RESTART",
        "MK_SHUTDOWN_HALT",
    ];
    let header = Header::read("messages", &offsets, &sizes, &values);
    let written = |body| {
        let mut out = vec![0; message::BYTES_MAX];
        let len = Message { cookie: 77, body }.write(&mut out).unwrap();
        out.truncate(len);
        out
    };
    let check = |bytes: &[u8], at: &str, value: u64| {
        let at = header.at(at);
        let found = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(u64::from(found), value, "at {at}");
    };
    let created = Created {
        channel: 3,
        generation: 4,
    }
    .bytes();
    let (green, blue) = (name("green"), name("blue"));
    let create = Body::Create {
        ring_bytes: 4096,
        name: green,
        peer: Some(blue),
    };
    let remove = Body::Remove {
        name: green,
        peer: Some(blue),
    };
    for (body, kind, size) in [
        (Body::Ping(b""), "MK_MESSAGE_PING", "mk_message"),
        (
            Body::Answer(Outcome::Unknown, b""),
            "MK_MESSAGE_ANSWER",
            "mk_message",
        ),
        (
            Body::Answer(Outcome::Done, &created),
            "MK_MESSAGE_ANSWER",
            "mk_created",
        ),
        (
            Body::Shutdown(How::Halt),
            "MK_MESSAGE_SHUTDOWN",
            "mk_shutdown",
        ),
        (create, "MK_MESSAGE_CREATE", "mk_create"),
        (remove, "MK_MESSAGE_REMOVE", "mk_create"),
    ] {
        let bytes = written(body);
        assert_eq!(bytes.len(), header.at(size));
        check(&bytes, "mk_message.type", header.0[kind]);
        check(&bytes, "mk_message.cookie", 77);
    }
    for (outcome, error) in [
        (Outcome::Unknown, "MK_ERROR_UNKNOWN"),
        (Outcome::Forbidden, "MK_ERROR_FORBIDDEN"),
    ] {
        check(
            &written(Body::Answer(outcome, b"")),
            "mk_message.error",
            header.0[error],
        );
    }
    for (how, number) in [
        (How::PowerOff, "MK_SHUTDOWN_POWER_OFF"),
        (How::Restart, "MK_SHUTDOWN_RESTART"),
        (How::Halt, "MK_SHUTDOWN_HALT"),
    ] {
        check(
            &written(Body::Shutdown(how)),
            "mk_shutdown.how",
            header.0[number],
        );
    }
    let bytes = written(create);
    check(&bytes, "mk_create.ring_bytes", 4096);
    for (name, at) in [(green, "mk_create.name"), (blue, "mk_create.peer")] {
        assert_eq!(bytes[header.at(at)..][..32], *name.as_bytes());
    }
    let bytes = written(Body::Answer(Outcome::Done, &created));
    check(&bytes, "mk_created.channel", 3);
    check(&bytes, "mk_created.generation", 4);
}
