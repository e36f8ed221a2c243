// SPDX-License-Identifier: GPL-2.0

//! What a person sees who waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error that tells what is being done, as long as this
/// lives. There is none where standard error is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins to tell it.
    pub fn new(what: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.into());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
