// SPDX-License-Identifier: GPL-2.0

//! What is read while it is written is whole, or noticed; and a doorbell that
//! moves loses nothing.

use std::sync::Arc;

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use loom::sync::Notify;
use loom::thread;
use multikernel_loom::area;
use multikernel_loom::pure::agent::{self, Gone, TEXT_BYTES};
use multikernel_loom::pure::area::{publish_doorbell, DOORBELL};
use multikernel_loom::pure::clock::Clock;
use multikernel_loom::pure::directory::{Channel, Error, Half, Kind, State, Status};
use multikernel_loom::pure::doorbell::Doorbell;
use multikernel_loom::pure::half::{Halves, Size};
use multikernel_loom::pure::name::Name;

fn few_preemptions(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn clock() {
    let time = |n: u64| Clock {
        tsc: n,
        realtime_ns: n,
        multiplier: n,
        shift: n as u32,
        tai_offset: n as i32,
        is_synchronized: n == 2,
    };
    few_preemptions(move || {
        let offsets: Vec<_> = (0..48).step_by(8).collect();
        let [host, agent] = area(&offsets);
        let mut sequence = 0;
        time(1).publish(&host, 0, &mut sequence);
        let thread = thread::spawn(move || time(2).publish(&host, 0, &mut sequence));
        // Otherwise it was noticed.
        if let Ok(read) = Clock::try_read(&agent, 0) {
            assert!([Some(time(1)), Some(time(2))].contains(&read));
        }
        thread.join().unwrap();
        assert_eq!(Clock::try_read(&agent, 0), Ok(Some(time(2))));
    });
}

/// An entry gets another channel while it is read.
#[test]
fn directory() {
    let channel = |n: u8| Channel {
        kind: Kind::Data,
        peer: n.into(),
        own: Half {
            address: u64::from(n) << 20,
            size: Size::new(4096).unwrap(),
        },
        other: Half {
            address: u64::from(n) << 30,
            size: Size::new(4096).unwrap(),
        },
        name: {
            let mut bytes = [0; 32];
            bytes[0] = b'0' + n;
            Name::new(&bytes).unwrap()
        },
        peer_name: None,
    };
    let status = |generation, state| Status { generation, state };
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let offsets: Vec<_> = (0..128).step_by(8).collect();
        let [host, agent] = area(&offsets);
        channel(1).write(&host, 0);
        status(1, State::Offered).publish(&host, 0);
        let thread = thread::spawn(move || {
            status(1, State::Free).publish(&host, 0);
            channel(2).write(&host, 0);
            status(2, State::Offered).publish(&host, 0);
        });
        let found = Status::read(&agent, 0).unwrap();
        if found.state == State::Offered {
            let expected = channel(found.generation as u8);
            let read = Channel::read(&agent, 0, found);
            assert!(
                read == Ok(expected) || read == Err(Error::Changed),
                "{read:?}"
            );
        }
        thread.join().unwrap();
    });
}

#[test]
fn last_words() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let mut offsets: Vec<_> = (1024..1024 + TEXT_BYTES).step_by(8).collect();
        offsets.push(128);
        let [host, agent] = area(&offsets);
        let thread = thread::spawn(move || agent::leave(&agent, Gone::Panic, b"oh no, no"));
        if agent::State::read(&host) == Ok(agent::State::Gone(Gone::Panic)) {
            let mut text = [0; TEXT_BYTES];
            let len = agent::read_text(&host, &mut text);
            assert_eq!(&text[..len], b"oh no, no");
        }
        thread.join().unwrap();
    });
}

/// The processor that was rung goes away while another kernel rings it.
#[test]
fn doorbell_moves() {
    loom::model(|| {
        let [owner, ringer] = area(&[DOORBELL]);
        let sent = Arc::new(AtomicU64::new(0));
        let bell = Arc::new(Notify::new());
        // Whether processors 0 and 1 take interrupts.
        let is_on = Arc::new([true, false].map(AtomicBool::new));
        let first = Doorbell::new(0, 0x30).unwrap();
        publish_doorbell(&owner, Some(first));

        let thread = thread::spawn({
            let (sent, bell, is_on) = (sent.clone(), bell.clone(), is_on.clone());
            move || {
                sent.store(1, Release);
                ringer.fence();
                let word = ringer.load(DOORBELL);
                let place = Doorbell::parse(word, |id| id < 2).unwrap().unwrap();
                // Otherwise the interrupt is lost.
                if is_on[place.apic_id() as usize].load(Acquire) {
                    bell.notify();
                }
            }
        });
        is_on[1].store(true, Release);
        publish_doorbell(&owner, Some(first.moved(1, 0x31).unwrap()));
        is_on[0].store(false, Release);
        while sent.load(Acquire) == 0 {
            bell.wait();
        }
        thread.join().unwrap();
    });
}
