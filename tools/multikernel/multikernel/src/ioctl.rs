// SPDX-License-Identifier: GPL-2.0

//! The ioctls, one safe function each: the only place that gives addresses to
//! the kernel.

use std::ffi::c_void;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode};

use crate::abi;

/// Room for what the kernel says about a failure.
const MESSAGE_SIZE: usize = 512;

/// A failed ioctl: its error number and what the kernel says.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) message: String,
}

type Result<T> = std::result::Result<T, Failure>;

/// A structure of the ABI.
///
/// # Safety
///
/// It has the layout of the C structure that the kernel expects, and begins
/// with the header that [`Request::header`] returns.
unsafe trait Request {
    fn header(&mut self) -> &mut abi::mk_header;
}

macro_rules! requests {
    ($($type:ident),+) => {$(
        // SAFETY: made from the C header, where each begins with its header.
        unsafe impl Request for abi::$type {
            fn header(&mut self) -> &mut abi::mk_header {
                &mut self.header
            }
        }
    )+};
}

requests!(
    mk_query,
    mk_name,
    mk_list,
    mk_cpus,
    mk_memory,
    mk_load,
    mk_command,
    mk_info,
    mk_ask,
    mk_channel_call,
    mk_events,
    mk_heartbeat,
    mk_end
);

struct Call<'a, T> {
    opcode: Opcode,
    request: &'a mut T,
}

// SAFETY: the kernel reads and writes a `T`, which `Request` promises to be of
// the right layout, and writes no more of it than its header says.
unsafe impl<T: Request> Ioctl for Call<'_, T> {
    type Output = RawFd;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.request).cast()
    }

    unsafe fn output_from_ptr(
        output: IoctlOutput,
        _request: *mut c_void,
    ) -> rustix::io::Result<RawFd> {
        Ok(output)
    }
}

/// Fills in the header and makes the call.
///
/// # Safety
///
/// `opcode` takes a `T`, and each address in `request` is that of memory as
/// long as `request` says, live, and writable where the call writes it.
unsafe fn call<T: Request>(
    fd: BorrowedFd<'_>,
    opcode: Opcode,
    flags: u32,
    request: &mut T,
) -> Result<RawFd> {
    let mut message = [0u8; MESSAGE_SIZE];
    *request.header() = abi::mk_header {
        size: size_of::<T>() as u32,
        flags,
        message: message.as_mut_ptr() as u64,
        message_size: MESSAGE_SIZE as u32,
        reserved: 0,
    };

    // SAFETY: the header says the truth; for the rest the caller promises.
    let result = unsafe { rustix::ioctl::ioctl(fd, Call { opcode, request }) };
    result.map_err(|errno| Failure {
        errno,
        message: text(&message),
    })
}

/// What a buffer holds up to its first NUL.
fn text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&buffer[..end.unwrap_or(buffer.len())]).into_owned()
}

/// The same of an array of C characters.
pub(crate) fn text_of<const N: usize>(buffer: &[std::ffi::c_char; N]) -> String {
    text(&buffer.map(|c| c as u8))
}

pub(crate) fn query(device: BorrowedFd<'_>) -> Result<abi::mk_query> {
    let mut query = abi::mk_query::default();
    // SAFETY: there is no address in it.
    unsafe { call(device, abi::MK_QUERY, 0, &mut query) }?;
    Ok(query)
}

/// Puts a name where the kernel takes it from.
fn put_name<const N: usize>(to: &mut [std::ffi::c_char; N], name: &str) -> Result<()> {
    // The last byte stays the NUL.
    if name.len() >= N {
        return Err(Failure {
            errno: Errno::NAMETOOLONG,
            message: format!(
                "the name has {} bytes, at most {} are allowed",
                name.len(),
                N - 1
            ),
        });
    }
    for (to, from) in to.iter_mut().zip(name.bytes()) {
        *to = from as std::ffi::c_char;
    }
    Ok(())
}

/// A call that takes a name and returns a descriptor.
fn named(device: BorrowedFd<'_>, opcode: Opcode, flags: u32, name: &str) -> Result<OwnedFd> {
    let mut request = abi::mk_name::default();
    put_name(&mut request.name, name)?;

    // SAFETY: there is no address in it.
    let fd = unsafe { call(device, opcode, flags, &mut request) }?;
    // SAFETY: on success the call returns a new descriptor, which is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn create(device: BorrowedFd<'_>, name: &str, flags: u32) -> Result<OwnedFd> {
    named(device, abi::MK_CREATE, flags, name)
}

pub(crate) fn open(device: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    named(device, abi::MK_OPEN, 0, name)
}

/// Fills `entries` and returns how many there are.
///
/// # Safety
///
/// `opcode` takes a `mk_list` of `T`.
unsafe fn fill<T>(fd: BorrowedFd<'_>, opcode: Opcode, entries: &mut [T]) -> Result<usize> {
    let mut list = abi::mk_list {
        entries: entries.as_mut_ptr() as u64,
        nr_entries: entries.len() as u32,
        entry_size: size_of::<T>() as u32,
        ..Default::default()
    };
    // SAFETY: the array is `entries`, of that many elements of that size; for the rest the caller
    // promises.
    unsafe { call(fd, opcode, 0, &mut list) }?;
    Ok(list.nr_entries as usize)
}

/// All entries of a list, of which there are `expected` or fewer at first.
///
/// # Safety
///
/// As for [`fill`].
unsafe fn all<T: Clone + Default>(
    fd: BorrowedFd<'_>,
    opcode: Opcode,
    expected: usize,
) -> Result<Vec<T>> {
    let mut entries = vec![T::default(); expected];
    loop {
        // SAFETY: as the caller promises.
        let count = unsafe { fill(fd, opcode, &mut entries) }?;
        if count <= entries.len() {
            entries.truncate(count);
            return Ok(entries);
        }
        // There may be more the next time.
        entries.resize(count, T::default());
    }
}

pub(crate) fn list(device: BorrowedFd<'_>) -> Result<Vec<abi::mk_list_entry>> {
    // SAFETY: it takes a list of these.
    unsafe { all(device, abi::MK_LIST, 16) }
}

pub(crate) fn pools(device: BorrowedFd<'_>) -> Result<Vec<abi::mk_pool_entry>> {
    // SAFETY: it takes a list of these.
    unsafe { all(device, abi::MK_POOLS, 16) }
}

pub(crate) fn events(device: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut request = abi::mk_events {
        event_size: size_of::<abi::mk_event>() as u32,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    let fd = unsafe { call(device, abi::MK_EVENTS, 0, &mut request) }?;
    // SAFETY: on success the call returns a new descriptor, which is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads from a descriptor that [`events`] has returned; how many came.
pub(crate) fn read_events(
    events: BorrowedFd<'_>,
    out: &mut [abi::mk_event],
) -> rustix::io::Result<usize> {
    // SAFETY: every pattern of bits is an event, there is no padding in it, and it is `out` alone
    // that refers to them.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u8>(), std::mem::size_of_val(out))
    };
    Ok(rustix::io::read(events, bytes)? / size_of::<abi::mk_event>())
}

pub(crate) fn set_cpus(instance: BorrowedFd<'_>, cpus: &[u32], flags: u32) -> Result<()> {
    let mut request = abi::mk_cpus {
        cpus: cpus.as_ptr() as u64,
        nr_cpus: cpus.len() as u32,
        ..Default::default()
    };
    // SAFETY: the array is `cpus`, which the call only reads.
    unsafe { call(instance, abi::MK_SET_CPUS, flags, &mut request) }?;
    Ok(())
}

/// On failure also says the largest number of bytes that could be had, or 0.
pub(crate) fn set_memory(
    instance: BorrowedFd<'_>,
    bytes: u64,
    node: i32,
) -> std::result::Result<(), (Failure, u64)> {
    let mut request = abi::mk_memory {
        bytes,
        node,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    match unsafe { call(instance, abi::MK_SET_MEMORY, 0, &mut request) } {
        Ok(_) => Ok(()),
        Err(failure) => Err((failure, request.largest)),
    }
}

pub(crate) fn set_heartbeat(instance: BorrowedFd<'_>, hung_ms: u32) -> Result<()> {
    let mut request = abi::mk_heartbeat {
        hung_ms,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    unsafe { call(instance, abi::MK_SET_HEARTBEAT, 0, &mut request) }?;
    Ok(())
}

pub(crate) fn load(
    instance: BorrowedFd<'_>,
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: &[u8],
    flags: u32,
) -> Result<()> {
    let mut request = abi::mk_load {
        cmdline: cmdline.as_ptr() as u64,
        cmdline_size: cmdline.len() as u32,
        kernel_fd: kernel.as_raw_fd(),
        initrd_fd: initrd.map_or(-1, |fd| fd.as_fd().as_raw_fd()),
        ..Default::default()
    };
    // SAFETY: the text is `cmdline`, which the call only reads.
    unsafe { call(instance, abi::MK_LOAD, flags, &mut request) }?;
    Ok(())
}

fn command(instance: BorrowedFd<'_>, opcode: Opcode, flags: u32) -> Result<RawFd> {
    let mut request = abi::mk_command::default();
    // SAFETY: there is no address in it.
    unsafe { call(instance, opcode, flags, &mut request) }
}

pub(crate) fn console(instance: BorrowedFd<'_>, flags: u32) -> Result<OwnedFd> {
    let fd = command(instance, abi::MK_CONSOLE, flags)?;
    // SAFETY: on success the call returns a new descriptor, which is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn start(instance: BorrowedFd<'_>) -> Result<()> {
    command(instance, abi::MK_START, 0).map(drop)
}

pub(crate) fn kill(instance: BorrowedFd<'_>) -> Result<()> {
    command(instance, abi::MK_KILL, 0).map(drop)
}

/// Asks the agent by `MK_PING` or `MK_STOP`; how long its answer took, in nanoseconds.
fn ask(instance: BorrowedFd<'_>, opcode: Opcode, timeout_ms: u32) -> Result<u64> {
    let mut request = abi::mk_ask {
        timeout_ms,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    unsafe { call(instance, opcode, 0, &mut request) }?;
    Ok(request.answer_ns)
}

pub(crate) fn ping(instance: BorrowedFd<'_>, timeout_ms: u32) -> Result<u64> {
    ask(instance, abi::MK_PING, timeout_ms)
}

pub(crate) fn stop(instance: BorrowedFd<'_>, timeout_ms: u32) -> Result<u64> {
    ask(instance, abi::MK_STOP, timeout_ms)
}

pub(crate) fn destroy(instance: BorrowedFd<'_>, flags: u32) -> Result<()> {
    command(instance, abi::MK_DESTROY, flags).map(drop)
}

/// A call on a channel.
fn channel(
    owner: BorrowedFd<'_>,
    opcode: Opcode,
    name: &str,
    request: abi::mk_channel_call,
) -> Result<()> {
    let mut request = request;
    put_name(&mut request.name, name)?;
    // SAFETY: there is no address in it.
    unsafe { call(owner, opcode, 0, &mut request) }?;
    Ok(())
}

/// The other end of a channel.
#[derive(Clone, Copy)]
pub(crate) enum Peer<'a> {
    Host,
    /// On the host: its descriptor.
    Instance(BorrowedFd<'a>),
    /// In an instance, which has no descriptors of others.
    Named(&'a str),
}

impl Peer<'_> {
    fn request(self) -> Result<abi::mk_channel_call> {
        let mut request = abi::mk_channel_call {
            peer_fd: -1,
            ..Default::default()
        };
        match self {
            Self::Host => (),
            Self::Instance(fd) => request.peer_fd = fd.as_raw_fd(),
            Self::Named(name) => put_name(&mut request.peer, name)?,
        }
        Ok(request)
    }
}

/// `owner`: an instance, or in one the device.
pub(crate) fn create_channel(
    owner: BorrowedFd<'_>,
    name: &str,
    peer: Peer<'_>,
    from_bytes: u32,
    to_bytes: u32,
) -> Result<()> {
    let request = abi::mk_channel_call {
        from_bytes,
        to_bytes,
        ..peer.request()?
    };
    channel(owner, abi::MK_CHANNEL_CREATE, name, request)
}

pub(crate) fn remove_channel(owner: BorrowedFd<'_>, name: &str, peer: Peer<'_>) -> Result<()> {
    channel(owner, abi::MK_CHANNEL_REMOVE, name, peer.request()?)
}

pub(crate) fn channels(owner: BorrowedFd<'_>) -> Result<Vec<abi::mk_channel_entry>> {
    // SAFETY: it takes a list of these.
    unsafe {
        all(
            owner,
            abi::MK_CHANNEL_LIST,
            abi::MK_INSTANCE_CHANNELS as usize,
        )
    }
}

/// How large the rings of an end of a channel are.
pub(crate) fn end_info(end: BorrowedFd<'_>) -> Result<abi::mk_end> {
    let mut info = abi::mk_end::default();
    // SAFETY: there is no address in it.
    unsafe { call(end, abi::MK_END_INFO, 0, &mut info) }?;
    Ok(info)
}

/// Rings the peer of an end of a channel.
pub(crate) fn ring(end: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // SAFETY: the call takes no argument and returns nothing.
    unsafe { rustix::ioctl::ioctl(end, NoArg::<{ abi::MK_END_RING }>::new()) }
}

/// Fills `cpus` and `ranges`; the result says how many of each there are.
pub(crate) fn info(
    instance: BorrowedFd<'_>,
    cpus: &mut [u32],
    ranges: &mut [abi::mk_range],
) -> Result<abi::mk_info> {
    let mut info = abi::mk_info {
        cpus: cpus.as_mut_ptr() as u64,
        ranges: ranges.as_mut_ptr() as u64,
        nr_cpus: cpus.len() as u32,
        nr_ranges: ranges.len() as u32,
        ..Default::default()
    };
    // SAFETY: the arrays are `cpus` and `ranges`, of that many elements.
    unsafe { call(instance, abi::MK_INFO, 0, &mut info) }?;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    use rustix::ioctl::opcode;

    #[test]
    fn numbers_are_those_of_the_io_macro() {
        let numbers = [
            (abi::MK_QUERY, 0x00),
            (abi::MK_CREATE, 0x01),
            (abi::MK_OPEN, 0x02),
            (abi::MK_LIST, 0x03),
            (abi::MK_EVENTS, 0x04),
            (abi::MK_POOLS, 0x05),
            (abi::MK_SET_CPUS, 0x20),
            (abi::MK_SET_MEMORY, 0x21),
            (abi::MK_LOAD, 0x22),
            (abi::MK_START, 0x23),
            (abi::MK_KILL, 0x24),
            (abi::MK_INFO, 0x25),
            (abi::MK_DESTROY, 0x26),
            (abi::MK_PING, 0x27),
            (abi::MK_STOP, 0x28),
            (abi::MK_SET_HEARTBEAT, 0x2c),
            (abi::MK_CHANNEL_CREATE, 0x40),
            (abi::MK_CHANNEL_REMOVE, 0x41),
            (abi::MK_CHANNEL_LIST, 0x42),
            (abi::MK_CONSOLE, 0x30),
            (abi::MK_END_INFO, 0x60),
            (abi::MK_END_RING, 0x61),
        ];
        for (number, low) in numbers {
            assert_eq!(number, opcode::none(abi::MK_IOC as u8, low));
        }
    }

    #[test]
    fn text_ends_at_the_nul() {
        assert_eq!(text(b"why\0rest"), "why");
        assert_eq!(text(b"no end"), "no end");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused_here() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let failure = create(file.as_fd(), &"x".repeat(32), 0).unwrap_err();
        assert_eq!(failure.errno, Errno::NAMETOOLONG);
        assert!(failure.message.contains("at most 31"));
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_the_kernel() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(query(file.as_fd()).unwrap_err().errno, Errno::NOTTY);
    }
}
