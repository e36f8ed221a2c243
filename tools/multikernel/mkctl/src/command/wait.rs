// SPDX-License-Identifier: GPL-2.0

//! `mkctl wait`

use std::time::Instant;

use multikernel::{Device, Event};

use crate::cli::Wait;
use crate::failure::{Failure, Result};
use crate::follow::{self, left};
use crate::progress::Progress;

/// Waits for a state, of the instance or of its agent. If the instance ends in another meanwhile, that
/// fails.
pub fn wait(device: &Device, arguments: &Wait) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    let deadline = arguments.timeout.map(|timeout| Instant::now() + timeout);
    let wanted = match arguments.agents.as_slice() {
        [] => format!("the state {}", either(&arguments.states)),
        agents => format!("the agent's state {}", either(agents)),
    };
    let _progress = Progress::new(format!("waiting for {} to have {wanted}", arguments.name));

    let first = follow::info(&instance)?;
    let mut info = first.clone();
    loop {
        if arguments.states.contains(&info.state) || arguments.agents.contains(&info.agent) {
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
                    what: wanted,
                    timeout: arguments.timeout.unwrap_or_default(),
                    tail: Vec::new(),
                })
            }
        }
    }
}

fn either(states: &[impl ToString]) -> String {
    let names: Vec<String> = states.iter().map(ToString::to_string).collect();
    names.join(" or ")
}
