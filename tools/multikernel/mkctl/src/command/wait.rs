// SPDX-License-Identifier: GPL-2.0

//! `mkctl wait`

use std::time::Instant;

use multikernel::{Device, Event, State};

use crate::cli::Wait;
use crate::failure::{Failure, Result};
use crate::follow::{self, left};
use crate::progress::Progress;

/// Waits for a state. If the instance ends in another meanwhile, that fails.
pub fn wait(device: &Device, arguments: &Wait) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    let deadline = arguments.timeout.map(|timeout| Instant::now() + timeout);
    let wanted = states(&arguments.states);
    let _progress = Progress::new(format!("waiting for {} to be {wanted}", arguments.name));

    let first = follow::info(&instance)?;
    let mut info = first.clone();
    loop {
        if arguments.states.contains(&info.state) {
            return Ok(());
        }
        if info.state.has_ended() && info.generation != first.generation {
            return Err(Failure::Ended {
                info: Box::new(info),
                tail: Vec::new(),
            });
        }
        match follow::wait(&instance, None, left(deadline))? {
            Event::Destroyed => return Err(Failure::Removed(arguments.name.clone())),
            Event::Changed => info = follow::info(&instance)?,
            Event::TimedOut => {
                return Err(Failure::Timeout {
                    name: arguments.name.clone(),
                    what: format!("the state {wanted}"),
                    timeout: arguments.timeout.unwrap_or_default(),
                    tail: Vec::new(),
                })
            }
        }
    }
}

fn states(states: &[State]) -> String {
    let names: Vec<String> = states.iter().map(State::to_string).collect();
    names.join(" or ")
}
