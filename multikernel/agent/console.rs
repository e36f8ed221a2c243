// SPDX-License-Identifier: GPL-2.0

//! The console: what the host shows of this kernel, and what is typed there.

use super::session::ring_at;
use crate::{
    channel::switchboard::Caller,
    pure::{
        area,
        half::{Size, State},
        ring::{ReceiveError, Receiver},
        screen::Screen,
    },
    sys::{hvc::FarEnd, lock::IrqLock, shared::View},
};
use kernel::{prelude::*, sync::Arc};

/// The far end of this kernel's terminal.
#[pin_data]
pub(crate) struct Console {
    /// Where the host is rung.
    area: View,
    caller: Arc<Caller>,
    #[pin]
    channel: IrqLock<Option<Channel>>,
}

struct Channel {
    view: View,
    screen: Screen<View>,
    receiver: Receiver<View>,
    /// What was received and not typed yet.
    input: KVec<u8>,
    typed: usize,
    received: usize,
}

impl Console {
    pub(crate) fn new(area: View, caller: Arc<Caller>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                area,
                caller,
                channel <- IrqLock::new(None),
            }),
            GFP_KERNEL,
        )
    }

    /// From now on this is the channel, at its beginning. `own` and `other` are the sizes of its
    /// halves' data.
    pub(crate) fn open(&self, view: View, own: Size, other: Size) -> Result {
        let mut input = KVec::new();
        input.resize(other.message_max() as usize, 0, GFP_KERNEL)?;
        let mut channel = Channel {
            screen: Screen::new(view.clone(), own),
            receiver: Receiver::new(view.clone(), other),
            view,
            input,
            typed: 0,
            received: 0,
        };
        State::Open.publish(&channel.view);
        // Something to type already is looked for when the terminal is opened.
        let _ = channel.receiver.wait();
        self.replace(Some(channel));
        Ok(())
    }

    /// There is none any more: what is shown is lost.
    pub(crate) fn close(&self) {
        self.replace(None);
    }

    fn replace(&self, channel: Option<Channel>) {
        let former = self
            .channel
            .with(|current| core::mem::replace(current, channel));
        // Unmapping sleeps.
        if let Some(Some(former)) = former {
            State::Closed.publish(&former.view);
        }
    }

    /// Lets `f` use the channel, and rings the host if it says so. `default`: there is none.
    fn with<R>(&self, default: R, f: impl FnOnce(&mut Channel) -> (R, bool)) -> R
    where
        R: Copy,
    {
        let used = self.channel.with(|channel| channel.as_mut().map(f));
        // In a panic a processor may have been stopped that used it.
        let (result, is_wanted) = used.flatten().unwrap_or((default, false));
        if is_wanted {
            self.caller.call();
            ring_at(&self.area, area::DOORBELL);
        }
        result
    }
}

impl FarEnd for Console {
    fn show(&self, bytes: &[u8], can_wait: bool) -> usize {
        self.with(bytes.len(), |channel| {
            let shown = channel.screen.show(bytes, can_wait);
            (shown, channel.screen.bell())
        })
    }

    fn typed(&self, to: &mut [u8]) -> usize {
        self.with(0, |channel| {
            let len = channel.take(to);
            (len, channel.receiver.bell())
        })
    }
}

impl Channel {
    fn take(&mut self, to: &mut [u8]) -> usize {
        while self.typed == self.received {
            match self.receiver.receive(&mut self.input) {
                Ok(len) => (self.typed, self.received) = (0, len.min(self.input.len())),
                Err(ReceiveError::Empty) if !self.receiver.wait() => {}
                // Nothing is there, or never will be.
                Err(_) => return 0,
            }
        }
        let waiting = self.input.get(self.typed..self.received).unwrap_or(&[]);
        let len = waiting.len().min(to.len());
        for (to, from) in to.iter_mut().zip(waiting) {
            *to = *from;
        }
        self.typed += len;
        len
    }
}
