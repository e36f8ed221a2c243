// SPDX-License-Identifier: GPL-2.0

//! Files, from here and to here.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{fail, ServeError};
use crate::archive;
use crate::frame::{Order, Report, Status, DATA_MAX};
use crate::link::Link;

/// Writes an archive to the output.
pub fn pack(link: &Link, path: &Path, name: &OsStr) -> Result<(), ServeError> {
    link.send(&Report::Started.to_frame())?;
    let output = BufWriter::with_capacity(DATA_MAX, Output(link));
    finish(link, path, archive::pack(path, name, output))
}

/// Reads an archive from the input. First it tells what is at its top.
pub fn unpack(link: &Link, path: &Path, name: &OsStr, buffer: &mut [u8]) -> Result<(), ServeError> {
    let (directory, name) = match archive::target(path, name) {
        Ok(target) => target,
        Err(error) => return Ok(fail(link, &path.display().to_string(), &error)?),
    };
    link.send(&Report::Started.to_frame())?;
    link.send(&Report::Output(name.as_os_str().as_bytes()).to_frame())?;
    let mut input = Input {
        link,
        buffer,
        unread: 0..0,
        is_over: false,
    };
    let result = archive::unpack(&mut input, &directory, &name);
    // An archive is padded at its end, which need not be read to know what is in it.
    let rest = match result {
        Ok(()) => io::copy(&mut input, &mut io::sink()).map(drop),
        Err(_) => Ok(()),
    };
    finish(link, path, result.and(rest))
}

fn finish(link: &Link, path: &Path, result: io::Result<()>) -> Result<(), ServeError> {
    match result {
        Ok(()) => link.send(&Report::Ended(Status::Code(0)).to_frame())?,
        Err(error) => fail(link, &path.display().to_string(), &error)?,
    }
    Ok(())
}

/// What is written goes to the other side.
struct Output<'a>(&'a Link);

impl Write for Output<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = &data[..data.len().min(DATA_MAX)];
        self.0.send(&Report::Output(data).to_frame())?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the other side sends.
struct Input<'a> {
    link: &'a Link,
    buffer: &'a mut [u8],
    /// Where in `buffer` there is something left.
    unread: std::ops::Range<usize>,
    is_over: bool,
}

impl Read for Input<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() && !self.is_over {
            let frame = self.link.receive(self.buffer)?;
            let frame = frame.ok_or(io::ErrorKind::UnexpectedEof)?;
            match Order::parse(frame).map_err(io::Error::other)? {
                Order::Input(data) => {
                    self.unread = frame.len() - data.len()..frame.len();
                    let room = Report::Room(data.len() as u32);
                    self.link.send(&room.to_frame())?;
                }
                Order::EndOfInput => self.is_over = true,
                // Who asks has been interrupted.
                Order::Signal(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Order::Resize(_) | Order::Request(_) => {}
            }
        }
        let unread = &self.buffer[self.unread.clone()];
        let count = unread.len().min(to.len());
        to[..count].copy_from_slice(&unread[..count]);
        self.unread.start += count;
        Ok(count)
    }
}
