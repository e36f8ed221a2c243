// SPDX-License-Identifier: GPL-2.0

//! From the agent's arrival to its end.

use super::{channel::End, clock::Following, console::Console};
use crate::{
    arch::x86::apic,
    channel::{
        age::{self, OFFER},
        control::{Control, Trouble},
        switchboard::{Caller, Switchboard},
    },
    host::{
        self,
        fail::{fail, report},
    },
    pure::{
        agent::{self, Agent, Gone},
        area::{self, Verdict},
        clock::Clock,
        directory::{self, Answer, Channel, Half, Kind, Status, CHANNELS_MAX},
        doorbell::Doorbell,
        half::Halves,
        handshake::{self, Terms},
        message::{Body, How, Message, Outcome},
        range::Range,
    },
    sys::{
        acpi, ffi,
        hvc::Terminal,
        line::{Glance, Moved, Ring},
        shared::{Part, Shared, View},
        ticker::{self, Tick},
    },
    uapi::mk_channel_entry,
};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use kernel::{
    new_condvar, new_mutex,
    prelude::*,
    sync::{Arc, CondVar, CondVarTimeoutResult, Mutex},
    time::msecs_to_jiffies,
};

/// How long the host may take for an answer.
const ASK_TIMEOUT_S: u32 = 10;

/// The entry of the control channel.
const CONTROL: u32 = 0;

/// Whatever the host asks for, this kernel does not beat faster.
const BEAT_NS_MIN: u64 = 1_000_000;

/// What this kernel and its host share, and what is under way.
#[pin_data]
pub(crate) struct Session {
    range: Range,
    /// This kernel's part, and the host's.
    area: View,
    host: area::Host,
    this: Agent,
    /// Where this kernel is rung: the word that was published.
    doorbell: AtomicU64,
    /// What it was when the host was asked to look at it.
    told_doorbell: AtomicU64,
    /// What was answered to each entry of the directory.
    answers: KVec<AtomicU64>,
    switchboard: Arc<Switchboard>,
    caller: Arc<Caller>,
    has_left: AtomicBool,
    beats: AtomicU64,
    console: Arc<Console>,
    #[pin]
    work: Mutex<Work>,
    /// Something in `asked` has an answer, or gets none any more.
    #[pin]
    answered: CondVar,
}

/// What the host was asked.
struct Asked {
    cookie: u64,
    reply: Option<Outcome>,
}

struct Work {
    verdict: Verdict,
    control: Option<Control>,
    /// The entry of the console, if there is one.
    console: Option<u32>,
    /// There since the first console was.
    terminal: Option<Terminal<Console>>,
    /// What is in each entry of the directory, for programs.
    ends: KVec<Option<End>>,
    cookie: u64,
    asked: KVec<Asked>,
    following: Following,
}

impl Session {
    /// Where the host says that the area is. `None`: there is no host.
    pub(crate) fn find() -> Option<Result<Range>> {
        acpi::with_table(c"MKRN", area::parse_table).map(|range| range.map_err(wrong))
    }

    /// Looks at what the host has written. Nothing is told to it yet.
    pub(crate) fn new(range: Range) -> Result<Arc<Self>> {
        let memory = Shared::map(range).inspect_err(|errno| {
            let errno = errno.to_errno();
            report!(pr_err, "the host's area {range} cannot be mapped ({errno})");
        })?;
        let memory = Arc::new(memory, GFP_KERNEL)?;
        let bytes = range.bytes();
        let part = |at: u64, end: u64| {
            let bytes = end.checked_sub(at).ok_or(EPROTO)?;
            Part::new(&memory, at as usize, bytes as usize).ok_or(EPROTO)
        };
        let all = View {
            own: part(bytes, bytes)?,
            other: part(0, bytes)?,
        };
        let host = area::Host::read(&all, bytes).map_err(wrong)?;
        let area = View {
            own: part(host.agent_at.into(), bytes)?,
            other: part(0, host.agent_at.into())?,
        };
        // The module may have been here before.
        let before = Agent::read(&area.swapped(), host.run);
        let mut this = Agent {
            terms: Terms {
                version: OFFER.version_max,
                features: 0,
            },
            run: host.run,
            attach: before.map_or(1, |before| before.attach.wrapping_add(1).max(1)),
        };
        this.terms = OFFER.meet(&host.offer).map_err(|error| {
            // It has to be told, too.
            this.decline(&area);
            ring_at(&area, area::DOORBELL);
            wrong(error)
        })?;
        let mut answers = KVec::with_capacity(CHANNELS_MAX as usize, GFP_KERNEL)?;
        let mut ends = KVec::with_capacity(CHANNELS_MAX as usize, GFP_KERNEL)?;
        for _ in 0..CHANNELS_MAX {
            answers.push(AtomicU64::new(0), GFP_KERNEL)?;
            ends.push(None, GFP_KERNEL)?;
        }
        let switchboard = Switchboard::new()?;
        let caller = Caller::new(area.clone())?;
        switchboard.listen_to(caller.clone());
        let console = Console::new(area.clone(), caller.clone())?;
        Arc::pin_init(
            try_pin_init!(Self {
                range,
                area,
                console,
                host,
                this,
                doorbell: AtomicU64::new(0),
                told_doorbell: AtomicU64::new(0),
                answers,
                switchboard,
                caller,
                has_left: AtomicBool::new(false),
                beats: AtomicU64::new(0),
                work <- new_mutex!(Work {
                    verdict: Verdict::None,
                    control: None,
                    console: None,
                    terminal: None,
                    ends,
                    cookie: 0,
                    asked: KVec::new(),
                    following: Following::new(),
                }),
                answered <- new_condvar!(),
            }),
            GFP_KERNEL,
        )
    }

    /// Tells the host that this agent is ready. Its line is there already.
    pub(crate) fn arrive(&self) {
        age::fill_agent(&self.area);
        self.this.publish(&self.area);
        self.ring_host();
        ticker::within(0);
    }

    /// Leaves in good order: the last that the host hears.
    pub(crate) fn leave(&self, gone: Gone) {
        let mut work = self.work.lock();
        // The last words of a kernel that goes down are still to come.
        let keep_console = gone != Gone::Unloaded;
        if !keep_console {
            work.terminal = None;
        }
        self.release(&mut work, keep_console);
        self.leave_at_once(gone, &[]);
    }

    /// The same, without waiting for anybody.
    pub(crate) fn leave_at_once(&self, gone: Gone, text: &[u8]) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            area::publish_doorbell(&self.area, None);
            agent::leave(&self.area, gone, text);
            self.ring_host();
        }
    }

    /// Asks the host for something, and waits for its answer.
    pub(crate) fn ask(&self, body: Body<'_>) -> host::fail::Outcome {
        if !self.this.terms.has(handshake::CREATE) {
            return Err(fail!(
                EOPNOTSUPP,
                "this module, or the host's, is too old to have channels made by an instance"
            ));
        }
        let mut guard = self.work.lock();
        let work = &mut *guard;
        work.cookie += 1;
        let cookie = work.cookie;
        let no_host = || fail!(ENOTCONN, "the host does not listen");
        let control = work.control.as_mut().ok_or_else(no_host)?;
        work.asked.push(
            Asked {
                cookie,
                reply: None,
            },
            GFP_KERNEL,
        )?;
        let sent = control.send(&Message { cookie, body });
        if control.bell() {
            self.ring_host();
        }
        let mut left = msecs_to_jiffies(ASK_TIMEOUT_S * 1000);
        let reply = loop {
            let asked = guard.asked.iter().find(|asked| asked.cookie == cookie);
            if let Some(outcome) = asked.and_then(|asked| asked.reply) {
                break Ok(outcome);
            }
            if sent.is_err() || guard.control.is_none() {
                break Err(no_host());
            }
            if left == 0 {
                break Err(fail!(
                    ETIMEDOUT,
                    "the host has not answered within {ASK_TIMEOUT_S} seconds"
                ));
            }
            left = match self.answered.wait_interruptible_timeout(&mut guard, left) {
                CondVarTimeoutResult::Woken { jiffies } => jiffies,
                CondVarTimeoutResult::Timeout => 0,
                CondVarTimeoutResult::Signal { .. } => break Err(EINTR.into()),
            };
        };
        guard.asked.retain(|asked| asked.cookie != cookie);
        match reply? {
            Outcome::Done => Ok(()),
            Outcome::Exists => Err(fail!(EEXIST, "there is a channel of that name already")),
            Outcome::NoPeer => Err(fail!(
                ENOENT,
                "there is no such channel, or no such instance"
            )),
            Outcome::NoRoom => Err(fail!(ENOSPC, "the host gives no more memory or channels")),
            Outcome::Forbidden => Err(fail!(EACCES, "the host does not allow it")),
            Outcome::Unknown => Err(fail!(EOPNOTSUPP, "the host does not know how")),
            outcome => Err(fail!(
                EINVAL,
                "the host refuses it (error {}): is the name or the size of the rings wrong?",
                outcome.number()
            )),
        }
    }

    /// Tells of all channels of programs.
    pub(crate) fn channels(&self) -> Result<KVec<mk_channel_entry>> {
        let work = self.work.lock();
        let mut entries = KVec::with_capacity(CHANNELS_MAX as usize, GFP_KERNEL)?;
        for end in work.ends.iter().flatten() {
            entries.push(end.describe(), GFP_KERNEL)?;
        }
        Ok(entries)
    }

    /// Asks the host to look at everything.
    fn ring_host(&self) {
        self.caller.call();
        ring_at(&self.area, area::DOORBELL);
    }

    /// Rings the peer of the channel in an entry.
    pub(crate) fn ring_peer(&self, number: u32) {
        if let Some(entry) = self.host.entry(number) {
            ring_at(&self.area, entry + directory::DOORBELL);
        }
    }

    /// Looks at all that the host may have rung for.
    fn look(self: &Arc<Self>) {
        let mut guard = self.work.lock();
        let work = &mut *guard;
        if self.has_left.load(Ordering::Relaxed) {
            return;
        }
        let verdict = Verdict::read(&self.area, self.this.attach).unwrap_or(Verdict::Misbehaved);
        if verdict != work.verdict {
            match verdict {
                Verdict::Accepted => report!(
                    pr_info,
                    "the host has accepted this agent (version {}, features {:#x})",
                    self.this.terms.version,
                    self.this.terms.features
                ),
                _ => report!(pr_err, "the host refuses this agent ({verdict:?})"),
            }
            work.verdict = verdict;
        }
        if verdict != Verdict::Accepted {
            self.release(work, false);
            return;
        }
        self.follow(work);
        self.listen(work);
        self.show(work);
        for end in work.ends.iter().flatten() {
            end.settle();
        }
        let doorbell = self.doorbell.load(Ordering::Relaxed);
        if self.told_doorbell.swap(doorbell, Ordering::Relaxed) != doorbell {
            // It tells this kernel's peers.
            self.ring_host();
        }
        if let Some(ns) = self.clock().and_then(|clock| work.following.follow(&clock)) {
            ticker::within(ns);
        }
    }

    /// Whether the host keeps a clock for this kernel.
    pub(crate) fn has_clock(&self) -> bool {
        self.this.terms.has(handshake::CLOCK)
    }

    /// The host's clock, if there is one now.
    pub(crate) fn clock(&self) -> Option<Clock> {
        let at = self.has_clock().then_some(self.host.clock_at as usize)?;
        Clock::read(&self.area, at)
    }

    /// Follows the directory. What was withdrawn goes first: what comes may have its name.
    fn follow(self: &Arc<Self>, work: &mut Work) {
        for number in 0..self.host.channels {
            self.follow_entry(work, number, false);
        }
        for number in 0..self.host.channels {
            self.follow_entry(work, number, true);
        }
    }

    fn follow_entry(self: &Arc<Self>, work: &mut Work, number: u32, is_wanted: bool) {
        let Some(at) = self.host.entry(number) else {
            return;
        };
        let Ok(status) = Status::read(&self.area, at) else {
            return;
        };
        let before = Answer::parse(self.answer_to(number), status.generation);
        let before = before.unwrap_or(Answer::None);
        match (status.state, before) {
            (directory::State::Offered, Answer::None) if is_wanted => {
                let result = self.attach(work, number, at, status);
                let answer = taken(result, number);
                // A channel of programs may have been left again already.
                let is_own = number == CONTROL || work.console == Some(number);
                if answer == Answer::Refused || is_own {
                    self.answer(number, answer.word(status.generation));
                }
            }
            (directory::State::Withdrawn, Answer::None | Answer::Attached) => {
                let is_own = number == CONTROL || work.console == Some(number);
                self.detach(work, number);
                // Who is still in a call leaves, and says so, at its end.
                if is_own || before == Answer::None {
                    let released = Answer::Released.word(status.generation);
                    self.answer(number, released);
                }
            }
            (directory::State::Free | directory::State::Withdrawn, _) => {
                self.detach(work, number);
            }
            _ => {}
        }
    }

    /// What was answered to an entry last.
    fn answer_to(&self, number: u32) -> u64 {
        let answer = self.answers.get(number as usize);
        answer.map_or(0, |answer| answer.load(Ordering::Relaxed))
    }

    fn answer(&self, number: u32, word: u64) {
        if let Some(answer) = self.answers.get(number as usize) {
            answer.store(word, Ordering::Relaxed);
            self.area.store(agent::ANSWERS + 8 * number as usize, word);
            self.ring_host();
        }
    }

    /// A conversation was left, and its memory is not touched any more.
    pub(crate) fn released(&self, number: u32, generation: u32) {
        self.answer(number, Answer::Released.word(generation));
    }

    /// Begins to use the channel in an entry.
    fn attach(self: &Arc<Self>, work: &mut Work, number: u32, at: usize, status: Status) -> Result {
        let channel = Channel::read(&self.area, at, status).map_err(wrong)?;
        match (number, channel.kind) {
            (CONTROL, Kind::Control) => {
                let view = self.map(&channel)?;
                // The one before says that it is closed before this one is opened.
                work.control = None;
                work.control = Some(Control::open(view, channel.own.size, channel.other.size)?);
                Ok(())
            }
            (_, Kind::Data) if number != CONTROL => {
                self.attach_data(work, number, channel, status.generation)
            }
            (_, Kind::Console) if Terminal::<Console>::CAN_BE => {
                let view = self.map(&channel)?;
                self.console
                    .open(view, channel.own.size, channel.other.size)?;
                work.console = Some(number);
                Ok(())
            }
            _ => Err(EOPNOTSUPP),
        }
    }

    fn attach_data(
        self: &Arc<Self>,
        work: &mut Work,
        number: u32,
        channel: Channel,
        generation: u32,
    ) -> Result {
        let at = number as usize;
        let is_known = |end: &Option<End>| end.as_ref().is_some_and(|end| end.is(&channel));
        if !work.ends.get(at).is_some_and(is_known) {
            self.detach(work, number);
            // It was withdrawn, or it could not be offered once more; that was seen too early.
            let is_former = |end: &Option<End>| {
                end.as_ref()
                    .is_some_and(|end| end.is_in_the_way_of(&channel))
            };
            if let Some(former) = work.ends.iter().position(is_former) {
                self.follow_entry(work, former as u32, false);
            }
            let end = End::new(&self.switchboard, channel, self.map(&channel)?)?;
            *work.ends.get_mut(at).ok_or(EINVAL)? = Some(end);
        }
        let end = work.ends.get(at).and_then(Option::as_ref).ok_or(EINVAL)?;
        self.answer(number, Answer::Attached.word(generation));
        // Dropped in case of an error, it answers, too.
        end.begin(self, number, generation)
    }

    /// Touches the channel in an entry no more.
    fn detach(&self, work: &mut Work, number: u32) {
        if number == CONTROL {
            work.control = None;
        }
        if work.console == Some(number) {
            work.console = None;
            self.console.close();
        }
        if let Some(end) = work.ends.get_mut(number as usize) {
            *end = None;
        }
    }

    /// Maps the halves of a channel, which must be neither this kernel's RAM nor in the area.
    fn map(&self, channel: &Channel) -> Result<View> {
        let map = |half: &Half| {
            let range = half.range().ok_or(EPROTO)?;
            if range.overlaps(self.range) {
                return Err(EPROTO);
            }
            let memory = Arc::new(Shared::map(range)?, GFP_KERNEL)?;
            Part::new(&memory, 0, range.bytes() as usize).ok_or(EPROTO)
        };
        Ok(View {
            own: map(&channel.own)?,
            other: map(&channel.other)?,
        })
    }

    /// The terminal looks for what was typed; it is made for the first console. If it is this
    /// kernel's console, all of the log goes there now.
    fn show(&self, work: &mut Work) {
        if let Some(terminal) = &work.terminal {
            terminal.poll();
            return;
        }
        if work.console.is_none() {
            return;
        }
        match Terminal::new(self.console.clone()) {
            Ok(terminal) => work.terminal = Some(terminal),
            Err(errno) => {
                let errno = errno.to_errno();
                report!(pr_err, "there is no terminal for the console ({errno})");
                self.release_console(work);
            }
        }
    }

    /// Touches no channel any more, but the console if that is to be kept.
    fn release(&self, work: &mut Work, keep_console: bool) {
        if work.control.take().is_some() {
            let generation = (self.answer_to(CONTROL) >> 32) as u32;
            self.answer(CONTROL, Answer::Released.word(generation));
        }
        self.answered.notify_all();
        // Each says so itself.
        for end in &mut work.ends {
            *end = None;
        }
        if !keep_console {
            self.release_console(work);
        }
    }

    fn release_console(&self, work: &mut Work) {
        if let Some(number) = work.console {
            self.detach(work, number);
            let generation = (self.answer_to(number) >> 32) as u32;
            self.answer(number, Answer::Released.word(generation));
        }
    }

    /// Takes what has come over the control channel.
    fn listen(&self, work: &mut Work) {
        let Work { control, asked, .. } = work;
        let Some(control) = control else {
            return;
        };
        let mut order = None;
        let result = control.take(|message| match message.body {
            Body::Ping(bytes) => Some(Body::Answer(Outcome::Done, bytes)),
            Body::Shutdown(how @ (How::PowerOff | How::Restart)) => {
                order = Some(how);
                Some(Body::Answer(Outcome::Done, &[]))
            }
            // User space has no way of its own to halt.
            Body::Shutdown(How::Halt) => Some(Body::Answer(Outcome::Invalid, &[])),
            Body::Create { .. } | Body::Remove { .. } | Body::Unknown(_) => {
                Some(Body::Answer(Outcome::Unknown, &[]))
            }
            Body::Answer(outcome, _) => {
                let mut asked = asked.iter_mut();
                if let Some(asked) = asked.find(|asked| asked.cookie == message.cookie) {
                    asked.reply = Some(outcome);
                    self.answered.notify_all();
                }
                None
            }
        });
        let is_wanted = control.bell();
        if let Err(trouble) = result {
            if !matches!(trouble, Trouble::Left) {
                report!(pr_err, "the control channel is broken: {trouble}");
            }
            self.release(work, false);
        } else if is_wanted {
            self.ring_host();
        }
        let Some(how) = order else { return };
        report!(pr_info, "the host asks this kernel to go down ({how:?})");
        // SAFETY: They may be called anywhere. If user space cannot do it, the kernel does.
        unsafe {
            match how {
                How::Restart => ffi::orderly_reboot(),
                _ => ffi::orderly_poweroff(true),
            }
        }
    }
}

impl Ring for Session {
    fn glance(&self) -> Glance {
        self.switchboard.glance()
    }

    fn ring(self: &Arc<Self>) {
        self.look();
    }
}

impl Tick for Session {
    /// Beats. That this worker runs is the proof: timers come, and tasks are scheduled. And follows
    /// the host's clock.
    fn tick(self: &Arc<Self>) {
        let ns = self.host.heartbeat_ns;
        let beats = self.this.terms.has(handshake::HEARTBEAT) && ns > 0;
        if beats && !self.has_left.load(Ordering::Relaxed) {
            let before = self.beats.fetch_add(1, Ordering::Relaxed);
            agent::beat(&self.area, before.wrapping_add(1));
            ticker::within(ns.max(BEAT_NS_MIN));
        }
        if self.has_clock() {
            self.look();
        }
    }
}

impl Moved for Session {
    fn moved(&self, apic_id: u32, vector: u32) {
        if self.has_left.load(Ordering::Relaxed) {
            return;
        }
        let before = Doorbell::parse(self.doorbell.load(Ordering::Relaxed), |_| true);
        let now = match before {
            Ok(Some(before)) => before.moved(apic_id, vector),
            _ => Doorbell::new(apic_id, vector),
        };
        match now {
            Ok(now) => {
                self.doorbell.store(now.word(), Ordering::Relaxed);
                area::publish_doorbell(&self.area, Some(now));
                // Who has read the old word may have rung in vain: look at everything.
                apic::ring(now);
            }
            Err(error) => report!(pr_err, "this kernel cannot be rung: {error}"),
        }
    }
}

/// As long as this lives the agent is there.
pub(crate) struct Presence(Arc<Session>);

impl Presence {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        session.arrive();
        Self(session)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.leave(Gone::Unloaded);
    }
}

/// What is answered to an offer that was, or was not, taken.
fn taken(result: Result, number: u32) -> Answer {
    match result {
        Ok(()) => Answer::Attached,
        Err(errno) => {
            let errno = errno.to_errno();
            report!(pr_warn, "channel {number} is not used here ({errno})");
            Answer::Refused
        }
    }
}

/// Rings where a word of the host's says, if that is anywhere but here.
pub(super) fn ring_at(area: &View, at: usize) {
    // What was written is seen by whoever has moved the doorbell since.
    area.fence();
    match Doorbell::parse(area.load(at), |id| !is_own(id)) {
        Ok(Some(doorbell)) => apic::ring(doorbell),
        Ok(None) => {}
        Err(error) => report!(pr_err_once, "who is to be rung cannot be: {error}"),
    }
}

/// Whether a CPU of this kernel has this APIC ID.
fn is_own(apic_id: u32) -> bool {
    (0..kernel::cpu::nr_cpu_ids()).any(|cpu| {
        // SAFETY: They only read masks and variables, of CPUs that exist.
        unsafe { ffi::mk_cpu_possible(cpu) && ffi::mk_cpu_apic_id(cpu) == apic_id }
    })
}

/// Says what the host has got wrong.
fn wrong(error: impl fmt::Display) -> Error {
    report!(pr_err, "{error}");
    EPROTO
}
