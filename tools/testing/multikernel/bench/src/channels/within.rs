// SPDX-License-Identifier: GPL-2.0

//! The rings between two threads: what a polled round trip takes where no CPU is emulated, and how much
//! of it is the code of both sides.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use multikernel::mapped::{self, Doorbell, Receiver, Sender};
use rustix::event::PollFlags;
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::thread::{sched_getaffinity, CpuSet};

use super::job::{pin, repeat};
use super::peers::{line, SMALL};
use super::sample;
use crate::Result;

/// Of each ring, in bytes.
const RING: u32 = 64 << 10;
/// A half is that much longer.
const WORDS: u32 = 4096;
/// No message takes that long.
const PATIENCE: Duration = Duration::from_secs(10);
/// It is not answered.
const LAST: [u8; SMALL] = [0; SMALL];

/// Nobody waits.
struct Nobody(OwnedFd);

impl Doorbell for Nobody {
    fn ring(&self) -> io::Result<()> {
        Ok(())
    }

    fn wait(&self, _events: PollFlags, _timeout: Option<Duration>) -> io::Result<PollFlags> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One side.
struct End {
    sender: Sender,
    receiver: Receiver,
}

impl End {
    /// Both.
    fn pair() -> Result<[Self; 2]> {
        let memory = memfd_create("rings", MemfdFlags::CLOEXEC)?;
        let half = |side| (u64::from(side * (WORDS + RING)), RING);
        ftruncate(&memory, half(2).0)?;
        let end = |side| -> Result<Self> {
            let bell = Box::new(Nobody(memory.try_clone()?));
            // SAFETY: The memory is new, its halves are apart, and each side has an end of its own.
            let end = unsafe { mapped::over(bell, memory.as_fd(), half(side), half(1 - side)) };
            let (mut sender, mut receiver) = end?;
            sender.set_patience(PATIENCE);
            receiver.set_patience(PATIENCE);
            Ok(Self { sender, receiver })
        };
        Ok([end(0)?, end(1)?])
    }

    fn send(&mut self, message: &[u8; SMALL]) -> Result<()> {
        let mut slot = self.sender.reserve(SMALL)?;
        slot.copy_from(message);
        slot.commit_quietly();
        Ok(())
    }

    fn receive(&mut self, to: &mut [u8; SMALL]) -> Result<()> {
        let message = self.receiver.peek()?;
        let message = message.expect("no side leaves");
        message.copy_to(to);
        message.consume_quietly();
        Ok(())
    }
}

/// What the code of both sides takes for a round trip, on one CPU: in nanoseconds.
pub fn alone() -> Result<f64> {
    let [mut here, mut there] = End::pair()?;
    let mut message = [1; SMALL];
    let (each, _) = repeat(|| {
        here.send(&message)?;
        there.receive(&mut message)?;
        there.send(&message)?;
        here.receive(&mut message)
    })?;
    Ok(each * 1e9)
}

/// The same between two CPUs.
fn polled(cpus: [u32; 2]) -> Result<f64> {
    let [mut here, mut there] = End::pair()?;
    let answers = thread::spawn(move || {
        let mut answer = || -> Result<()> {
            pin(cpus[1])?;
            let mut message = [0; SMALL];
            loop {
                there.receive(&mut message)?;
                if message == LAST {
                    return Ok(());
                }
                there.send(&message)?;
            }
        };
        answer().map_err(|error| error.to_string())
    });
    let mut message = [1; SMALL];
    let (each, _) = repeat(|| {
        here.send(&message)?;
        here.receive(&mut message)
    })?;
    here.send(&LAST)?;
    answers.join().expect("it does not panic")?;
    Ok(each * 1e9)
}

/// Measures them on this machine, `rounds` times.
pub fn run(rounds: u32) -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let (Some(first), Some(second)) = (cpus.next(), cpus.next()) else {
        return Err("two CPUs are needed".into());
    };
    let cpus = [first as u32, second as u32];
    pin(cpus[0])?;
    for _ in 0..rounds {
        sample("within/line", line(cpus)?);
        sample("within/polled", polled(cpus)?);
        sample("within/alone", alone()?);
    }
    Ok(())
}
