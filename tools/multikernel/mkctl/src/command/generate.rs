// SPDX-License-Identifier: GPL-2.0

//! What is made from the definition of the command line: completions and man
//! pages.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Failure, Result};

const NAME: &str = "mkctl";

/// Writes a completion script.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<()> {
    // The generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    Ok(out.write_all(&script)?)
}

/// Writes the man pages: one for `mkctl` and one for each of its commands.
pub fn man(directory: &Path) -> Result<()> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(directory)?;
        clap_mangen::generate_to(Cli::command(), directory)
    };
    write().map_err(|source| Failure::File {
        what: "the directory for man pages",
        path: directory.to_owned(),
        source,
    })
}
