// SPDX-License-Identifier: GPL-2.0

//! What can be asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is to be done in the other kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Run a command.
    Run(Command),
    /// Write a tar archive of what is at `path`, as `name`, to the output.
    Pack {
        /// What to read.
        path: PathBuf,
        /// What it is called in the archive.
        name: OsString,
    },
    /// Read a tar archive from the input.
    Unpack {
        /// Where it goes: below a directory, or there.
        path: PathBuf,
        /// What it is called below a directory.
        name: OsString,
    },
}

/// A command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Added to the environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub directory: Option<PathBuf>,
    /// It gets a terminal of this size.
    pub terminal: Option<Size>,
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}
