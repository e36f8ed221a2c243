// SPDX-License-Identifier: GPL-2.0

//! All that one kernel reads of another but the rings: the pages of an area,
//! an entry of its directory, a message. 1 byte says what, the rest is the
//! memory, or the message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use multikernel_fuzz::pure::agent::{self, Agent, TEXT_BYTES};
use multikernel_fuzz::pure::area::{self, Host, Verdict};
use multikernel_fuzz::pure::clock::Clock;
use multikernel_fuzz::pure::directory::{Answer, Channel, Status};
use multikernel_fuzz::pure::doorbell::Doorbell;
use multikernel_fuzz::pure::half::Halves;
use multikernel_fuzz::pure::message::{Message, BYTES_MAX};

/// The input over and over again, with what few inputs would have.
struct Memory<'a> {
    input: &'a [u8],
    magic: Option<[u8; 8]>,
}

impl Halves for Memory<'_> {
    fn load(&self, at: usize) -> u64 {
        match (at, self.magic) {
            (0, Some(magic)) => u64::from_le_bytes(magic),
            _ => {
                let byte = |n| self.input[(at + n) % self.input.len()];
                u64::from_le_bytes(std::array::from_fn(byte))
            }
        }
    }

    fn store(&self, _: usize, _: u64) {
        unreachable!("who reads does not write");
    }

    fn fence(&self) {}
}

fuzz_target!(|data: &[u8]| {
    let Some((what, input)) = data.split_first().filter(|(_, input)| !input.is_empty()) else {
        return;
    };
    let memory = |magic| Memory { input, magic };
    match what % 6 {
        0 => {
            let _ = area::parse_table(input);
            let bytes = 1 << 16;
            let Ok(host) = Host::read(&memory(Some(*b"MKRNHOST")), bytes) else {
                return;
            };
            assert!(u64::from(host.agent_at) + 4096 <= bytes);
            for n in 0..host.channels {
                assert!(host.entry(n).unwrap() + 128 <= host.agent_at as usize);
            }
            let _ = Verdict::read(&memory(None), host.run);
        }
        1 => {
            let memory = memory(Some(*b"MKRNAGNT"));
            let _ = Agent::read(&memory, memory.load(24)).unwrap();
            let _ = agent::State::read(&memory);
            let mut text = [0; TEXT_BYTES];
            let len = agent::read_text(&memory, &mut text);
            assert!(text[..len].iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
        2 => {
            let memory = memory(None);
            let Ok(status) = Status::read(&memory, 0) else {
                return;
            };
            if let Ok(channel) = Channel::read(&memory, 0, status) {
                let (own, other) = (channel.own.range(), channel.other.range());
                assert!(!own.unwrap().overlaps(other.unwrap()));
            }
            let _ = Answer::parse(memory.load(8), status.generation);
        }
        3 => {
            let memory = memory(None);
            if let Some(clock) = Clock::read(&memory, 0) {
                let now = clock.realtime_ns(memory.load(48));
                assert!(now == clock.realtime_ns || clock.multiplier != 0);
            }
        }
        4 => {
            let word = memory(None).load(0);
            if let Ok(Some(bell)) = Doorbell::parse(word, |id| id < 300) {
                assert!(bell.vector() >= 0x20 && bell.apic_id() < 300 && bell.apic_id() != 0xff);
                assert_eq!(bell.word(), word);
            }
        }
        _ => {
            let Ok(message) = Message::parse(input) else {
                return;
            };
            let mut out = [0; BYTES_MAX + 4096];
            if let Some(len) = message.write(&mut out) {
                assert_eq!(Message::parse(&out[..len]), Ok(message));
            }
        }
    }
});
