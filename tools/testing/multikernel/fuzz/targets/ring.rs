// SPDX-License-Identifier: GPL-2.0

//! A peer that writes into its half what it likes, whenever it likes. Steps of
//! this side, and what it finds at each look at the peer's half, are made of
//! the input.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use multikernel_fuzz::pure::half::{
    Data, Halves, Size, DATA, HEAD, LINE, STATE, WANT_DATA, WANT_ROOM,
};
use multikernel_fuzz::pure::ring::{Pieces, ReceiveError, Receiver, SendError, Sender};

/// The input, and what is right at the moment.
struct Peer<'a> {
    input: &'a [u8],
    size: Size,
    /// What an honest peer says next, so that some go far.
    head: u64,
    tail: u64,
    /// What this side has written into its data.
    written: u64,
}

impl Peer<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.input.split_first().unwrap_or((&0, &[]));
        self.input = rest;
        *first
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| (word << 8) | u64::from(self.byte()))
    }

    /// What this side finds at an offset.
    fn find(&mut self, at: usize) -> u64 {
        let right = match at {
            STATE => 1,
            HEAD => self.tail - u64::from(self.byte()) * 64 % (self.tail - self.head + 64),
            WANT_DATA => self.tail,
            WANT_ROOM => self.head,
            _ => (u64::from(self.byte()) + 1) | ((self.head / 64) << 32),
        };
        match self.byte() {
            0..200 => right,
            200..210 => 0,
            210..225 => right ^ (1 << (self.byte() % 64)),
            225..240 => right.wrapping_add(u64::from(self.byte())).wrapping_sub(128),
            _ => self.word(),
        }
    }
}

struct Hostile<'a>(&'a RefCell<Peer<'a>>);

impl Halves for Hostile<'_> {
    fn load(&self, at: usize) -> u64 {
        check_word(at, self.0.borrow().size);
        self.0.borrow_mut().find(at)
    }

    fn store(&self, at: usize, _: u64) {
        check_word(at, self.0.borrow().size);
        assert_ne!(at, STATE);
    }

    fn fence(&self) {}
}

impl Data for Hostile<'_> {
    fn read(&self, at: usize, to: &mut [u8]) {
        check_data(at, to.len(), self.0.borrow().size);
    }

    fn write(&self, at: usize, from: &[u8]) {
        check_data(at, from.len(), self.0.borrow().size);
        self.0.borrow_mut().written += from.len() as u64;
    }
}

fn check_word(at: usize, size: Size) {
    let data = DATA..DATA + size.bytes() as usize;
    let is_header = data.contains(&at) && at % LINE as usize == 0;
    assert!(is_header || [STATE, HEAD, WANT_DATA, WANT_ROOM].contains(&at));
}

fn check_data(at: usize, len: usize, size: Size) {
    assert!(at >= DATA && at + len <= DATA + size.bytes() as usize);
}

fn check_pieces(pieces: &Pieces, len: usize, size: Size) {
    for piece in pieces {
        check_data(piece.at, piece.len, size);
    }
    assert_eq!(pieces[0].len + pieces[1].len, len);
    assert!((1..=size.message_max() as usize).contains(&len));
}

fuzz_target!(|data: &[u8]| {
    let Some((first, input)) = data.split_first() else {
        return;
    };
    let Some(size) = Size::new(1 << (first % 32)) else {
        return;
    };
    let peer = RefCell::new(Peer {
        input,
        size,
        head: 0,
        tail: 0,
        written: 0,
    });
    let mut sender = Sender::new(Hostile(&peer), size);
    let mut receiver = Receiver::new(Hostile(&peer), size);
    let (mut send_fault, mut receive_fault) = (None, None);
    let mut bytes = [0; 5000];

    while !peer.borrow().input.is_empty() {
        let step = peer.borrow_mut().byte();
        let len = peer.borrow_mut().word() as usize % 5000;
        match step % 8 {
            0 | 1 => {
                let before = peer.borrow().written;
                let sent = sender.send(&bytes[..len]);
                match sent {
                    Ok(()) => assert_eq!(peer.borrow().written, before + len as u64),
                    Err(_) => assert_eq!(peer.borrow().written, before),
                }
                if let Some(fault) = send_fault {
                    assert_eq!(sent, Err(SendError::Broken(fault)));
                }
                if let Err(SendError::Broken(fault)) = sent {
                    send_fault = Some(fault);
                }
            }
            2 => {
                if let Ok(slot) = sender.reserve(len) {
                    check_pieces(&slot.pieces(), len, size);
                    slot.commit();
                }
            }
            3 => {
                let _ = sender.bell();
                let _ = sender.wait(len);
            }
            4 | 5 => {
                let received = receiver.receive(&mut bytes[..len]);
                if let Some(fault) = receive_fault {
                    assert_eq!(received, Err(ReceiveError::Broken(fault)));
                }
                if let Err(ReceiveError::Broken(fault)) = received {
                    receive_fault = Some(fault);
                }
            }
            6 => {
                if let Ok(message) = receiver.peek() {
                    check_pieces(&message.pieces(), message.bytes(), size);
                    if step & 8 != 0 {
                        message.consume();
                    }
                }
            }
            _ => {
                let _ = receiver.bell();
                let _ = receiver.wait();
            }
        }
        let mut peer = peer.borrow_mut();
        // One header is read for each message, one message at a time.
        assert!(receiver.head() - peer.head <= u64::from(size.bytes()));
        peer.head = receiver.head();
        peer.tail = sender.tail().max(peer.head);
    }
});
