// SPDX-License-Identifier: GPL-2.0

//! The side that does what it is asked for.

mod command;
mod copy;

use std::io;
use std::sync::Arc;

use crate::frame::{FrameError, Order, Report, FRAME_MAX};
use crate::link::Link;
use crate::request::Request;

/// Why a conversation ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The channel does not work.
    #[error("the channel does not work: {0}")]
    Link(#[from] io::Error),
    /// The other side said something strange.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side said something out of turn.
    #[error("the other side sends {0}, which does not belong there")]
    OutOfTurn(&'static str),
}

/// Has one conversation: does what is asked for, and returns when the other side has left.
pub fn serve(link: Arc<Link>) -> Result<(), ServeError> {
    let mut buffer = vec![0; FRAME_MAX];
    let Some(frame) = link.receive(&mut buffer)? else {
        return Ok(());
    };
    let Order::Request(request) = Order::parse(frame)? else {
        return Err(ServeError::OutOfTurn("no request"));
    };
    match *request {
        Request::Run(command) => command::run(&link, &command, &mut buffer)?,
        Request::Pack { path, name } => copy::pack(&link, &path, &name)?,
        Request::Unpack { path, name } => copy::unpack(&link, &path, &name, &mut buffer)?,
    }
    // What was sent last is to be read before this side leaves.
    while link.receive(&mut buffer)?.is_some() {}
    Ok(())
}

/// Says why it cannot be done.
fn fail(link: &Link, what: &str, error: &io::Error) -> io::Result<()> {
    link.send(&Report::Failed(&format!("{what}: {error}")).to_frame())
}
