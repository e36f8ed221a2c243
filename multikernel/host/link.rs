// SPDX-License-Identifier: GPL-2.0

//! What the host shares with one run of an instance, and what it knows of the agent there.

use super::{
    console::Console,
    directory::Directory,
    fail::{fail, report, Outcome},
};
use crate::{
    arch::x86::apic::{self, ApicId},
    channel::{
        age::{self, ENTRY_BYTES, OFFER},
        control::{Control, Trouble},
        switchboard::{Caller, Switchboard},
    },
    pure::{
        agent::{self, Agent},
        area::{self, Verdict},
        arrivals::Arrivals,
        clock::Clock,
        directory::{Answer, Channel, Half, Kind, State, CHANNELS_MAX},
        doorbell::{self, Doorbell},
        half::{self, Halves, Size},
        handshake::{self, Terms},
        heart::{Pace, Pulse, Watch},
        message::{self, Body, Message},
        name::{self, Name},
        range::{Range, PAGE},
        ring::SendError,
    },
    sys::shared::{Part, Shared, View},
    uapi::*,
};
use core::fmt;
use kernel::{
    new_condvar, new_mutex, new_spinlock,
    prelude::*,
    sync::{Arc, CondVar, CondVarTimeoutResult, Mutex, SpinLock},
    time::{Instant, Jiffies, Monotonic, NSEC_PER_SEC},
};

// What is where in the pages, the area first.
const CLOCK_AT: u64 = PAGE;
const CHANNELS_AT: u64 = CLOCK_AT + PAGE;
const AGENT_AT: u64 = CHANNELS_AT + CHANNELS_MAX as u64 * ENTRY_BYTES as u64;
const AREA_BYTES: u64 = AGENT_AT + PAGE;
const CONTROL_RING: u64 = 2 * PAGE;
const CONTROL_AT: u64 = AREA_BYTES;
/// Room for most of what a kernel has to say when its console is made, should this one not have
/// come to read until then; of more it would not keep the beginning.
const SHOWN_RING: u64 = 32 * PAGE;
const TYPED_RING: u64 = PAGE;
const CONSOLE_AT: u64 = CONTROL_AT + 2 * half_bytes(CONTROL_RING);
const DOWN_AT: u64 = CONSOLE_AT + half_bytes(TYPED_RING) + half_bytes(SHOWN_RING);
const BYTES: u64 = DOWN_AT + PAGE;
/// Only where the kernel knows what it is.
const EARLY_AT: u64 = BYTES;
const EARLY_RING: u64 = 8 * PAGE;
const BYTES_GUEST: u64 = EARLY_AT + half::DATA as u64 + half_bytes(EARLY_RING);
const _: () = assert!(AGENT_AT % PAGE == 0);

/// Half a channel, with a ring of `ring` bytes.
const fn half_bytes(ring: u64) -> u64 {
    half::DATA as u64 + ring
}

/// The entry of the control channel.
const CONTROL: u32 = 0;
/// And of the console.
const CONSOLE: u32 = 1;
/// The first one that is not for something of its own.
const FIRST: u32 = 2;

/// An agent is rung when the clock, a second later, would be so far from what it was rung for
/// before.
const CLOCK_NEWS_NS: u64 = 20_000;

/// So many complaints about an instance's agents are enough.
const COMPLAINTS_MAX: u32 = 10;

/// So many things an agent may ask for before the first is answered.
const REQUESTS_MAX: usize = 16;

/// What is sent with a ping, and has to come back.
const PING: &[u8] = b"multikernel: a ping, to be answered as it is";

/// What the host has seen of an agent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There was none in this run.
    None,
    /// It is at work.
    Ready,
    /// It was, and is not gone: it did not beat for so many nanoseconds.
    Hung(u64),
    /// It was.
    Gone(Why),
}

/// Why an agent is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It said so.
    Said(agent::Gone),
    /// Its kernel has ended.
    Ended,
    /// The host does not listen to it any more.
    Misbehaved,
}

/// What an agent is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Question {
    Ping,
    PowerOff,
}

/// The pages that both share, and what goes over them.
#[pin_data]
pub(crate) struct Link {
    name: Name,
    memory: Arc<Shared>,
    /// How fast its agent has to beat; `None`: not at all.
    pace: Option<Pace>,
    /// The host's part of the area, and the agent's.
    area: View,
    /// The halves of the control channel.
    control: View,
    /// And of the console.
    terminal: View,
    /// Where a kernel that knows what it is tells its end.
    down: View,
    /// The halves of its early console, if it knows what it is; the host's has no data.
    early: Option<View>,
    console: Arc<Console>,
    switchboard: Arc<Switchboard>,
    caller: Arc<Caller>,
    #[pin]
    inner: Mutex<KBox<Inner>>,
    #[pin]
    reach: SpinLock<Reach>,
    /// Something in `asked` has an answer.
    #[pin]
    answered: CondVar,
}

/// Where the agent may be rung.
struct Reach {
    /// Of the instance's CPUs. Nothing else of it is ever rung.
    apic_ids: KVec<u8>,
    /// They are, or are about to be, the host's again.
    is_closed: bool,
}

struct Inner {
    run: u64,
    /// Where the agent rings the host.
    host_doorbell: u64,
    seen: Seen,
    /// The number of the last agent that was looked at.
    attach: Option<u64>,
    arrivals: Arrivals,
    /// What it has chosen.
    terms: Option<Terms>,
    control: Option<Control>,
    directory: Directory,
    /// That of the channels: as long as an agent has not answered that it does without, or is there
    /// and does not follow the protocol, it may write to it.
    lent: KVec<(u32, Arc<Shared>)>,
    /// `None`: nobody has to beat.
    watch: Option<Watch>,
    /// What was told last.
    clock: Option<Clock>,
    /// What was told when the agent was rung for it.
    rung_clock: Option<Clock>,
    clock_sequence: u64,
    cookie: u64,
    asked: KVec<Asked>,
    requests: KVec<Request>,
    complaints: u32,
    storms: Storms,
    /// Its CPUs are, or are about to be, the host's again.
    is_closed: bool,
}

/// What became of an agent that rings, or comes and goes, without end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storms {
    /// It does not.
    None,
    /// It was told that nobody is to be rung.
    Told,
    /// Its CPUs were stopped.
    Stopped,
}

impl Inner {
    /// Apart from its user, so that it is on one of their stacks only.
    #[inline(never)]
    fn new(directory: Directory) -> Result<KBox<Self>> {
        let inner = Self {
            run: 0,
            host_doorbell: 0,
            seen: Seen::None,
            attach: None,
            arrivals: Arrivals::new(),
            terms: None,
            control: None,
            directory,
            lent: KVec::new(),
            watch: None,
            clock: None,
            rung_clock: None,
            clock_sequence: 0,
            cookie: 0,
            asked: KVec::new(),
            requests: KVec::with_capacity(REQUESTS_MAX, GFP_KERNEL)?,
            complaints: 0,
            storms: Storms::None,
            is_closed: false,
        };
        Ok(KBox::new(inner, GFP_KERNEL)?)
    }

    /// Whether the agent knows all of `features`, and so does the host.
    fn knows(&self, features: u64) -> bool {
        self.terms.is_some_and(|terms| terms.has(features))
    }
}

/// What an agent has asked for, and is answered later.
pub(crate) struct Request {
    cookie: u64,
    pub(crate) what: Wish,
    pub(crate) name: Name,
    /// `None`: the host.
    pub(crate) peer: Option<Name>,
}

/// What is to be done with a channel.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    /// Make it, with rings of this size; 0: any.
    Create(u32),
    Remove,
}

struct Asked {
    cookie: u64,
    /// What an answer begins with.
    echo: &'static [u8],
    reply: Option<Reply>,
}

#[derive(Clone, Copy)]
enum Reply {
    Answer(message::Outcome, bool),
    Gone,
}

impl Link {
    /// Takes the pages, for a run of the instance `name`.
    pub(crate) fn new(
        name: &Name,
        is_guest: bool,
        node: i32,
        pace: Option<Pace>,
        switchboard: Arc<Switchboard>,
        console: Arc<Console>,
    ) -> Outcome<Arc<Self>> {
        let memory = Self::take_pages(name, if is_guest { BYTES_GUEST } else { BYTES }, node)?;
        let part = |at: u64, bytes: u64| Part::new(&memory, at as usize, bytes as usize);
        let view = |at: u64, own: u64, other: u64| {
            Some(View {
                own: part(at, own)?,
                other: part(at + own, other)?,
            })
        };
        let ring = half_bytes(CONTROL_RING);
        let (Some(area), Some(control), Some(terminal), Some(down)) = (
            view(0, AGENT_AT, AREA_BYTES - AGENT_AT),
            view(CONTROL_AT, ring, ring),
            view(CONSOLE_AT, half_bytes(TYPED_RING), half_bytes(SHOWN_RING)),
            view(DOWN_AT, 0, PAGE),
        ) else {
            return Err(EFAULT.into());
        };
        // The pages of others end before.
        let early = view(EARLY_AT, half::DATA as u64, half_bytes(EARLY_RING));
        let directory = Directory::new(area.clone(), CHANNELS_AT as usize);
        let inner = Inner::new(directory)?;
        let link = Arc::pin_init(
            try_pin_init!(Self {
                name: *name,
                memory,
                pace,
                switchboard,
                caller: Caller::new(area.clone())?,
                area,
                control,
                terminal,
                down,
                early,
                console,
                reach <- new_spinlock!(Reach {
                    apic_ids: KVec::new(),
                    is_closed: false,
                }),
                inner <- new_mutex!(inner),
                answered <- new_condvar!(),
            }? Error),
            GFP_KERNEL,
        )?;
        Ok(link)
    }

    /// Not inlined: the caller's stack frame is large enough.
    #[inline(never)]
    fn take_pages(name: &Name, bytes: u64, node: i32) -> Outcome<Arc<Shared>> {
        let shared = Shared::allocate(
            bytes,
            node,
            core::format_args!("multikernel: {name} (shared)"),
        );
        let memory = shared.map_err(|errno| {
            fail!(
                errno,
                "{} KiB of contiguous memory, to be shared with the instance, cannot be had",
                bytes >> 10
            )
        })?;
        Ok(Arc::new(memory, GFP_KERNEL)?)
    }

    /// All of the pages.
    pub(crate) fn memory(&self) -> &Arc<Shared> {
        &self.memory
    }

    /// What the instance is told of.
    pub(crate) fn area(&self) -> Option<Range> {
        Range::new(self.memory.range().start(), AREA_BYTES)
    }

    /// Says what there is, to an agent on the CPUs `apic_ids`, before these are started.
    pub(crate) fn publish(&self, run: u64, apic_ids: &[u8], doorbell: Doorbell) -> Outcome {
        let mut inner = self.inner.lock();
        inner.run = run;
        let mut ids = KVec::new();
        ids.extend_from_slice(apic_ids, GFP_KERNEL)?;
        self.reach.lock().apic_ids = ids;
        area::publish_doorbell(&self.area, Some(doorbell));
        let host = area::Host {
            offer: OFFER,
            run,
            heartbeat_ns: self.pace.map_or(0, |pace| pace.beat_ns()),
            clock_at: CLOCK_AT as u32,
            channels_at: CHANNELS_AT as u32,
            channels: CHANNELS_MAX,
            entry_bytes: ENTRY_BYTES as u32,
            agent_at: AGENT_AT as u32,
        };
        inner.host_doorbell = doorbell.word();
        for number in [CONTROL, CONSOLE] {
            inner.directory.publish_doorbell(number, doorbell.word());
        }
        age::fill_host(&self.area, CLOCK_AT as usize, CHANNELS_AT as usize);
        host.publish(&self.area);
        Ok(())
    }

    /// From now on its calls are told from rings for channels. [`Self::close`] ends that.
    pub(crate) fn listen_to_calls(&self) {
        self.switchboard.listen_to(self.caller.clone());
    }

    /// How much memory of channels agents of its have, or have not given back.
    pub(crate) fn lent_bytes(&self) -> u64 {
        let inner = self.inner.lock();
        let bytes = |(_, memory): &(u32, Arc<Shared>)| memory.range().bytes();
        inner.lent.iter().map(bytes).sum()
    }

    /// Looks at all that the agent may have rung for. `tell` gets to know what was seen before
    /// anybody sees something else; `news` how many messages there were.
    pub(crate) fn look(&self, news: &mut u32, tell: impl FnOnce(Seen, Option<Terms>)) -> Seen {
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        if !inner.is_closed {
            self.see(inner);
            *news = self.listen(inner);
            self.collect(inner);
            self.feel(inner);
            tell(inner.seen, inner.terms);
        }
        inner.seen
    }

    /// In how many nanoseconds somebody has to look, if nobody has until then.
    pub(crate) fn due(&self) -> Option<u64> {
        let due = self.inner.lock().watch?.due();
        Some(due.saturating_sub(now()))
    }

    /// The agent rings without end: listens to it no more, and says that nobody is to be rung. If
    /// it was told so before, stops its CPUs. Waits for nobody who takes long.
    pub(crate) fn stop_storm(&self, tell: impl FnOnce(Seen, Option<Terms>)) {
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        if inner.is_closed {
            return;
        }
        match inner.storms {
            Storms::None => {
                self.refuse(inner, core::format_args!("it rings without end"));
                tell(inner.seen, inner.terms);
            }
            Storms::Told => {
                inner.storms = Storms::Stopped;
                report!(pr_warn, "{}: it goes on ringing: stopped", self.name);
                for id in &self.reach.lock().apic_ids {
                    if let Some(cpu) = ApicId::new((*id).into()) {
                        cpu.init();
                    }
                }
            }
            Storms::Stopped => {}
        }
    }

    /// Whether its CPUs were stopped, as nothing else helped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.inner.lock().storms == Storms::Stopped
    }

    /// Tells how to make the host's time, and rings an agent that would be wrong about it soon.
    pub(crate) fn tell_time(&self, clock: Option<&Clock>) {
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        if inner.is_closed || inner.clock.as_ref() == clock {
            return;
        }
        inner.clock = clock.copied();
        let sequence = &mut inner.clock_sequence;
        match clock {
            Some(clock) => clock.publish(&self.area, CLOCK_AT as usize, sequence),
            None => Clock::withdraw(&self.area, CLOCK_AT as usize, sequence),
        }
        let distance = |rung: &Clock| clock.map_or(0, |clock| clock.distance(rung));
        if inner.rung_clock.as_ref().map_or(u64::MAX, distance) > CLOCK_NEWS_NS {
            inner.rung_clock = clock.copied();
            if inner.seen.is_there() && inner.knows(handshake::CLOCK) {
                self.call_checked(inner);
            }
        }
    }

    /// Its CPUs have stopped, and go back to the host: nobody rings them any more. Returns what the
    /// agent has said last, and had chosen.
    pub(crate) fn close(&self) -> (Seen, Option<Terms>) {
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        if !inner.is_closed {
            inner.is_closed = true;
            self.reach.lock().is_closed = true;
            self.switchboard.forget(&self.caller);
            self.see(inner);
            if inner.seen.is_there() {
                inner.seen = Seen::Gone(Why::Ended);
            }
            self.hang_up(inner);
            self.console.close();
            self.console.close_early();
        }
        (inner.seen, inner.terms)
    }

    /// Where a kernel that knows what it is tells its end.
    pub(crate) fn down(&self) -> u64 {
        self.down.other.address()
    }

    /// Where such a kernel's early console is, and the size of its data.
    pub(crate) fn early_console(&self) -> Option<(u64, Size)> {
        let early = self.early.as_ref()?;
        Some((early.own.address(), Size::new(EARLY_RING)?))
    }

    /// Looks there from now on, if there is one.
    pub(crate) fn open_early(&self) -> Result {
        match (&self.early, self.early_console()) {
            (Some(early), Some((_, size))) => self.console.open_early(early.clone(), size),
            _ => Ok(()),
        }
    }

    /// Why such a kernel has ended, if it has.
    pub(crate) fn ended(&self) -> Option<agent::Gone> {
        match agent::State::read(&self.down) {
            Ok(agent::State::Gone(why)) => Some(why),
            _ => None,
        }
    }

    /// What the kernel, or its agent, says of its panic: printable characters. 0: there was none,
    /// as far as they say.
    pub(crate) fn last_words(&self, out: &mut [u8; agent::TEXT_BYTES]) -> usize {
        let panic = agent::Gone::Panic;
        if self.ended() == Some(panic) {
            agent::read_text(&self.down, out)
        } else if self.inner.lock().seen == Seen::Gone(Why::Said(panic)) {
            agent::read_text(&self.area, out)
        } else {
            0
        }
    }

    /// Asks the agent, and waits for its answer. Returns how long that took, in nanoseconds.
    pub(crate) fn ask(&self, question: Question, timeout: Jiffies) -> Outcome<i64> {
        let start = Instant::<Monotonic>::now();
        let (body, echo) = match question {
            Question::Ping => (Body::Ping(PING), PING),
            Question::PowerOff => (Body::Shutdown(message::How::PowerOff), &[][..]),
        };
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        inner.cookie += 1;
        let cookie = inner.cookie;
        let control = inner.control.as_mut().ok_or_else(|| no_agent(inner.seen))?;
        inner.asked.push(
            Asked {
                cookie,
                echo,
                reply: None,
            },
            GFP_KERNEL,
        )?;
        let sent = control.send(&Message { cookie, body });
        if control.bell() {
            self.call_checked(inner);
        }
        let reply = match sent {
            Ok(()) => {
                let mut left = timeout;
                loop {
                    let asked = guard.asked.iter().find(|asked| asked.cookie == cookie);
                    let reply = asked.and_then(|asked| asked.reply);
                    if let Some(reply) = reply {
                        break Ok(reply);
                    }
                    if left == 0 {
                        break Err(fail!(ETIMEDOUT, "the agent does not answer"));
                    }
                    left = match self.answered.wait_interruptible_timeout(&mut guard, left) {
                        CondVarTimeoutResult::Woken { jiffies } => jiffies,
                        CondVarTimeoutResult::Timeout => 0,
                        CondVarTimeoutResult::Signal { .. } => break Err(EINTR.into()),
                    };
                }
            }
            Err(SendError::Full) => Err(fail!(
                ETIMEDOUT,
                "the agent has not read what it was sent before"
            )),
            Err(_) => Ok(Reply::Gone),
        };
        guard.asked.retain(|asked| asked.cookie != cookie);
        match reply? {
            Reply::Answer(message::Outcome::Done, true) => Ok(start.elapsed().as_nanos()),
            Reply::Answer(message::Outcome::Done, false) => {
                Err(fail!(EPROTO, "the agent has answered something else"))
            }
            Reply::Answer(outcome, _) => Err(fail!(
                EOPNOTSUPP,
                "the agent has refused (error {})",
                outcome.number()
            )),
            Reply::Gone => Err(no_agent(guard.seen)),
        }
    }

    /// Looks at what the agent says of itself.
    fn see(&self, inner: &mut Inner) {
        let Some((state, agent)) = Agent::look(&self.area, inner.run) else {
            return;
        };
        let is_new = agent.is_some_and(|agent| inner.attach != Some(agent.attach));
        if inner.storms == Storms::None && is_new && !inner.arrivals.admit(now()) {
            self.refuse(inner, core::format_args!("it comes and goes without end"));
        }
        // That its kernel ends is all that one that was refused can tell.
        let panics = matches!(state, Ok(agent::State::Gone(agent::Gone::Panic)));
        if inner.storms != Storms::None && !panics {
            if let (true, Some(agent)) = (is_new, agent) {
                inner.attach = Some(agent.attach);
                Verdict::Misbehaved.publish(&self.area, agent.attach);
            }
            return;
        }
        match (state, agent) {
            (Ok(agent::State::Ready), Some(agent)) if is_new => self.receive(inner, &agent),
            (Ok(agent::State::Ready), Some(_)) => {}
            (Ok(agent::State::Gone(gone)), Some(agent)) => {
                // It may have come and gone since the last look.
                if is_new || inner.seen.is_there() {
                    inner.attach = Some(agent.attach);
                    inner.terms = Some(agent.terms);
                    inner.seen = Seen::Gone(Why::Said(gone));
                    self.hang_up(inner);
                    if gone == agent::Gone::Version {
                        let error = handshake::Error::Strange(OFFER, agent.terms.version);
                        self.complain(inner, core::format_args!("{error}"));
                    }
                }
            }
            // One that begins anew, or nothing yet.
            (Ok(_), _) => {}
            (Err(word), _) => {
                self.expel(
                    inner,
                    core::format_args!("its state is {word:#x}, which means nothing"),
                );
            }
        }
    }

    /// An agent is there.
    fn receive(&self, inner: &mut Inner, agent: &Agent) {
        self.hang_up(inner);
        inner.attach = Some(agent.attach);
        inner.terms = Some(agent.terms);
        inner.seen = Seen::None;
        if inner.is_closed {
            return;
        }
        let verdict = match OFFER.check(&agent.terms) {
            Err(error) => {
                self.complain(inner, core::format_args!("{error}"));
                Verdict::Refused
            }
            Ok(()) => match self.offer(inner) {
                Ok(()) => {
                    inner.seen = Seen::Ready;
                    let beats = agent::beats(&self.area);
                    let pace = self.pace.filter(|_| agent.terms.has(handshake::HEARTBEAT));
                    inner.watch = pace.map(|pace| Watch::new(pace, now(), beats));
                    Verdict::Accepted
                }
                Err(error) => {
                    let error = error.to_errno();
                    self.complain(inner, core::format_args!("no control channel ({error})"));
                    Verdict::Refused
                }
            },
        };
        verdict.publish(&self.area, agent.attach);
        self.call_checked(inner);
    }

    /// Offers a new control channel and a new console: nobody uses the memory of those before.
    fn offer(&self, inner: &mut Inner) -> Result {
        let ring = |bytes: u64| Size::new(bytes).ok_or(EINVAL);
        let (control, typed, shown) = (ring(CONTROL_RING)?, ring(TYPED_RING)?, ring(SHOWN_RING)?);
        self.console.close();
        for part in [&self.control, &self.terminal] {
            part.own.clear();
            part.other.clear();
        }
        self.console.open(self.terminal.clone(), typed, shown)?;
        inner.control = Some(Control::open(self.control.clone(), control, control)?);
        let half = |part: &Part, size: Size| Half {
            address: part.address(),
            size,
        };
        let offers = [
            (CONTROL, "control", &self.control, control, control),
            (CONSOLE, "console", &self.terminal, typed, shown),
        ];
        for (number, name, view, own, other) in offers {
            let channel = Channel {
                kind: match number {
                    CONTROL => Kind::Control,
                    _ => Kind::Console,
                },
                peer: 0,
                own: half(&view.other, other),
                other: half(&view.own, own),
                name: named(name)?,
                peer_name: None,
            };
            inner.directory.offer(number, &channel);
        }
        Ok(())
    }

    /// The agent is gone: nothing can be asked any more. What its kernel still shows is looked at.
    fn hang_up(&self, inner: &mut Inner) {
        inner.watch = None;
        inner.control = None;
        inner.requests.clear();
        for number in 0..CHANNELS_MAX {
            // Nobody is there to answer.
            if inner.directory.state(number) != State::Free {
                inner.directory.withdraw(number);
            }
            inner.directory.free(number);
        }
        for asked in &mut inner.asked {
            asked.reply.get_or_insert(Reply::Gone);
        }
        self.answered.notify_all();
    }

    /// Takes what has come over the control channel. Returns how many messages that were.
    fn listen(&self, inner: &mut Inner) -> u32 {
        let may_ask = inner.knows(handshake::CREATE);
        let Inner {
            control,
            asked,
            requests,
            ..
        } = inner;
        let Some(control) = control else { return 0 };
        let mut is_answered = false;
        let mut news = 0;
        let result = control.take(|message| {
            news += 1;
            match message.body {
                Body::Ping(bytes) => Some(Body::Answer(message::Outcome::Done, bytes)),
                Body::Answer(outcome, bytes) => {
                    let mut asked = asked.iter_mut();
                    if let Some(asked) = asked.find(|asked| asked.cookie == message.cookie) {
                        let reply = Reply::Answer(outcome, bytes.starts_with(asked.echo));
                        asked.reply.get_or_insert(reply);
                        is_answered = true;
                    }
                    None
                }
                Body::Create { name, peer, .. } | Body::Remove { name, peer } if may_ask => {
                    let request = Request {
                        cookie: message.cookie,
                        what: match message.body {
                            Body::Create { ring_bytes, .. } => Wish::Create(ring_bytes),
                            _ => Wish::Remove,
                        },
                        name,
                        peer,
                    };
                    match requests.push_within_capacity(request) {
                        Ok(()) => None,
                        Err(_) => Some(Body::Answer(message::Outcome::NoRoom, &[])),
                    }
                }
                Body::Shutdown(_)
                | Body::Create { .. }
                | Body::Remove { .. }
                | Body::Unknown(_) => Some(Body::Answer(message::Outcome::Unknown, &[])),
            }
        });
        let is_wanted = control.bell();
        if is_answered {
            self.answered.notify_all();
        }
        match result {
            Ok(()) if is_wanted => self.call_checked(inner),
            Ok(()) => {}
            // It says why next.
            Err(Trouble::Left) => self.hang_up(inner),
            Err(trouble) => self.expel(inner, core::format_args!("{trouble}")),
        }
        news
    }

    /// Looks whether the agent beats.
    fn feel(&self, inner: &mut Inner) {
        let Some(watch) = &mut inner.watch else {
            return;
        };
        inner.seen = match watch.look(now(), agent::beats(&self.area)) {
            Pulse::Beats => Seen::Ready,
            Pulse::Hung(ns) => Seen::Hung(ns),
        };
    }

    /// Which agent is there, by its number, if it knows all of `features`.
    pub(crate) fn agent(&self, features: u64) -> Option<u64> {
        let inner = self.inner.lock();
        let is_there = inner.seen.is_there() && inner.knows(features);
        inner.attach.filter(|_| is_there)
    }

    /// Takes an entry of the directory for a channel with this memory, which is to be offered to
    /// the agent `attach`.
    pub(crate) fn reserve(&self, attach: u64, memory: &Arc<Shared>) -> Option<u32> {
        let mut inner = self.inner.lock();
        if !inner.seen.is_there() || inner.attach != Some(attach) {
            return None;
        }
        let number = inner.directory.reserve(FIRST)?;
        // An agent before may have left it here.
        inner.lent.retain(|(_, lent)| !Arc::ptr_eq(lent, memory));
        let lent = (number, memory.clone());
        if inner.lent.push(lent, GFP_KERNEL).is_err() {
            inner.directory.free(number);
            return None;
        }
        Some(number)
    }

    /// Offers a channel to the agent `attach`, if that is still there.
    pub(crate) fn offer_channel(&self, attach: u64, number: u32, channel: &Channel) {
        let mut inner = self.inner.lock();
        if inner.seen.is_there() && inner.attach == Some(attach) {
            if channel.peer_name.is_none() {
                let word = inner.host_doorbell;
                inner.directory.publish_doorbell(number, word);
            }
            inner.directory.offer(number, channel);
            self.call();
        }
    }

    /// Asks the agent `attach`, if that is still there, to leave a channel for good.
    pub(crate) fn withdraw(&self, attach: u64, number: u32) {
        let mut inner = self.inner.lock();
        if inner.seen.is_there() && inner.attach == Some(attach) {
            if inner.directory.state(number) == State::Offered {
                inner.directory.withdraw(number);
                self.collect(&mut inner);
                self.call();
            } else {
                inner.lent.retain(|(lent, _)| *lent != number);
                inner.directory.free(number);
            }
        }
    }

    /// What the agent says of a channel.
    pub(crate) fn answer(&self, number: u32) -> Answer {
        self.inner.lock().directory.answer(number)
    }

    /// Frees the entries that were withdrawn and that the agent has left.
    fn collect(&self, inner: &mut Inner) {
        let Inner {
            directory, lent, ..
        } = inner;
        lent.retain(|(number, _)| {
            let is_left = directory.state(*number) == State::Withdrawn
                && matches!(
                    directory.answer(*number),
                    Answer::Released | Answer::Refused
                );
            if is_left {
                directory.free(*number);
            }
            !is_left
        });
    }

    /// Says where the peer of a channel is rung.
    pub(crate) fn publish_doorbell(&self, number: u32, word: u64) {
        self.inner.lock().directory.publish_doorbell(number, word);
        self.area.fence();
    }

    /// Where the agent may be rung: a word for its peers. 0: nowhere.
    pub(crate) fn doorbell(&self) -> u64 {
        let reach = self.reach.lock();
        match self.reached(&reach) {
            Ok(Some(doorbell)) => doorbell.word(),
            _ => 0,
        }
    }

    fn reached(&self, reach: &Reach) -> core::result::Result<Option<Doorbell>, doorbell::Error> {
        if reach.is_closed {
            return Ok(None);
        }
        // What was written is seen by whoever has moved the doorbell since.
        self.area.fence();
        let is_its = |id: u32| reach.apic_ids.iter().any(|own| u32::from(*own) == id);
        Doorbell::parse(self.area.load(area::DOORBELL), is_its)
    }

    /// What the agent has asked for first.
    pub(crate) fn take_request(&self) -> Option<Request> {
        let mut inner = self.inner.lock();
        (!inner.requests.is_empty()).then(|| inner.requests.remove(0).ok())?
    }

    /// Answers it.
    pub(crate) fn reply(&self, request: &Request, outcome: message::Outcome, rest: &[u8]) {
        let mut guard = self.inner.lock();
        let inner = &mut **guard;
        let Some(control) = &mut inner.control else {
            return;
        };
        let message = Message {
            cookie: request.cookie,
            body: Body::Answer(outcome, rest),
        };
        // One that has no room for it does not wait for it any more.
        let _ = control.send(&message);
        if control.bell() {
            self.call_checked(inner);
        }
    }

    /// Which of the channels that were ever in an entry is there.
    pub(crate) fn generation(&self, number: u32) -> u32 {
        self.inner.lock().directory.generation(number)
    }

    /// Rings the agent, where it says, if that is a CPU of the instance.
    pub(crate) fn ring(&self) {
        let _ = self.try_ring();
    }

    fn try_ring(&self) -> core::result::Result<(), doorbell::Error> {
        // As long as it is locked, the CPUs are the instance's.
        let reach = self.reach.lock();
        if let Some(doorbell) = self.reached(&reach)? {
            apic::ring(doorbell);
        }
        Ok(())
    }

    /// Asks the agent to look at everything.
    pub(crate) fn call(&self) {
        self.caller.call();
        self.ring();
    }

    /// The same, and listens no more to one that says that it is rung where it is not.
    fn call_checked(&self, inner: &mut Inner) {
        self.caller.call();
        if let Err(error) = self.try_ring() {
            self.expel(inner, core::format_args!("{error}"));
        }
    }

    /// Listens to this agent no more.
    fn expel(&self, inner: &mut Inner, why: fmt::Arguments<'_>) {
        self.complain(inner, why);
        let attach = inner.attach.unwrap_or(0);
        Verdict::Misbehaved.publish(&self.area, attach);
        inner.seen = Seen::Gone(Why::Misbehaved);
        self.hang_up(inner);
        self.console.close();
    }

    /// The same, with all that come after it in this run: nobody is to be rung any more.
    fn refuse(&self, inner: &mut Inner, why: fmt::Arguments<'_>) {
        inner.storms = Storms::Told;
        self.caller.refuse();
        area::publish_doorbell(&self.area, None);
        inner.host_doorbell = 0;
        for number in 0..CHANNELS_MAX {
            inner.directory.publish_doorbell(number, 0);
        }
        self.expel(inner, why);
    }

    fn complain(&self, inner: &mut Inner, why: fmt::Arguments<'_>) {
        inner.complaints = inner.complaints.saturating_add(1);
        if inner.complaints <= COMPLAINTS_MAX {
            report!(pr_warn, "{}: its agent is refused: {why}", self.name);
        }
    }
}

impl Seen {
    /// Whether there is an agent, in whatever health.
    fn is_there(self) -> bool {
        matches!(self, Self::Ready | Self::Hung(_))
    }

    /// `MK_AGENT_STATE_*`
    pub(crate) fn state(self) -> u32 {
        match self {
            Self::None => MK_AGENT_STATE_NONE,
            Self::Ready => MK_AGENT_STATE_READY,
            Self::Hung(_) => MK_AGENT_STATE_HUNG,
            Self::Gone(_) => MK_AGENT_STATE_GONE,
        }
    }

    /// `MK_AGENT_GONE_*`
    pub(crate) fn reason(self) -> u32 {
        let Self::Gone(why) = self else { return 0 };
        match why {
            Why::Said(agent::Gone::None) => MK_AGENT_GONE_UNKNOWN,
            Why::Said(agent::Gone::Unloaded) => MK_AGENT_GONE_UNLOADED,
            Why::Said(agent::Gone::Restart) => MK_AGENT_GONE_RESTART,
            Why::Said(agent::Gone::Halt) => MK_AGENT_GONE_HALT,
            Why::Said(agent::Gone::PowerOff) => MK_AGENT_GONE_POWER_OFF,
            Why::Said(agent::Gone::Panic) => MK_AGENT_GONE_PANIC,
            Why::Said(agent::Gone::Kexec) => MK_AGENT_GONE_KEXEC,
            Why::Said(agent::Gone::Version) => MK_AGENT_GONE_VERSION,
            Why::Ended => MK_AGENT_GONE_ENDED,
            Why::Misbehaved => MK_AGENT_GONE_MISBEHAVED,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::None => return f.write_str("not there"),
            Self::Ready => return f.write_str("ready"),
            Self::Hung(ns) => {
                let tenths = ns / (NSEC_PER_SEC as u64 / 10);
                return write!(f, "hung: no beat for {}.{} s", tenths / 10, tenths % 10);
            }
            Self::Gone(why) => why,
        };
        let why = match why {
            Why::Said(agent::Gone::None) => "it does not say why",
            Why::Said(agent::Gone::Unloaded) => "it was unloaded",
            Why::Said(agent::Gone::Restart) => "the instance restarts",
            Why::Said(agent::Gone::Halt) => "the instance halts",
            Why::Said(agent::Gone::PowerOff) => "the instance powers off",
            Why::Said(agent::Gone::Panic) => "the instance has panicked",
            Why::Said(agent::Gone::Kexec) => "the instance starts another kernel",
            Why::Said(agent::Gone::Version) => "it knows no version that this module knows",
            Why::Ended => "the instance has ended",
            Why::Misbehaved => "it did what it must not do",
        };
        write!(f, "gone: {why}")
    }
}

/// The time, by a clock that is never set.
fn now() -> u64 {
    // SAFETY: It may be called anywhere.
    unsafe { kernel::bindings::ktime_get() as u64 }
}

fn no_agent(seen: Seen) -> super::fail::Fail {
    fail!(
        ENOTCONN,
        "its agent is {seen}; load this module in the instance"
    )
}

fn named(text: &str) -> Result<Name> {
    let mut bytes = [0; name::BYTES];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    Name::new(&bytes).map_err(|_| EINVAL)
}
