// SPDX-License-Identifier: GPL-2.0

//! What one side of a channel does while it is measured, in whichever kernel.

use std::fs;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use multikernel::mapped::{Receiver, Sender};
use multikernel::{Channel, Wait, MESSAGE_MAX};
use rustix::thread::{sched_setaffinity, CpuSet};
use serde::{Deserialize, Serialize};

use super::until_exists;
use crate::Result;

/// The host's name in an instance.
pub const HOST: &str = "host";
/// The channel that an instance takes jobs from.
pub const CONTROL: &str = "control";
/// The one that is measured.
pub const DATA: &str = "data";

/// What is measured lasts so long.
const LONG: Duration = Duration::from_millis(400);
/// And is preceded by the same, to settle.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two looks at the clock.
const BATCH: usize = 64;
/// After so many bytes that were sent quietly, a peer that waits is rung.
const QUIET: usize = 64 << 10;
/// How long who has nothing to do keeps its CPU.
const PATIENCE: Duration = Duration::from_micros(100);
/// What stands for a block of a program's data.
pub const BLOCK: usize = 1 << 20;
/// Cache lines.
const LINE: usize = 64;

/// How a channel is used.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// By read() and write(), which wait.
    Calls,
    /// With its rings mapped; who has nothing to do sleeps.
    Mapped,
    /// With its rings mapped; who has nothing to do looks for [`PATIENCE`] before it sleeps.
    Patient,
    /// With its rings mapped; nobody sleeps, and nobody rings.
    Polled,
}

/// What is done.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Act {
    /// Sends a message and waits for it to come back, again and again. The value is what one takes,
    /// in nanoseconds.
    Ask { bytes: usize },
    /// Sends back what comes.
    Answer,
    /// Sends messages one after the other. The value is their bytes a second.
    Send { bytes: usize },
    /// Sends blocks as it would copy them. The value is their bytes a second.
    SendBlocks,
    /// Takes them: a copy, or a look at each cache line where it is.
    Take { is_copied: bool },
}

/// One side's part.
#[derive(Clone, Serialize, Deserialize)]
pub struct Job {
    peer: String,
    channel: String,
    way: Way,
    act: Act,
}

/// How that went.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Done {
    /// What was measured, if this side does.
    pub value: f64,
    /// How many messages this side has sent or taken.
    pub messages: u64,
    /// How often this kernel was rung meanwhile.
    pub rings: u64,
}

/// Keeps this thread on a CPU.
pub fn pin(cpu: u32) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu as usize);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// Repeats something for a while: what one time of it takes, in seconds, and how often it was done in
/// all.
pub fn repeat(mut once: impl FnMut() -> Result<()>) -> Result<(f64, u64)> {
    let mut times = 0;
    let mut measure = |limit: Duration| -> Result<f64> {
        let (before, begin) = (times, Instant::now());
        loop {
            for _ in 0..BATCH {
                once()?;
            }
            times += BATCH as u64;
            let elapsed = begin.elapsed();
            if elapsed >= limit {
                return Ok(elapsed.as_secs_f64() / (times - before) as f64);
            }
        }
    };
    measure(SETTLE)?;
    let each = measure(LONG)?;
    Ok((each, times))
}

/// In an instance: does jobs until the host ends that.
pub fn serve() -> Result<()> {
    until_exists(&Channel::path(HOST, CONTROL))?;
    let control = Channel::open(HOST, CONTROL, Wait::Yes)?;
    let mut request = [0; 4096];
    while let Some(bytes) = control.receive(&mut request)? {
        let job: Job = serde_json::from_slice(&request[..bytes])?;
        let done = job.run().map_err(|error| error.to_string());
        control.send(&serde_json::to_vec(&done)?)?;
    }
    Ok(())
}

/// How often this kernel was rung by others.
fn rings() -> Result<u64> {
    let mut rings = 0;
    for line in fs::read_to_string("/proc/interrupts")?.lines() {
        let words = line.split_whitespace();
        if words.clone().next_back() == Some("multikernel") {
            rings += words
                .skip(1)
                .map_while(|word| word.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    Ok(rings)
}

impl Job {
    pub fn new(peer: &str, channel: &str, way: Way, act: Act) -> Self {
        Self {
            peer: peer.to_owned(),
            channel: channel.to_owned(),
            way,
            act,
        }
    }

    /// Does it.
    pub fn run(&self) -> Result<Done> {
        until_exists(&Channel::path(&self.peer, &self.channel))?;
        let channel = Channel::open(&self.peer, &self.channel, Wait::Yes)?;
        let before = rings()?;
        let done = match self.way {
            Way::Calls => by_calls(&channel, self.act)?,
            Way::Mapped | Way::Patient | Way::Polled => {
                let (mut sender, mut receiver) = channel.map()?;
                let patience = match self.way {
                    Way::Polled => Duration::MAX,
                    Way::Patient => PATIENCE,
                    _ => Duration::ZERO,
                };
                sender.set_patience(patience);
                receiver.set_patience(patience);
                Mapped {
                    sender,
                    receiver,
                    is_polled: self.way == Way::Polled,
                    quiet: 0,
                }
                .run(self.act)?
            }
        };
        Ok(Done {
            rings: rings()? - before,
            ..done
        })
    }
}

/// What the side that measures has found: `each` is what one message takes.
fn sent(bytes: usize, (each, messages): (f64, u64)) -> Done {
    Done {
        value: bytes as f64 / each,
        messages,
        ..Done::default()
    }
}

fn asked((each, messages): (f64, u64)) -> Done {
    Done {
        value: each * 1e9,
        messages,
        ..Done::default()
    }
}

fn by_calls(channel: &Channel, act: Act) -> Result<Done> {
    let mut buffer = vec![0; MESSAGE_MAX];
    let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
    match act {
        Act::Ask { bytes } => repeat(|| {
            channel.send(&buffer[..bytes])?;
            channel.receive(&mut buffer)?.ok_or_else(ended)?;
            Ok(())
        })
        .map(asked),
        Act::Answer => {
            let mut messages = 0;
            while let Some(bytes) = channel.receive(&mut buffer)? {
                channel.send(&buffer[..bytes])?;
                messages += 1;
            }
            Ok(taken(messages))
        }
        Act::Send { bytes } => {
            repeat(|| Ok(channel.send(&buffer[..bytes])?)).map(|f| sent(bytes, f))
        }
        Act::Take { .. } => {
            let mut messages = 0;
            while channel.receive(&mut buffer)?.is_some() {
                messages += 1;
            }
            Ok(taken(messages))
        }
        Act::SendBlocks => Err("blocks are sent with mapped rings".into()),
    }
}

fn taken(messages: u64) -> Done {
    Done {
        messages,
        ..Done::default()
    }
}

/// An end whose rings are mapped.
struct Mapped {
    sender: Sender,
    receiver: Receiver,
    is_polled: bool,
    /// Bytes that were sent since the peer was rung, if it waits.
    quiet: usize,
}

impl Mapped {
    fn run(&mut self, act: Act) -> Result<Done> {
        match act {
            Act::Ask { bytes } => {
                let mut buffer = vec![1; bytes];
                repeat(|| {
                    self.send(&buffer)?;
                    let came = self.receive(&mut buffer)?;
                    came.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                    Ok(())
                })
                .map(asked)
            }
            Act::Answer => {
                let mut buffer = vec![0; MESSAGE_MAX];
                let mut messages = 0;
                while let Some(bytes) = self.receive(&mut buffer)? {
                    match self.send(&buffer[..bytes]) {
                        // Who asks has seen enough.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                        result => result?,
                    }
                    messages += 1;
                }
                Ok(taken(messages))
            }
            Act::Send { bytes } => {
                let buffer = vec![1; bytes];
                repeat(|| Ok(self.send_one_of_many(&buffer)?)).map(|found| sent(bytes, found))
            }
            Act::SendBlocks => {
                let block = block();
                repeat(|| {
                    for message in block.chunks(MESSAGE_MAX) {
                        self.send_one_of_many(message)?;
                    }
                    Ok(())
                })
                .map(|found| sent(BLOCK, found))
            }
            Act::Take { is_copied } => self.take_all(is_copied),
        }
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut slot = self.sender.reserve(message.len())?;
        slot.copy_from(message);
        match self.is_polled {
            true => {
                slot.commit_quietly();
                Ok(())
            }
            false => slot.commit(),
        }
    }

    #[inline]
    fn receive(&mut self, to: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(message) = self.receiver.peek()? else {
            return Ok(None);
        };
        let bytes = message.copy_to(to);
        match self.is_polled {
            true => message.consume_quietly(),
            false => message.consume()?,
        }
        Ok(Some(bytes))
    }

    /// A peer that waits is rung once for many.
    #[inline]
    fn send_one_of_many(&mut self, message: &[u8]) -> io::Result<()> {
        let mut slot = self.sender.reserve(message.len())?;
        slot.copy_from(message);
        slot.commit_quietly();
        self.quiet += message.len();
        if self.quiet >= QUIET {
            self.quiet = 0;
            self.sender.flush()?;
        }
        Ok(())
    }

    fn take_all(&mut self, is_copied: bool) -> Result<Done> {
        let mut buffer = vec![0; MESSAGE_MAX];
        let (mut messages, mut sum, mut quiet) = (0, 0u64, 0);
        while let Some(message) = self.receiver.peek()? {
            let bytes = message.bytes();
            if is_copied {
                message.copy_to(&mut buffer);
            } else {
                sum = sum.wrapping_add(look(message.pieces()));
            }
            message.consume_quietly();
            messages += 1;
            quiet += bytes;
            if quiet >= QUIET {
                quiet = 0;
                self.receiver.flush()?;
            }
        }
        black_box(sum);
        Ok(taken(messages))
    }
}

/// Brings each cache line of a message here, and adds up what it begins with.
fn look(pieces: [*const [u8]; 2]) -> u64 {
    let mut sum = 0u64;
    for piece in pieces {
        for at in (0..piece.len()).step_by(LINE) {
            // SAFETY: it is in the message, which is not consumed yet. What the peer does meanwhile
            // gives another value.
            sum = sum.wrapping_add(unsafe { piece.cast::<u8>().add(at).read_volatile() }.into());
        }
    }
    sum
}

/// A block of data.
pub fn block() -> Vec<u8> {
    (0..BLOCK).map(|n| (n % 251) as u8).collect()
}
