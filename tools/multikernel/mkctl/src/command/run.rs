// SPDX-License-Identifier: GPL-2.0

//! `mkctl run` and `mkctl create`

use std::io::Write;

use multikernel::{CpuList, Device, Instance};

use super::await_line::await_line;
use super::console;
use super::lifecycle::Files;
use super::make::Made;
use super::show;
use super::supervise::Supervisor;
use crate::cli::{Create, Run};
use crate::failure::{Failure, Result};
use crate::follow;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::units;

/// Creates, loads and starts an instance.
pub fn run(device: &Device, arguments: &Run, out: &mut dyn Write) -> Result<()> {
    let interrupt = Interrupt::new()?;
    // What is not there is found out before anything is taken, and later it does no harm if others
    // take their names.
    let mut files = Files::open(device, &arguments.image)?;
    if arguments.console {
        files.show_console();
    }
    let instance = make_and_start(device, arguments, &files, &interrupt)
        .map_err(|failure| interrupted(failure, "what was made is removed again"))?;
    await_line(&instance, &arguments.wait, Some(&interrupt))
        .map_err(|failure| interrupted(failure, "the instance is left as it is"))?;

    if arguments.console {
        return console::attach(&instance, &arguments.options, &interrupt, out);
    }
    tell(&instance, arguments, out)?;
    if !arguments.supervision.is_wanted() {
        return Ok(());
    }
    out.flush()?;
    Supervisor {
        instance: &instance,
        files: &files,
        arguments: &arguments.supervision,
        interrupt: &interrupt,
    }
    .supervise(out)
}

fn tell(instance: &Instance, arguments: &Run, out: &mut dyn Write) -> Result<()> {
    if arguments.format.json {
        return show::json(instance, out);
    }
    let info = follow::info(instance)?;
    let cpus: CpuList = info.cpus.iter().copied().collect();
    let memory = units::size(info.memory);
    Ok(writeln!(
        out,
        "{}: {} on CPUs {cpus} with {memory}",
        info.name, info.state
    )?)
}

fn make_and_start(
    device: &Device,
    arguments: &Run,
    files: &Files<'_>,
    interrupt: &Interrupt,
) -> Result<Instance> {
    let made = Made::new(device, &arguments.name, &arguments.resources, interrupt)?;
    files.load(made.instance())?;
    interrupt.check()?;
    {
        let _progress = Progress::new(format!("starting {}", arguments.name));
        made.instance().start()?;
    }
    Ok(made.keep())
}

/// Creates an instance that has what it needs.
pub fn create(device: &Device, arguments: &Create) -> Result<()> {
    let interrupt = Interrupt::new()?;
    let made = Made::new(device, &arguments.name, &arguments.resources, &interrupt)
        .map_err(|failure| interrupted(failure, "what was made is removed again"))?;
    made.keep();
    Ok(())
}

/// Adds to an interruption what it leaves behind.
fn interrupted(failure: Failure, left: &'static str) -> Failure {
    match failure {
        Failure::Interrupted { signal, .. } => Failure::Interrupted {
            signal,
            state: Some(left),
        },
        other => other,
    }
}
