// SPDX-License-Identifier: GPL-2.0

//! The console of an instance, from its creation to its end: what it has shown, and what is typed.

use super::fail::{fail, report, Outcome};
use crate::{
    pure::{
        half::{Size, State},
        name::Name,
        ring::{Fault, ReceiveError, Receiver, SendError, Sender},
        scrollback::Scrollback,
    },
    sys::{later::Due, shared::View},
    uapi::MK_CONSOLE_BYTES,
};
use kernel::{
    new_mutex, new_poll_condvar,
    prelude::*,
    sync::{
        poll::{PollCondVar, PollTable},
        Arc, Mutex,
    },
    time::{msecs_to_jiffies, Jiffies},
};

/// The longest message that an instance has to take at once.
const TYPED_MAX: usize = 1024;
/// After so many bytes of the ring the host rests: an instance may show more than anybody reads.
const AT_ONCE: u64 = 256 << 10;
/// For that long.
const REST_MS: u32 = 10;
/// So many complaints about an instance are enough.
const COMPLAINTS_MAX: u32 = 10;

/// The console of an instance.
#[pin_data]
pub(crate) struct Console {
    name: Name,
    #[pin]
    inner: Mutex<Inner>,
    /// There is something new to be read, or room for what is typed.
    #[pin]
    changed: PollCondVar,
}

struct Inner {
    scrollback: Scrollback<KVVec<u8>>,
    /// From a kernel that knows what it is, before it has a terminal.
    early: Option<Source>,
    /// To the agent, if there is one.
    channel: Option<Channel>,
    /// Who shows something may come.
    is_live: bool,
    /// It is looked at again by itself.
    rests: bool,
    /// Somebody waits for room.
    is_full: bool,
    writer: Option<Writer>,
    complaints: u32,
}

/// What is shown.
struct Source {
    view: View,
    receiver: Receiver<View>,
    buffer: KVVec<u8>,
}

struct Channel {
    source: Source,
    /// What is typed.
    sender: Sender<View>,
}

/// Who types.
struct Writer {
    pid: i32,
    command: [u8; 16],
}

/// What became of something that was typed.
pub(crate) enum Typed {
    /// So many bytes were sent; whether the agent has to be rung.
    Sent(usize, bool),
    /// There is no room now.
    Full,
}

impl Console {
    pub(crate) fn new(name: &Name) -> Result<Arc<Self>> {
        let mut bytes = KVVec::new();
        bytes.resize(MK_CONSOLE_BYTES as usize, 0, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                name: *name,
                inner <- new_mutex!(Inner {
                    scrollback: Scrollback::new(bytes),
                    early: None,
                    channel: None,
                    is_live: false,
                    rests: false,
                    is_full: false,
                    writer: None,
                    complaints: 0,
                }),
                changed <- new_poll_condvar!(),
            }),
            GFP_KERNEL,
        )
    }

    /// The instance runs from now on, or does no more.
    pub(crate) fn set_live(&self, is_live: bool) {
        self.inner.lock().is_live = is_live;
        self.changed.notify_all();
    }

    /// From now on this is the channel, at its beginning. `own` and `other` are the sizes of its
    /// halves' data.
    pub(crate) fn open(&self, view: View, own: Size, other: Size) -> Result {
        let channel = Channel {
            sender: Sender::new(view.clone(), own),
            source: Source::open(view, other)?,
        };
        self.inner.lock().channel = Some(channel);
        self.changed.notify_all();
        Ok(())
    }

    /// The same for what shows something only, until the instance has ended.
    pub(crate) fn open_early(&self, view: View, other: Size) -> Result {
        self.inner.lock().early = Some(Source::open(view, other)?);
        Ok(())
    }

    /// Takes the last of what was shown. There is no channel any more.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        // No more than the ring holds; it may still be filled.
        let size = inner
            .channel
            .as_ref()
            .map(|open| open.source.receiver.size());
        self.take(&mut inner, size.map_or(0, |size| size.bytes().into()));
        let former = inner.channel.take();
        drop(inner);
        if let Some(channel) = former {
            State::Closed.publish(&channel.source.view);
        }
        self.changed.notify_all();
    }

    /// The same for what shows something only.
    pub(crate) fn close_early(&self) {
        let mut inner = self.inner.lock();
        let size = inner.early.as_ref().map(|early| early.receiver.size());
        self.take(&mut inner, size.map_or(0, |size| size.bytes().into()));
        inner.early = None;
        drop(inner);
        self.changed.notify_all();
    }

    /// Looks at what was shown, which is one of the `news`. Returns after how long to do so again,
    /// if not only when the agent rings.
    pub(crate) fn look(&self, news: &mut u32) -> Option<Jiffies> {
        let mut inner = self.inner.lock();
        if inner.rests {
            return None;
        }
        let end = inner.scrollback.end();
        let again = self.look_now(&mut inner);
        if inner.scrollback.end() != end {
            *news = news.saturating_add(1);
        }
        again
    }

    fn look_now(&self, inner: &mut Inner) -> Option<Jiffies> {
        let end = inner.scrollback.end();
        inner.rests = self.take(inner, AT_ONCE);
        if inner.scrollback.end() != end || core::mem::take(&mut inner.is_full) {
            self.changed.notify_all();
        }
        inner.rests.then(|| msecs_to_jiffies(REST_MS))
    }

    /// Takes so many bytes of each ring, or all. Returns whether more may be there.
    fn take(&self, inner: &mut Inner, at_most: u64) -> bool {
        let Inner {
            early,
            channel,
            scrollback,
            ..
        } = inner;
        // What came first is taken first.
        let sources = [
            early.as_mut(),
            channel.as_mut().map(|open| &mut open.source),
        ];
        let results = sources.map(|source| match source {
            Some(source) => source.take(scrollback, at_most),
            None => Ok(false),
        });
        let [of_kernel, of_agent] = &results;
        if of_kernel.is_err() {
            inner.early = None;
        }
        if of_agent.is_err() {
            inner.channel = None;
            self.changed.notify_all();
        }
        let mut is_more = false;
        for result in results {
            match result {
                Ok(more) => is_more |= more,
                Err(Some(fault)) => {
                    inner.complaints = inner.complaints.saturating_add(1);
                    if inner.complaints <= COMPLAINTS_MAX {
                        report!(pr_warn, "{}: its console is broken: {fault}", self.name);
                    }
                }
                Err(None) => {}
            }
        }
        is_more
    }

    /// Types something, as much as there is room for.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Typed> {
        let mut inner = self.inner.lock();
        let channel = inner.channel.as_mut().ok_or(ENOTCONN)?;
        let mut sent = 0;
        for chunk in bytes.chunks(TYPED_MAX) {
            match channel.sender.send(chunk) {
                Ok(()) => sent += chunk.len(),
                Err(SendError::Full) => break,
                // The next look tells why.
                Err(_) if sent == 0 => return Err(ENOTCONN),
                Err(_) => break,
            }
        }
        if sent > 0 || bytes.is_empty() {
            return Ok(Typed::Sent(sent, channel.sender.bell()));
        }
        Ok(Typed::Full)
    }

    /// Waits until there is room for something typed, or nobody any more who would take it.
    pub(crate) fn wait_for_room(&self) -> Result {
        let mut inner = self.inner.lock();
        while inner.is_typed_full() {
            if self.changed.wait_interruptible(&mut inner) {
                return Err(ERESTARTSYS);
            }
        }
        Ok(())
    }

    /// Copies what was shown at `position`, or after it; returns where the next is.
    pub(crate) fn read(&self, position: u64, to: &mut [u8]) -> (u64, usize) {
        self.inner.lock().scrollback.read(position, to)
    }

    /// Waits until more is shown than up to `position`. `false`: the instance does not run.
    pub(crate) fn wait_for_more(&self, position: u64) -> Result<bool> {
        let mut inner = self.inner.lock();
        while inner.scrollback.end() <= position {
            if !inner.is_live {
                return Ok(false);
            }
            if self.changed.wait_interruptible(&mut inner) {
                return Err(ERESTARTSYS);
            }
        }
        Ok(true)
    }

    /// Whether there is more to read than up to `position`, and whether the instance runs.
    pub(crate) fn status(&self, position: u64) -> (bool, bool) {
        let inner = self.inner.lock();
        (inner.scrollback.end() > position, inner.is_live)
    }

    /// Whether something can be typed now. If not, who polls is told when it can.
    pub(crate) fn has_room(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.channel.is_some() && !inner.is_typed_full()
    }

    /// Where the next is that is shown.
    pub(crate) fn end(&self) -> u64 {
        self.inner.lock().scrollback.end()
    }

    /// The caller types from now on. There is one at a time.
    pub(crate) fn begin_to_type(&self) -> Outcome {
        let current = kernel::current!();
        let task = current.group_leader();
        // SAFETY: The task is there. Whoever changes its name meanwhile changes what is told.
        let command = unsafe { core::ptr::addr_of!((*task.as_ptr()).comm).read_volatile() };
        let mut inner = self.inner.lock();
        if let Some(writer) = &inner.writer {
            return Err(fail!(
                EBUSY,
                "process {} ({}) types there: end it, or only watch",
                writer.pid,
                writer.command()
            ));
        }
        inner.writer = Some(Writer {
            pid: task.pid(),
            command,
        });
        Ok(())
    }

    pub(crate) fn end_to_type(&self) {
        self.inner.lock().writer = None;
    }

    pub(crate) fn register_poll(&self, file: &kernel::fs::File, table: &PollTable<'_>) {
        table.register_wait(file, &self.changed);
    }
}

impl Due for Console {
    fn due(&self) -> Option<Jiffies> {
        self.look_now(&mut self.inner.lock())
    }
}

impl Inner {
    /// Whether there is a channel without room. Then the agent rings when there is some.
    fn is_typed_full(&mut self) -> bool {
        let Some(channel) = &mut self.channel else {
            return false;
        };
        self.is_full = channel.sender.wait(TYPED_MAX);
        self.is_full
    }
}

impl Writer {
    fn command(&self) -> &str {
        let name = self.command.split(|byte| *byte == 0).next();
        name.and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("?")
    }
}

impl Source {
    /// What is shown from now on. `size` is that of the data of the other half.
    fn open(view: View, size: Size) -> Result<Self> {
        let mut buffer = KVVec::new();
        buffer.resize(size.message_max() as usize, 0, GFP_KERNEL)?;
        let mut source = Self {
            receiver: Receiver::new(view.clone(), size),
            view,
            buffer,
        };
        State::Open.publish(&source.view);
        // Nobody has come yet who could have sent something.
        let _ = source.receiver.wait();
        Ok(source)
    }

    /// Takes so many bytes of the ring, or all. Returns whether more may be there. `Err`: nothing
    /// ever comes again, for that reason.
    fn take(
        &mut self,
        scrollback: &mut Scrollback<KVVec<u8>>,
        at_most: u64,
    ) -> core::result::Result<bool, Option<Fault>> {
        let start = self.receiver.head();
        while self.receiver.head().wrapping_sub(start) < at_most {
            match self.receiver.receive(&mut self.buffer) {
                Ok(len) => scrollback.append(self.buffer.get(..len).unwrap_or(&self.buffer)),
                Err(ReceiveError::Empty) if self.receiver.wait() => return Ok(false),
                Err(ReceiveError::Empty) => {}
                Err(ReceiveError::Left(_)) => return Err(None),
                Err(ReceiveError::Broken(fault)) => {
                    State::Broken.publish(&self.view);
                    return Err(Some(fault));
                }
            }
        }
        Ok(true)
    }
}
