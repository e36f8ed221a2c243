// SPDX-License-Identifier: GPL-2.0

//! What the kernel runs of the protocol between kernels, and no more:
//! `tests/bare.rs` compiles it as the kernel does, and looks for ways to panic
//! in what comes out. The configuration `control` adds one.

#![no_std]
#![allow(dead_code, missing_docs)]

#[path = "../../../../multikernel/pure/agent.rs"]
pub mod agent;
#[path = "../../../../multikernel/pure/area.rs"]
pub mod area;
#[path = "../../../../multikernel/pure/broker.rs"]
pub mod broker;
#[path = "../../../../multikernel/pure/bytes.rs"]
pub mod bytes;
#[path = "../../../../multikernel/pure/clock.rs"]
pub mod clock;
#[path = "../../../../multikernel/pure/directory.rs"]
pub mod directory;
#[path = "../../../../multikernel/pure/doorbell.rs"]
pub mod doorbell;
#[path = "../../../../multikernel/pure/half.rs"]
pub mod half;
#[path = "../../../../multikernel/pure/handshake.rs"]
pub mod handshake;
#[path = "../../../../multikernel/pure/heart.rs"]
pub mod heart;
#[path = "../../../../multikernel/pure/message.rs"]
pub mod message;
#[path = "../../../../multikernel/pure/name.rs"]
pub mod name;
#[path = "../../../../multikernel/pure/range.rs"]
pub mod range;
#[path = "../../../../multikernel/pure/ring.rs"]
pub mod ring;
#[path = "../../../../multikernel/pure/screen.rs"]
pub mod screen;
#[path = "../../../../multikernel/pure/scrollback.rs"]
pub mod scrollback;

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

pub fn glance(halves: Memory<'_>, own: Memory<'_>, size: u64) -> Option<(bool, bool)> {
    let size = Size::new(size)?;
    let may_receive = ring::may_receive(&halves, &own, size);
    Some((may_receive, ring::may_send(&halves, &own)))
}

pub fn check(sender: &mut Sender<Memory<'_>>, len: usize) -> Result<(), SendError> {
    sender.check(len)
}

pub fn follow(broker: &mut broker::Broker, side: usize, answer: directory::Answer) -> bool {
    let told = broker.answer(side, answer) | broker.depart(side);
    broker.arrive(side);
    told | broker.begin() | broker.remove()
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
    let told = (message.pieces(), message.bytes());
    message.consume();
    Some(told)
}

pub fn host_page(part: Memory<'_>, table: &[u8], channel: u32) -> Option<usize> {
    let area = area::parse_table(table).ok()?;
    let host = area::Host::read(&part, area.bytes()).ok()?;
    host.publish(&part);
    area::Verdict::read(&part, host.run).ok()?.publish(&part, 1);
    host.entry(channel)
}

pub fn agent_page(part: Memory<'_>, run: u64, text: &mut [u8; agent::TEXT_BYTES]) -> usize {
    if let Some(agent) = agent::Agent::read(&part, run) {
        agent.publish(&part);
    }
    match agent::State::read(&part) {
        Ok(agent::State::Gone(gone)) => {
            agent::leave(&part, gone, text);
            agent::read_text(&part, text)
        }
        _ => 0,
    }
}

pub fn agree(
    own: handshake::Offer,
    peer: handshake::Offer,
    chosen: handshake::Terms,
) -> Result<handshake::Terms, handshake::Error> {
    own.check(&chosen)?;
    own.meet(&peer)
}

pub fn doorbell(word: u64, id: u32) -> Result<Option<u64>, doorbell::Error> {
    let bell = doorbell::Doorbell::parse(word, |other| other == id)?;
    bell.map(|bell| Ok(bell.moved(id, 99)?.word())).transpose()
}

pub fn time(part: Memory<'_>, at: usize, tsc: u64) -> Option<u64> {
    let clock = clock::Clock::read(&part, at)?;
    clock.publish(&part, at, &mut 0);
    Some(clock.realtime_ns(tsc))
}

pub fn channel(part: Memory<'_>, at: usize, answer: u64) -> Result<u64, directory::Error> {
    let status = directory::Status::read(&part, at)?;
    status.publish(&part, at);
    directory::Channel::read(&part, at, status)?.write(&part, at);
    let answer = directory::Answer::parse(answer, status.generation);
    Ok(answer.map_or(0, |answer| answer.word(status.generation)))
}

pub fn control(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    message::Message::parse(bytes).ok()?.write(out)
}

pub fn created(rest: &[u8]) -> Option<[u8; 8]> {
    message::Created::parse(rest).map(message::Created::bytes)
}

pub fn show(shown: &mut scrollback::Scrollback<&mut [u8]>, bytes: &[u8]) {
    shown.append(bytes);
}

pub fn on_screen(
    screen: &mut screen::Screen<Memory<'_>>,
    bytes: &[u8],
    can_wait: bool,
) -> (usize, bool) {
    (screen.show(bytes, can_wait), screen.bell())
}

pub fn look_back(
    shown: &scrollback::Scrollback<&mut [u8]>,
    position: u64,
    out: &mut [u8],
) -> (u64, usize) {
    shown.read(position, out)
}

#[cfg(control)]
pub fn panics(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}
