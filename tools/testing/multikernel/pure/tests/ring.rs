// SPDX-License-Identifier: GPL-2.0

//! Messages through a ring: any, in any order, and at full speed. `multikernel/tests`
//! has each rule by itself; what both sides do at once is checked by
//! `tools/testing/multikernel/loom`, and what a hostile one does is fuzzed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use multikernel_pure::pure::half::{Halves, State, HEAD, STATE, WANT_DATA, WANT_ROOM};
use multikernel_pure::pure::ring::{may_receive, may_send};
use multikernel_pure::pure::ring::{Fault, ReceiveError, Receiver, SendError, Sender};
use multikernel_pure::ram::{Ram, Side};
use proptest::prelude::*;

const PAGE: u64 = 4096;

fn ends(ram: &Ram) -> (Sender<Side<'_>>, Receiver<Side<'_>>) {
    (
        Sender::new(ram.side(0), ram.size()),
        Receiver::new(ram.side(1), ram.size()),
    )
}

/// Bytes that differ between messages and within one.
fn message(seed: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| (seed * 31 + n * 7 + n / 251) as u8)
        .collect()
}

fn receive(receiver: &mut Receiver<Side<'_>>) -> Result<Vec<u8>, ReceiveError> {
    let mut bytes = vec![0; 65536];
    let len = receiver.receive(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

#[test]
fn lengths() {
    for size in [128, PAGE, 65536, 131072] {
        let ram = Ram::new(size);
        let (mut sender, mut receiver) = ends(&ram);
        let longest = ram.size().message_max() as usize;
        for len in [0, longest + 1, usize::MAX] {
            assert_eq!(sender.reserve(len).err(), Some(SendError::Length(len)));
        }
        // The longest one fits at every place.
        for seed in 0..70 {
            let sent = message(seed, longest - seed % 8);
            sender.send(&sent).unwrap();
            assert_eq!(receive(&mut receiver).unwrap(), sent);
        }
    }
}

/// Whoever is rung finds what it waits for, and nothing else.
#[test]
fn who_is_rung_looks() {
    let ram = Ram::new(PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    // As each side sees what it says that it waits for.
    let may_receive = || may_receive(&ram.side(1), &ram.side(0), ram.size());
    let may_send = || may_send(&ram.side(0), &ram.side(1));
    for lap in 0..200 {
        assert!(receiver.wait());
        assert!(!may_receive(), "{lap}");
        while sender.send(b"x").is_ok() {
            assert!(may_receive(), "{lap}");
        }
        // More than a quarter, so that this is what it waits for.
        assert!(sender.wait(2000));
        assert!(!may_send(), "{lap}");
        while receive(&mut receiver).is_ok() {
            assert_eq!(may_send(), !sender.wait(2000), "{lap}");
        }
        assert!(may_send(), "{lap}");
    }
}

/// The end of a conversation is what anybody may have been rung for, and what
/// anybody looks for.
#[test]
fn who_is_rung_sees_the_end() {
    for state in State::ALL {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        let is_left = !matches!(state, State::New | State::Open);
        assert!(receiver.wait());
        state.publish(&ram.side(0));
        let may_receive = may_receive(&ram.side(1), &ram.side(0), ram.size());
        assert_eq!(may_receive, is_left, "{state:?}");
        assert_eq!(receiver.has_news(), is_left, "{state:?}");
        while sender.send(b"x").is_ok() {}
        assert!(sender.wait(1));
        state.publish(&ram.side(1));
        let may_send = may_send(&ram.side(0), &ram.side(1));
        assert_eq!(may_send, is_left, "{state:?}");
        assert_eq!(sender.has_news(), is_left, "{state:?}");
    }
    // So is a state that does not exist.
    let ram = Ram::new(PAGE);
    let (_, mut receiver) = ends(&ram);
    assert!(receiver.wait());
    ram.side(0).store(STATE, 99);
    assert!(may_receive(&ram.side(1), &ram.side(0), ram.size()));
    assert!(receiver.has_news());
}

/// What the cheapest look tells is so.
#[test]
fn news() {
    let ram = Ram::new(PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    for lap in 0..200 {
        assert!(!receiver.has_news(), "{lap}");
        sender.send(b"one").unwrap();
        assert!(receiver.has_news(), "{lap}");
        // It has looked, if the ring was full the last time.
        assert!(!sender.has_news(), "{lap}");
        receive(&mut receiver).unwrap();
        assert!(!receiver.has_news(), "{lap}");
        assert!(sender.has_news(), "{lap}");
        while sender.send(b"x").is_ok() {}
        assert!(!sender.has_news(), "{lap}");
        while receive(&mut receiver).is_ok() {}
    }
}

#[test]
fn faults_say_what_is_wrong() {
    let says = |fault: Fault, words: &str| assert_eq!(fault.to_string(), words);
    says(
        Fault::State(6),
        "the peer says that its state is 0x6, which cannot be",
    );
    says(
        Fault::Header {
            position: 64,
            header: 0x200000001,
        },
        "the peer sent a message with the header 0x200000001 at 0x40",
    );
    says(
        Fault::Head {
            head: 192,
            before: 64,
            tail: 128,
        },
        "the peer says that it has read up to 0xc0; it had read up to 0x40, and 0x80 was sent",
    );
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Receive,
    SenderWaits(usize),
    ReceiverWaits,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..300).prop_map(Step::Send),
        1 => (1usize..5000).prop_map(Step::Send),
        4 => Just(Step::Receive),
        1 => (1usize..5000).prop_map(Step::SenderWaits),
        1 => Just(Step::ReceiverWaits),
    ];
    prop::collection::vec(step, 1..300)
}

/// What somebody may say that they wait for: mostly what matters.
fn wish() -> impl Strategy<Value = u64> {
    prop_oneof![0..=2 * 64u64, any::<u64>()]
}

proptest! {
    /// The same as a queue with so many lines; who waits is rung for exactly
    /// when it can go on, or later if it is content with that.
    #[test]
    fn like_a_queue(bits in 7u32..14, steps in steps()) {
        let ram = Ram::new(1 << bits);
        let (mut sender, mut receiver) = ends(&ram);
        let longest = ram.size().message_max() as usize;
        let mut queue = VecDeque::new();
        let mut used = 0;
        let mut sender_waits = None;
        let mut receiver_waits = true;
        let lines = |len: usize| (len + 8).div_ceil(64) * 64;
        let fits = |used: usize, len| used + lines(len) + 64 <= 1 << bits;
        for (seed, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(len) => {
                    let sent = sender.send(&message(seed, len));
                    if len > longest {
                        prop_assert_eq!(sent, Err(SendError::Length(len)));
                    } else if fits(used, len) {
                        prop_assert_eq!(sent, Ok(()));
                        queue.push_back((seed, len));
                        used += lines(len);
                        prop_assert_eq!(sender.bell(), receiver_waits);
                        receiver_waits = false;
                        // What it waited for is of no use any more.
                        sender_waits = sender_waits.map(|_| None);
                    } else {
                        prop_assert_eq!(sent, Err(SendError::Full));
                    }
                }
                Step::Receive => match queue.pop_front() {
                    None => prop_assert_eq!(receive(&mut receiver), Err(ReceiveError::Empty)),
                    Some((seed, len)) => {
                        prop_assert_eq!(receive(&mut receiver).unwrap(), message(seed, len));
                        used -= lines(len);
                        let rung = receiver.bell();
                        if let Some(Some(len)) = sender_waits {
                            // Whoever is woken can send, and when all is read it is.
                            prop_assert!(!rung || fits(used, len));
                            prop_assert!(rung || used > 0);
                        }
                        if rung {
                            prop_assert!(sender_waits.is_some());
                            sender_waits = None;
                        }
                    }
                },
                Step::SenderWaits(len) => {
                    let waits = sender.wait(len);
                    prop_assert_eq!(waits, len <= longest && !fits(used, len));
                    if waits {
                        sender_waits = Some(Some(len));
                    }
                }
                Step::ReceiverWaits => {
                    let waits = receiver.wait();
                    prop_assert_eq!(waits, queue.is_empty());
                    receiver_waits |= waits;
                }
            }
            prop_assert_eq!(sender.tail() - receiver.head(), used as u64);
            prop_assert_eq!(ram.side(1).own(HEAD), receiver.head());
        }
    }

    /// Whatever a side waits for.
    #[test]
    fn any_wish(want_data in wish(), want_room in wish()) {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        ram.side(1).store(WANT_DATA, want_data);
        ram.side(0).store(WANT_ROOM, want_room);
        sender.send(b"x").unwrap();
        prop_assert_eq!(sender.bell(), want_data < 64);
        receive(&mut receiver).unwrap();
        prop_assert_eq!(receiver.bell(), (1..=64).contains(&want_room));
    }
}

/// Two threads at full speed, each with a doorbell of its own.
#[test]
fn two_threads() {
    const MESSAGES: usize = 20_000;
    let ram = Ram::new(4 * PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    let len = |n: usize| 1 + n * 7919 % if n % 16 == 0 { 9000 } else { 200 };
    let doorbells = AtomicUsize::new(0);
    let ring = |thread: &thread::Thread| {
        doorbells.fetch_add(1, Relaxed);
        thread.unpark();
    };
    let main = thread::current();
    thread::scope(|scope| {
        let (ring, len) = (&ring, &len);
        let thread = scope.spawn(move || {
            for n in 0..MESSAGES {
                while sender.send(&message(n, len(n))) == Err(SendError::Full) {
                    if sender.wait(len(n)) {
                        thread::park();
                    }
                }
                if sender.bell() {
                    ring(&main);
                }
            }
        });
        for n in 0..MESSAGES {
            let received = loop {
                match receive(&mut receiver) {
                    Ok(received) => break received,
                    Err(ReceiveError::Empty) => {
                        if receiver.wait() {
                            thread::park();
                        }
                    }
                    Err(error) => panic!("{error:?}"),
                }
            };
            assert_eq!(received, message(n, len(n)), "message {n}");
            if receiver.bell() {
                ring(thread.thread());
            }
        }
    });
    assert!(doorbells.load(Relaxed) < MESSAGES);
}
