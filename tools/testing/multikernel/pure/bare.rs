// SPDX-License-Identifier: GPL-2.0

//! What the kernel runs of the protocol between kernels, and no more:
//! `tests/bare.rs` compiles it as the kernel does, and looks for ways to panic
//! in what comes out. The configuration `control` adds one.

#![no_std]
#![allow(dead_code, missing_docs)]

#[path = "../../../../multikernel/pure/half.rs"]
pub mod half;
#[path = "../../../../multikernel/pure/ring.rs"]
pub mod ring;

use half::{Data, Size};
use ring::{Pieces, ReceiveError, Receiver, SendError, Sender};

/// Memory of which nothing is known when this is compiled.
type Memory<'a> = &'a dyn Data;

pub fn open(halves: Memory<'_>, size: u64) -> Option<(Sender<Memory<'_>>, Receiver<Memory<'_>>)> {
    let size = Size::new(size)?;
    Some((Sender::new(halves, size), Receiver::new(halves, size)))
}

pub fn send(sender: &mut Sender<Memory<'_>>, message: &[u8]) -> (Result<(), SendError>, bool) {
    (sender.send(message), sender.bell())
}

pub fn reserve(sender: &mut Sender<Memory<'_>>, len: usize) -> Option<Pieces> {
    if sender.wait(len) {
        return None;
    }
    let slot = sender.reserve(len).ok()?;
    let pieces = slot.pieces();
    slot.commit();
    Some(pieces)
}

pub fn receive(
    receiver: &mut Receiver<Memory<'_>>,
    to: &mut [u8],
) -> (Result<usize, ReceiveError>, bool) {
    (receiver.receive(to), receiver.bell())
}

pub fn two_pieces(receiver: &mut Receiver<Memory<'_>>) -> Option<(Pieces, usize)> {
    if receiver.wait() {
        return None;
    }
    let message = receiver.peek().ok()?;
    let told = (message.pieces(), message.len());
    message.consume();
    Some(told)
}

#[cfg(control)]
pub fn control(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}
