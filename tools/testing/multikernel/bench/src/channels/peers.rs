// SPDX-License-Identifier: GPL-2.0

//! What channels are compared with: two processes of one kernel, each on its CPU.
//!
//! The other process is this program again, `multikernel-bench peer-process ROLE CPU BYTES`; its
//! standard input and output are what both talk over.

use std::hint::black_box;
use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::mm::{mmap, MapFlags, ProtFlags};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::thread::futex;

use super::job::{block, pin, repeat, BLOCK};
use super::{sample, SIZES};
use crate::Result;

/// A message, where one is answered.
pub(super) const SMALL: usize = 64;
/// More than any message has.
const BUFFER: usize = 64 << 10;

/// One side of two processes.
struct Wire {
    from: OwnedFd,
    to: OwnedFd,
}

/// What another process does.
#[derive(Clone, Copy)]
enum Role {
    Answer,
    Take,
    AnswerByFutex,
}

impl Role {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Answer, "answer"),
        (Self::Take, "take"),
        (Self::AnswerByFutex, "answer-by-futex"),
    ];
}

/// Measures all of them, this process on the first of these CPUs.
pub fn measure(cpus: [u32; 2]) -> Result<()> {
    pin(cpus[0])?;
    sample("round-trip/line", line(cpus)?);
    sample("round-trip/futex", by_futex(cpus[1])?);
    for (name, make) in WIRES {
        // Not every kernel has all of them.
        let Some((here, there)) = make()? else {
            continue;
        };
        let ask = || ask(here);
        sample(
            &format!("round-trip/{name}"),
            with(Role::Answer, cpus[1], SMALL, there, ask)?,
        );
    }
    for (bytes, size) in SIZES {
        for (name, make) in &WIRES[..2] {
            let (here, there) = make()?.expect("every kernel has it");
            let send = || send(here, bytes);
            sample(
                &format!("stream-{size}/{name}"),
                with(Role::Take, cpus[1], bytes, there, send)?,
            );
        }
    }
    sample("blocks/memcpy", copy()?);
    Ok(())
}

/// Makes both sides of something.
type Make = fn() -> Result<Option<(Wire, Wire)>>;

/// The first two are compared with streams, too.
const WIRES: [(&str, Make); 4] = [
    ("pipe", pipes),
    ("unix", unix),
    ("tcp", tcp),
    ("vsock", vsock),
];

fn pipes() -> Result<Option<(Wire, Wire)>> {
    let there = pipe_with(PipeFlags::CLOEXEC)?;
    let back = pipe_with(PipeFlags::CLOEXEC)?;
    let here = Wire {
        from: back.0,
        to: there.1,
    };
    let other = Wire {
        from: there.0,
        to: back.1,
    };
    Ok(Some((here, other)))
}

/// A socket is both.
fn wire(socket: OwnedFd) -> Result<Wire> {
    Ok(Wire {
        from: socket.try_clone()?,
        to: socket,
    })
}

fn unix() -> Result<Option<(Wire, Wire)>> {
    let (here, there) = net::socketpair(
        AddressFamily::UNIX,
        // It keeps messages apart, as a channel does.
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(Some((wire(here)?, wire(there)?)))
}

fn tcp() -> Result<Option<(Wire, Wire)>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    Ok(Some((wire(here.into())?, wire(there.into())?)))
}

/// `struct sockaddr_vm`.
#[repr(C)]
struct Vsock {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    zero: [u8; 4],
}

// SAFETY: it is the structure that Linux has for such an address, as long as is told.
unsafe impl SocketAddrArg for Vsock {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f(
            (&raw const *self).cast(),
            size_of::<Self>() as SocketAddrLen,
        )
    }
}

fn vsock() -> Result<Option<(Wire, Wire)>> {
    const LOCAL: u32 = 1;
    const PORT: u32 = 0x6d6b;
    // It may be a module.
    let _ = Command::new("modprobe")
        .args(["-q", "vsock_loopback"])
        .status();
    let address = Vsock {
        family: AddressFamily::VSOCK.as_raw(),
        reserved: 0,
        port: PORT,
        cid: LOCAL,
        zero: [0; 4],
    };
    let socket = || {
        net::socket_with(
            AddressFamily::VSOCK,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
    };
    let Ok(listener) = socket() else {
        return Ok(None);
    };
    net::bind(&listener, &address)?;
    net::listen(&listener, 1)?;
    let here = socket()?;
    if net::connect(&here, &address).is_err() {
        return Ok(None);
    }
    let there = net::accept_with(&listener, SocketFlags::CLOEXEC)?;
    Ok(Some((wire(here)?, wire(there)?)))
}

/// Does something while another process has its part in it, and waits for the end of that one.
fn with(
    role: Role,
    cpu: u32,
    bytes: usize,
    there: Wire,
    act: impl FnOnce() -> Result<f64>,
) -> Result<f64> {
    let mut child = start(role, cpu, bytes, there)?;
    let result = act();
    // It has come to the end of what both talk over.
    let status = child.wait()?;
    let value = result?;
    match status.success() {
        true => Ok(value),
        false => Err(format!("the other process: {status}").into()),
    }
}

fn start(role: Role, cpu: u32, bytes: usize, there: Wire) -> Result<Child> {
    let named = Role::ALL.iter().find(|(one, _)| *one as u8 == role as u8);
    let (_, role) = named.expect("all roles have names");
    Ok(Command::new("/proc/self/exe")
        .args(["peer-process", role, &cpu.to_string(), &bytes.to_string()])
        .stdin(there.from)
        .stdout(there.to)
        .spawn()?)
}

/// The other process.
pub fn process(role: &str, cpu: u32, bytes: usize) -> Result<()> {
    pin(cpu)?;
    let role = Role::ALL.iter().find(|(_, name)| *name == role);
    let role = role.ok_or("such a process does nothing")?.0;
    // Without the buffers that the standard library has for them.
    let from = io::stdin().as_fd().try_clone_to_owned()?;
    let wire = Wire {
        to: io::stdout().as_fd().try_clone_to_owned()?,
        from,
    };
    match role {
        Role::Answer => {
            let mut buffer = vec![0; bytes];
            while wire.read(&mut buffer)? {
                wire.write(&buffer)?;
            }
            Ok(())
        }
        Role::Take => {
            let mut buffer = vec![0; BUFFER];
            // A pipe gives as much as it has.
            while rustix::io::read(&wire.from, &mut buffer)? > 0 {}
            Ok(())
        }
        Role::AnswerByFutex => Letters::map(&wire.from)?.answer(),
    }
}

impl Wire {
    /// Takes a whole message; `false`: it was the end.
    fn read(&self, to: &mut [u8]) -> Result<bool> {
        let mut came = rustix::io::read(&self.from, &mut *to)?;
        if came == 0 {
            return Ok(false);
        }
        while came < to.len() {
            match rustix::io::read(&self.from, &mut to[came..])? {
                0 => return Err("the end is within a message".into()),
                more => came += more,
            }
        }
        Ok(true)
    }

    fn write(&self, mut message: &[u8]) -> Result<()> {
        while !message.is_empty() {
            message = &message[rustix::io::write(&self.to, message)?..];
        }
        Ok(())
    }
}

/// What one message takes to be answered, in nanoseconds.
fn ask(here: Wire) -> Result<f64> {
    let mut message = [1; SMALL];
    let (each, _) = repeat(|| {
        here.write(&message)?;
        match here.read(&mut message)? {
            true => Ok(()),
            false => Err("the other process has ended".into()),
        }
    })?;
    Ok(each * 1e9)
}

/// Bytes a second.
fn send(here: Wire, bytes: usize) -> Result<f64> {
    let message = vec![1; bytes];
    let (each, _) = repeat(|| here.write(&message))?;
    Ok(bytes as f64 / each)
}

/// A cache line that goes to and fro between two CPUs, in nanoseconds: nothing can be faster.
pub(super) fn line(cpus: [u32; 2]) -> Result<f64> {
    #[repr(align(128))]
    struct Line(AtomicU64);
    const END: u64 = u64::MAX;
    let there = Arc::new(Line(AtomicU64::new(0)));
    let other = there.clone();
    let answers = thread::spawn(move || -> io::Result<()> {
        pin(cpus[1])?;
        let mut next = 1;
        loop {
            match other.0.load(Ordering::Acquire) {
                END => return Ok(()),
                now if now == next => {
                    other.0.store(now + 1, Ordering::Release);
                    next += 2;
                }
                _ => {}
            }
        }
    });
    let mut now = 0;
    let result = repeat(|| {
        there.0.store(now + 1, Ordering::Release);
        now += 2;
        while there.0.load(Ordering::Acquire) != now {
            if answers.is_finished() {
                return Err("the other thread has ended".into());
            }
        }
        Ok(())
    });
    there.0.store(END, Ordering::Release);
    answers.join().expect("it does not panic")?;
    Ok(result?.0 * 1e9)
}

/// A message in shared memory, and a futex that counts how many there were.
#[repr(C, align(128))]
struct Letter {
    count: AtomicU32,
    message: [AtomicU64; SMALL / 8],
}

/// One for each direction.
struct Letters(NonNull<[Letter; 2]>);

impl Letters {
    /// What counts for the end.
    const END: u32 = u32::MAX;

    fn map(fd: impl AsFd) -> Result<Self> {
        let bytes = size_of::<[Letter; 2]>();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, placed where nothing is, which stays until the process ends.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                fd,
                0,
            )
        }?;
        Ok(Self(NonNull::new(at.cast()).ok_or("nothing was mapped")?))
    }

    fn get(&self, which: usize) -> &Letter {
        // SAFETY: it is mapped and aligned to a page, and all of it is atomic.
        let both = unsafe { self.0.as_ref() };
        &both[which]
    }

    fn put(&self, which: usize, message: &[u64; SMALL / 8], count: u32) -> Result<()> {
        let to = self.get(which);
        for (to, word) in to.message.iter().zip(message) {
            to.store(*word, Ordering::Relaxed);
        }
        to.count.store(count, Ordering::Release);
        futex::wake(&to.count, futex::Flags::empty(), 1)?;
        Ok(())
    }

    /// Waits until there were `before` messages no more; how many there were.
    fn take(&self, which: usize, message: &mut [u64; SMALL / 8], before: u32) -> Result<u32> {
        let from = self.get(which);
        loop {
            let count = from.count.load(Ordering::Acquire);
            if count != before {
                for (word, from) in message.iter_mut().zip(&from.message) {
                    *word = from.load(Ordering::Relaxed);
                }
                return Ok(count);
            }
            match futex::wait(&from.count, futex::Flags::empty(), before, None) {
                Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn answer(&self) -> Result<()> {
        let (mut message, mut count) = ([0; SMALL / 8], 0);
        loop {
            count = self.take(0, &mut message, count)?;
            if count == Self::END {
                return Ok(());
            }
            self.put(1, &message, count)?;
        }
    }
}

fn by_futex(cpu: u32) -> Result<f64> {
    let memory = memfd_create("bench", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, size_of::<[Letter; 2]>() as u64)?;
    let letters = Letters::map(&memory)?;
    let there = wire(memory)?;
    with(Role::AnswerByFutex, cpu, SMALL, there, || {
        let (mut message, mut count) = ([1; SMALL / 8], 0);
        let result = repeat(|| {
            letters.put(0, &message, count + 1)?;
            count = letters.take(1, &mut message, count)?;
            Ok(())
        });
        letters.put(0, &message, Letters::END)?;
        Ok(result?.0 * 1e9)
    })
}

/// Bytes a second that memcpy() copies of such blocks.
fn copy() -> Result<f64> {
    let from = block();
    let mut to = vec![0; BLOCK];
    let (each, _) = repeat(|| {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok(())
    })?;
    Ok(BLOCK as f64 / each)
}
