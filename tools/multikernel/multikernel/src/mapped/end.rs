// SPDX-License-Identifier: GPL-2.0

//! The memory and the doorbell of an end of a channel.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{fence, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::mm::{MapFlags, ProtFlags};

use crate::abi;
use crate::ioctl;
use crate::pure::half::{self, Halves, Size, State, DATA, STATE};
use crate::pure::ring::Piece;

/// What joins two ends besides memory.
pub trait Doorbell: Send + Sync {
    /// Rings the peer.
    fn ring(&self) -> io::Result<()>;

    /// Waits for what the words of the own half say that is waited for:
    /// something to read (`POLLIN`) or room (`POLLOUT`). Returns which of them
    /// there may be, with `POLLHUP` if the peer has left, and nothing when the
    /// time is over or a signal came.
    fn wait(&self, events: PollFlags, timeout: Option<Duration>) -> io::Result<PollFlags>;

    /// What can be polled for the same.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// The file of an end.
struct Device(OwnedFd);

impl Doorbell for Device {
    fn ring(&self) -> io::Result<()> {
        match ioctl::ring(self.0.as_fd()) {
            // Nobody is there any more, which is found where it matters.
            Err(rustix::io::Errno::PIPE) => Ok(()),
            result => Ok(result?),
        }
    }

    fn wait(&self, events: PollFlags, timeout: Option<Duration>) -> io::Result<PollFlags> {
        // One that is too long to be told is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&self.0, events)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(fds[0].revents()),
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A half, mapped.
///
/// # Invariants
///
/// `bytes` bytes from `base` on, which is on a page, are mapped for as long as
/// this lives, and can be written if `is_own`.
struct Half {
    base: NonNull<u8>,
    bytes: usize,
    size: Size,
    is_own: bool,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Half {}
// SAFETY: words are accessed by atomic accesses, and bytes by whoever has the
// one sender or receiver that they are for.
unsafe impl Sync for Half {}

impl Half {
    fn map(fd: BorrowedFd<'_>, offset: u64, data: u32, is_own: bool) -> rustix::io::Result<Self> {
        let size = Size::new(data.into()).ok_or(rustix::io::Errno::PROTO)?;
        let bytes = DATA + data as usize;
        let protection = match is_own {
            true => ProtFlags::READ | ProtFlags::WRITE,
            false => ProtFlags::READ,
        };
        // SAFETY: a new mapping, placed where nothing is.
        let base = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                fd,
                offset,
            )
        }?;
        // INVARIANT: what was mapped is unmapped by `drop` alone.
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(rustix::io::Errno::FAULT)?,
            bytes,
            size,
            is_own,
        })
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at % size_of::<u64>() == 0 && at <= self.bytes - size_of::<u64>());
        // Only `store` writes it, to the half that can be written. What another
        // kernel does there is out of reach of any rule; an access gives a value.
        // SAFETY: it is within the mapping, aligned, and accessed by atomic
        // accesses as long as it is a word: messages are where no word is in use.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    #[inline]
    fn bytes(&self, piece: Piece) -> *mut [u8] {
        assert!(piece.at <= self.bytes && piece.len <= self.bytes - piece.at);
        // SAFETY: it is within the mapping.
        let at = unsafe { self.base.as_ptr().add(piece.at) };
        ptr::slice_from_raw_parts_mut(at, piece.len)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

/// An end: both halves, and what rings.
pub(super) struct End {
    // Unmapped before the file is closed.
    own: Half,
    peer: Half,
    pub(super) bell: Box<dyn Doorbell>,
}

/// An end, as its sender and its receiver share it.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<End>);

impl End {
    /// One with both halves from `memory`: where the one that this end writes is,
    /// and the size of its data; and the peer's.
    pub(super) fn map(
        bell: Box<dyn Doorbell>,
        memory: BorrowedFd<'_>,
        own: (u64, u32),
        peer: (u64, u32),
    ) -> rustix::io::Result<Self> {
        Ok(Self {
            own: Half::map(memory, own.0, own.1, true)?,
            peer: Half::map(memory, peer.0, peer.1, false)?,
            bell,
        })
    }

    /// That of a file of the module's.
    pub(super) fn of_file(fd: OwnedFd) -> rustix::io::Result<Self> {
        let info = ioctl::end_info(fd.as_fd()).map_err(|failure| failure.errno)?;
        Ok(Self {
            own: Half::map(fd.as_fd(), abi::MK_END_OWN.into(), info.own_bytes, true)?,
            peer: Half::map(fd.as_fd(), abi::MK_END_PEER, info.peer_bytes, false)?,
            bell: Box::new(Device(fd)),
        })
    }

    /// The size of the ring that this end sends with.
    pub(super) fn own_size(&self) -> Size {
        self.own.size
    }

    /// The size of the ring that the peer sends with.
    pub(super) fn peer_size(&self) -> Size {
        self.peer.size
    }

    /// Bytes of the own half.
    #[inline]
    pub(super) fn own_bytes(&self, piece: Piece) -> *mut [u8] {
        self.own.bytes(piece)
    }

    /// Bytes of the peer's half.
    #[inline]
    pub(super) fn peer_bytes(&self, piece: Piece) -> *const [u8] {
        self.peer.bytes(piece)
    }

    /// Tells the peer that it did what it must not do.
    pub(super) fn complain(&self) {
        let now = u64::from_le(self.own.word(STATE).load(Ordering::Relaxed));
        if State::new(now).is_none_or(|now| now < State::Broken) {
            self.store_own(STATE, State::Broken as u64);
            // The caller has something worse to tell than a failure of this.
            let _ = self.bell.ring();
        }
    }

    #[inline]
    fn store_own(&self, at: usize, word: u64) {
        debug_assert!(self.own.is_own);
        self.own.word(at).store(word.to_le(), half::STORE);
    }
}

impl Halves for Shared {
    #[inline]
    fn load(&self, at: usize) -> u64 {
        u64::from_le(self.0.peer.word(at).load(half::LOAD))
    }

    #[inline]
    fn store(&self, at: usize, word: u64) {
        self.0.store_own(at, word);
    }

    #[inline]
    fn fence(&self) {
        fence(half::FENCE);
    }
}
