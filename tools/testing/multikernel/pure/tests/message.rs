// SPDX-License-Identifier: GPL-2.0

//! Messages of the control channel: what is written is read, and nothing else is taken.
//! Their layout is checked by `abi`.

use multikernel_pure::pure::message::{Body, Created, Error, How, Message, Outcome};
use multikernel_pure::pure::name::{self, Name, BYTES};

fn name(text: &str) -> Name {
    let mut bytes = [0; BYTES];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Name::new(&bytes).unwrap()
}

fn written(message: &Message<'_>) -> Vec<u8> {
    let mut out = vec![0xaa; 256];
    let len = message.write(&mut out).unwrap();
    // Not into less.
    assert_eq!(message.write(&mut out[..len - 1]), None);
    out.truncate(len);
    out
}

#[test]
fn what_is_written_is_read() {
    let bodies = [
        Body::Ping(b"bytes"),
        Body::Answer(Outcome::Done, b"more"),
        Body::Shutdown(How::PowerOff),
        Body::Shutdown(How::Restart),
        Body::Shutdown(How::Halt),
        Body::Create {
            ring_bytes: 4096,
            name: name("one"),
            peer: None,
        },
        Body::Create {
            ring_bytes: 0,
            name: name("two"),
            peer: Some(name("blue")),
        },
        Body::Remove {
            name: name("two"),
            peer: Some(name("blue")),
        },
        Body::Unknown(77),
    ];
    for body in bodies {
        let message = Message {
            cookie: 0x1122_3344_5566_7788,
            body,
        };
        assert_eq!(Message::parse(&written(&message)), Ok(message));
    }
}

#[test]
fn every_outcome_has_a_number() {
    let outcomes = [
        Outcome::Done,
        Outcome::Unknown,
        Outcome::Invalid,
        Outcome::Exists,
        Outcome::NoPeer,
        Outcome::NoRoom,
        Outcome::Forbidden,
        Outcome::Other(7),
        Outcome::Other(u32::MAX),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let message = Message {
            cookie: 1,
            body: Body::Answer(outcome, &[]),
        };
        let bytes = written(&message);
        let expected = if number == 8 { u32::MAX } else { number as u32 };
        assert_eq!(bytes[4..8], expected.to_le_bytes());
        assert_eq!(Message::parse(&bytes), Ok(message));
    }
}

#[test]
fn what_was_made_is_told() {
    let created = Created {
        channel: 5,
        generation: 0x8000_0001,
    };
    assert_eq!(Created::parse(&created.bytes()), Some(created));
    assert_eq!(Created::parse(&created.bytes()[..7]), None);
}

#[test]
fn what_is_wrong_is_refused_and_told() {
    let shutdown = written(&Message {
        cookie: 1,
        body: Body::Shutdown(How::Halt),
    });
    let create = written(&Message {
        cookie: 1,
        body: Body::Create {
            ring_bytes: 4096,
            name: name("one"),
            peer: None,
        },
    });
    let with = |bytes: &[u8], at: usize, byte| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        Message::parse(&bytes).unwrap_err()
    };
    assert_eq!(with(&shutdown, 16, 4), Error::Field(16));
    // Only an answer says how it went.
    assert_eq!(with(&shutdown, 4, 1), Error::Field(4));
    assert_eq!(with(&create, 24, 0), Error::Name(name::Error::Empty));
    for message in [&shutdown, &create] {
        let short = &message[..message.len() - 1];
        assert_eq!(Message::parse(short), Err(Error::Length(short.len())));
        // Structures may have grown at their ends.
        let longer = [message.as_slice(), &[1, 2, 3]].concat();
        assert_eq!(Message::parse(&longer), Message::parse(message));
    }
    let says = |error: Error, words: &str| assert_eq!(error.to_string(), words);
    says(Error::Length(3), "a message cannot have 3 bytes");
    says(Error::Field(16), "a message has a wrong value at offset 16");
    says(
        Error::Name(name::Error::Empty),
        "the name is empty; give 1 to 31 characters",
    );
}
