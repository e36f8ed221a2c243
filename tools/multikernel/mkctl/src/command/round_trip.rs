// SPDX-License-Identifier: GPL-2.0

//! `mkctl channel ping` and `mkctl channel echo`

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use multikernel::{Channel, Errno, Wait, MESSAGE_MAX};
use serde::Serialize;

use super::write_json;
use crate::cli::{ChannelEcho, ChannelEnd, ChannelPing};
use crate::failure::{Failure, Result};
use crate::units::{self, nanoseconds};

/// How often an end is looked for that is not there yet.
const LOOK: Duration = Duration::from_millis(10);

const CLOSED: &str = "the other end was closed";

#[derive(Serialize)]
struct Json<'a> {
    peer: &'a str,
    channel: &'a str,
    bytes: u32,
    times_ns: &'a [u64],
}

/// An end that was opened.
struct End {
    channel: Channel,
    path: PathBuf,
    timeout: Duration,
}

impl End {
    /// Opens it, as soon as it is there and somebody is at the other end.
    fn open(end: &ChannelEnd) -> Result<Self> {
        let deadline = Instant::now() + end.timeout;
        let path = Channel::path(&end.peer, &end.channel);
        loop {
            let error = match Channel::open(&end.peer, &end.channel, Wait::No) {
                Ok(channel) => {
                    let this = Self {
                        channel,
                        path,
                        timeout: end.timeout,
                    };
                    this.done("wait", this.channel.set_wait(Wait::Yes))?;
                    return Ok(this);
                }
                Err(error) => error,
            };
            let is_late = Instant::now() >= deadline;
            match error.errno() {
                // In an instance it may appear soon.
                Errno::AGAIN | Errno::NOENT if !is_late => sleep(LOOK),
                Errno::AGAIN => {
                    return Err(Failure::Timeout {
                        name: path.display().to_string(),
                        what: "somebody at the other end".into(),
                        timeout: end.timeout,
                        tail: Vec::new(),
                    })
                }
                _ => return Err(error.into()),
            }
        }
    }

    fn failed(&self, what: impl Into<String>) -> Failure {
        Failure::Conversation {
            end: self.path.clone(),
            what: what.into(),
        }
    }

    /// Tells what could not be done.
    fn done<T>(&self, what: &str, result: io::Result<T>) -> Result<T> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => self.failed(CLOSED),
            _ => self.failed(format!("cannot {what}: {error}")),
        })
    }

    fn send(&self, message: &[u8]) -> Result<()> {
        let what = format!("send {} bytes", message.len());
        self.done(&what, self.channel.send(message))
    }

    /// Takes a message; nothing: the other end was closed.
    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        let length = self.done("receive", self.channel.receive(buffer))?;
        Ok(length.map(|length| &buffer[..length]))
    }

    /// Sends a message, and takes it back; how long that took.
    fn there_and_back(&self, message: &[u8], buffer: &mut [u8]) -> Result<Duration> {
        let start = Instant::now();
        self.send(message)?;
        if !self.done("wait", self.channel.wait_for_message(self.timeout))? {
            return Err(Failure::Timeout {
                name: self.path.display().to_string(),
                what: "a message".into(),
                timeout: self.timeout,
                tail: Vec::new(),
            });
        }
        let answer = self.receive(buffer)?;
        let time = start.elapsed();
        match answer {
            Some(answer) if answer == message => Ok(time),
            Some(_) => Err(self.failed("another message came back than was sent")),
            None => Err(self.failed(CLOSED)),
        }
    }
}

/// Measures round trips.
pub fn ping(arguments: &ChannelPing, out: &mut dyn Write) -> Result<()> {
    let end = End::open(&arguments.end)?;
    let mut buffer = vec![0; MESSAGE_MAX];
    let mut message = vec![0; arguments.size as usize];
    let mut times = Vec::new();
    for number in 0..arguments.count {
        // No message is like the one before.
        for (to, from) in message.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        times.push(nanoseconds(end.there_and_back(&message, &mut buffer)?));
    }
    let (peer, channel) = (&*arguments.end.peer, &*arguments.end.channel);
    if arguments.format.json {
        let json = Json {
            peer,
            channel,
            bytes: arguments.size,
            times_ns: &times,
        };
        return write_json(out, &json);
    }
    let summary = summary(&mut times);
    Ok(writeln!(
        out,
        "{peer}/{channel}: {summary}, {} bytes",
        arguments.size
    )?)
}

/// What a person wants to know of them.
fn summary(times: &mut [u64]) -> String {
    times.sort_unstable();
    let duration = |at: usize| units::duration(Duration::from_nanos(times[at]));
    format!(
        "{} there and back: {} to {}, median {}",
        times.len(),
        duration(0),
        duration(times.len() - 1),
        duration(times.len() / 2)
    )
}

/// Sends back what comes.
pub fn echo(arguments: &ChannelEcho) -> Result<()> {
    let end = End::open(&arguments.end)?;
    let mut buffer = vec![0; MESSAGE_MAX];
    while let Some(message) = end.receive(&mut buffer)? {
        end.send(message)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_told() {
        let mut times = [9_000_000, 200_000, 1_000];
        assert_eq!(
            summary(&mut times),
            "3 there and back: 1 \u{b5}s to 9.0 ms, median 200 \u{b5}s"
        );
    }

    #[test]
    fn an_end_that_never_comes_is_told_in_time() {
        let end = ChannelEnd {
            peer: "nobody".into(),
            channel: "none".into(),
            timeout: Duration::from_millis(30),
        };
        let start = Instant::now();
        let failure = End::open(&end).err().unwrap();
        assert!(start.elapsed() >= end.timeout);
        assert!(failure.report().contains("/dev/mk/nobody/none"));
        assert_eq!(failure.code(), 1);
    }
}
