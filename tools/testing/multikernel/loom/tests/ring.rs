// SPDX-License-Identifier: GPL-2.0

//! Messages in one direction: nobody waits for ever, nothing is lost, nothing
//! is read while it is written.
//!
//! Each model begins where it matters: before both sides run at once, some
//! messages have gone through, and some are on their way.

use loom::model::Builder;
use loom::thread;
use multikernel_loom::pure::half::State;
use multikernel_loom::{pair, In, Out};

/// The least ring: room for one message.
const ONE: u32 = 128;
/// Room for three.
const THREE: u32 = 256;

/// What a model does. Messages are numbers, one after the other.
#[derive(Clone, Copy)]
struct Model {
    size: u32,
    /// So many were sent and received before.
    before: u64,
    /// So many were sent, too.
    waiting: u64,
    /// So many are sent while all others are received.
    sent: u64,
    /// So many times a side may be interrupted where it does not wait; `None`:
    /// any number.
    preemptions: Option<usize>,
}

impl Model {
    /// In every order: all messages arrive. `last` is what the sender does then,
    /// and what the receiver sees.
    fn check(self, last: Option<State>) {
        self.each(
            move |out| {
                for n in self.first()..self.end() {
                    out.send(&[n]).unwrap();
                }
                if let Some(state) = last {
                    out.side.leave(state);
                }
            },
            move |input| {
                for n in self.before..self.end() {
                    assert_eq!(input.receive().unwrap(), [n]);
                }
                if last.is_some() {
                    assert_eq!(input.receive(), Err(last));
                }
            },
        );
    }

    fn first(self) -> u64 {
        self.before + self.waiting
    }

    fn end(self) -> u64 {
        self.first() + self.sent
    }

    fn each(
        self,
        send: impl Fn(&mut Out) + Send + Sync + Copy + 'static,
        receive: impl Fn(&mut In) + Send + Sync + Copy + 'static,
    ) {
        let mut builder = Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.check(move || {
            let [a, b] = pair(self.size);
            let (mut out, mut input) = (Out::new(&a), In::new(&b));
            for n in 0..self.before {
                out.send(&[n]).unwrap();
                assert_eq!(input.receive().unwrap(), [n]);
            }
            for n in self.before..self.first() {
                out.send(&[n]).unwrap();
            }
            let thread = thread::spawn(move || send(&mut out));
            receive(&mut input);
            thread.join().unwrap();
        });
    }
}

/// The receiver waits, or does not.
#[test]
fn empty() {
    let model = Model {
        size: THREE,
        before: 1,
        waiting: 0,
        sent: 1,
        preemptions: None,
    };
    model.check(None);
}

/// The second message may come before the receiver waits again, and after.
#[test]
fn suppressed_doorbell() {
    let model = Model {
        size: THREE,
        before: 1,
        waiting: 0,
        sent: 2,
        preemptions: Some(4),
    };
    model.check(None);
}

/// One look for two messages.
#[test]
fn batch() {
    let model = Model {
        size: THREE,
        before: 2,
        waiting: 0,
        sent: 2,
        preemptions: None,
    };
    model.each(
        |out| {
            out.put(&[2]).unwrap();
            out.send(&[3]).unwrap();
        },
        |input| {
            assert_eq!(input.receive().unwrap(), [2]);
            assert_eq!(input.receive().unwrap(), [3]);
        },
    );
}

/// The sender waits, or does not.
#[test]
fn full() {
    let model = Model {
        size: ONE,
        before: 1,
        waiting: 1,
        sent: 1,
        preemptions: None,
    };
    model.check(None);
}

/// Both wait for each other in turns.
#[test]
fn full_and_empty() {
    let model = Model {
        size: ONE,
        before: 0,
        waiting: 0,
        sent: 4,
        preemptions: Some(2),
    };
    model.check(Some(State::Closed));
}

/// A message over two lines, the second of them the first of the ring: there
/// words of the message are where headers were.
#[test]
fn wrapping() {
    const LONG: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let model = Model {
        size: THREE,
        before: 3,
        waiting: 0,
        sent: 0,
        preemptions: Some(3),
    };
    model.each(
        |out| {
            out.send(&LONG).unwrap();
            out.send(&[9]).unwrap();
        },
        |input| {
            assert_eq!(input.receive().unwrap(), LONG);
            assert_eq!(input.receive().unwrap(), [9]);
        },
    );
}

/// The last of these is written where the first one was, as soon as that was
/// read.
#[test]
fn room_that_was_read() {
    const LONG: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let model = Model {
        size: THREE,
        before: 0,
        waiting: 0,
        sent: 0,
        preemptions: Some(1),
    };
    model.each(
        |out| {
            out.send(&LONG).unwrap();
            for n in 9..=11 {
                out.send(&[n]).unwrap();
            }
        },
        |input| {
            assert_eq!(input.receive().unwrap(), LONG);
            for n in 9..=11 {
                assert_eq!(input.receive().unwrap(), [n]);
            }
        },
    );
}

#[test]
fn closed() {
    for (waiting, sent, preemptions) in [(0, 0, None), (1, 0, None), (0, 1, Some(3))] {
        let model = Model {
            size: THREE,
            before: 1,
            waiting,
            sent,
            preemptions,
        };
        model.check(Some(State::Closed));
    }
}

/// The receiver leaves while the sender waits for room.
#[test]
fn receiver_closes() {
    let model = Model {
        size: ONE,
        before: 1,
        waiting: 1,
        sent: 0,
        preemptions: None,
    };
    model.each(
        |out| while out.send(&[2]).is_ok() {},
        |input| input.side.leave(State::Closed),
    );
}

/// The sender dies after any of its writes. All that it had sent arrives, and
/// nothing else.
#[test]
fn sender_dies() {
    for writes in 1..=7 {
        let model = Model {
            size: ONE,
            before: 1,
            waiting: 0,
            sent: 2,
            preemptions: Some(2),
        };
        model.each(
            move |out| {
                out.side.dies_after(writes);
                let mut n = 1;
                while out.send(&[n]).is_ok() {
                    n += 1;
                }
                out.side.bury();
            },
            |input| {
                let mut n = 1;
                let last = loop {
                    match input.receive() {
                        Ok(message) => assert_eq!(message, [n]),
                        Err(last) => break last,
                    }
                    n += 1;
                };
                assert_eq!(last, Some(State::Gone));
            },
        );
    }
}

/// The receiver dies after any of its writes.
#[test]
fn receiver_dies() {
    for writes in 1..=5 {
        let model = Model {
            size: ONE,
            before: 1,
            waiting: 1,
            sent: 0,
            preemptions: Some(1),
        };
        model.each(
            |out| {
                let mut n = 2;
                let last = loop {
                    match out.send(&[n]) {
                        Ok(()) => n += 1,
                        Err(last) => break last,
                    }
                };
                assert_eq!(last, Some(State::Gone));
            },
            move |input| {
                input.side.dies_after(writes);
                let mut n = 1;
                while let Ok(message) = input.receive() {
                    assert_eq!(message, [n]);
                    n += 1;
                }
                input.side.bury();
            },
        );
    }
}
