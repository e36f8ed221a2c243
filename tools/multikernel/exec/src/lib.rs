// SPDX-License-Identifier: GPL-2.0

//! Runs commands in another kernel, and copies files from there and to there.
//!
//! Both sides have a descriptor that keeps the boundaries of messages: a
//! channel between kernels, or in tests a socket. One conversation is one
//! request:
//!
//! * the side that asks ([`Client`]) sends a [`Request`], then what the command
//!   reads, signals and sizes of its terminal ([`Order`]);
//! * the side that does it ([`serve`]) says that it has begun, then what the
//!   command writes, and how it ended ([`Report`]).
//!
//! Input is sent only as far as there is room for it, so that a command that
//! reads nothing does not keep a signal from reaching it.

/// What the names of channels for this begin with.
pub const CHANNEL_PREFIX: &str = "exec.";

mod archive;
mod client;
mod frame;
mod link;
mod request;
mod server;

pub use client::{Client, ClientError, Input};
pub use frame::{FrameError, Order, Report, Status, DATA_MAX, FRAME_MAX, INPUT_ROOM};
pub use link::Link;
pub use request::{Command, Request, Size};
pub use server::{serve, ServeError};
