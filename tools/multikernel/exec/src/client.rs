// SPDX-License-Identifier: GPL-2.0

//! The side that asks.

use std::ffi::OsString;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::archive;
use crate::frame::{FrameError, Order, Report, Status, DATA_MAX, FRAME_MAX, INPUT_ROOM};
use crate::link::Link;
use crate::request::{Command, Request};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The channel does not work.
    #[error("the channel does not work: {0}")]
    Link(#[source] io::Error),
    /// The other side said something strange.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side said something out of turn.
    #[error("the other side says {0}, which does not belong there")]
    OutOfTurn(String),
    /// Nobody is there.
    #[error("nobody answers within {0:?}; the instance has to run mkexecd")]
    Silent(Duration),
    /// The other side left in the middle.
    #[error("the instance has left before the end")]
    Left,
    /// The other side could not do it.
    #[error("{0}")]
    Failed(String),
    /// A file on this side.
    #[error("{path}: {source}")]
    Local {
        /// Which.
        path: PathBuf,
        /// What about it.
        source: io::Error,
    },
    /// What the command wrote cannot be written here.
    #[error("cannot pass on what the command writes: {0}")]
    Output(#[source] io::Error),
}

/// A conversation.
pub struct Client {
    link: Arc<Link>,
    room: Arc<Room>,
    buffer: Vec<u8>,
}

/// How much may be sent.
struct Room {
    /// `None`: nothing any more.
    bytes: Mutex<Option<u32>>,
    changed: Condvar,
}

impl Room {
    fn change(&self, f: impl FnOnce(&mut Option<u32>)) {
        f(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for room for some of `wanted` bytes, and takes that.
    fn take(&self, wanted: usize) -> Option<usize> {
        let guard = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = self
            .changed
            .wait_while(guard, |bytes| *bytes == Some(0))
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = (*guard)?;
        let taken = bytes.min(u32::try_from(wanted).unwrap_or(u32::MAX));
        *guard = Some(bytes - taken);
        Some(taken as usize)
    }
}

/// Sends what the command is to read, from a thread of its own. It ends with the conversation.
#[derive(Clone)]
pub struct Input {
    link: Weak<Link>,
    room: Arc<Room>,
}

impl Input {
    /// Sends all of `from`, as far as the command takes it.
    pub fn send_all(&self, mut from: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; DATA_MAX];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break self.end(),
                Ok(bytes) => {
                    if !self.send(&buffer[..bytes])? {
                        break Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break self.end().and(Err(error)),
            }
        }
    }

    /// Passes on a signal.
    pub fn signal(&self, number: u32) -> io::Result<()> {
        self.order(&Order::Signal(number))
    }

    /// Passes on anything.
    pub fn order(&self, order: &Order<'_>) -> io::Result<()> {
        let link = self.link.upgrade().ok_or(io::ErrorKind::BrokenPipe)?;
        link.send(&order.to_frame().map_err(io::Error::other)?)
    }

    fn end(&self) -> io::Result<()> {
        self.order(&Order::EndOfInput)
    }

    /// Returns whether somebody is there to get more.
    fn send(&self, mut data: &[u8]) -> io::Result<bool> {
        while !data.is_empty() {
            let Some(bytes) = self.room.take(data.len()) else {
                return Ok(false);
            };
            let (now, later) = data.split_at(bytes);
            self.order(&Order::Input(now))?;
            data = later;
        }
        Ok(true)
    }
}

impl Client {
    /// Begins a conversation.
    pub fn new(link: Link) -> Self {
        let room = Room {
            bytes: Mutex::new(Some(INPUT_ROOM)),
            changed: Condvar::new(),
        };
        Self {
            link: Arc::new(link),
            room: Arc::new(room),
            buffer: vec![0; FRAME_MAX],
        }
    }

    /// What goes to the other side.
    pub fn input(&self) -> Input {
        Input {
            link: Arc::downgrade(&self.link),
            room: self.room.clone(),
        }
    }

    /// Asks for a command to be run, and waits until it was started: `timeout` for somebody who does.
    pub fn start(&mut self, command: Command, timeout: Duration) -> Result<(), ClientError> {
        self.ask(Request::Run(command), timeout)
    }

    /// Passes on what the command writes until it ends, and returns how it did.
    pub fn finish(
        &mut self,
        mut output: impl Write,
        mut errors: impl Write,
    ) -> Result<Status, ClientError> {
        loop {
            match self.report()? {
                Report::Output(data) => pass_on(&mut output, data)?,
                Report::Errors(data) => pass_on(&mut errors, data)?,
                Report::Ended(status) => return Ok(status),
                other => return Err(out_of_turn(&other)),
            }
        }
    }

    /// Copies `from` on this side to `to` on the other one.
    pub fn put(&mut self, from: &Path, to: PathBuf, timeout: Duration) -> Result<(), ClientError> {
        let name = name_of(from)?;
        // Before anything is asked for.
        local(from, std::fs::metadata(from))?;
        self.ask(Request::Unpack { path: to, name }, timeout)?;
        let name = match self.report()? {
            Report::Output(name) => OsString::from_vec(name.to_vec()),
            other => return Err(out_of_turn(&other)),
        };
        // What the other side reports meanwhile is about room, or the reason why it does not take more.
        let input = self.input();
        let (sent, result) = std::thread::scope(|scope| {
            let sender = scope.spawn(move || {
                let outbound = BufWriter::with_capacity(DATA_MAX, Outbound(&input));
                let sent = archive::pack(from, &name, outbound);
                match &sent {
                    Ok(()) => input.end(),
                    // It does not take a part for the whole.
                    Err(_) => input.signal(0),
                }
                .and(sent)
            });
            let result = self.finish(io::sink(), io::sink());
            self.room.change(|bytes| *bytes = None);
            (sender.join(), result)
        });
        match (sent, result) {
            (Ok(Err(source)), _) if source.kind() != io::ErrorKind::BrokenPipe => {
                local(from, Err(source))
            }
            (_, Ok(_)) => Ok(()),
            (_, Err(error)) => Err(error),
        }
    }

    /// Copies `from` on the other side to `to` on this one.
    pub fn get(&mut self, from: &Path, to: &Path, timeout: Duration) -> Result<(), ClientError> {
        let (directory, name) = local(to, archive::target(to, &name_of(from)?))?;
        let request = Request::Pack {
            path: from.to_owned(),
            name: name.clone().into(),
        };
        self.ask(request, timeout)?;
        let mut inbound = Inbound {
            client: self,
            unread: 0..0,
            end: None,
        };
        let unpacked = archive::unpack(&mut inbound, &directory, &name);
        let rest = match unpacked {
            Ok(()) => io::copy(&mut inbound, &mut io::sink()).map(drop),
            Err(_) => Ok(()),
        };
        match inbound.end {
            Some(Err(error)) => Err(error),
            _ => local(to, unpacked.and(rest)),
        }
    }

    fn ask(&mut self, request: Request, timeout: Duration) -> Result<(), ClientError> {
        let frame = Order::Request(Box::new(request)).to_frame()?;
        self.link.send(&frame).map_err(ClientError::Link)?;
        if !self.link.wait(timeout).map_err(ClientError::Link)? {
            return Err(ClientError::Silent(timeout));
        }
        match self.report()? {
            Report::Started => Ok(()),
            other => Err(out_of_turn(&other)),
        }
    }

    /// The next report that is not about room.
    fn report(&mut self) -> Result<Report<'_>, ClientError> {
        let bytes = loop {
            let frame = self.link.receive(&mut self.buffer);
            let Some(frame) = frame.map_err(ClientError::Link)? else {
                return Err(ClientError::Left);
            };
            match Report::parse(frame)? {
                Report::Room(more) => self.room.change(|bytes| {
                    *bytes = bytes.map(|bytes| bytes.saturating_add(more));
                }),
                Report::Failed(text) => return Err(ClientError::Failed(text.to_owned())),
                _ => break frame.len(),
            }
        };
        Ok(Report::parse(&self.buffer[..bytes])?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.room.change(|bytes| *bytes = None);
    }
}

fn pass_on(to: &mut impl Write, data: &[u8]) -> Result<(), ClientError> {
    to.write_all(data)
        .and_then(|()| to.flush())
        .map_err(ClientError::Output)
}

fn out_of_turn(report: &Report<'_>) -> ClientError {
    ClientError::OutOfTurn(format!("{report:.40?}"))
}

fn local<T>(path: &Path, result: io::Result<T>) -> Result<T, ClientError> {
    result.map_err(|source| ClientError::Local {
        path: path.to_owned(),
        source,
    })
}

/// What something is called: not `..`, which is another's name.
fn name_of(path: &Path) -> Result<OsString, ClientError> {
    match path.components().next_back() {
        Some(Component::Normal(name)) => Ok(name.to_owned()),
        _ => local(
            path,
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it has no name that the copy could have",
            )),
        ),
    }
}

/// What is written is input on the other side.
struct Outbound<'a>(&'a Input);

impl Write for Outbound<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = &data[..data.len().min(DATA_MAX)];
        match self.0.send(data)? {
            true => Ok(data.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the other side writes.
struct Inbound<'a> {
    client: &'a mut Client,
    /// Where in the client's buffer there is something left.
    unread: std::ops::Range<usize>,
    end: Option<Result<(), ClientError>>,
}

impl Read for Inbound<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match &self.end {
                Some(Ok(())) => return Ok(0),
                Some(Err(_)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
            self.end = match self.client.report() {
                Ok(Report::Output(data)) => {
                    // A frame is a byte, and this.
                    self.unread = 1..1 + data.len();
                    None
                }
                Ok(Report::Ended(_)) => Some(Ok(())),
                Ok(other) => Some(Err(out_of_turn(&other))),
                Err(error) => Some(Err(error)),
            };
        }
        let unread = &self.client.buffer[self.unread.clone()];
        let count = unread.len().min(to.len());
        to[..count].copy_from_slice(&unread[..count]);
        self.unread.start += count;
        Ok(count)
    }
}
