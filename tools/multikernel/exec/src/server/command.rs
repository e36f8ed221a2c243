// SPDX-License-Identifier: GPL-2.0

//! A command, run here.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use rustix::pty::{self, OpenptFlags};
use rustix::termios::{self, Winsize};

use super::{fail, ServeError};
use crate::frame::{Order, Report, Status, DATA_MAX};
use crate::link::Link;
use crate::request::{Command, Size};

/// Runs `command`, and returns when it has ended and all that it wrote was sent, or the other
/// side has left: then it is killed.
pub fn run(link: &Arc<Link>, command: &Command, buffer: &mut [u8]) -> Result<(), ServeError> {
    let Some(program) = command.words.first() else {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        return Ok(fail(link, "no command is given", &error)?);
    };
    let running = match Running::start(link, command) {
        Ok(running) => running,
        Err(error) => return Ok(fail(link, &program.to_string_lossy(), &error)?),
    };
    running.follow(link, buffer)
}

/// A command that was started.
struct Running {
    group: Group,
    terminal: Option<OwnedFd>,
    /// Dropped, its input is over.
    input: Option<Sender<Vec<u8>>>,
}

impl Running {
    fn start(link: &Arc<Link>, command: &Command) -> io::Result<Self> {
        let mut process = Process::new(&command.words[0]);
        process
            .args(&command.words[1..])
            .envs(command.variables.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &command.directory {
            process.current_dir(directory);
        }
        let terminal = match command.terminal {
            Some(size) => Some(terminal(&mut process, size).map_err(|error| {
                io::Error::new(error.kind(), format!("it gets no terminal: {error}"))
            })?),
            None => {
                process
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .process_group(0);
                None
            }
        };
        let mut child = process.spawn()?;
        // Its own ends of a terminal: while they are open here, the terminal does not end.
        drop(process);
        link.send(&Report::Started.to_frame())?;

        let (sender, receiver) = mpsc::channel();
        let mut outputs = Vec::new();
        match &terminal {
            Some(terminal) => {
                writing(link, receiver, File::from(terminal.try_clone()?));
                let output = File::from(terminal.try_clone()?);
                outputs.push(reading(link, output, |data| Report::Output(data)));
            }
            None => {
                if let Some(input) = child.stdin.take() {
                    writing(link, receiver, input);
                }
                if let Some(output) = child.stdout.take() {
                    outputs.push(reading(link, output, |data| Report::Output(data)));
                }
                if let Some(errors) = child.stderr.take() {
                    outputs.push(reading(link, errors, |data| Report::Errors(data)));
                }
            }
        }
        let group = Group::new(&child);
        waiting(link, child, group.clone(), outputs);
        Ok(Self {
            group,
            terminal,
            input: Some(sender),
        })
    }

    /// Does what the other side says, until it leaves.
    fn follow(mut self, link: &Link, buffer: &mut [u8]) -> Result<(), ServeError> {
        let result = loop {
            let frame = match link.receive(buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            match Order::parse(frame) {
                // Whoever has closed his input does not read it.
                Ok(Order::Input(data)) => {
                    if let Some(input) = &self.input {
                        let _ = input.send(data.to_vec());
                    }
                }
                Ok(Order::EndOfInput) => self.end_input(),
                Ok(Order::Signal(number)) => self.group.signal(number),
                Ok(Order::Resize(size)) => {
                    if let Some(terminal) = &self.terminal {
                        let _ = termios::tcsetwinsize(terminal, winsize(size));
                    }
                }
                Ok(Order::Request(_)) => break Err(ServeError::OutOfTurn("a second request")),
                Err(error) => break Err(error.into()),
            }
        };
        self.group.signal(Signal::KILL.as_raw() as u32);
        result
    }

    fn end_input(&mut self) {
        // A terminal is told so by a character.
        if let (Some(_), Some(input)) = (&self.terminal, &self.input) {
            const END_OF_TRANSMISSION: u8 = 4;
            let _ = input.send(vec![END_OF_TRANSMISSION]);
        }
        self.input = None;
    }
}

/// The command and its children, as long as the command was not waited for.
#[derive(Clone)]
struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    fn new(child: &Child) -> Self {
        Self(Arc::new(Mutex::new(Some(Pid::from_child(child)))))
    }

    fn signal(&self, number: u32) {
        let group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = i32::try_from(number).ok().and_then(Signal::from_named_raw);
        if let (Some(pid), Some(signal)) = (*group, signal) {
            // It may have ended in this moment.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    /// Waits for the command, whose number is another's afterwards.
    fn wait(&self, child: &mut Child) -> io::Result<std::process::ExitStatus> {
        let pid = Pid::from_child(child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options))?;
        let mut group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *group = None;
        child.wait()
    }
}

/// Gives the process a terminal, and returns the other end of that.
fn terminal(process: &mut Process, size: Size) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = pty::openpt(flags)?;
    pty::grantpt(&ours)?;
    pty::unlockpt(&ours)?;
    termios::tcsetwinsize(&ours, winsize(size))?;
    let theirs = pty::ioctl_tiocgptpeer(&ours, flags)?;
    process
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs);
    // SAFETY: Only system calls are made, which may be made between fork and exec.
    unsafe {
        process.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        });
    }
    Ok(ours)
}

fn winsize(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// A thread that passes on what the command writes.
fn reading(
    link: &Arc<Link>,
    mut from: impl Read + Send + 'static,
    report: impl for<'a> Fn(&'a [u8]) -> Report<'a> + Send + 'static,
) -> JoinHandle<()> {
    let link = link.clone();
    thread::spawn(move || {
        let mut buffer = vec![0; DATA_MAX];
        loop {
            match from.read(&mut buffer) {
                // A terminal whose other end is closed fails.
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
                Ok(bytes) => {
                    if link.send(&report(&buffer[..bytes]).to_frame()).is_err() {
                        return;
                    }
                }
            }
        }
    })
}

/// A thread that passes on what the command is to read, and tells how much it took.
fn writing(link: &Arc<Link>, from: Receiver<Vec<u8>>, mut to: impl Write + AsFd + Send + 'static) {
    let link = link.clone();
    thread::spawn(move || {
        for data in from {
            // Who does not read gets nothing, and the other side does not wait for that.
            let _ = to.write_all(&data);
            if link
                .send(&Report::Room(data.len() as u32).to_frame())
                .is_err()
            {
                return;
            }
        }
    });
}

/// A thread that tells how the command ended, after all that it wrote.
fn waiting(link: &Arc<Link>, mut child: Child, group: Group, outputs: Vec<JoinHandle<()>>) {
    let link = link.clone();
    thread::spawn(move || {
        let status = group.wait(&mut child);
        for output in outputs {
            // It does not panic.
            let _ = output.join();
        }
        // If nobody is there to be told, nobody wants to know.
        let _ = match status {
            Ok(status) => {
                let code = || Status::Code(status.code().unwrap_or(0) as u32);
                let ended = status.signal().map(|signal| Status::Signal(signal as u32));
                link.send(&Report::Ended(ended.unwrap_or_else(code)).to_frame())
            }
            Err(error) => fail(&link, "it cannot be waited for", &error),
        };
    });
}
