// SPDX-License-Identifier: GPL-2.0

//! Sends back what comes over a channel, when it is told that something came. It has no thread of
//! its own, and does not wait. When the peer has left it is done.
//!
//!     insmod channel_echo_rust.ko peer=blue channel=echo timeout_ms=5000
//!     cat /sys/module/channel_echo_rust/parameters/messages

use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{new_mutex, prelude::*, sync::Arc, sync::Mutex, time::msecs_to_jiffies};

// A sample needs not all of it.
#[allow(dead_code)]
#[path = "../../multikernel/api.rs"]
mod multikernel;

use multikernel::{Channel, Timeout, Watched, Watcher};

module! {
    type: ChannelEcho,
    name: "channel_echo_rust",
    authors: ["The multikernel developers"],
    description: "Sends back what comes over a channel between kernels",
    license: "GPL v2",
    params: {
        timeout_ms: u32 {
            default: 0,
            description: "How long to wait until somebody is at the other end, in milliseconds",
        },
    },
}

/// A message of any size fits (`MK_CHANNEL_MESSAGE_MAX`).
const MESSAGE_MAX: usize = 64 << 10;

/// What `channel_echo_rust_parameters.c` has.
mod parameters {
    use super::*;

    extern "C" {
        static channel_echo_peer: *const c_char;
        static channel_echo_channel: *const c_char;
        static channel_echo_messages: AtomicUsize;
    }

    pub(crate) fn peer() -> &'static CStr {
        // SAFETY: It is a string, and not changed any more.
        unsafe { CStr::from_char_ptr(channel_echo_peer) }
    }

    pub(crate) fn channel() -> &'static CStr {
        // SAFETY: As above.
        unsafe { CStr::from_char_ptr(channel_echo_channel) }
    }

    pub(crate) fn messages() -> &'static AtomicUsize {
        // SAFETY: C has a number of this size there, and only this module changes it.
        unsafe { &channel_echo_messages }
    }
}

/// Sends back what comes.
#[pin_data]
struct Echo {
    #[pin]
    pending: Mutex<Pending>,
}

/// A message that came and could not be sent back yet; without bytes: there is none.
struct Pending {
    buffer: KVVec<u8>,
    size: usize,
    is_over: bool,
}

impl Echo {
    fn new() -> Result<Arc<Self>> {
        let mut buffer = KVVec::with_capacity(MESSAGE_MAX, GFP_KERNEL)?;
        buffer.resize(MESSAGE_MAX, 0, GFP_KERNEL)?;
        let pending = Pending {
            buffer,
            size: 0,
            is_over: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                pending <- new_mutex!(pending),
            }),
            GFP_KERNEL,
        )
    }
}

impl Pending {
    /// Goes on until the channel has nothing more, or no room: what changes that tells.
    fn proceed(&mut self, channel: &Channel) -> Result<()> {
        loop {
            if self.size == 0 {
                match channel.receive(&mut self.buffer, Timeout::None)? {
                    Some(message) => self.size = message.len(),
                    // Nobody reads an answer any more.
                    None => return Err(EPIPE),
                }
            }
            channel.send(&self.buffer[..self.size], Timeout::None)?;
            self.size = 0;
            parameters::messages().fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Watcher for Echo {
    fn news(&self, channel: &Channel) {
        let mut pending = self.pending.lock();
        if pending.is_over {
            return;
        }
        match pending.proceed(channel) {
            Err(EAGAIN) | Ok(()) => {}
            Err(errno) => {
                pending.is_over = true;
                pr_info!("the conversation has ended: {errno:?}\n");
            }
        }
    }
}

/// The module: as long as it is there, what comes is sent back.
struct ChannelEcho {
    _echo: Watched<Echo>,
}

impl kernel::Module for ChannelEcho {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let (peer, channel) = (parameters::peer(), parameters::channel());
        let timeout = match module_parameters::timeout_ms.value() {
            0 => Timeout::None,
            ms => Timeout::Jiffies(u32::try_from(msecs_to_jiffies(ms))?),
        };
        let end = Channel::open(peer, channel, timeout).inspect_err(|errno| {
            pr_err!(
                "the channel {} with {} cannot be opened: {errno:?}\n",
                channel,
                peer
            );
        })?;
        Ok(Self {
            _echo: Watched::new(end, Echo::new()?)?,
        })
    }
}
