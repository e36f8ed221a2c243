// SPDX-License-Identifier: GPL-2.0

//! `mkctl stop`

use std::time::{Duration, Instant};

use multikernel::{Device, Errno, Error, Instance};

use super::for_each;
use crate::cli::Stop;
use crate::failure::{Failure, Result};
use crate::follow::{self, left};
use crate::progress::Progress;
use crate::units;

/// Asks instances to power off, and ends those that do not in time.
pub fn stop(device: &Device, arguments: &Stop) -> Result<()> {
    for_each(device, &arguments.names.names, |instance| {
        stop_or_kill(instance, arguments.timeout)
    })
}

/// Asks one to power off, and kills it if it does not in time.
pub fn stop_or_kill(instance: &Instance, timeout: Duration) -> Result<()> {
    let _progress = Progress::new(format!("stopping {}", instance.name()));
    let run = follow::info(instance)?.runs;
    let deadline = Instant::now() + timeout;
    match instance.stop(timeout) {
        Ok(()) => {
            let has_ended = |info: &multikernel::Info| info.runs != run || info.state.has_ended();
            let ended = instance.wait_for(left(Some(deadline)), has_ended);
            if ended.map_err(removed(instance))?.is_some() {
                return Ok(());
            }
        }
        Err(error) if error.errno() == Errno::TIMEDOUT => {}
        Err(error) => return Err(error.into()),
    }
    let after = units::duration(timeout);
    eprintln!(
        "mkctl: `{}` did not go down within {after}: killed",
        instance.name()
    );
    match instance.kill() {
        // It has ended in this moment.
        Err(error) if error.errno() == Errno::BADFD => Ok(()),
        result => Ok(result?),
    }
}

fn removed(instance: &Instance) -> impl Fn(Error) -> Failure + '_ {
    |error| match error.errno() {
        Errno::NODEV => Failure::Removed(instance.name().to_owned()),
        _ => error.into(),
    }
}
