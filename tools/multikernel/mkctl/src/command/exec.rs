// SPDX-License-Identifier: GPL-2.0

//! `mkctl exec` and `mkctl cp`: what an instance does for its host.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use multikernel::{Agent, Channel, Device, Instance, Rings, Wait};
use multikernel_exec::{
    Client, ClientError, Command, Input, Link, Order, Size, Status, CHANNEL_PREFIX,
};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::cli::{Copy, Exec};
use crate::failure::{exit, Failure, Result};
use crate::follow;

/// How long a helper may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command in an instance.
pub fn exec(device: &Device, arguments: &Exec, out: &mut dyn Write) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    let conversation = Conversation::open(&instance)?;
    let told = |error| failed(&arguments.name, error);
    let (mut client, terminal) = (conversation.client()?, Terminal::new(arguments.tty)?);
    let command = Command {
        words: arguments.command.clone(),
        variables: arguments.env.clone(),
        directory: arguments.directory.clone(),
        terminal: terminal.as_ref().map(|_| size()),
    };
    client.start(command, PATIENCE).map_err(told)?;

    let input = client.input();
    pass_signals(client.input(), terminal.is_some())?;
    // It ends with this process: what it reads may be a terminal that nobody types at.
    thread::spawn(move || input.send_all(io::stdin()));
    let status = client
        .finish(out, io::stderr())
        .map_err(|error| match error {
            ClientError::Output(source) => Failure::Output(source),
            error => told(error),
        })?;
    drop(terminal);
    match status {
        Status::Code(0) => Ok(()),
        Status::Code(code) => Err(Failure::Command(code as u8)),
        Status::Signal(number) => Err(Failure::Command(exit::SIGNAL.wrapping_add(number as u8))),
    }
}

/// Copies files to an instance, or from it.
pub fn copy(device: &Device, arguments: &Copy) -> Result<()> {
    let (name, from, to) = match (Place::of(&arguments.from), Place::of(&arguments.to)) {
        (Place::Here(from), Place::There(name, to)) => (name, Ok(from), to),
        (Place::There(name, from), Place::Here(to)) => (name, Err(from), to),
        _ => return Err(Failure::Places),
    };
    let instance = device.instance(&name)?;
    let conversation = Conversation::open(&instance)?;
    let mut client = conversation.client()?;
    match from {
        Ok(from) => client.put(&from, to, PATIENCE),
        Err(from) => client.get(&from, &to, PATIENCE),
    }
    .map_err(|error| failed(&name, error))
}

fn failed(name: &str, source: ClientError) -> Failure {
    Failure::Exec {
        name: name.to_owned(),
        source,
    }
}

/// Where something is: `NAME:PATH` in an instance, `PATH` here. What has a `/` before its first `:`
/// is here.
enum Place {
    Here(PathBuf),
    There(String, PathBuf),
}

impl Place {
    fn of(text: &str) -> Self {
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !name.contains('/') => {
                let path = if path.is_empty() { "." } else { path };
                Self::There(name.to_owned(), path.into())
            }
            _ => Self::Here(text.into()),
        }
    }
}

/// A channel of its own for one request. Dropped, it is removed.
struct Conversation<'a> {
    instance: &'a Instance,
    channel: String,
}

impl<'a> Conversation<'a> {
    fn open(instance: &'a Instance) -> Result<Self> {
        let agent = follow::info(instance)?.agent;
        if agent != Agent::Ready {
            let name = instance.name().to_owned();
            return Err(Failure::NoAgent { name, agent });
        }
        Self::clean_up(instance)?;
        // Nobody else has this number, or had it a moment ago.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanoseconds = now.map_or(0, |now| now.subsec_nanos());
        let channel = format!("{CHANNEL_PREFIX}{}.{nanoseconds}", std::process::id());
        instance.create_channel(&channel, None, Rings::default())?;
        Ok(Self { instance, channel })
    }

    /// Removes what those left behind that were killed.
    fn clean_up(instance: &Instance) -> Result<()> {
        for entry in instance.channels()? {
            let owner = entry.name.strip_prefix(CHANNEL_PREFIX);
            let owner = owner.and_then(|rest| rest.split('.').next());
            let is_alive = owner.is_none_or(|pid| Path::new("/proc").join(pid).exists());
            if !is_alive {
                // Another one may have been faster.
                let _ = instance.remove_channel(&entry.name, None);
            }
        }
        Ok(())
    }

    /// Waits for the agent to take its end.
    fn client(&self) -> Result<Client> {
        let (name, channel) = (self.instance.name().to_owned(), self.channel.clone());
        let (sender, opened) = mpsc::channel();
        // It cannot be waited for with a limit otherwise. Removed, the channel ends this, too.
        thread::spawn(move || sender.send(Channel::open(&name, &channel, Wait::Yes)));
        match opened.recv_timeout(PATIENCE) {
            Ok(channel) => Ok(Client::new(Link::new(channel?))),
            Err(_) => Err(failed(self.instance.name(), ClientError::Silent(PATIENCE))),
        }
    }
}

impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        // If the instance was removed meanwhile, so was this.
        let _ = self.instance.remove_channel(&self.channel, None);
    }
}

/// Passes on the signals that this process gets. With a terminal those that are typed are none.
fn pass_signals(input: Input, has_terminal: bool) -> Result<()> {
    let numbers: &[_] = match has_terminal {
        true => &[SIGTERM, SIGHUP, SIGWINCH],
        false => &[SIGINT, SIGQUIT, SIGTERM, SIGHUP],
    };
    let mut signals = Signals::new(numbers).map_err(|source| Failure::System {
        what: "take signals",
        source,
    })?;
    thread::spawn(move || {
        for number in signals.forever() {
            let order = match number {
                SIGWINCH => Order::Resize(size()),
                number => Order::Signal(number as u32),
            };
            if input.order(&order).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The terminal here, which passes on what is typed as it is. Dropped, it is as before.
struct Terminal(Termios);

impl Terminal {
    fn new(is_wanted: bool) -> Result<Option<Self>> {
        if !is_wanted {
            return Ok(None);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::NoTerminal);
        }
        let failed = |errno: rustix::io::Errno| Failure::System {
            what: "set the terminal",
            source: errno.into(),
        };
        let before = termios::tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If that fails there is no terminal any more.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

fn size() -> Size {
    const USUAL: Size = Size {
        rows: 24,
        columns: 80,
    };
    termios::tcgetwinsize(io::stdin()).map_or(USUAL, |size| Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// Reads `NAME=VALUE`.
pub fn parse_variable(text: &str) -> std::result::Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        for (text, name, path) in [
            ("blue:/etc/motd", Some("blue"), "/etc/motd"),
            ("blue:", Some("blue"), "."),
            ("blue:a:b", Some("blue"), "a:b"),
            ("./a:b", None, "./a:b"),
            ("/tmp/a", None, "/tmp/a"),
            (":a", None, ":a"),
            ("a", None, "a"),
        ] {
            let (found, at) = match Place::of(text) {
                Place::Here(path) => (None, path),
                Place::There(name, path) => (Some(name), path),
            };
            assert_eq!(
                (found.as_deref(), at.as_path()),
                (name, Path::new(path)),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_have_names() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(parse_variable("A").is_err() && parse_variable("=b").is_err());
    }
}
