// SPDX-License-Identifier: GPL-2.0

//! Messages through a ring. What both sides do at once is checked by
//! `tools/testing/multikernel/loom`, and what a hostile one does is fuzzed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use multikernel_pure::pure::half::{Halves, Size, State, DATA, HEAD, STATE, WANT_DATA, WANT_ROOM};
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
fn sizes() {
    for size in [
        0,
        1,
        64,
        127,
        129,
        4095,
        4097,
        3 << 20,
        1 << 31,
        1 << 32,
        u64::MAX,
    ] {
        assert_eq!(Size::new(size), None, "{size}");
    }
    for (size, longest) in [
        (128, 56),
        (4096, 4024),
        (65536, 65464),
        (131072, 65536),
        (1 << 30, 65536),
    ] {
        assert_eq!(Size::new(size).unwrap().message_max(), longest);
    }
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

#[test]
fn what_is_not_committed_is_not_sent() {
    let ram = Ram::new(PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    sender.reserve(100).unwrap();
    assert!(!sender.bell());
    assert_eq!(receiver.peek().err(), Some(ReceiveError::Empty));
    sender.send(b"one").unwrap();
    // What is only looked at stays.
    assert_eq!(receiver.peek().unwrap().bytes(), 3);
    assert_eq!(receive(&mut receiver).unwrap(), b"one");
    assert_eq!(receiver.peek().err(), Some(ReceiveError::Empty));
}

#[test]
fn little_room_to_receive() {
    let ram = Ram::new(256);
    let (mut sender, mut receiver) = ends(&ram);
    // One that is in one piece, and one in two.
    for seed in 0..8 {
        let sent = message(seed, 100);
        for room in [0, 1, 50, 99, 100] {
            sender.send(&sent).unwrap();
            let mut bytes = vec![0xaa; room];
            assert_eq!(receiver.receive(&mut bytes), Ok(100));
            assert_eq!(bytes, sent[..room]);
        }
    }
}

#[test]
fn doorbells_only_when_wanted() {
    let ram = Ram::new(PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    // Nobody knows yet whether the receiver is awake.
    sender.send(b"first").unwrap();
    assert!(sender.bell());
    assert!(!sender.bell());
    for _ in 0..20 {
        sender.send(b"more").unwrap();
        assert!(!sender.bell());
    }
    assert!(!receiver.wait());
    while receive(&mut receiver).is_ok() {}
    assert!(!receiver.bell());
    assert!(receiver.wait());
    sender.send(b"wanted").unwrap();
    sender.send(b"and more").unwrap();
    assert!(sender.bell());
    sender.send(b"not wanted").unwrap();
    assert!(!sender.bell());
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
fn room_for_a_quarter() {
    let ram = Ram::new(PAGE);
    let (mut sender, mut receiver) = ends(&ram);
    assert!(!sender.wait(1));
    while sender.send(b"x").is_ok() {}
    assert_eq!(sender.tail(), PAGE - 64);
    assert!(sender.wait(1));
    for n in 0..64 {
        if receive(&mut receiver).is_err() {
            break;
        }
        // 15 lines, and one is always free.
        assert_eq!(receiver.bell(), n == 14, "{n}");
    }
    assert!(!sender.wait(1));
    // More than a quarter is asked for.
    while sender.send(b"x").is_ok() {}
    assert!(sender.wait(2000));
    let mut rung = 0;
    while receive(&mut receiver).is_ok() {
        rung += usize::from(receiver.bell());
        assert_eq!(rung == 0, sender.wait(2000));
    }
    assert_eq!(rung, 1);
}

#[test]
fn the_end() {
    for last in [State::Closed, State::Broken, State::Gone] {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        State::Open.publish(&ram.side(0));
        State::Open.publish(&ram.side(1));
        sender.send(b"before").unwrap();
        last.publish(&ram.side(0));
        // What had arrived is still there.
        assert!(!receiver.wait());
        assert_eq!(receive(&mut receiver).unwrap(), b"before");
        for _ in 0..2 {
            assert_eq!(receive(&mut receiver), Err(ReceiveError::Left(last)));
            assert!(!receiver.wait());
        }
        sender.send(b"nobody reads this").unwrap();
        last.publish(&ram.side(1));
        assert_eq!(sender.send(b"or this"), Err(SendError::Left(last)));
        assert!(!sender.wait(1));
    }
}

/// What the sender cannot have written.
#[test]
fn wrong_headers() {
    let good = |line: u64, len: u64| (line << 32) | len;
    for header in [
        good(1, 0),
        good(1, 4025),
        good(1, 65536),
        good(1, u64::from(u32::MAX)),
        good(0, 1),
        good(2, 1),
        good(65, 1),
        u64::MAX,
    ] {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        sender.send(b"good").unwrap();
        receive(&mut receiver).unwrap();
        ram.side(0).store(DATA + 64, header);
        let fault = Fault::Header {
            position: 64,
            header,
        };
        assert!(!fault.to_string().is_empty());
        assert_eq!(receive(&mut receiver), Err(ReceiveError::Broken(fault)));
        // It stays so.
        ram.side(0).store(DATA + 64, good(1, 1));
        assert_eq!(receive(&mut receiver), Err(ReceiveError::Broken(fault)));
        assert!(!receiver.wait());
    }
}

/// What the receiver cannot have read.
#[test]
fn wrong_heads() {
    let (before, tail) = (128, 128 + PAGE - 64);
    let possible = (before..=tail).step_by(64);
    let wrong = [
        0,
        64,
        before - 1,
        before + 1,
        before + 63,
        tail - 1,
        tail + 1,
        tail + 64,
    ]
    .into_iter()
    .chain([before + (1 << 32), 1 << 63, u64::MAX]);
    for head in possible.clone().chain(wrong) {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        for _ in 0..2 {
            sender.send(b"x").unwrap();
            receive(&mut receiver).unwrap();
        }
        while sender.send(b"x").is_ok() {}
        assert_eq!(sender.tail(), tail);
        ram.side(1).store(HEAD, head);
        let sent = sender.send(b"x");
        if possible.clone().any(|right| right == head) {
            let full = head == before;
            assert_eq!(sent, if full { Err(SendError::Full) } else { Ok(()) });
            continue;
        }
        let fault = Fault::Head { head, before, tail };
        assert!(!fault.to_string().is_empty());
        assert_eq!(sent, Err(SendError::Broken(fault)));
        // It stays so.
        ram.side(1).store(HEAD, tail);
        assert_eq!(sender.send(b"x"), Err(SendError::Broken(fault)));
        assert!(!sender.wait(1));
    }
}

#[test]
fn wrong_states() {
    for word in [5, 6, 1 << 32, u64::MAX] {
        let ram = Ram::new(PAGE);
        let (mut sender, mut receiver) = ends(&ram);
        ram.side(0).store(STATE, word);
        ram.side(1).store(STATE, word);
        let fault = Fault::State(word);
        assert_eq!(sender.send(b"x"), Err(SendError::Broken(fault)));
        assert_eq!(receive(&mut receiver), Err(ReceiveError::Broken(fault)));
    }
    // Nobody comes back.
    let ram = Ram::new(PAGE);
    let (_, mut receiver) = ends(&ram);
    State::Closed.publish(&ram.side(0));
    assert_eq!(
        receive(&mut receiver),
        Err(ReceiveError::Left(State::Closed))
    );
    State::Open.publish(&ram.side(0));
    assert_eq!(
        receive(&mut receiver),
        Err(ReceiveError::Broken(Fault::State(State::Open as u64)))
    );
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Receive,
    SenderWaits(usize),
    ReceiverWaits,
}

/// What somebody may say that they wait for: mostly what matters.
fn wish() -> impl Strategy<Value = u64> {
    prop_oneof![0..=2 * 64u64, any::<u64>()]
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
