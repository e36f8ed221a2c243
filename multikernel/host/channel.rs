// SPDX-License-Identifier: GPL-2.0

//! A channel of an instance, from its creation to its removal.

use super::{
    fail::{fail, Outcome},
    instance::Instance,
    link::Link,
};
use crate::{
    channel::{
        conversation::Conversation,
        endpoint::{Endpoint, Place},
        party::Party,
    },
    pure::{
        broker::{Broker, Side},
        directory::{self, Answer, Kind},
        half::{self, Size, State},
        handshake,
        message::Created,
        name::Name,
        range::PAGE,
    },
    sys::{
        shared::{Part, Shared, View},
        ticker,
    },
    uapi::*,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{new_mutex, prelude::*, sync::Arc, sync::Mutex};

/// Which kernel is at one end.
enum End {
    Host {
        endpoint: Arc<Endpoint>,
        seat: Arc<Seat>,
    },
    Instance(Arc<Instance>),
}

/// This kernel's part in a conversation.
pub(crate) struct Seat {
    has_left: AtomicBool,
}

/// An agent's part in conversations.
struct Guest {
    link: Arc<Link>,
    /// Which of the agents of the run it is.
    attach: u64,
    /// The channel's entry in the directory.
    entry: u32,
    /// Where its peer is rung, as it was told.
    doorbell: u64,
}

/// A channel. It exists until it is removed, or one of its instances is destroyed.
#[pin_data]
pub(crate) struct Channel {
    name: Name,
    memory: Arc<Shared>,
    /// What each end writes, and the size of its data.
    halves: [(Part, Size); 2],
    /// The first one is an instance.
    ends: [End; 2],
    #[pin]
    inner: Mutex<Inner>,
}

struct Inner {
    broker: Broker,
    guests: [Option<Guest>; 2],
    /// Where the host's end is.
    place: Option<Place>,
}

impl Seat {
    /// This kernel has left the conversation.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Release);
        // Whoever looks at everything goes on with it.
        ticker::within(0);
    }
}

impl Guest {
    /// Is told where its peer is rung.
    fn learn(&mut self, peer: &Self) {
        let word = peer.link.doorbell();
        if word != self.doorbell {
            self.doorbell = word;
            self.link.publish_doorbell(self.entry, word);
            // Who has rung at the old place may have rung in vain.
            peer.link.call();
        }
    }
}

impl Channel {
    /// A channel of `instance`, with `peer` or with the host. `bytes` are the sizes of the rings
    /// that the instance and the peer write; 0 stands for a usual one.
    pub(crate) fn new(
        instance: &Arc<Instance>,
        peer: Option<Arc<Instance>>,
        name: Name,
        bytes: [u32; 2],
    ) -> Outcome<Arc<Self>> {
        let size = |bytes: u32| {
            let bytes = if bytes == 0 {
                MK_CHANNEL_RING_BYTES
            } else {
                bytes
            };
            let fits = (MK_CHANNEL_RING_MIN..=MK_CHANNEL_RING_MAX).contains(&bytes);
            Size::new(bytes.into()).filter(|_| fits).ok_or_else(|| {
                fail!(
                    EINVAL,
                    "a ring cannot have {bytes} bytes: give a power of two, \
                     {MK_CHANNEL_RING_MIN} to {MK_CHANNEL_RING_MAX}"
                )
            })
        };
        let sizes = [size(bytes[0])?, size(bytes[1])?];
        let half_bytes =
            sizes.map(|size| (half::DATA as u64 + u64::from(size.bytes())).next_multiple_of(PAGE));
        let total = half_bytes[0] + half_bytes[1];
        let memory = Shared::allocate(
            total,
            instance.node(),
            core::format_args!("multikernel: {} (channel {name})", instance.name()),
        );
        let memory = memory.map_err(|errno| {
            fail!(
                errno,
                "{} KiB of contiguous memory, for the channel's rings, cannot be had",
                total >> 10
            )
        })?;
        let memory = Arc::new(memory, GFP_KERNEL)?;
        let part =
            |at: u64, bytes: u64| Part::new(&memory, at as usize, bytes as usize).ok_or(EFAULT);
        let halves = [
            (part(0, half_bytes[0])?, sizes[0]),
            (part(half_bytes[0], half_bytes[1])?, sizes[1]),
        ];
        let mut broker = Broker::new();
        let (other, place) = match peer {
            Some(peer) => (End::Instance(peer), None),
            None => {
                let switchboard = instance.switchboard()?;
                let place = Place::new(&switchboard, Some(*instance.name()), name)?;
                let end = End::Host {
                    endpoint: place.endpoint().clone(),
                    seat: Arc::new(
                        Seat {
                            has_left: AtomicBool::new(false),
                        },
                        GFP_KERNEL,
                    )?,
                };
                broker.arrive(1);
                (end, Some(place))
            }
        };
        Ok(Arc::pin_init(
            try_pin_init!(Self {
                name,
                memory,
                halves,
                ends: [End::Instance(instance.clone()), other],
                inner <- new_mutex!(Inner {
                    broker,
                    guests: [None, None],
                    place,
                }),
            }? Error),
            GFP_KERNEL,
        )?)
    }

    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// The instance at the other end than `instance`'s; `None`: the host.
    pub(crate) fn peer_of(&self, instance: &Instance) -> Option<&Arc<Instance>> {
        let mut instances = self.ends.iter().filter_map(|end| match end {
            End::Instance(instance) => Some(instance),
            End::Host { .. } => None,
        });
        instances.find(|other| other.id() != instance.id())
    }

    /// The instances at its ends.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.ends.iter().filter_map(|end| match end {
            End::Instance(instance) => Some(instance),
            End::Host { .. } => None,
        })
    }

    /// Where the agent of `instance` finds it.
    pub(crate) fn entry(&self, instance: &Instance) -> Created {
        let inner = self.inner.lock();
        let is_its = |end: &End| matches!(end, End::Instance(it) if it.id() == instance.id());
        let guest = self
            .ends
            .iter()
            .position(is_its)
            .and_then(|side| inner.guests[side].as_ref());
        Created {
            channel: guest.map_or(0, |guest| guest.entry),
            generation: guest.map_or(0, |guest| guest.link.generation(guest.entry)),
        }
    }

    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory.range().bytes()
    }

    /// Tells of it as `instance` sees it.
    pub(crate) fn describe(&self, instance: &Instance) -> mk_channel_entry {
        let is_first = matches!(&self.ends[0], End::Instance(first) if first.id() == instance.id());
        let (own, other) = if is_first { (0, 1) } else { (1, 0) };
        let inner = self.inner.lock();
        let mut entry = mk_channel_entry {
            name: *self.name.as_bytes(),
            peer: [0; MK_NAME_SIZE as usize],
            state: match [0, 1].map(|side| inner.broker.side(side) == Side::Engaged) {
                [true, true] => MK_CHANNEL_READY,
                [false, false] => MK_CHANNEL_AWAY,
                _ => MK_CHANNEL_ENDING,
            },
            broken: 0,
            from_bytes: self.halves[own].1.bytes(),
            to_bytes: self.halves[other].1.bytes(),
            conversations: inner.broker.conversations(),
        };
        drop(inner);
        match &self.ends[other] {
            End::Host { endpoint, .. } => {
                entry.broken = endpoint.broken();
                if endpoint.is_open() {
                    entry.state = MK_CHANNEL_OPEN;
                }
            }
            End::Instance(peer) => entry.peer = *peer.name().as_bytes(),
        }
        entry
    }

    /// Looks who is there, who has left, and goes on accordingly.
    pub(crate) fn step(&self) {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.broker.is_removed() {
            return;
        }
        for side in 0..2 {
            match &self.ends[side] {
                End::Host { endpoint, seat } => {
                    endpoint.settle();
                    self.follow_host(inner, side, seat);
                }
                End::Instance(instance) => self.follow(inner, side, instance),
            }
        }
        self.tell_doorbells(inner);
        if inner.broker.begin() {
            self.offer(inner);
        }
    }

    fn follow_host(&self, inner: &mut Inner, side: usize, seat: &Seat) {
        if seat.has_left.swap(false, Ordering::Acquire) {
            // The host refuses nothing.
            let _ = inner.broker.answer(side, Answer::Released);
        }
    }

    fn follow(&self, inner: &mut Inner, side: usize, instance: &Instance) {
        let features = match &self.ends[1 - side] {
            End::Host { .. } => 0,
            End::Instance(_) => handshake::PEERS,
        };
        let now = instance.agent(features);
        let is_same = |guest: &Guest| {
            let is_it = |(link, attach): &(Arc<Link>, u64)| {
                Arc::ptr_eq(link, &guest.link) && *attach == guest.attach
            };
            now.as_ref().is_some_and(is_it)
        };
        if inner.guests[side]
            .as_ref()
            .is_some_and(|guest| !is_same(guest))
        {
            inner.guests[side] = None;
            if inner.broker.depart(side) {
                self.tell_gone(inner, side);
            }
        }
        if inner.guests[side].is_none() {
            let Some((link, attach)) = now else { return };
            // All are taken only as long as an agent does not answer.
            let Some(entry) = link.reserve(attach, &self.memory) else {
                return;
            };
            inner.guests[side] = Some(Guest {
                link,
                attach,
                entry,
                doorbell: 0,
            });
            inner.broker.arrive(side);
            if let End::Host { endpoint, seat } = &self.ends[1 - side] {
                // What the agent before has left behind was there to be read until now.
                endpoint.retract();
                self.follow_host(inner, 1 - side, seat);
            }
        }
        let Some(guest) = &inner.guests[side] else {
            return;
        };
        let answer = guest.link.answer(guest.entry);
        if inner.broker.answer(side, answer) {
            self.tell_gone(inner, side);
        }
    }

    /// Tells the other side that this one is gone.
    fn tell_gone(&self, inner: &mut Inner, side: usize) {
        let half = &self.halves[side].0;
        State::Gone.publish(&View {
            own: half.clone(),
            other: half.clone(),
        });
        match &self.ends[1 - side] {
            End::Host { endpoint, .. } => {
                endpoint.glance();
                endpoint.settle();
            }
            End::Instance(_) => {
                if let Some(guest) = &mut inner.guests[1 - side] {
                    guest.doorbell = 0;
                    guest.link.publish_doorbell(guest.entry, 0);
                    guest.link.call();
                }
            }
        }
    }

    /// Tells two instances where each of them is rung.
    fn tell_doorbells(&self, inner: &mut Inner) {
        let [Some(first), Some(second)] = &mut inner.guests else {
            return;
        };
        second.learn(first);
        first.learn(second);
    }

    /// Offers a new conversation to both.
    fn offer(&self, inner: &mut Inner) {
        for (half, _) in &self.halves {
            half.clear();
        }
        for side in 0..2 {
            let (own, other) = (&self.halves[side], &self.halves[1 - side]);
            let part = |(part, size): &(Part, Size)| directory::Half {
                address: part.address(),
                size: *size,
            };
            match (&self.ends[side], &inner.guests[side]) {
                (End::Host { endpoint, seat }, _) => {
                    let Some(guest) = &inner.guests[1 - side] else {
                        continue;
                    };
                    let view = View {
                        own: own.0.clone(),
                        other: other.0.clone(),
                    };
                    // Dropped, it says that it was left.
                    let party = Party::Instance {
                        link: guest.link.clone(),
                        seat: seat.clone(),
                    };
                    match Conversation::new(view.clone(), own.1, other.1, party) {
                        Ok(conversation) => endpoint.begin(conversation),
                        // The peer, who waits already, leaves, too; then both try again.
                        Err(_) => {
                            State::Closed.publish(&view);
                            guest.link.call();
                        }
                    }
                }
                (End::Instance(instance), Some(guest)) => {
                    let peer = self.peer_of(instance);
                    let channel = directory::Channel {
                        kind: Kind::Data,
                        peer: peer.map_or(0, |peer| peer.id() as u32),
                        own: part(own),
                        other: part(other),
                        name: self.name,
                        peer_name: peer.map(|peer| *peer.name()),
                    };
                    guest
                        .link
                        .offer_channel(guest.attach, guest.entry, &channel);
                }
                (End::Instance(_), None) => {}
            }
        }
    }

    /// Ends it for both sides, now.
    pub(crate) fn remove(&self) {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if !inner.broker.remove() {
            return;
        }
        for side in 0..2 {
            if let Some(guest) = inner.guests[side].take() {
                guest.link.withdraw(guest.attach, guest.entry);
            }
        }
        inner.place = None;
    }
}
