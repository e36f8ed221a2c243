// SPDX-License-Identifier: GPL-2.0

//! What host and agent tell each other in the area, and what is refused.

mod common;

use multikernel_pure::pure::agent::{self, Agent, Gone, TEXT_BYTES};
use multikernel_pure::pure::area::{self, Host, Verdict};
use multikernel_pure::pure::clock::{Clock, Writing};
use multikernel_pure::pure::directory::{Answer, Channel, Error, Half, Kind, State, Status};
use multikernel_pure::pure::doorbell::{self, Doorbell};
use multikernel_pure::pure::half::{Halves, Size};
use multikernel_pure::pure::handshake::{self, Offer, Terms};
use multikernel_pure::pure::message::{self, Body, How, Message, Outcome};
use multikernel_pure::pure::name::Name;
use multikernel_pure::ram::Ram;
use proptest::prelude::*;

fn offer(version_min: u32, version_max: u32, features: u64) -> Offer {
    Offer {
        version_min,
        version_max,
        features,
    }
}

#[test]
fn versions() {
    for (own, peer, version) in [
        ((1, 1), (1, 1), Some(1)),
        ((1, 2), (1, 1), Some(1)),
        ((1, 1), (1, 2), Some(1)),
        ((1, 5), (3, 9), Some(5)),
        ((3, 9), (1, 5), Some(5)),
        ((2, 2), (1, 1), None),
        ((1, 1), (2, 3), None),
        // What makes no sense.
        ((1, 1), (5, 0), None),
    ] {
        let (own, peer) = (offer(own.0, own.1, 0b0110), offer(peer.0, peer.1, 0b1010));
        match own.meet(&peer) {
            Ok(terms) => {
                assert_eq!(Some(terms.version), version);
                assert_eq!(terms.features, 0b0010);
                assert_eq!(own.check(&terms), Ok(()));
                assert_eq!(peer.check(&terms), Ok(()));
                assert_eq!(peer.meet(&own), Ok(terms));
            }
            Err(error) => {
                assert_eq!(version, None);
                assert_eq!(error, handshake::Error::Versions(own, peer));
            }
        }
    }
    let own = offer(2, 3, 0b0110);
    let terms = |version, features| Terms { version, features };
    for version in [0, 1, 4, u32::MAX] {
        let error = Err(handshake::Error::Version(version));
        assert_eq!(own.check(&terms(version, 0)), error);
    }
    let error = Err(handshake::Error::Features(0b1001));
    assert_eq!(own.check(&terms(2, 0b1111)), error);
    assert!(terms(2, 0b0110).has(0b0110));
    assert!(!terms(2, 0b0100).has(0b0110));
}

const HOST: Host = Host {
    offer: Offer {
        version_min: 1,
        version_max: 1,
        features: 3,
    },
    run: 1,
    heartbeat_ns: 1,
    clock_at: 0x1000,
    channels_at: 0x2000,
    channels: 64,
    entry_bytes: 128,
    agent_at: 0x4000,
};

#[test]
fn host_pages() {
    let read = |change: fn(&mut Host), bytes| {
        let ram = Ram::new(1 << 16);
        let mut host = HOST;
        change(&mut host);
        host.publish(&ram.side(0));
        let read = Host::read(&ram.side(1), bytes);
        assert!(read.is_err() || read == Ok(host));
        read.is_ok()
    };
    assert!(read(|_| {}, 0x5000));
    assert!(read(|_| {}, 0x10_0000));
    // Later ones may have larger entries.
    assert!(read(|h| (h.channels, h.entry_bytes) = (32, 256), 0x5000));
    for bytes in [0, 0x1000, 0x4000, 0x4fff] {
        assert!(!read(|_| {}, bytes), "{bytes:#x}");
    }
    // There is room for more than there may be.
    assert!(read(|h| h.agent_at = 0x8000, 0x9000));
    assert!(!read(|h| (h.channels, h.agent_at) = (65, 0x8000), 0x9000));
    assert!(!read(|h| (h.channels, h.entry_bytes) = (1, 132), 0x5000));
    let wrong: [fn(&mut Host); 12] = [
        |h| h.clock_at = 0x1001,
        |h| h.clock_at = 0x4000,
        |h| h.clock_at = u32::MAX,
        |h| h.channels_at = 0x2004,
        |h| h.channels_at = 0x2008,
        |h| h.channels_at = 0u32.wrapping_sub(8),
        |h| h.channels = 0,
        |h| h.channels = 65,
        |h| h.entry_bytes = 120,
        |h| h.entry_bytes = 132,
        |h| h.entry_bytes = u32::MAX - 7,
        |h| h.agent_at = 0x4800,
    ];
    for (n, change) in wrong.into_iter().enumerate() {
        assert!(!read(change, 0x5000), "{n}");
    }
    let empty = Ram::new(1 << 16);
    assert_eq!(
        Host::read(&empty.side(1), 0x5000),
        Err(area::Error::Magic(0))
    );

    assert_eq!(HOST.entry(0), Some(0x2000));
    assert_eq!(HOST.entry(63), Some(0x3f80));
    assert_eq!(HOST.entry(64), None);
    assert_eq!(HOST.entry(u32::MAX), None);
}

/// Whoever finds that a host has written there finds all of it.
#[test]
fn the_host_signs_last() {
    let written = common::Written::default();
    HOST.publish(&written);
    let order: Vec<_> = written.take().iter().map(|(at, _)| *at).collect();
    assert_eq!(order.iter().position(|at| *at == 0), Some(order.len() - 1));
}

#[test]
fn tables() {
    let table = |start: u64, bytes: u64| {
        let mut table = [0; area::TABLE_BYTES];
        table[40..48].copy_from_slice(&start.to_le_bytes());
        table[48..].copy_from_slice(&bytes.to_le_bytes());
        table
    };
    assert!(area::parse_table(&table(0x1000, 0x1000)).is_ok());
    for (start, bytes) in [
        (0x1000, 0),
        (0x1001, 0x1000),
        (0x1000, 0x1001),
        (0x1000, 1 << 32),
        (0u64.wrapping_sub(0x1000), 0x2000),
    ] {
        assert_eq!(
            area::parse_table(&table(start, bytes)),
            Err(area::Error::Table)
        );
    }
    assert_eq!(
        area::parse_table(&table(0, 0x1000)[..55]),
        Err(area::Error::Table)
    );
}

#[test]
fn agents() {
    let ram = Ram::new(1 << 16);
    let (host, side) = (ram.side(0), ram.side(1));
    assert_eq!(Agent::read(&host, 1), None);
    assert_eq!(agent::State::read(&host), Ok(agent::State::None));
    let agent = Agent {
        terms: Terms {
            version: 1,
            features: 3,
        },
        run: 1,
        attach: 7,
    };
    assert_eq!(Agent::read(&host, 0), None);
    agent.publish(&side);
    assert_eq!(agent::State::read(&host), Ok(agent::State::Ready));
    assert_eq!(Agent::read(&host, 1), Some(agent));
    // One of another run is none.
    assert_eq!(Agent::read(&host, 2), None);

    for verdict in [Verdict::Accepted, Verdict::Refused, Verdict::Misbehaved] {
        verdict.publish(&host, 7);
        assert_eq!(Verdict::read(&side, 7), Ok(verdict));
        assert_eq!(Verdict::read(&side, 8), Ok(Verdict::None));
        // There is room for half of a number.
        verdict.publish(&host, (9 << 32) | 7);
        assert_eq!(Verdict::read(&side, (9 << 32) | 7), Ok(verdict));
    }
    host.store(128, (7 << 32) | 4);
    assert!(Verdict::read(&side, 7).is_err());

    agent::leave(&side, Gone::Restart, b"");
    let gone = agent::State::Gone(Gone::Restart);
    assert_eq!(agent::State::read(&host), Ok(gone));
    let late = Agent {
        terms: Terms {
            version: 9,
            features: 0,
        },
        run: 1,
        attach: 77,
    };
    late.decline(&side);
    let gone = agent::State::Gone(Gone::Version);
    assert_eq!(Agent::look(&host, 1), Some((Ok(gone), Some(late))));
    assert_eq!(Agent::look(&host, 2), Some((Ok(gone), None)));
    // A reason of a later version.
    side.store(128, (8 << 32) | 2);
    let gone = agent::State::Gone(Gone::None);
    assert_eq!(agent::State::read(&host), Ok(gone));
    for word in [3, 1 << 32, (1 << 32) | 1, u64::MAX] {
        side.store(128, word);
        assert_eq!(agent::State::read(&host), Err(word));
    }
}

#[test]
fn last_words() {
    let ram = Ram::new(1 << 16);
    let mut out = [0; TEXT_BYTES];
    for (text, told) in [
        (vec![], vec![]),
        (b"a \x07\n\xff~\x7f".to_vec(), b"a ???~?".to_vec()),
        (b"before\0behind".to_vec(), b"before".to_vec()),
        (vec![b'x'; 256], vec![b'x'; 256]),
        (vec![b'x'; 1000], vec![b'x'; 256]),
        (b"no more!".to_vec(), b"no more!".to_vec()),
        (vec![0x80; 255], vec![b'?'; 255]),
    ] {
        agent::leave(&ram.side(1), Gone::Panic, &text);
        let len = agent::read_text(&ram.side(0), &mut out);
        assert_eq!(out[..len], told);
    }
}

#[test]
fn doorbells() {
    let two = |id| id == 2;
    let bell = Doorbell::new(2, 0x31).unwrap();
    assert_eq!(Doorbell::parse(0, two), Ok(None));
    assert_eq!(Doorbell::parse(bell.word(), two), Ok(Some(bell)));
    // Back at the first place it is another word.
    let moved = bell.moved(3, 0x32).unwrap().moved(2, 0x31).unwrap();
    assert_ne!(moved.word(), bell.word());
    assert_eq!((moved.apic_id(), moved.vector()), (2, 0x31));
    assert_eq!(Doorbell::parse(moved.word(), two), Ok(Some(moved)));
    // However often it has moved.
    let mut often = bell;
    for _ in 0..70_000 {
        let before = often.word();
        often = often.moved(2, 0x31).unwrap();
        assert_ne!(often.word(), before);
    }
    for vector in [0, 0x1f, 0x100, 0x131] {
        assert_eq!(
            Doorbell::new(2, vector),
            Err(doorbell::Error::Vector(vector))
        );
    }
    let word = bell.word();
    for (word, error) in [
        (word & !(1 << 63), doorbell::Error::Word(word & !(1 << 63))),
        (word | (1 << 56), doorbell::Error::Word(word | (1 << 56))),
        (word & !(0xff << 32), doorbell::Error::Vector(0)),
        (word ^ 1, doorbell::Error::ApicId(3)),
    ] {
        assert_eq!(Doorbell::parse(word, two), Err(error));
    }
    // No broadcast, whoever says so.
    for id in [0xff, 0xffff_ffff] {
        let word = Doorbell::new(id, 0x31).unwrap().word();
        let error = Err(doorbell::Error::ApicId(id));
        assert_eq!(Doorbell::parse(word, |_| true), error);
    }
}

#[test]
fn clocks() {
    let ram = Ram::new(1 << 16);
    let (host, side) = (ram.side(0), ram.side(1));
    assert_eq!(Clock::read(&side, 0), None);
    let clock = common::clock();
    let mut sequence = 0;
    clock.publish(&host, 0, &mut sequence);
    assert_eq!(Clock::read(&side, 0), Some(clock));
    for (ticks, ns) in [
        (0, 0),
        (2500, 999),
        (2_500_000_000, 999_999_998),
        (-2500, -999i64),
    ] {
        let tsc = clock.tsc.wrapping_add_signed(ticks);
        let expected = clock.realtime_ns.wrapping_add_signed(ns);
        assert_eq!(clock.realtime_ns(tsc), expected, "{ticks}");
    }
    // The host stops while it writes.
    host.store(0, 3);
    assert_eq!(Clock::try_read(&side, 0), Err(Writing));
    assert_eq!(Clock::read(&side, 0), None);
    // A shift that is none.
    host.store(0, 4);
    host.store(40, 64);
    assert_eq!(Clock::try_read(&side, 0), Ok(None));
}

fn channel() -> Channel {
    let half = |address| Half {
        address,
        size: Size::new(8192).unwrap(),
    };
    let mut name = [0; 32];
    name[..4].copy_from_slice(b"data");
    Channel {
        kind: Kind::Data,
        peer: 0,
        own: half(0x10_0000),
        other: half(0x20_0000),
        name: Name::new(&name).unwrap(),
        peer_name: None,
    }
}

#[test]
fn entries() {
    let status = Status {
        generation: 1,
        state: State::Offered,
    };
    let read = |at: usize, word: u64| {
        let ram = Ram::new(1 << 16);
        channel().write(&ram.side(0), 0);
        status.publish(&ram.side(0), 0);
        ram.side(0).store(at, word);
        Channel::read(&ram.side(1), 0, status)
    };
    // This changes nothing.
    assert_eq!(read(40, 1), Ok(channel()));
    for (at, word, error) in [
        (0, (2 << 32) | 1, Error::Changed),
        (0, (1 << 32) | 2, Error::Changed),
        (0, (1 << 32) | 3, Error::State((1 << 32) | 3)),
        (8, 3, Error::Kind(3)),
        (16, 0, Error::Half(0, 8192)),
        (16, 0x10_0800, Error::Half(0x10_0800, 8192)),
        (16, !0xfff, Error::Half(!0xfff, 8192)),
        (24, 0x10_0000, Error::Overlap),
        (24, 0x10_2000, Error::Overlap),
        (32, 8192 << 32, Error::Half(0x10_0000, 0)),
        (32, (8192 << 32) | 2048, Error::Half(0x10_0000, 2048)),
        (32, (8192 << 32) | 8193, Error::Half(0x10_0000, 8193)),
        (32, (1 << 63) | 8192, Error::Half(0x20_0000, 1 << 31)),
    ] {
        assert_eq!(read(at, word), Err(error));
        assert!(!error.to_string().is_empty());
    }
    assert!(matches!(read(64, 0), Err(Error::Name(_))));
    assert!(matches!(read(64, u64::MAX), Err(Error::Name(_))));
    assert!(matches!(read(96, b'/'.into()), Err(Error::Name(_))));
    assert_eq!(
        read(96, b'p'.into()).unwrap().peer_name.unwrap().as_str(),
        "p"
    );
}

#[test]
fn answers() {
    for answer in [
        Answer::None,
        Answer::Attached,
        Answer::Released,
        Answer::Refused,
    ] {
        let word = answer.word(5);
        assert_eq!(Answer::parse(word, 5), Ok(answer));
        assert_eq!(Answer::parse(word, 6), Ok(Answer::None));
    }
    assert_eq!(Answer::parse((5 << 32) | 4, 5), Err((5 << 32) | 4));
}

#[test]
fn wrong_messages() {
    let mut bytes = [0; 88];
    let create = Body::Create {
        ring_bytes: 0,
        name: channel().name,
        peer: None,
    };
    let message = |body| Message { cookie: 1, body };
    assert_eq!(message(create).write(&mut bytes), Some(88));
    assert_eq!(Message::parse(&bytes), Ok(message(create)));
    let remove = Body::Remove {
        name: channel().name,
        peer: Some(channel().name),
    };
    let mut other = [0xff; 88];
    assert_eq!(message(remove).write(&mut other), Some(88));
    assert_eq!(Message::parse(&other), Ok(message(remove)));
    assert_eq!(other[16..24], [0; 8]);
    for len in 0..88 {
        assert_eq!(message(create).write(&mut vec![0; len]), None);
        assert_eq!(
            Message::parse(&bytes[..len]),
            Err(message::Error::Length(len))
        );
    }
    bytes[24] = 0;
    assert!(matches!(
        Message::parse(&bytes),
        Err(message::Error::Name(_))
    ));
    bytes[4] = 1;
    assert_eq!(Message::parse(&bytes), Err(message::Error::Field(4)));
    bytes[..8].copy_from_slice(&3u64.to_le_bytes());
    bytes[16] = 4;
    assert_eq!(Message::parse(&bytes), Err(message::Error::Field(16)));
    // Of a kind of the future.
    bytes[0] = 200;
    assert_eq!(Message::parse(&bytes).unwrap().body, Body::Unknown(200));
    let ping = [1; message::PING_BYTES_MAX + 1];
    let mut out = [0; message::BYTES_MAX + 1];
    let len = message(Body::Ping(&ping)).write(&mut out).unwrap();
    assert_eq!(Message::parse(&out), Err(message::Error::Length(len)));
}

proptest! {
    #[test]
    fn messages(cookie: u64, body: Vec<u8>, number: u32, how in 0usize..3) {
        let how = [How::PowerOff, How::Restart, How::Halt][how];
        let mut out = [0; message::BYTES_MAX];
        // A known number is written as what it means.
        let outcome = if number < 7 { Outcome::Done } else { Outcome::Other(number) };
        for body in [Body::Ping(&body), Body::Answer(outcome, &body), Body::Shutdown(how)] {
            let message = Message { cookie, body };
            let len = message.write(&mut out).unwrap();
            prop_assert_eq!(Message::parse(&out[..len]), Ok(message));
        }
    }

    #[test]
    fn time_passes(tsc: u64, ticks in 0u64..1 << 40, khz in 500_000u64..5_000_000) {
        let clock = Clock {
            tsc,
            realtime_ns: 1 << 60,
            multiplier: (1_000_000 << 32) / khz,
            shift: 32,
            tai_offset: 0,
            is_synchronized: true,
        };
        let Some(later) = tsc.checked_add(ticks) else { return Ok(()) };
        let ns = clock.realtime_ns(later) - (1 << 60);
        let exact = u128::from(ticks) * 1_000_000 / u128::from(khz);
        prop_assert!(u128::from(ns).abs_diff(exact) <= 1 + u128::from(ticks >> 32));
    }
}
