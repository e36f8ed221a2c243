// SPDX-License-Identifier: GPL-2.0

//! `mkexecd`: does in an instance what `mkctl exec` and `mkctl cp` ask for on its host.
//!
//! Each of them makes a channel, which appears here as a device.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use multikernel_exec::{serve, Link, CHANNEL_PREFIX};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Does in an instance what `mkctl exec` and `mkctl cp` ask for on its host.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where the channels to the host are
    #[arg(long, value_name = "DIR", default_value = "/dev/mk/host")]
    channels: PathBuf,
}

fn main() -> ExitCode {
    match watch(&Cli::parse().channels) {
        Err(error) => {
            eprintln!("mkexecd: {error}");
            ExitCode::FAILURE
        }
        Ok(never) => match never {},
    }
}

enum Never {}

/// Serves all channels that are, or will be, in `directory`.
fn watch(directory: &Path) -> io::Result<Never> {
    let inotify = inotify::init(CreateFlags::CLOEXEC)?;
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let mut events = Reader::new(&inotify, &mut buffer);
    let mut served = HashSet::new();
    loop {
        // Before it is looked at, so that nothing is missed. It comes and goes, as those above it.
        for ancestor in directory.ancestors() {
            let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
            match inotify::add_watch(&inotify, ancestor, flags) {
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let there = channels(directory)?;
        served.retain(|name| there.contains(name));
        for name in there {
            if served.insert(name.clone()) {
                begin(directory.join(name));
            }
        }
        match events.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The names of all channels that are to be served.
fn channels(directory: &Path) -> io::Result<HashSet<OsString>> {
    let is_ours = |name: &OsStr| name.as_bytes().starts_with(CHANNEL_PREFIX.as_bytes());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .filter(|name| name.as_ref().map_or(true, |name| is_ours(name)))
        .collect()
}

fn begin(path: PathBuf) {
    thread::spawn(move || {
        let result = OpenOptions::new().read(true).write(true).open(&path);
        let result = result
            .map_err(Into::into)
            .and_then(|file| serve(Arc::new(Link::new(file))));
        // Who asked knows already, or is gone.
        if let Err(error) = result {
            eprintln!("mkexecd: {}: {error}", path.display());
        }
    });
}
