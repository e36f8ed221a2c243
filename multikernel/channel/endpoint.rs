// SPDX-License-Identifier: GPL-2.0

//! An end of a channel in this kernel: what programs open.

use super::{
    conversation::{Conversation, Step, ENDED, READABLE, WRITABLE},
    switchboard::Switchboard,
};
use crate::{
    host::{fail::report, ioctl},
    pure::{
        half::{self, State},
        name::Name,
        ring::Fault,
        spin::Spin,
    },
    sys::{
        ffi,
        node::{self, Buffer, Files, Memory, Node, Poll},
        time,
        wait::{cpu_is_wanted, new_queue, Patience, Queue},
    },
    uapi::*,
};
use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};
use kernel::{
    bindings, new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{global_lock, Arc, Mutex, SpinLockIrq},
};

global_lock! {
    // SAFETY: The module's `init` initializes it before anything can use it.
    pub(crate) unsafe(uninit) static ENDS: Mutex<KVec<Option<Arc<Endpoint>>>> = KVec::new();
}

/// So many complaints about the peers of an endpoint are enough.
const COMPLAINTS_MAX: u32 = 10;

/// Nobody looks for longer before it sleeps, whatever the module was told.
const SPIN_MAX_US: u32 = 100_000;

/// What is the peer's name when it is the host.
pub(crate) const HOST: &str = "host";

/// An end of a channel. One file at a time is open.
#[pin_data]
pub(crate) struct Endpoint {
    /// `None`: the host.
    peer: Option<Name>,
    name: Name,
    #[pin]
    life: Mutex<Life>,
    /// The conversation that the file has, or that the next one will have.
    #[pin]
    current: SpinLockIrq<Option<Arc<Conversation>>>,
    /// What the file has mapped.
    #[pin]
    mapped: SpinLockIrq<Option<Arc<Conversation>>>,
    #[pin]
    readers: Queue,
    #[pin]
    writers: Queue,
    /// How long they look before they sleep.
    reading: Spin,
    writing: Spin,
    #[pin]
    openers: Queue,
    broken: AtomicU32,
    begun: AtomicU64,
}

struct Life {
    is_open: bool,
    is_removed: bool,
}

impl Endpoint {
    fn new(peer: Option<Name>, name: Name) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                peer,
                name,
                life <- new_mutex!(Life {
                    is_open: false,
                    is_removed: false,
                }),
                current <- new_spinlock_irq!(None),
                mapped <- new_spinlock_irq!(None),
                readers <- new_queue!(c"multikernel readers"),
                writers <- new_queue!(c"multikernel writers"),
                reading: Spin::new(),
                writing: Spin::new(),
                openers <- new_queue!(c"multikernel openers"),
                broken: AtomicU32::new(0),
                begun: AtomicU64::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Who opens it next has this conversation; the one before was left.
    pub(crate) fn begin(&self, conversation: Arc<Conversation>) {
        let former = {
            let life = self.life.lock();
            match life.is_removed {
                true => Some(conversation),
                false => self.current.lock().replace(conversation),
            }
        };
        drop(former);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.openers.wake(0);
    }

    /// Leaves a conversation that nobody has opened, that the peer has left, and that has nothing
    /// to offer any more.
    pub(crate) fn settle(&self) {
        self.leave_if(|conversation| {
            conversation.peer_left().is_some() && !conversation.has_message()
        });
    }

    /// Leaves one that nobody has opened, and whose peer is dead.
    pub(crate) fn settle_with_dead(&self) {
        self.leave_if(|conversation| conversation.peer_left() == Some(State::Gone));
    }

    /// Leaves a conversation that nobody has opened.
    pub(crate) fn retract(&self) {
        self.leave_if(|_| true);
    }

    fn leave_if(&self, f: impl FnOnce(&Conversation) -> bool) {
        let life = self.life.lock();
        if life.is_open {
            return;
        }
        let Some(conversation) = self.current() else {
            return;
        };
        if f(&conversation) {
            let taken = self.current.lock().take();
            conversation.publish(State::Closed);
            drop(taken);
        }
    }

    /// Whether a file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.life.lock().is_open
    }

    pub(crate) fn has_conversation(&self) -> bool {
        self.current.lock().is_some()
    }

    /// How many conversations could be opened.
    pub(crate) fn conversations(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// How often a peer did what it must not do.
    pub(crate) fn broken(&self) -> u32 {
        self.broken.load(Ordering::Relaxed)
    }

    /// Looks what the peer may have rung for, and wakes who waits for that. It does not sleep.
    /// Returns whether there was anything.
    pub(crate) fn glance(&self) -> bool {
        let (is_readable, is_writable) = match &*self.current.lock() {
            Some(conversation) => conversation.glance(),
            None => (false, false),
        };
        let is_readable = is_readable && self.readers.is_waited_for();
        let is_writable = is_writable && self.writers.is_waited_for();
        if is_readable {
            self.readers.wake(READABLE | ENDED);
        }
        if is_writable {
            self.writers.wake(WRITABLE | ENDED);
        }
        is_readable || is_writable
    }

    /// How many of the things that it waits for are others than the last time. It does not sleep.
    pub(crate) fn wishes(&self) -> u32 {
        let current = self.current.lock();
        current
            .as_ref()
            .map_or(0, |conversation| conversation.wishes())
    }

    fn current(&self) -> Option<Arc<Conversation>> {
        self.current.lock().clone()
    }

    /// Nobody opens it any more, and the file that is open has come to its end.
    fn remove(&self) {
        let former = {
            let mut life = self.life.lock();
            life.is_removed = true;
            self.current.lock().take()
        };
        if let Some(former) = former {
            former.publish(State::Closed);
        }
        self.openers.wake(0);
        self.readers.wake(READABLE | ENDED);
        self.writers.wake(WRITABLE | ENDED);
    }

    /// The peer did what it must not do.
    fn complain(&self, conversation: &Conversation, fault: Fault) {
        conversation.publish(State::Broken);
        if self.broken.fetch_add(1, Ordering::Relaxed) < COMPLAINTS_MAX {
            report!(
                pr_warn,
                "channel {} with {}: {fault}",
                self.name,
                self.peer()
            );
        }
    }

    /// What a call gives, or `None` if it has to wait.
    fn outcome(
        &self,
        conversation: &Conversation,
        step: Step<Result<usize>>,
        left: Result<usize>,
    ) -> Option<Result<usize>> {
        match step {
            Step::Done(result) => Some(result),
            Step::Wait => None,
            Step::Left => Some(left),
            Step::Broken(fault) => {
                self.complain(conversation, fault);
                Some(Err(EPROTO))
            }
        }
    }

    /// The end of the channel `name` with `peer`, which is [`HOST`] or an instance.
    pub(crate) fn find(peer: &str, name: &str) -> Option<Arc<Self>> {
        let is_it = |end: &&Arc<Self>| end.peer() == peer && end.name.as_str() == name;
        ENDS.lock().iter().flatten().find(is_it).cloned()
    }

    fn peer(&self) -> &str {
        self.peer.as_ref().map_or(HOST, Name::as_str)
    }

    /// Opens it for one user, who has to [leave](Self::leave) it.
    pub(crate) fn enter(&self, patience: Patience) -> Result {
        self.openers.wait(patience, || {
            let mut life = self.life.lock();
            if life.is_removed {
                return Some(Err(ENODEV));
            }
            if life.is_open {
                return Some(Err(EBUSY));
            }
            let conversation = self.current()?;
            life.is_open = true;
            conversation.publish(State::Open);
            Some(Ok(()))
        })?
    }

    pub(crate) fn leave(&self) {
        let (former, mapped) = {
            let mut life = self.life.lock();
            life.is_open = false;
            (self.current.lock().take(), self.mapped.lock().take())
        };
        if let Some(former) = former {
            former.publish(State::Closed);
        }
        drop(mapped);
        self.openers.wake(0);
    }

    /// Takes a message. 0: the end.
    pub(crate) fn receive(&self, to: &mut Buffer, patience: Patience) -> Result<usize> {
        self.go_on(
            (&self.readers, &self.reading),
            patience,
            Ok(0),
            Conversation::has_news_to_read,
            |conversation, is_wanted| conversation.receive(to, is_wanted),
        )
    }

    /// Sends a message.
    pub(crate) fn send(&self, from: &mut Buffer, patience: Patience) -> Result<usize> {
        self.go_on(
            (&self.writers, &self.writing),
            patience,
            Err(EPIPE),
            Conversation::has_news_of_room,
            |conversation, is_wanted| conversation.send(from, is_wanted),
        )
    }

    /// Calls `step` until it has an outcome: now, when `is_news` has seen something, and whenever
    /// the peer has rung, for which it is asked last, by the second argument.
    fn go_on(
        &self,
        (queue, spin): (&Queue, &Spin),
        patience: Patience,
        left: Result<usize>,
        is_news: impl Fn(&Conversation) -> bool,
        mut step: impl FnMut(&Conversation, bool) -> Step<Result<usize>>,
    ) -> Result<usize> {
        let mut call = |is_wanted: bool| {
            let Some(conversation) = self.current() else {
                return Some(left);
            };
            let step = step(&conversation, is_wanted || queue.is_waited_for());
            self.outcome(&conversation, step, left)
        };
        // Most of the time nobody has to wait.
        if let Some(result) = call(false) {
            return result;
        }
        if patience == Patience::NONE {
            return Err(EAGAIN);
        }
        let us = crate::module_parameters::spin_us.value();
        let max = us.min(SPIN_MAX_US) * 1000;
        let begin = time::monotonic();
        self.look(spin.ns(max), begin, is_news);
        let result = queue.wait(patience, || call(true));
        let waited = time::monotonic().saturating_sub(begin);
        // A wait that was ended soon says nothing of the peer.
        if result.is_ok() || waited >= max.into() {
            spin.learn(waited, max);
        }
        result?
    }

    /// Looks for news, for so many nanoseconds from `begin` on at most, as long as nobody else
    /// wants this CPU.
    fn look(&self, ns: u32, begin: u64, is_news: impl Fn(&Conversation) -> bool) {
        if ns == 0 {
            return;
        }
        let Some(conversation) = self.current() else {
            return;
        };
        while !is_news(&conversation)
            && !cpu_is_wanted()
            && !current!().signal_pending()
            && time::monotonic().saturating_sub(begin) < ns.into()
        {
            spin_loop();
        }
    }

    /// Which of the events `wanted` there are, and whether it has come to its end. Those that are
    /// not there are waited for.
    pub(crate) fn events(&self, wanted: u32) -> u32 {
        match self.current() {
            Some(conversation) => conversation.events(wanted),
            None => READABLE | ENDED & !bindings::POLLERR,
        }
    }

    /// Those who want to read: they are woken when they should try again.
    pub(crate) fn readers(&self) -> &Queue {
        &self.readers
    }

    /// Those who want to write.
    pub(crate) fn writers(&self) -> &Queue {
        &self.writers
    }
}

impl Files for Endpoint {
    fn open(number: u32, patience: Patience) -> Result<Arc<Self>> {
        let this = {
            let ends = ENDS.lock();
            ends.get(number as usize).cloned().flatten().ok_or(ENXIO)?
        };
        this.enter(patience)?;
        Ok(this)
    }

    fn read(&self, to: &mut Buffer, patience: Patience) -> Result<usize> {
        self.receive(to, patience)
    }

    fn write(&self, from: &mut Buffer, patience: Patience) -> Result<usize> {
        if from.len() == 0 {
            // It would be read as the end.
            return Ok(0);
        }
        let result = self.send(from, patience);
        if result == Err(EPIPE) {
            node::broken_pipe();
        }
        result
    }

    fn poll(&self, poll: &Poll, wanted: u32) -> u32 {
        poll.register(&self.readers);
        poll.register(&self.writers);
        self.events(wanted)
    }

    fn ioctl(&self, command: u32, address: usize) -> Result<isize> {
        match command {
            MK_END_INFO => ioctl::call(address, 0, |info: &mut mk_end| {
                let conversation = self.current().ok_or(EPIPE)?;
                let [own, peer] = conversation.halves();
                (info.own_bytes, info.peer_bytes) = (own.1.bytes(), peer.1.bytes());
                Ok(0)
            }),
            // As cheap as can be.
            MK_END_RING => {
                self.current().ok_or(EPIPE)?.ring();
                Ok(0)
            }
            _ => Err(ENOTTY),
        }
    }

    fn map(&self, offset: u64, bytes: u64, is_written: bool) -> Result<Memory> {
        const OWN: u64 = MK_END_OWN as u64;
        let conversation = self.current().ok_or(EPIPE)?;
        let [own, peer] = conversation.halves();
        let ((start, size), may_write) = match offset {
            OWN => (own, true),
            MK_END_PEER => (peer, false),
            _ => return Err(EINVAL),
        };
        if bytes > half::DATA as u64 + u64::from(size.bytes()) {
            return Err(EINVAL);
        }
        if is_written && !may_write {
            return Err(EACCES);
        }
        conversation.map()?;
        // Dropped behind the lock, if it is not the first of two.
        let former = self.mapped.lock().replace(conversation);
        drop(former);
        Ok(Memory { start, may_write })
    }

    fn release(&self) {
        self.leave();
    }
}

/// As long as this lives, an endpoint can be opened.
pub(crate) struct Place {
    // Dropped first: nobody finds it any more.
    node: Node,
    switchboard: Arc<Switchboard>,
    endpoint: Arc<Endpoint>,
}

impl Place {
    /// Makes the end of the channel `name` with `peer`, or with the host.
    pub(crate) fn new(
        switchboard: &Arc<Switchboard>,
        peer: Option<Name>,
        name: Name,
    ) -> Result<Self> {
        let endpoint = Endpoint::new(peer, name)?;
        let number = {
            let mut ends = ENDS.lock();
            let number = match ends.iter().position(Option::is_none) {
                Some(number) => number,
                None if ends.len() < ffi::NODES => {
                    ends.push(None, GFP_KERNEL)?;
                    ends.len() - 1
                }
                None => return Err(ENOSPC),
            };
            if let Some(end) = ends.get_mut(number) {
                *end = Some(endpoint.clone());
            }
            number
        };
        switchboard.add(endpoint.clone());
        let path = peer.as_ref().map_or(HOST, Name::as_str);
        let node = Node::new(number as u32, fmt!("mk/{path}/{}", name.as_str()));
        let node = node.inspect_err(|_| {
            forget(switchboard, &endpoint);
            // Who has found it by its name may wait already.
            endpoint.remove();
        })?;
        Ok(Self {
            node,
            switchboard: switchboard.clone(),
            endpoint,
        })
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.node.remove();
        forget(&self.switchboard, &self.endpoint);
        self.endpoint.remove();
    }
}

/// Nobody finds it any more.
fn forget(switchboard: &Switchboard, endpoint: &Arc<Endpoint>) {
    let mut ends = ENDS.lock();
    let is_it =
        |end: &Option<Arc<Endpoint>>| end.as_ref().is_some_and(|end| Arc::ptr_eq(end, endpoint));
    if let Some(end) = ends.iter_mut().find(|end| is_it(end)) {
        *end = None;
    }
    switchboard.remove(endpoint);
}
