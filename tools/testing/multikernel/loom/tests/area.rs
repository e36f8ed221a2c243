// SPDX-License-Identifier: GPL-2.0

//! What is read while it is written is whole, or noticed; a doorbell that
//! moves loses nothing; and no conversation touches the memory of the next.

use std::sync::Arc;

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use loom::sync::Notify;
use loom::thread;
use multikernel_loom::pure::agent::{self, Agent, Gone, ANSWERS, TEXT_BYTES};
use multikernel_loom::pure::area::{publish_doorbell, DOORBELL};
use multikernel_loom::pure::broker::Broker;
use multikernel_loom::pure::clock::Clock;
use multikernel_loom::pure::directory::{Answer, Channel, Error, Half, Kind, State, Status};
use multikernel_loom::pure::doorbell::Doorbell;
use multikernel_loom::pure::half::{Halves, Size};
use multikernel_loom::pure::handshake::Terms;
use multikernel_loom::pure::name::Name;
use multikernel_loom::{area, Area, Memory};

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

fn agent(n: u64) -> Agent {
    Agent {
        terms: Terms {
            version: n as u32,
            features: n,
        },
        run: 1,
        attach: n,
    }
}

fn agent_area() -> [Area; 2] {
    let mut offsets: Vec<_> = (0..40).step_by(8).collect();
    offsets.push(128);
    area(&offsets)
}

/// The first agent comes, while the host looks.
#[test]
fn agent_comes() {
    few_preemptions(move || {
        let [host, side] = agent_area();
        let thread = thread::spawn(move || agent(1).publish(&side));
        match Agent::look(&host, 1) {
            Some((Ok(agent::State::Ready), found)) => assert_eq!(found, Some(agent(1))),
            // It counts as one that has come, as soon as it is seen.
            Some((Ok(agent::State::None), found)) => {
                assert!([None, Some(agent(1))].contains(&found), "{found:?}");
            }
            seen => assert_eq!(seen, None),
        }
        thread.join().unwrap();
    });
}

/// An agent comes after another one, while the host looks.
#[test]
fn agent_comes_again() {
    few_preemptions(move || {
        let [host, side] = agent_area();
        agent(1).publish(&side);
        let thread = thread::spawn(move || agent(2).publish(&side));
        match Agent::look(&host, 1) {
            Some((Ok(agent::State::Ready), found)) => {
                assert!(
                    [Some(agent(1)), Some(agent(2))].contains(&found),
                    "{found:?}"
                );
            }
            // Whoever begins anew is looked at again.
            Some((Ok(agent::State::None), _)) | None => {}
            Some((state, _)) => panic!("{state:?}"),
        }
        thread.join().unwrap();
        let ready = Some((Ok(agent::State::Ready), Some(agent(2))));
        assert_eq!(Agent::look(&host, 1), ready);
    });
}

/// An instance's doorbell moves while another instance rings it, which has the
/// old place until the host has copied the new one.
#[test]
fn doorbell_of_a_peer_moves() {
    few_preemptions(|| {
        let [owner, host] = area(&[DOORBELL]);
        // In the directory of the ringer.
        let [directory, ringer] = area(&[DOORBELL]);
        let sent = Arc::new(AtomicU64::new(0));
        let (bell, host_bell) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let is_on = Arc::new([true, false].map(AtomicBool::new));
        let first = Doorbell::new(0, 0x30).unwrap();
        publish_doorbell(&owner, Some(first));
        directory.store(DOORBELL, first.word());

        let ring = {
            let (bell, is_on) = (bell.clone(), is_on.clone());
            move |word| {
                let place = Doorbell::parse(word, |id| id < 2).unwrap().unwrap();
                if is_on[place.apic_id() as usize].load(Acquire) {
                    bell.notify();
                }
            }
        };
        let ringing = thread::spawn({
            let (sent, ring) = (sent.clone(), ring.clone());
            move || {
                sent.store(1, Release);
                ringer.fence();
                ring(ringer.load(DOORBELL));
            }
        });
        let copying = thread::spawn({
            let host_bell = host_bell.clone();
            move || {
                let mut word = host.load(DOORBELL);
                // It may be rung for nothing.
                while word == first.word() {
                    host_bell.wait();
                    word = host.load(DOORBELL);
                }
                directory.store(DOORBELL, word);
                directory.fence();
                ring(word);
            }
        });
        is_on[1].store(true, Release);
        publish_doorbell(&owner, Some(first.moved(1, 0x31).unwrap()));
        is_on[0].store(false, Release);
        host_bell.notify();
        while sent.load(Acquire) == 0 {
            bell.wait();
        }
        ringing.join().unwrap();
        copying.join().unwrap();
    });
}

/// Both sides leave a conversation, and the host clears its memory for the next:
/// nobody uses it meanwhile, and who is offered the next finds it clear.
#[test]
fn next_conversation() {
    const DATA: usize = multikernel_loom::pure::half::DATA;
    let status = |generation| Status {
        generation,
        state: State::Offered,
    };
    few_preemptions(move || {
        let halves = [(); 2].map(|()| Arc::new(Memory::new(128)));
        let mut hosts = Vec::new();
        let mut sides = Vec::new();
        for n in 0..2 {
            let [host, agent] = area(&[0, ANSWERS]);
            status(1).publish(&host, 0);
            let (own, peer) = (halves[n].clone(), halves[1 - n].clone());
            let side = move || {
                // The last that this one does: a message.
                own.write(DATA + 8, 7);
                own.store(DATA, 1);
                if peer.load(DATA) != 0 {
                    assert_eq!(peer.read(DATA + 8), 7);
                }
                agent.store(ANSWERS, Answer::Released.word(1));
                let found = Status::read(&agent, 0).unwrap();
                if found.generation == 2 {
                    assert_eq!((own.read(DATA + 8), peer.read(DATA + 8)), (0, 0));
                    assert_eq!((own.load(DATA), peer.load(DATA)), (0, 0));
                }
            };
            hosts.push(host);
            sides.push(side);
        }
        let mut broker = Broker::new();
        broker.arrive(0);
        broker.arrive(1);
        assert!(broker.begin());
        let threads: Vec<_> = sides.into_iter().map(thread::spawn).collect();
        for (n, host) in hosts.iter().enumerate() {
            let answer = Answer::parse(host.load(ANSWERS), 1).unwrap();
            assert!(!broker.answer(n, answer));
        }
        if broker.begin() {
            for half in &halves {
                half.write(DATA + 8, 0);
                half.store(DATA, 0);
            }
            for host in &hosts {
                status(2).publish(host, 0);
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
