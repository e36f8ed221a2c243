// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, and how it is told.

use std::fmt;

pub use rustix::io::Errno;

/// What was tried when an [`Error`] came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the device.
    OpenDevice,
    /// Asking what the module and the host can do.
    Query,
    /// Listing the instances.
    List,
    /// Listing where their memory comes from.
    Pools,
    /// Creating an instance.
    Create,
    /// Opening an instance by its name.
    Open,
    /// Reserving CPUs for an instance.
    SetCpus,
    /// Taking memory for an instance.
    SetMemory,
    /// Setting when an instance counts as hung.
    SetHeartbeat,
    /// Loading a kernel into an instance.
    Load,
    /// The same by `kexec_file_load()`.
    KexecLoad,
    /// Starting an instance.
    Start,
    /// Killing an instance.
    Kill,
    /// Asking the agent of an instance for an answer.
    Ping,
    /// Asking the agent of an instance to end it.
    Stop,
    /// Opening the console of an instance.
    Console,
    /// Asking all about an instance.
    Info,
    /// Destroying an instance.
    Destroy,
    /// Mapping the memory of an instance.
    Map,
    /// Waiting for an instance.
    Wait,
    /// Making a channel of an instance.
    CreateChannel,
    /// Removing a channel of an instance.
    RemoveChannel,
    /// Listing the channels of an instance.
    ListChannels,
    /// Opening the end of a channel.
    OpenChannel,
    /// Reading what has happened to instances.
    Events,
}

impl Operation {
    /// What stands between "cannot" and the name of the target.
    fn phrase(self) -> &'static str {
        match self {
            Self::OpenDevice | Self::Open | Self::OpenChannel => "open",
            Self::Query => "query",
            Self::List => "list the instances of",
            Self::Pools => "list the pools of",
            Self::Create => "create",
            Self::SetCpus => "give CPUs to",
            Self::SetMemory => "give memory to",
            Self::SetHeartbeat => "set the heartbeat of",
            Self::Load => "load",
            Self::KexecLoad => "load by kexec",
            Self::Start => "start",
            Self::Kill => "kill",
            Self::Ping => "ping",
            Self::Stop => "stop",
            Self::Console => "open the console of",
            Self::Info => "get the state of",
            Self::Destroy => "remove",
            Self::Map => "map the memory of",
            Self::Wait => "wait for",
            Self::CreateChannel => "make a channel of",
            Self::RemoveChannel => "remove a channel of",
            Self::ListChannels => "list the channels of",
            Self::Events => "read the events of",
        }
    }
}

/// A failure: what was tried on what, the error number, and what the kernel
/// says about it.
///
/// As text it is one line, such as
/// ``cannot give CPUs to `blue`: CPU 9 does not exist``.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    operation: Operation,
    target: String,
    errno: Errno,
    message: Option<String>,
    largest: Option<u64>,
}

impl Error {
    pub(crate) fn new(operation: Operation, target: &str, errno: Errno) -> Self {
        Self {
            operation,
            target: target.to_owned(),
            errno,
            message: None,
            largest: None,
        }
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        let message = message.into();
        self.message = (!message.is_empty()).then_some(message);
        self
    }

    pub(crate) fn with_largest(mut self, largest: u64) -> Self {
        self.largest = (largest != 0).then_some(largest);
        self
    }

    /// What was tried.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What it was tried on: the name of an instance or the path of the device.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The error number.
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What the kernel says was wrong, where it says anything.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where memory could not be had ([`Errno::NOMEM`]): the largest number of
    /// bytes that could.
    pub fn largest_memory(&self) -> Option<u64> {
        self.largest
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: ", self.operation.phrase(), self.target)?;
        match &self.message {
            Some(message) => f.write_str(message),
            None => self.errno.fmt(f),
        }
    }
}

/// The result of an operation of this library.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_the_kernel_is_shown_as_it_is() {
        let error = Error::new(Operation::SetCpus, "blue", Errno::NODEV)
            .with_message("CPU 9 does not exist");
        assert_eq!(
            error.to_string(),
            "cannot give CPUs to `blue`: CPU 9 does not exist"
        );
        assert_eq!(error.message(), Some("CPU 9 does not exist"));
    }

    #[test]
    fn without_a_message_the_errno_is_shown() {
        let error = Error::new(Operation::Start, "blue", Errno::BUSY).with_message("");
        assert_eq!(error.message(), None);
        assert_eq!(
            error.to_string(),
            "cannot start `blue`: Device or resource busy (os error 16)"
        );
    }

    #[test]
    fn the_largest_size_is_told_only_where_it_is_known() {
        let error = Error::new(Operation::SetMemory, "blue", Errno::NOMEM);
        assert_eq!(error.clone().with_largest(0).largest_memory(), None);
        assert_eq!(error.with_largest(1 << 21).largest_memory(), Some(1 << 21));
    }
}
