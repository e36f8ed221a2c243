// SPDX-License-Identifier: GPL-2.0

//! Channels between kernels.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};

use crate::abi;
use crate::device::Device;
use crate::error::{Error, Operation, Result};
use crate::instance::Instance;
use crate::ioctl::{self, Failure, Peer};
use crate::mapped::{self, Receiver, Sender};
use crate::named::named;

/// The longest message; one of a small ring is shorter.
pub const MESSAGE_MAX: usize = abi::MK_CHANNEL_MESSAGE_MAX as usize;

named! {
    /// What the ends of a channel do.
    pub enum ChannelState: u32 {
        /// An end has nobody who could use it.
        Away = MK_CHANNEL_AWAY, "away";
        /// Both ends can be opened, or are open.
        Ready = MK_CHANNEL_READY, "ready";
        /// The host's end is open.
        Open = MK_CHANNEL_OPEN, "open";
        /// One end was closed, and the other one not yet.
        Ending = MK_CHANNEL_ENDING, "ending";
    }
}

/// A channel of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEntry {
    /// Its name.
    pub name: String,
    /// The instance at its other end; none: the host.
    pub peer: Option<String>,
    /// What its ends do.
    pub state: ChannelState,
    /// How often the host has found that its peer did what it must not do.
    pub broken: u32,
    /// Size of the ring that the instance sends with.
    pub from_bytes: u32,
    /// Size of the ring that the peer sends with.
    pub to_bytes: u32,
    /// How often both ends could be opened.
    pub conversations: u64,
}

/// The sizes of a channel's rings, powers of two; 0: a usual size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rings {
    /// Of the one that the instance sends with.
    pub from_bytes: u32,
    /// Of the one that its peer sends with.
    pub to_bytes: u32,
}

impl From<&abi::mk_channel_entry> for ChannelEntry {
    fn from(raw: &abi::mk_channel_entry) -> Self {
        Self {
            name: ioctl::text_of(&raw.name),
            peer: Some(ioctl::text_of(&raw.peer)).filter(|name| !name.is_empty()),
            state: ChannelState::from_raw(raw.state),
            broken: raw.broken,
            from_bytes: raw.from_bytes,
            to_bytes: raw.to_bytes,
            conversations: raw.conversations,
        }
    }
}

impl Instance {
    /// Makes a channel between this instance and another one, or the host.
    /// It is there until it is removed, or one of its instances is.
    pub fn create_channel(&self, name: &str, peer: Option<&Self>, rings: Rings) -> Result<()> {
        let peer = instance(peer);
        ioctl::create_channel(self.as_fd(), name, peer, rings.from_bytes, rings.to_bytes)
            .map_err(self.failed(Operation::CreateChannel))
    }

    /// Removes a channel. Who has it open comes to its end.
    pub fn remove_channel(&self, name: &str, peer: Option<&Self>) -> Result<()> {
        ioctl::remove_channel(self.as_fd(), name, instance(peer))
            .map_err(self.failed(Operation::RemoveChannel))
    }

    /// Its channels, in the order of their creation.
    pub fn channels(&self) -> Result<Vec<ChannelEntry>> {
        channels(self.as_fd()).map_err(self.failed(Operation::ListChannels))
    }
}

/// In an instance ([`Role::Instance`](crate::Role::Instance)): its host is asked for what is to be.
impl Device {
    /// Makes a channel with an instance, or with the host. The end appears soon. Both rings have
    /// one size there.
    pub fn create_channel(&self, name: &str, peer: Option<&str>, rings: Rings) -> Result<()> {
        let peer = named_peer(peer);
        ioctl::create_channel(self.as_fd(), name, peer, rings.from_bytes, rings.to_bytes)
            .map_err(|failure| self.error(Operation::CreateChannel, failure))
    }

    /// Removes a channel with an instance, or with the host.
    pub fn remove_channel(&self, name: &str, peer: Option<&str>) -> Result<()> {
        ioctl::remove_channel(self.as_fd(), name, named_peer(peer))
            .map_err(|failure| self.error(Operation::RemoveChannel, failure))
    }

    /// The channels that this kernel has an end of.
    pub fn channels(&self) -> Result<Vec<ChannelEntry>> {
        channels(self.as_fd()).map_err(|failure| self.error(Operation::ListChannels, failure))
    }
}

fn instance(peer: Option<&Instance>) -> Peer<'_> {
    peer.map_or(Peer::Host, |peer| Peer::Instance(peer.as_fd()))
}

fn named_peer(peer: Option<&str>) -> Peer<'_> {
    peer.map_or(Peer::Host, Peer::Named)
}

fn channels(owner: BorrowedFd<'_>) -> std::result::Result<Vec<ChannelEntry>, Failure> {
    let entries = ioctl::channels(owner)?;
    Ok(entries.iter().map(ChannelEntry::from).collect())
}

/// How a channel is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Calls wait until they can do what they are to do.
    Yes,
    /// They fail with [`io::ErrorKind::WouldBlock`] instead.
    No,
}

impl Wait {
    fn flags(self) -> OFlags {
        match self {
            Self::Yes => OFlags::empty(),
            Self::No => OFlags::NONBLOCK,
        }
    }
}

/// An end of a channel, opened: messages go both ways, each as a whole.
///
/// One at a time has it open. Messages that were sent wait for whoever opens
/// the other end. Dropped, this end is closed: the peer reads what was sent,
/// then the end.
///
/// ```no_run
/// use multikernel::{Channel, Wait};
///
/// let channel = Channel::open("blue", "questions", Wait::Yes)?;
/// channel.send(b"how are you?")?;
/// let mut answer = [0; multikernel::MESSAGE_MAX];
/// if let Some(length) = channel.receive(&mut answer)? {
///     println!("{}", String::from_utf8_lossy(&answer[..length]));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

impl Channel {
    /// Where the end of a channel is in the file system. In an instance the
    /// host's name is `host`.
    pub fn path(peer: &str, name: &str) -> PathBuf {
        ["/dev/mk", peer, name].iter().collect()
    }

    /// Opens the end of a channel with `peer`.
    pub fn open(peer: &str, name: &str, wait: Wait) -> Result<Self> {
        let path = Self::path(peer, name);
        let flags = wait.flags() | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd }),
            Err(errno) => {
                let path = path.to_string_lossy();
                Err(Error::new(Operation::OpenChannel, &path, errno))
            }
        }
    }

    /// Whether calls wait from now on.
    pub fn set_wait(&self, wait: Wait) -> io::Result<()> {
        Ok(rustix::fs::fcntl_setfl(&self.fd, wait.flags())?)
    }

    /// Sends a message of 1 to [`MESSAGE_MAX`] bytes.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        if message.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // It goes as a whole, or not at all.
        retry(|| rustix::io::write(&self.fd, message)).map(drop)
    }

    /// Takes a message, and returns its length; nothing: the peer has closed
    /// its end. One that does not fit stays.
    pub fn receive(&self, to: &mut [u8]) -> io::Result<Option<usize>> {
        let length = retry(|| rustix::io::read(&self.fd, &mut *to))?;
        Ok((length > 0).then_some(length))
    }

    /// Waits until there is a message, or the end; whether one came in time.
    pub fn wait_for_message(&self, timeout: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
        retry(|| rustix::event::poll(&mut fds, Some(&timeout))).map(|ready| ready > 0)
    }

    /// Maps its rings: messages are written and read in place from then on.
    /// This fails when a message was already sent or taken by this end.
    pub fn map(self) -> io::Result<(Sender, Receiver)> {
        mapped::map(self.fd)
    }
}

/// Does it again when a signal came.
fn retry(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    rustix::io::retry_on_intr(&mut call).map_err(io::Error::from)
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.fd
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_where_its_peer_is() {
        assert_eq!(
            Channel::path("blue", "questions").to_str(),
            Some("/dev/mk/blue/questions")
        );
    }

    #[test]
    fn an_end_that_is_not_there_is_told() {
        let error = Channel::open("nobody", "none", Wait::No).unwrap_err();
        assert_eq!(error.operation(), Operation::OpenChannel);
        assert!(error.to_string().contains("/dev/mk/nobody/none"));
    }
}
