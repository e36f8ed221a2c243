// SPDX-License-Identifier: GPL-2.0

//! Waiting for a line in an instance's log.

use std::collections::VecDeque;
use std::time::Instant;

use multikernel::Instance;

use crate::cli::WaitForLine;
use crate::failure::{Failure, Result};
use crate::follow::Follower;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// How many records a failure shows.
const TAIL: usize = 15;

/// Waits for the line that `arguments` wants, if they want one. Fails at once
/// if the instance ends or its kernel panics before.
pub fn await_line(
    instance: &Instance,
    arguments: &WaitForLine,
    interrupt: Option<&Interrupt>,
) -> Result<()> {
    let Some(regex) = &arguments.wait else {
        return Ok(());
    };
    let name = instance.name();
    let _progress = Progress::new(format!("waiting for `{regex}` in the log of {name}"));
    let deadline = arguments.timeout.map(|timeout| Instant::now() + timeout);
    let mut follower = Follower::new(instance, interrupt);
    let mut tail = VecDeque::new();
    loop {
        let news = follower.look()?;
        for record in news.records {
            if record.text.lines().any(|line| regex.is_match(line)) {
                return Ok(());
            }
            let panic = record.panic().map(str::to_owned);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(record);
            // What led to it is worth more than the registers after it.
            if let Some(message) = panic {
                return Err(Failure::Panicked {
                    name: name.to_owned(),
                    message,
                    tail: tail.into(),
                });
            }
        }
        if news.info.state.has_ended() {
            return Err(Failure::Ended {
                info: Box::new(news.info),
                tail: tail.into(),
            });
        }
        if !follower.wait(deadline)? {
            return Err(Failure::Timeout {
                name: name.to_owned(),
                what: format!("a line that matches `{regex}`"),
                timeout: arguments.timeout.unwrap_or_default(),
                tail: tail.into(),
            });
        }
    }
}
