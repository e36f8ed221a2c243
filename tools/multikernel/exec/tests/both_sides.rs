// SPDX-License-Identifier: GPL-2.0

//! Both sides, over a socket that keeps the boundaries of messages as a channel does.

use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use multikernel_exec::{
    serve, Client, ClientError, Command, Input, Link, Order, ServeError, Size, Status,
};
use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use tempfile::tempdir;

const SOON: Duration = Duration::from_secs(60);
const SIGTERM: u32 = 15;
const SIGKILL: u32 = 9;

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap()
}

type Server = JoinHandle<Result<(), ServeError>>;

fn connect() -> (Client, Server) {
    let (ours, theirs) = pair();
    let server = thread::spawn(move || serve(Arc::new(Link::new(theirs))));
    (Client::new(Link::new(ours)), server)
}

fn command(words: &[&str]) -> Command {
    Command {
        words: words.iter().map(Into::into).collect(),
        ..Command::default()
    }
}

/// Runs it, with this input, and returns how it ended, its output and its errors.
fn run(command: Command, input: impl Read + Send + 'static) -> (Status, Vec<u8>, Vec<u8>) {
    let (mut client, server) = connect();
    client.start(command, SOON).unwrap();
    let sender = client.input();
    let sending = thread::spawn(move || sender.send_all(input));
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let status = client.finish(&mut output, &mut errors).unwrap();
    drop(client);
    let _ = sending.join().unwrap();
    server.join().unwrap().unwrap();
    (status, output, errors)
}

#[test]
fn a_command_has_its_streams_and_its_status() {
    let script = "read line; echo \"out $line $A $PWD\"; echo err >&2; exit 7";
    let command = Command {
        variables: vec![("A".into(), "b".into())],
        directory: Some("/usr".into()),
        ..command(&["sh", "-c", script])
    };
    let (status, output, errors) = run(command, &b"line\n"[..]);
    assert_eq!(status, Status::Code(7));
    assert_eq!(output, b"out line b /usr\n");
    assert_eq!(errors, b"err\n");
}

#[test]
fn much_passes_unchanged() {
    let data: Vec<u8> = (0..3u32 << 20).map(|n| (n ^ (n >> 9)) as u8).collect();
    let (status, output, _) = run(command(&["cat"]), io::Cursor::new(data.clone()));
    assert_eq!(status, Status::Code(0));
    assert!(output == data);
}

#[test]
fn who_reads_nothing_can_be_signalled() {
    let (mut client, server) = connect();
    client
        .start(command(&["sh", "-c", "echo up; exec sleep 1000"]), SOON)
        .unwrap();
    let input = client.input();
    let sender = input.clone();
    thread::spawn(move || sender.send_all(io::repeat(0)));
    // As soon as it says that it is up.
    let status = client
        .finish(Signalling(input, SIGTERM), io::sink())
        .unwrap();
    assert_eq!(status, Status::Signal(SIGTERM));
    drop(client);
    server.join().unwrap().unwrap();
}

/// Sends a signal when something is written.
struct Signalling(Input, u32);

impl io::Write for Signalling {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.signal(self.1)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn children_get_the_signal_too() {
    let (mut client, server) = connect();
    // The child holds the output: without it this would not end.
    client
        .start(command(&["sh", "-c", "sleep 1000 & echo up; wait"]), SOON)
        .unwrap();
    let input = client.input();
    let status = client
        .finish(Signalling(input, SIGKILL), io::sink())
        .unwrap();
    assert_eq!(status, Status::Signal(SIGKILL));
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn who_is_left_is_killed() {
    let scratch = tempdir().unwrap();
    let (mut client, server) = connect();
    let script = format!(
        "echo $$ >{}/pid; echo up; exec sleep 1000",
        scratch.path().display()
    );
    client.start(command(&["sh", "-c", &script]), SOON).unwrap();
    // Until it is up.
    assert!(matches!(
        client.finish(Refusing, io::sink()),
        Err(ClientError::Output(_))
    ));
    let pid = fs::read_to_string(scratch.path().join("pid")).unwrap();
    drop(client);
    server.join().unwrap().unwrap();
    let proc = Path::new("/proc").join(pid.trim()).join("stat");
    let deadline = std::time::Instant::now() + SOON;
    while fs::read_to_string(&proc).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline, "it lives");
        thread::yield_now();
    }
}

struct Refusing;

impl io::Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_is_one() {
    let size = |rows, columns| Size { rows, columns };
    let command = Command {
        terminal: Some(size(11, 22)),
        ..command(&[
            "sh",
            "-c",
            "stty size; read line; stty size; test -t 0 && test -t 2 && echo $line",
        ])
    };
    let (mut client, server) = connect();
    client.start(command, SOON).unwrap();
    let input = client.input();
    input.order(&Order::Resize(size(33, 44))).unwrap();
    input.send_all(&b"typed\n"[..]).unwrap();
    let mut output = Vec::new();
    let status = client.finish(&mut output, io::sink()).unwrap();
    let output = String::from_utf8(output).unwrap();
    assert_eq!(status, Status::Code(0), "{output}");
    assert!(
        output.contains("33 44") && output.ends_with("typed\r\n"),
        "{output:?}"
    );
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn what_cannot_be_run_is_said() {
    let (mut client, server) = connect();
    let error = client
        .start(command(&["/no/such/program"]), SOON)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "/no/such/program: No such file or directory (os error 2)"
    );
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn nobody_is_waited_for_no_longer_than_told() {
    let (ours, _theirs) = pair();
    let mut client = Client::new(Link::new(ours));
    let error = client
        .start(command(&["true"]), Duration::from_millis(20))
        .unwrap_err();
    assert!(matches!(error, ClientError::Silent(_)), "{error}");
}

#[test]
fn who_leaves_in_the_middle_is_noticed() {
    let (ours, theirs) = pair();
    drop(theirs);
    let error = Client::new(Link::new(ours))
        .start(command(&["true"]), SOON)
        .unwrap_err();
    assert!(
        matches!(error, ClientError::Link(_) | ClientError::Left),
        "{error}"
    );
}

#[test]
fn files_go_there_and_come_back() {
    let scratch = tempdir().unwrap();
    let here = |name: &str| scratch.path().join(name);
    fs::create_dir_all(here("from/deep")).unwrap();
    let data: Vec<u8> = (0..1u32 << 20).map(|n| (n * 7) as u8).collect();
    fs::write(here("from/deep/file"), &data).unwrap();
    fs::create_dir(here("instance")).unwrap();

    // To a directory, to another name, and one file.
    for (from, to, is_at) in [
        ("from", "instance", "instance/from/deep/file"),
        ("from", "instance/other", "instance/other/deep/file"),
        ("from/deep/file", "instance/single", "instance/single"),
    ] {
        let (mut client, server) = connect();
        client.put(&here(from), here(to), SOON).unwrap();
        drop(client);
        server.join().unwrap().unwrap();
        assert!(fs::read(here(is_at)).unwrap() == data, "{is_at}");
    }
    let (mut client, server) = connect();
    client
        .get(&here("instance/from"), &here("back"), SOON)
        .unwrap();
    drop(client);
    server.join().unwrap().unwrap();
    assert!(fs::read(here("back/deep/file")).unwrap() == data);
}

#[test]
fn what_cannot_be_copied_is_said() {
    let scratch = tempdir().unwrap();
    let here = |name: &str| scratch.path().join(name);
    fs::write(here("file"), "x").unwrap();
    let missing = |path| format!("there is no directory `{}`", here(path).display());

    let (mut client, _server) = connect();
    let error = client
        .put(&here("file"), here("no/where"), SOON)
        .unwrap_err();
    assert!(error.to_string().contains(&missing("no")), "{error}");
    let (mut client, _server) = connect();
    let error = client.put(&here("none"), here("x"), SOON).unwrap_err();
    assert!(matches!(error, ClientError::Local { .. }), "{error}");
    let (mut client, _server) = connect();
    let error = client.get(&here("none"), &here("x"), SOON).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    assert!(!here("x").exists());
    let (mut client, _server) = connect();
    let error = client
        .get(&here("file"), &here("no/where"), SOON)
        .unwrap_err();
    assert!(error.to_string().contains(&missing("no")), "{error}");
}

#[test]
fn nonsense_ends_a_conversation() {
    for frame in [&b"\x02data"[..], b"\x01{}", b"\xff", b"\x05"] {
        let (ours, theirs) = pair();
        rustix::io::write(&ours, frame).unwrap();
        assert!(serve(Arc::new(Link::new(theirs))).is_err(), "{frame:?}");
    }
}
