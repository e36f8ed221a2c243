// SPDX-License-Identifier: GPL-2.0

//! What is sent: one frame a message, a byte that says what it is, and its body.

use crate::request::{Request, Size};

/// The most data in a frame.
pub const DATA_MAX: usize = 32 << 10;
/// The longest frame.
pub const FRAME_MAX: usize = 64 << 10;
/// How many bytes of input may be on their way, at first.
pub const INPUT_ROOM: u32 = 128 << 10;

/// What the side that asks sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// What is to be done: the first frame, and only that.
    Request(Box<Request>),
    /// Data for it to read.
    Input(&'a [u8]),
    /// There is no more.
    EndOfInput,
    /// A signal for the command and its children.
    Signal(u32),
    /// Its terminal has another size now.
    Resize(Size),
}

/// What the side that does it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// It has begun.
    Started,
    /// What it wrote to its standard output.
    Output(&'a [u8]),
    /// What it wrote to its standard error.
    Errors(&'a [u8]),
    /// So many more bytes of input can be sent.
    Room(u32),
    /// It is done. No frame follows.
    Ended(Status),
    /// It could not be done, and why. No frame follows.
    Failed(&'a str),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With an exit status.
    Code(u32),
    /// By a signal.
    Signal(u32),
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// There is no such frame.
    #[error("a frame of {bytes} bytes begins with {tag:#x}, which means nothing here")]
    Unknown {
        /// What it begins with.
        tag: u8,
        /// How long it is.
        bytes: usize,
    },
    /// It is empty.
    #[error("a frame is empty")]
    Empty,
    /// Its body is not what belongs there.
    #[error("a frame {tag:#x} has {bytes} bytes, and should not")]
    Body {
        /// What it begins with.
        tag: u8,
        /// How long it is.
        bytes: usize,
    },
    /// The request cannot be understood.
    #[error("the request cannot be understood: {0}")]
    Request(#[from] serde_json::Error),
    /// The request is too long.
    #[error("the request has {0} bytes, and at most {FRAME_MAX} can be sent")]
    TooLong(usize),
}

const REQUEST: u8 = 0x01;
const INPUT: u8 = 0x02;
const END_OF_INPUT: u8 = 0x03;
const SIGNAL: u8 = 0x04;
const RESIZE: u8 = 0x05;
const STARTED: u8 = 0x11;
const OUTPUT: u8 = 0x12;
const ERRORS: u8 = 0x13;
const ROOM: u8 = 0x14;
const CODE: u8 = 0x15;
const ENDED_BY: u8 = 0x16;
const FAILED: u8 = 0x17;

/// A frame with this body.
fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + body.len());
    frame.push(tag);
    frame.extend_from_slice(body);
    frame
}

fn split(frame: &[u8]) -> Result<(u8, &[u8]), FrameError> {
    match frame {
        [] => Err(FrameError::Empty),
        [tag, body @ ..] => Ok((*tag, body)),
    }
}

/// The only number in a body.
fn number(tag: u8, body: &[u8]) -> Result<u32, FrameError> {
    let bytes = body.try_into().map_err(|_| wrong(tag, body))?;
    Ok(u32::from_le_bytes(bytes))
}

fn nothing<T>(tag: u8, body: &[u8], value: T) -> Result<T, FrameError> {
    match body {
        [] => Ok(value),
        _ => Err(wrong(tag, body)),
    }
}

fn wrong(tag: u8, body: &[u8]) -> FrameError {
    FrameError::Body {
        tag,
        bytes: 1 + body.len(),
    }
}

impl<'a> Order<'a> {
    /// Its frame.
    pub fn to_frame(&self) -> Result<Vec<u8>, FrameError> {
        Ok(match self {
            Self::Request(request) => {
                let frame = frame(REQUEST, &serde_json::to_vec(request)?);
                if frame.len() > FRAME_MAX {
                    return Err(FrameError::TooLong(frame.len()));
                }
                frame
            }
            Self::Input(data) => frame(INPUT, data),
            Self::EndOfInput => frame(END_OF_INPUT, &[]),
            Self::Signal(number) => frame(SIGNAL, &number.to_le_bytes()),
            Self::Resize(size) => {
                let both = u32::from(size.rows) | (u32::from(size.columns) << 16);
                frame(RESIZE, &both.to_le_bytes())
            }
        })
    }

    /// Reads a frame.
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (tag, body) = split(frame)?;
        match tag {
            REQUEST => Ok(Self::Request(serde_json::from_slice(body)?)),
            INPUT => Ok(Self::Input(body)),
            END_OF_INPUT => nothing(tag, body, Self::EndOfInput),
            SIGNAL => number(tag, body).map(Self::Signal),
            RESIZE => number(tag, body).map(|both| {
                Self::Resize(Size {
                    rows: both as u16,
                    columns: (both >> 16) as u16,
                })
            }),
            _ => Err(unknown(tag, frame)),
        }
    }
}

impl<'a> Report<'a> {
    /// Its frame.
    pub fn to_frame(&self) -> Vec<u8> {
        match *self {
            Self::Started => frame(STARTED, &[]),
            Self::Output(data) => frame(OUTPUT, data),
            Self::Errors(data) => frame(ERRORS, data),
            Self::Room(bytes) => frame(ROOM, &bytes.to_le_bytes()),
            Self::Ended(Status::Code(code)) => frame(CODE, &code.to_le_bytes()),
            Self::Ended(Status::Signal(number)) => frame(ENDED_BY, &number.to_le_bytes()),
            Self::Failed(text) => {
                let bytes = text.as_bytes();
                frame(FAILED, &bytes[..bytes.len().min(DATA_MAX)])
            }
        }
    }

    /// Reads a frame.
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (tag, body) = split(frame)?;
        match tag {
            STARTED => nothing(tag, body, Self::Started),
            OUTPUT => Ok(Self::Output(body)),
            ERRORS => Ok(Self::Errors(body)),
            ROOM => number(tag, body).map(Self::Room),
            CODE => number(tag, body).map(|code| Self::Ended(Status::Code(code))),
            ENDED_BY => number(tag, body).map(|number| Self::Ended(Status::Signal(number))),
            FAILED => match std::str::from_utf8(body) {
                Ok(text) => Ok(Self::Failed(text)),
                Err(_) => Err(wrong(tag, body)),
            },
            _ => Err(unknown(tag, frame)),
        }
    }
}

fn unknown(tag: u8, frame: &[u8]) -> FrameError {
    FrameError::Unknown {
        tag,
        bytes: frame.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use crate::request::Command;

    #[test]
    fn all_orders_arrive() {
        // Arguments are bytes.
        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let command = Command {
            words: vec!["ls".into(), odd.clone()],
            variables: vec![("A".into(), odd)],
            directory: Some("/tmp".into()),
            terminal: Some(Size {
                rows: 24,
                columns: 80,
            }),
        };
        for order in [
            Order::Request(Box::new(Request::Run(command))),
            Order::Request(Box::new(Request::Pack {
                path: "/a".into(),
                name: "b".into(),
            })),
            Order::Input(b"data"),
            Order::EndOfInput,
            Order::Signal(15),
            Order::Resize(Size {
                rows: 1,
                columns: 0xffff,
            }),
        ] {
            assert_eq!(Order::parse(&order.to_frame().unwrap()).unwrap(), order);
        }
    }

    #[test]
    fn all_reports_arrive() {
        for report in [
            Report::Started,
            Report::Output(b"data"),
            Report::Errors(b""),
            Report::Room(1 << 20),
            Report::Ended(Status::Code(3)),
            Report::Ended(Status::Signal(9)),
            Report::Failed("no such file"),
        ] {
            assert_eq!(Report::parse(&report.to_frame()).unwrap(), report);
        }
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let command = Command {
            words: vec!["x".repeat(FRAME_MAX).into()],
            ..Command::default()
        };
        let order = Order::Request(Box::new(Request::Run(command)));
        assert!(matches!(order.to_frame(), Err(FrameError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn nothing_panics(frame in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (Order::parse(&frame), Report::parse(&frame));
        }
    }
}
