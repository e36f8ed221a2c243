// SPDX-License-Identifier: GPL-2.0

//! Channels between kernels, for other modules in Rust.
//!
//! A module cannot use the crate of another one, only the symbols that it exports. So this file
//! becomes a part of each module that wants it, and nothing else of `multikernel/` does:
//!
//! ```ignore
//! #[allow(dead_code)]
//! #[path = "../../multikernel/api.rs"]
//! mod multikernel;
//! ```
//!
//! C header: `include/linux/multikernel.h`, which says more. `samples/multikernel/` has an example.

use core::{mem::ManuallyDrop, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::Arc,
};

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Timeout {
    /// Not at all: `EAGAIN` instead.
    None,
    /// So many jiffies: `ETIMEDOUT` then.
    Jiffies(u32),
    /// For ever.
    Endless,
}

/// An end of a channel, closed when this is dropped. As long as it lives, `multikernel.ko` cannot
/// be removed.
///
/// # Invariants
///
/// It is open.
pub(crate) struct Channel(NonNull<ffi::mk_channel>);

// SAFETY: Any thread may use it.
unsafe impl Send for Channel {}
// SAFETY: So may several at once.
unsafe impl Sync for Channel {}

impl Channel {
    /// Opens the end of the channel `name` with `peer`, an instance or, in an instance, also
    /// `host`. Waits for somebody who could open the other end.
    ///
    /// Errors: `ENOENT`: there is no such channel in this kernel; `EBUSY`: it is open; `EAGAIN`,
    /// `ETIMEDOUT`: nobody is at the other end; `ENODEV`: it was removed meanwhile; `ERESTARTSYS`:
    /// a signal came.
    pub(crate) fn open(peer: &CStr, name: &CStr, timeout: Timeout) -> Result<Self> {
        // SAFETY: Both are strings.
        let channel = from_err_ptr(unsafe {
            ffi::mk_channel_open(peer.as_char_ptr(), name.as_char_ptr(), timeout.jiffies())
        })?;
        // INVARIANT: It was opened just now.
        Ok(Self(NonNull::new(channel).ok_or(ENODEV)?))
    }

    /// Sends a message.
    ///
    /// Errors: `EPIPE`: the peer has left; `EMSGSIZE`: it is empty, or too long; `EPROTO`: the peer
    /// did what it must not do; `EAGAIN`, `ETIMEDOUT`: there is no room; `ERESTARTSYS`: a signal
    /// came.
    pub(crate) fn send(&self, message: &[u8], timeout: Timeout) -> Result {
        // SAFETY: By the invariant; the message can be read.
        to_result(unsafe {
            ffi::mk_channel_send(
                self.0.as_ptr(),
                message.as_ptr().cast(),
                message.len(),
                timeout.jiffies(),
            )
        })
    }

    /// Takes a message. `None`: the end, after which none comes any more.
    ///
    /// Errors: `EMSGSIZE`: it does not fit, and is still there; `EPROTO`: the peer did what it must
    /// not do; `EAGAIN`, `ETIMEDOUT`: there is none yet; `ERESTARTSYS`: a signal came.
    pub(crate) fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
        timeout: Timeout,
    ) -> Result<Option<&'a mut [u8]>> {
        // SAFETY: By the invariant; the buffer can be written.
        let len = unsafe {
            ffi::mk_channel_receive(
                self.0.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                timeout.jiffies(),
            )
        };
        to_result(len.min(0) as c_int)?;
        match len as usize {
            0 => Ok(None),
            len => Ok(buffer.get_mut(..len)),
        }
    }

    /// What can be done now: `POLLIN`, `POLLOUT`, `POLLHUP` and so on, as `poll()` tells it.
    pub(crate) fn events(&self) -> u32 {
        // SAFETY: By the invariant.
        unsafe { ffi::mk_channel_events(self.0.as_ptr()) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: By the invariant; nobody else has it.
        unsafe { ffi::mk_channel_close(self.0.as_ptr()) };
    }
}

impl Timeout {
    fn jiffies(self) -> c_long {
        match self {
            Self::None => 0,
            Self::Jiffies(jiffies) => jiffies as c_long,
            Self::Endless => c_long::MAX,
        }
    }
}

/// Who is told that something may have changed.
pub(crate) trait Watcher: Send + Sync + 'static {
    /// Something may have come, or there may be room, that was not there when a call gave `EAGAIN`:
    /// go on until one does again. It is called once at the beginning, and may be called for
    /// nothing.
    ///
    /// A thread of the kernel's calls it, once at a time. It may sleep, but should not wait, and
    /// must not drop what it is called for.
    fn news(&self, channel: &Channel);
}

/// A channel, and who is told of it. Once this is dropped nobody is any more.
pub(crate) struct Watched<T: Watcher> {
    /// Dropped first: whoever is called has returned then.
    channel: Channel,
    watcher: Arc<T>,
}

impl<T: Watcher> Watched<T> {
    pub(crate) fn new(channel: Channel, watcher: Arc<T>) -> Result<Self> {
        let data: *const T = &*watcher;
        // SAFETY: By the invariant. `data` can be shared with all threads, and lives until the
        // channel was closed.
        to_result(unsafe {
            ffi::mk_channel_watch(channel.0.as_ptr(), Some(news::<T>), data.cast_mut().cast())
        })?;
        Ok(Self { channel, watcher })
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn watcher(&self) -> &Arc<T> {
        &self.watcher
    }
}

/// # Safety
///
/// The channel is open, and `data` is a `T`.
unsafe extern "C" fn news<T: Watcher>(channel: *mut ffi::mk_channel, data: *mut c_void) {
    // SAFETY: By the contract of this function. It is not ours to close.
    let (channel, watcher) = unsafe {
        (
            ManuallyDrop::new(Channel(NonNull::new_unchecked(channel))),
            &*data.cast::<T>(),
        )
    };
    watcher.news(&channel);
}

/// What the module exports, as `include/linux/multikernel.h` declares it. That it does is checked
/// when the module is built.
#[allow(non_camel_case_types)]
pub(crate) mod ffi {
    use kernel::{bindings::__poll_t, ffi::*};

    /// See `struct mk_channel`.
    #[repr(C)]
    pub(crate) struct mk_channel {
        _opaque: [u8; 0],
    }

    pub(crate) type mk_channel_news_t =
        Option<unsafe extern "C" fn(channel: *mut mk_channel, data: *mut c_void)>;

    extern "C" {
        pub(crate) fn mk_channel_open(
            peer: *const c_char,
            name: *const c_char,
            timeout: c_long,
        ) -> *mut mk_channel;
        pub(crate) fn mk_channel_send(
            channel: *mut mk_channel,
            message: *const c_void,
            size: usize,
            timeout: c_long,
        ) -> c_int;
        pub(crate) fn mk_channel_receive(
            channel: *mut mk_channel,
            buffer: *mut c_void,
            size: usize,
            timeout: c_long,
        ) -> isize;
        pub(crate) fn mk_channel_events(channel: *mut mk_channel) -> __poll_t;
        pub(crate) fn mk_channel_watch(
            channel: *mut mk_channel,
            news: mk_channel_news_t,
            data: *mut c_void,
        ) -> c_int;
        pub(crate) fn mk_channel_close(channel: *mut mk_channel);
    }
}
