// SPDX-License-Identifier: GPL-2.0

//! What `mkctl` does, a file for each thing.

mod await_line;
mod channel;
mod check;
mod console;
mod cpus;
mod dmesg;
mod events;
pub(crate) mod exec;
mod generate;
mod lifecycle;
mod ls;
mod make;
mod ping;
mod pool;
mod round_trip;
mod run;
mod show;
mod stop;
mod supervise;
mod wait;

use std::io::Write;
use std::path::Path;

use multikernel::{Device, Errno, Instance, Role};
use serde::Serialize;

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Result};

/// Does what the command line says.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<()> {
    dispatch(cli, out).map_err(|failure| explained(failure, &cli.device))
}

fn dispatch(cli: &Cli, out: &mut dyn Write) -> Result<()> {
    let device = || Device::open_at(&cli.device);
    match &cli.command {
        Command::Run(arguments) => run::run(&device()?, arguments, out),
        Command::Create(arguments) => run::create(&device()?, arguments),
        Command::Load(arguments) => lifecycle::load(&device()?, arguments),
        Command::Start(arguments) => lifecycle::start(&device()?, arguments),
        Command::Kill(arguments) => lifecycle::kill(&device()?, arguments),
        Command::Stop(arguments) => stop::stop(&device()?, arguments),
        Command::Ping(arguments) => ping::ping(&device()?, arguments, out),
        Command::Console(arguments) => console::console(&device()?, arguments, out),
        Command::Rm(arguments) => lifecycle::remove(&device()?, arguments),
        Command::Ls(format) => ls::ls(&device()?, format, out),
        Command::Pool(format) => pool::pool(&device()?, format, out),
        Command::Show(arguments) => show::show(&device()?, arguments, out),
        Command::Dmesg(arguments) => dmesg::dmesg(&device()?, arguments, out),
        Command::Events(arguments) => events::events(&device()?, arguments, out),
        Command::Wait(arguments) => wait::wait(&device()?, arguments),
        Command::Channel(command) => channel::channel(device, command, out),
        Command::Exec(arguments) => exec::exec(&device()?, arguments, out),
        Command::Cp(arguments) => exec::copy(&device()?, arguments),
        Command::Check(format) => check::check(&cli.device, format, out),
        Command::Completions { shell } => generate::completions(*shell, out),
        Command::Man { directory } => generate::man(directory),
    }
}

/// What only a host can do an instance's module does not know.
fn explained(failure: Failure, device: &Path) -> Failure {
    let role = || Device::open_at(device)?.query().map(|query| query.role);
    match &failure {
        Failure::Kernel(error)
            if error.errno() == Errno::NOTTY && matches!(role(), Ok(Role::Instance)) =>
        {
            Failure::NotHost
        }
        _ => failure,
    }
}

/// Does something to each of several instances. One that fails does not stop
/// the others: all failures are told, and the first is returned.
fn for_each(
    device: &Device,
    names: &[String],
    action: impl Fn(&Instance) -> Result<()>,
) -> Result<()> {
    let mut first = Ok(());
    for name in names {
        let result = device
            .instance(name)
            .map_err(Into::into)
            .and_then(|instance| action(&instance));
        match (&first, result) {
            (_, Ok(())) => (),
            (Ok(()), failed) => first = failed,
            (Err(_), Err(failure)) => eprint!("{}", failure.report()),
        }
    }
    first
}

/// Writes something for programs.
fn write_json(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}
