// SPDX-License-Identifier: GPL-2.0

//! `mkctl`: starts Linux kernels beside the running one, and looks after them.

mod cli;
mod command;
mod failure;
mod follow;
mod host;
mod interrupt;
mod notify;
mod policy;
mod progress;
mod record;
mod terminal;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let result = command::run(&cli, &mut out).and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // There is no other place to tell it.
            let _ = io::stderr().write_all(failure.report().as_bytes());
            ExitCode::from(failure.code())
        }
    }
}
