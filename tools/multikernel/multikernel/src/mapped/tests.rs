// SPDX-License-Identifier: GPL-2.0

//! Both ends over one file, with a doorbell that knows what the module knows.

use super::*;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::end::Doorbell;
use crate::pure::half::{Halves, Size, State, DATA, HEAD, LINE, STATE};

/// No test waits that long: somebody was not rung.
const FOREVER: Duration = Duration::from_secs(30);

/// What both ends share.
struct Line {
    memory: File,
    size: u32,
    /// How often each end was rung.
    rings: Mutex<[u32; 2]>,
    rung: Condvar,
    is_removed: AtomicBool,
}

/// The half of an end, as the module reads it.
struct Words<'a>(&'a Line, usize);

/// One end's.
struct Bell(Arc<Line>, usize);

impl Line {
    fn new(size: u32) -> Arc<Self> {
        let line = Self {
            memory: tempfile::tempfile().unwrap(),
            size,
            rings: Mutex::default(),
            rung: Condvar::new(),
            is_removed: AtomicBool::new(false),
        };
        line.memory.set_len(2 * line.half_bytes()).unwrap();
        line.store(0, STATE, State::Open as u64);
        line.store(1, STATE, State::Open as u64);
        Arc::new(line)
    }

    fn half_bytes(&self) -> u64 {
        DATA as u64 + u64::from(self.size)
    }

    fn end(self: &Arc<Self>, which: usize) -> (Sender, Receiver) {
        let half = |which| (which as u64 * self.half_bytes(), self.size);
        let bell = Box::new(Bell(self.clone(), which));
        // SAFETY: What is read and written of the file besides is words, by the kernel.
        unsafe { over(bell, self.memory.as_fd(), half(which), half(1 - which)) }.unwrap()
    }

    fn ends(size: u32) -> (Arc<Self>, [(Sender, Receiver); 2]) {
        let line = Self::new(size);
        let ends = [line.end(0), line.end(1)];
        (line, ends)
    }

    fn store(&self, which: usize, at: usize, word: u64) {
        let at = which as u64 * self.half_bytes() + at as u64;
        self.memory.write_all_at(&word.to_le_bytes(), at).unwrap();
    }

    /// A test that fails has ends to close, too.
    fn lock(&self) -> MutexGuard<'_, [u32; 2]> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, which: usize) {
        self.lock()[which] += 1;
        self.rung.notify_all();
    }

    fn rings(&self) -> [u32; 2] {
        *self.lock()
    }

    fn remove(&self) {
        self.is_removed.store(true, Ordering::SeqCst);
        self.ring(0);
        self.ring(1);
    }
}

impl Halves for Words<'_> {
    fn load(&self, at: usize) -> u64 {
        let Self(line, which) = self;
        let mut word = [0; 8];
        let at = *which as u64 * line.half_bytes() + at as u64;
        line.memory.read_exact_at(&mut word, at).unwrap();
        u64::from_le_bytes(word)
    }

    fn store(&self, _at: usize, _word: u64) {
        unreachable!("who is rung only looks");
    }

    fn fence(&self) {}
}

impl Bell {
    fn glance(&self) -> PollFlags {
        let Self(line, which) = self;
        let (peer, own) = (Words(line, 1 - which), Words(line, *which));
        let size = Size::new(line.size.into()).unwrap();
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, ring::may_receive(&peer, &own, size));
        events.set(PollFlags::OUT, ring::may_send(&peer, &own));
        let is_left = State::new(peer.load(STATE)).is_none_or(|state| !state.is_live());
        events.set(
            PollFlags::HUP,
            is_left || line.is_removed.load(Ordering::SeqCst),
        );
        events
    }
}

impl Doorbell for Bell {
    fn ring(&self) -> io::Result<()> {
        self.0.ring(1 - self.1);
        Ok(())
    }

    fn wait(&self, events: PollFlags, timeout: Option<Duration>) -> io::Result<PollFlags> {
        let Self(line, which) = self;
        let mut rings = line.lock();
        loop {
            let came = self.glance() & (events | PollFlags::HUP);
            if !came.is_empty() {
                return Ok(came);
            }
            // Nothing is looked at again unless it is rung for.
            let before = rings[*which];
            let limit = timeout.unwrap_or(FOREVER);
            let (now, result) = line
                .rung
                .wait_timeout_while(rings, limit, |rings| rings[*which] == before)
                .unwrap();
            rings = now;
            if result.timed_out() {
                assert!(timeout.is_some(), "end {which} was not rung");
                return Ok(PollFlags::empty());
            }
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.memory.as_fd()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let (line, which) = (&self.0, self.1);
        if Words(line, which).load(STATE) < State::Closed as u64 {
            line.store(which, STATE, State::Closed as u64);
        }
        line.ring(1 - which);
    }
}

/// The bytes of message `n`, and how many.
fn message(n: u32, max: usize) -> Vec<u8> {
    let mut state = (u64::from(n) << 1) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let bytes = match n % 3 {
        0 => [1, 55, 56, 57, 120, max - 1, max][n as usize / 3 % 7],
        1 => 1 + next() as usize % max,
        _ => 1 + next() as usize % max.min(200),
    };
    (0..bytes).map(|_| next() as u8).collect()
}

fn send(sender: &mut Sender, message: &[u8]) -> io::Result<()> {
    let mut slot = sender.reserve(message.len())?;
    slot.copy_from(message);
    slot.commit()
}

fn receive(receiver: &mut Receiver) -> Option<Vec<u8>> {
    let message = receiver.peek().unwrap()?;
    let mut bytes = vec![0; message.bytes()];
    assert_eq!(message.copy_to(&mut bytes), bytes.len());
    message.consume().unwrap();
    Some(bytes)
}

fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
    result.err().expect("it fails").kind()
}

#[test]
fn messages_go_both_ways() {
    let (line, [(mut to, mut from), (mut to_back, mut from_back)]) = Line::ends(4096);
    for n in 0..1000 {
        let message = message(n, to.message_max());
        send(&mut to, &message).unwrap();
        let got = receive(&mut from_back).unwrap();
        assert_eq!(got, message, "message {n}");
        send(&mut to_back, &got).unwrap();
        assert_eq!(receive(&mut from).unwrap(), message, "message {n}");
    }
    // The words say from the beginning that both wait for the first message.
    assert_eq!(line.rings(), [1, 1], "nobody has waited");
}

#[test]
fn who_waits_is_rung() {
    const COUNT: u32 = 5000;
    for (size, is_quiet) in [
        (4096, false),
        (4096, true),
        (1 << 18, false),
        (1 << 18, true),
    ] {
        let (line, [(mut to, unused), (_to, mut from)]) = Line::ends(size);
        drop(unused);
        let sends = thread::spawn(move || {
            for n in 0..COUNT {
                let message = message(n, to.message_max().min(4096));
                let mut slot = to.reserve(message.len()).unwrap();
                slot.copy_from(&message);
                match is_quiet {
                    true => slot.commit_quietly(),
                    false => slot.commit().unwrap(),
                }
            }
        });
        let max = (size as usize - 72).min(4096);
        for n in 0..COUNT {
            let got = from.peek().unwrap().unwrap();
            let mut bytes = [0; 4096];
            let copied = got.copy_to(&mut bytes);
            assert_eq!(bytes[..copied], message(n, max));
            match is_quiet {
                true => got.consume_quietly(),
                false => got.consume().unwrap(),
            }
        }
        sends.join().unwrap();
        assert!(from.peek().unwrap().is_none(), "the end");
        let [to, from] = line.rings();
        assert!(to + from < 2 * COUNT, "{to} and {from} rings");
    }
}

#[test]
fn only_who_asks_is_rung_and_once() {
    let (line, [(mut to, _from), (_to, mut from)]) = Line::ends(4096);
    // From the beginning the words say that the first message is waited for.
    send(&mut to, b"a").unwrap();
    send(&mut to, b"b").unwrap();
    assert_eq!(line.rings(), [0, 1]);
    assert!(!from.ask(), "something is there");
    receive(&mut from).unwrap();
    receive(&mut from).unwrap();
    assert!(from.ask());
    send(&mut to, b"c").unwrap();
    send(&mut to, b"d").unwrap();
    assert_eq!(line.rings(), [0, 2]);

    // The ring is full but for a line, and a quarter of it has to be free.
    while to.try_reserve(56).map(Slot::commit_quietly).is_ok() {}
    assert!(to.ask(56));
    let mut taken = 0;
    while line.rings()[0] == 0 {
        receive(&mut from).unwrap();
        taken += 1;
    }
    assert_eq!(taken, 4096 / 64 / 4 - 1);
    assert!(!to.ask(56), "there is room");
}

#[test]
fn what_is_sent_quietly_is_rung_for_later() {
    let (line, [(mut to, _from), (_to, mut from)]) = Line::ends(4096);
    assert!(from.ask());
    for _ in 0..3 {
        to.reserve(1).unwrap().commit_quietly();
    }
    assert_eq!(line.rings(), [0, 0]);
    to.flush().unwrap();
    to.flush().unwrap();
    assert_eq!(line.rings(), [0, 1]);
    for _ in 0..3 {
        from.peek().unwrap().unwrap().consume_quietly();
    }
    assert!(from.ask());
    to.reserve(1).unwrap().commit_quietly();
    drop(to);
    assert_eq!(line.rings(), [0, 2]);
}

#[test]
fn what_is_dropped_is_as_if_it_had_not_been() {
    let (_line, [(mut to, _from), (_to, mut from)]) = Line::ends(4096);
    to.reserve(10).unwrap().copy_from(b"0123456789");
    assert_eq!(kind(from.try_peek()), io::ErrorKind::WouldBlock);
    send(&mut to, b"real").unwrap();
    assert_eq!(from.peek().unwrap().unwrap().bytes(), 4);
    assert_eq!(receive(&mut from).unwrap(), b"real");
}

#[test]
fn a_message_is_copied_as_far_as_there_is_room() {
    let (_line, [(mut to, _from), (_to, mut from)]) = Line::ends(4096);
    send(&mut to, b"0123456789").unwrap();
    let message = from.peek().unwrap().unwrap();
    let mut some = [0; 4];
    assert_eq!(message.copy_to(&mut some), 4);
    assert_eq!(&some, b"0123");
    assert_eq!(message.pieces().map(|piece| piece.len()), [10, 0]);
}

#[test]
fn the_end_comes_after_all_that_was_sent() {
    let (_line, [a, (mut to, mut from)]) = Line::ends(4096);
    let (mut sender, receiver) = a;
    send(&mut sender, b"last").unwrap();
    drop(sender);
    assert_eq!(receive(&mut from).unwrap(), b"last");
    assert_eq!(kind(from.try_peek()), io::ErrorKind::WouldBlock);
    drop(receiver);
    for _ in 0..2 {
        assert!(from.peek().unwrap().is_none());
        assert_eq!(kind(to.reserve(1)), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn who_waits_for_a_channel_that_is_removed_comes_to_its_end() {
    let (line, [(mut to, mut from), _b]) = Line::ends(4096);
    while to.try_reserve(1000).map(Slot::commit_quietly).is_ok() {}
    let reads = thread::spawn(move || from.peek().unwrap().is_none());
    let writes = thread::spawn(move || kind(to.reserve(1000)));
    line.remove();
    assert!(reads.join().unwrap());
    assert_eq!(writes.join().unwrap(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_wait_has_an_end() {
    let (_line, [(mut to, mut from), _b]) = Line::ends(4096);
    let soon = Some(Duration::from_millis(20));
    let begin = Instant::now();
    assert!(!from.wait(soon).unwrap());
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert!(to.wait(1, soon).unwrap());
    while to.try_reserve(1000).map(Slot::commit_quietly).is_ok() {}
    assert!(!to.wait(1000, soon).unwrap());
}

#[test]
fn who_is_patient_is_not_rung() {
    let (line, [(mut to, mut from), (mut to_back, mut from_back)]) = Line::ends(4096);
    for receiver in [&mut from, &mut from_back] {
        receiver.set_patience(FOREVER);
    }
    to.set_patience(FOREVER);
    let answers = thread::spawn(move || {
        // Longer than the ring is, so that there has to be room now and then.
        for n in 0..500 {
            assert_eq!(receive(&mut from_back).unwrap(), message(n, 1000));
        }
        send(&mut to_back, b"done").unwrap();
    });
    for n in 0..500 {
        send(&mut to, &message(n, 1000)).unwrap();
    }
    assert_eq!(receive(&mut from).unwrap(), b"done");
    answers.join().unwrap();
    // One for the first message each way, one as the other end is closed.
    assert_eq!(line.rings(), [2, 1]);

    // It has an end, and so has a peer.
    from.set_patience(Duration::from_millis(1));
    assert!(from.peek().unwrap().is_none());
}

#[test]
fn patience_is_no_longer_than_a_wait() {
    let (_line, [(mut to, mut from), _b]) = Line::ends(4096);
    from.set_patience(FOREVER);
    to.set_patience(Duration::MAX);
    assert!(!from.wait(Some(Duration::from_millis(20))).unwrap());
    while to.try_reserve(1000).map(Slot::commit_quietly).is_ok() {}
    assert!(!to.wait(1000, Some(Duration::from_millis(20))).unwrap());
}

#[test]
fn lengths_that_no_message_has_are_refused() {
    let (_line, [(mut to, _from), _b]) = Line::ends(4096);
    assert_eq!(to.message_max(), 4096 - 72);
    for bytes in [0, 4096 - 71, usize::MAX] {
        let error = to.reserve(bytes).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1 to 4024"), "{error}");
    }
    assert!(to.reserve(4024).is_ok());
}

#[test]
fn a_peer_that_lies_is_found_out_and_told() {
    // A message of a length that none has, or of another place.
    for header in [0x1_0000_0000, 4025, (5 << 32) | 8, u64::MAX] {
        let (line, [_a, (mut to, mut from)]) = Line::ends(4096);
        line.store(0, DATA, header);
        for _ in 0..2 {
            assert_eq!(kind(from.peek()), io::ErrorKind::InvalidData);
        }
        assert_eq!(Words(&line, 1).load(STATE), State::Broken as u64);
        assert_eq!(line.rings(), [1, 0], "it is told once");
        // What goes the other way is not of this ring.
        assert!(to.reserve(1).is_ok());
    }
    // It has read what was not sent, or half of it.
    for head in [1, u64::from(LINE) + 8, 1 << 40, u64::MAX] {
        let (line, [(mut to, _from), _b]) = Line::ends(4096);
        while to.try_reserve(1000).map(Slot::commit_quietly).is_ok() {}
        line.store(1, HEAD, head);
        let error = to.reserve(1000).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(&format!("{head:#x}")), "{error}");
        assert_eq!(Words(&line, 0).load(STATE), State::Broken as u64);
    }
    // A state that there is not.
    let (line, [_a, (mut to, mut from)]) = Line::ends(4096);
    line.store(0, STATE, 77);
    assert_eq!(kind(from.peek()), io::ErrorKind::InvalidData);
    assert_eq!(kind(to.reserve(1)), io::ErrorKind::InvalidData);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let error = map(file.into()).err().unwrap();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::NOTTY.raw_os_error())
    );
}
