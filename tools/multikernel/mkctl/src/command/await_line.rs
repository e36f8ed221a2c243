// SPDX-License-Identifier: GPL-2.0

//! Waiting for a line in an instance's log.

use std::time::Instant;

use multikernel::Instance;

use crate::cli::WaitForLine;
use crate::failure::{Failure, Result};
use crate::follow::Follower;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

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
    loop {
        let news = follower.look()?;
        for record in &news.records {
            if record.text.lines().any(|line| regex.is_match(line)) {
                return Ok(());
            }
            if let Some(message) = record.panic() {
                return Err(Failure::Panicked {
                    name: name.to_owned(),
                    message: message.to_owned(),
                    tail: follower.into_tail(),
                });
            }
        }
        if news.info.state.has_ended() {
            return Err(Failure::Ended {
                info: Box::new(news.info),
                tail: follower.into_tail(),
            });
        }
        if !follower.wait(deadline)? {
            return Err(Failure::Timeout {
                name: name.to_owned(),
                what: format!("a line that matches `{regex}`"),
                timeout: arguments.timeout.unwrap_or_default(),
                tail: follower.into_tail(),
            });
        }
    }
}
