// SPDX-License-Identifier: GPL-2.0

//! Messages through a ring of 16 lines, one side after the other.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_ring))]
mod suite {
    use core::sync::atomic::AtomicU64;

    use super::super::side::Side;
    use crate::pure::half::{Halves, Size, State, DATA, HEAD, STATE, WANT_DATA, WANT_ROOM};
    use crate::pure::ring::{may_receive, may_send};
    use crate::pure::ring::{Fault, ReceiveError, Receiver, SendError, Sender};

    const BYTES: usize = 1024;
    const LONGEST: usize = BYTES - 72;
    /// What is used of the pages before the data.
    const WORDS: usize = 512;

    /// Both halves.
    struct Memory([[AtomicU64; (WORDS + BYTES) / 8]; 2]);

    impl Memory {
        fn new() -> Self {
            Self([const { [const { AtomicU64::new(0) }; (WORDS + BYTES) / 8] }; 2])
        }

        fn side(&self, side: usize) -> Side<'_> {
            Side::new(&self.0[side], &self.0[1 - side], DATA - WORDS)
        }

        fn ends(&self) -> (Sender<Side<'_>>, Receiver<Side<'_>>) {
            let size = Size::new(BYTES as u64).unwrap();
            (
                Sender::new(self.side(0), size),
                Receiver::new(self.side(1), size),
            )
        }
    }

    /// Bytes that differ between messages and within one.
    fn message<const LEN: usize>(seed: usize) -> [u8; LEN] {
        core::array::from_fn(|n| (seed * 31 + n * 7 + n / 251) as u8)
    }

    /// Whether exactly this is received.
    fn receives(receiver: &mut Receiver<Side<'_>>, expected: &[u8]) -> bool {
        let mut bytes = [0; BYTES];
        receiver.receive(&mut bytes) == Ok(expected.len()) && bytes.starts_with(expected)
    }

    /// Why nothing is received.
    fn refusal(receiver: &mut Receiver<Side<'_>>) -> Option<ReceiveError> {
        receiver.receive(&mut [0; BYTES]).err()
    }

    #[test]
    fn sizes() {
        let wrong = [0, 1, 64, 127, 129, 4095, 4097, 3 << 20, 1 << 31, 1 << 32];
        for size in wrong.into_iter().chain([u64::MAX]) {
            assert_eq!(Size::new(size), None);
        }
        for (size, longest) in [
            (128, 56),
            (4096, 4024),
            (65536, 65464),
            (131072, 65536),
            (1 << 30, 65536),
        ] {
            assert_eq!(Size::new(size).map(Size::message_max), Some(longest));
        }
    }

    #[test]
    fn what_is_not_committed_is_not_sent() {
        let memory = Memory::new();
        let (mut sender, mut receiver) = memory.ends();
        assert!(sender.reserve(100).is_ok());
        assert!(!sender.bell());
        assert_eq!(receiver.peek().err(), Some(ReceiveError::Empty));
        assert_eq!(sender.send(b"one"), Ok(()));
        // What is only looked at stays.
        assert_eq!(receiver.peek().map(|message| message.bytes()), Ok(3));
        assert!(receives(&mut receiver, b"one"));
        assert_eq!(receiver.peek().err(), Some(ReceiveError::Empty));
    }

    #[test]
    fn little_room_to_receive() {
        let memory = Memory::new();
        let (mut sender, mut receiver) = memory.ends();
        // Some are in one piece, and some in two.
        for seed in 0..16 {
            let sent = message::<100>(seed);
            for room in [0, 1, 50, 99, 100] {
                assert_eq!(sender.send(&sent), Ok(()));
                let mut bytes = [0xaa; 100];
                assert_eq!(receiver.receive(&mut bytes[..room]), Ok(100));
                assert_eq!(bytes[..room], sent[..room]);
                assert!(bytes[room..].iter().all(|byte| *byte == 0xaa));
            }
        }
    }

    #[test]
    fn doorbells_only_when_wanted() {
        let memory = Memory::new();
        let (mut sender, mut receiver) = memory.ends();
        // Nobody knows yet whether the receiver is awake.
        assert_eq!(sender.send(b"first"), Ok(()));
        assert!(sender.bell());
        assert!(!sender.bell());
        for _ in 0..10 {
            assert_eq!(sender.send(b"more"), Ok(()));
            assert!(!sender.bell());
        }
        assert!(!receiver.wait());
        assert!(receives(&mut receiver, b"first"));
        while receives(&mut receiver, b"more") {}
        assert!(!receiver.bell());
        assert!(receiver.wait());
        assert_eq!(sender.send(b"wanted"), Ok(()));
        assert_eq!(sender.send(b"and more"), Ok(()));
        assert!(sender.bell());
        assert_eq!(sender.send(b"not wanted"), Ok(()));
        assert!(!sender.bell());
    }

    #[test]
    fn room_for_a_quarter() {
        let memory = Memory::new();
        let (mut sender, mut receiver) = memory.ends();
        assert!(!sender.wait(1));
        while sender.send(b"x").is_ok() {}
        assert_eq!(sender.tail(), BYTES as u64 - 64);
        assert!(sender.wait(1));
        for n in 0..15 {
            assert!(receives(&mut receiver, b"x"));
            // 3 lines, and one is always free.
            assert_eq!(receiver.bell(), n == 2);
        }
        assert!(!sender.wait(1));
        // More than a quarter is asked for.
        while sender.send(b"x").is_ok() {}
        assert!(sender.wait(500));
        let mut rung = 0;
        while receives(&mut receiver, b"x") {
            rung += usize::from(receiver.bell());
            let waits = rung == 0;
            assert_eq!(sender.wait(500), waits);
        }
        assert_eq!(rung, 1);
    }

    #[test]
    fn wishes_that_make_no_sense_ring_nobody() {
        // The sender rings for what is less than it has sent, the receiver for
        // what is more than nothing and no more than it has read.
        for (wish, wants_data, wants_room) in [
            (0, true, false),
            (1, true, true),
            (63, true, true),
            (64, false, true),
            (65, false, false),
            (u64::MAX, false, false),
        ] {
            let memory = Memory::new();
            let (mut sender, mut receiver) = memory.ends();
            memory.side(1).store(WANT_DATA, wish);
            memory.side(0).store(WANT_ROOM, wish);
            assert_eq!(sender.send(b"x"), Ok(()));
            assert_eq!(sender.bell(), wants_data);
            assert!(receives(&mut receiver, b"x"));
            assert_eq!(receiver.bell(), wants_room);
            assert_eq!(memory.side(1).own(HEAD), 64);
        }
    }

    /// Without a lock, by who is rung, or by who looks again and again.
    #[test]
    fn looks_that_cost_little() {
        let memory = Memory::new();
        let (mut sender, mut receiver) = memory.ends();
        let size = Size::new(BYTES as u64).unwrap();
        let (senders, receivers) = (memory.side(0), memory.side(1));
        let received = || may_receive(&receivers, &senders, size);
        let read = || may_send(&senders, &receivers);
        assert!(receiver.wait());
        assert!(!received() && !receiver.has_news());
        assert_eq!(sender.send(b"x"), Ok(()));
        assert!(received() && receiver.has_news() && !sender.has_news());
        assert!(receives(&mut receiver, b"x"));
        assert!(sender.has_news());
        assert!(receiver.wait());
        assert!(!received() && !receiver.has_news());

        while sender.send(b"x").is_ok() {}
        assert_eq!(sender.check(1), Err(SendError::Full));
        assert!(sender.wait(1));
        assert!(!read());
        for _ in 0..3 {
            assert!(receives(&mut receiver, b"x"));
        }
        assert!(read() && sender.has_news());
        assert_eq!(sender.check(1), Ok(()));
        assert_eq!(sender.check(0), Err(SendError::Length(0)));

        // Who has left is heard, too.
        while receives(&mut receiver, b"x") {}
        assert!(receiver.wait());
        assert!(!received());
        State::Gone.publish(&memory.side(0));
        assert!(received());
        while sender.send(b"x").is_ok() {}
        assert!(sender.wait(1));
        assert!(!read());
        State::Closed.publish(&memory.side(1));
        assert!(read());
    }

    #[test]
    fn the_end() {
        for last in [State::Closed, State::Broken, State::Gone] {
            let memory = Memory::new();
            let (mut sender, mut receiver) = memory.ends();
            State::Open.publish(&memory.side(0));
            State::Open.publish(&memory.side(1));
            assert_eq!(sender.send(b"before"), Ok(()));
            last.publish(&memory.side(0));
            // What had arrived is still there.
            assert!(!receiver.wait());
            assert!(receives(&mut receiver, b"before"));
            for _ in 0..2 {
                assert_eq!(refusal(&mut receiver), Some(ReceiveError::Left(last)));
                assert!(!receiver.wait());
            }
            assert_eq!(sender.send(b"nobody reads this"), Ok(()));
            last.publish(&memory.side(1));
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
            good(1, LONGEST as u64 + 1),
            good(1, 65536),
            good(1, u64::from(u32::MAX)),
            good(0, 1),
            good(2, 1),
            good(17, 1),
            u64::MAX,
        ] {
            let memory = Memory::new();
            let (mut sender, mut receiver) = memory.ends();
            assert_eq!(sender.send(b"good"), Ok(()));
            assert!(receives(&mut receiver, b"good"));
            memory.side(0).store(DATA + 64, header);
            let fault = Fault::Header {
                position: 64,
                header,
            };
            let broken = Some(ReceiveError::Broken(fault));
            assert_eq!(refusal(&mut receiver), broken);
            // It stays so.
            memory.side(0).store(DATA + 64, good(1, 1));
            assert_eq!(refusal(&mut receiver), broken);
            assert!(!receiver.wait());
        }
    }

    /// What the receiver cannot have read.
    #[test]
    fn wrong_heads() {
        let (before, tail) = (128, 128 + BYTES as u64 - 64);
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
            before + (1 << 32),
            1 << 63,
            u64::MAX,
        ];
        for head in possible.clone().chain(wrong) {
            let memory = Memory::new();
            let (mut sender, mut receiver) = memory.ends();
            for _ in 0..2 {
                assert_eq!(sender.send(b"x"), Ok(()));
                assert!(receives(&mut receiver, b"x"));
            }
            while sender.send(b"x").is_ok() {}
            assert_eq!(sender.tail(), tail);
            memory.side(1).store(HEAD, head);
            let sent = sender.send(b"x");
            if possible.clone().any(|right| right == head) {
                let full = head == before;
                assert_eq!(sent, if full { Err(SendError::Full) } else { Ok(()) });
                continue;
            }
            let broken = Err(SendError::Broken(Fault::Head { head, before, tail }));
            assert_eq!(sent, broken);
            // It stays so.
            memory.side(1).store(HEAD, tail);
            assert_eq!(sender.send(b"x"), broken);
            assert!(!sender.wait(1));
        }
    }

    #[test]
    fn wrong_states() {
        for word in [5, 6, 1 << 32, u64::MAX] {
            let memory = Memory::new();
            let (mut sender, mut receiver) = memory.ends();
            memory.side(0).store(STATE, word);
            memory.side(1).store(STATE, word);
            let fault = Fault::State(word);
            assert_eq!(sender.send(b"x"), Err(SendError::Broken(fault)));
            assert_eq!(refusal(&mut receiver), Some(ReceiveError::Broken(fault)));
        }
        // Nobody comes back.
        let memory = Memory::new();
        let (_, mut receiver) = memory.ends();
        State::Closed.publish(&memory.side(0));
        let left = Some(ReceiveError::Left(State::Closed));
        assert_eq!(refusal(&mut receiver), left);
        State::Open.publish(&memory.side(0));
        let fault = Fault::State(State::Open as u64);
        assert_eq!(refusal(&mut receiver), Some(ReceiveError::Broken(fault)));
    }
}
