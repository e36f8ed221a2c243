// SPDX-License-Identifier: GPL-2.0

//! From the agent's arrival to its end.

use crate::{
    arch::x86::apic,
    channel::{
        control::{Control, Trouble},
        OFFER,
    },
    host::fail::report,
    pure::{
        agent::{self, Agent, Gone},
        area::{self, Verdict},
        directory::{self, Answer, Channel, Half, Kind, Status, CHANNELS_MAX},
        doorbell::Doorbell,
        half::Halves,
        message::{Body, How, Outcome},
        range::Range,
    },
    sys::{
        acpi, ffi,
        line::{Moved, Ring},
        shared::{Part, Shared, View},
    },
};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use kernel::{new_mutex, prelude::*, sync::Arc, sync::Mutex};

/// The entry of the control channel.
const CONTROL: u32 = 0;

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
    has_left: AtomicBool,
    #[pin]
    work: Mutex<Work>,
}

struct Work {
    verdict: Verdict,
    control: Option<Control>,
    /// What was answered to each entry of the directory.
    answers: KVec<u64>,
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
        let terms = OFFER.meet(&host.offer).map_err(wrong)?;
        let area = View {
            own: part(host.agent_at.into(), bytes)?,
            other: part(0, host.agent_at.into())?,
        };
        // The module may have been here before.
        let before = Agent::read(&area.swapped(), host.run);
        let attach = before.map_or(1, |before| before.attach.wrapping_add(1).max(1));
        let mut answers = KVec::with_capacity(CHANNELS_MAX as usize, GFP_KERNEL)?;
        answers.resize(CHANNELS_MAX as usize, 0, GFP_KERNEL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                range,
                area,
                host,
                this: Agent {
                    terms,
                    run: host.run,
                    attach,
                },
                doorbell: AtomicU64::new(0),
                has_left: AtomicBool::new(false),
                work <- new_mutex!(Work {
                    verdict: Verdict::None,
                    control: None,
                    answers,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// Tells the host that this agent is ready. Its line is there already.
    pub(crate) fn arrive(&self) {
        self.this.publish(&self.area);
        self.ring_host();
    }

    /// Leaves in good order: the last that the host hears.
    pub(crate) fn leave(&self, gone: Gone) {
        let mut work = self.work.lock();
        self.release(&mut work);
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

    /// Rings the host, if it is anywhere but here.
    fn ring_host(&self) {
        // What was written is seen by whoever has moved the doorbell since.
        self.area.fence();
        match Doorbell::parse(self.area.load(area::DOORBELL), |id| !is_own(id)) {
            Ok(Some(doorbell)) => apic::ring(doorbell),
            Ok(None) => {}
            Err(error) => report!(pr_err_once, "the host cannot be rung: {error}"),
        }
    }

    /// Looks at all that the host may have rung for.
    fn look(&self) {
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
            self.release(work);
            return;
        }
        self.follow(work);
        self.listen(work);
    }

    /// Follows the directory.
    fn follow(&self, work: &mut Work) {
        for number in 0..self.host.channels {
            let Some(at) = self.host.entry(number) else {
                break;
            };
            let Ok(status) = Status::read(&self.area, at) else {
                continue;
            };
            let before = work.answers.get(number as usize).copied().unwrap_or(0);
            let before = Answer::parse(before, status.generation).unwrap_or(Answer::None);
            let answer = match (status.state, before) {
                (directory::State::Offered, Answer::None) => {
                    taken(self.attach(work, number, at, status), number)
                }
                (directory::State::Free | directory::State::Withdrawn, Answer::Attached) => {
                    self.detach(work, number);
                    Answer::Released
                }
                _ => continue,
            };
            self.answer(work, number, answer.word(status.generation));
        }
    }

    fn answer(&self, work: &mut Work, number: u32, word: u64) {
        let at = number as usize;
        if let Some(answer) = work.answers.get_mut(at) {
            *answer = word;
            self.area.store(agent::ANSWERS + 8 * at, word);
            self.ring_host();
        }
    }

    /// Begins to use the channel in an entry.
    fn attach(&self, work: &mut Work, number: u32, at: usize, status: Status) -> Result {
        let channel = Channel::read(&self.area, at, status).map_err(wrong)?;
        match (number, channel.kind) {
            (CONTROL, Kind::Control) => {
                let view = self.map(&channel)?;
                // The one before says that it is closed before this one is opened.
                work.control = None;
                work.control = Some(Control::open(view, channel.own.size, channel.other.size)?);
                Ok(())
            }
            _ => Err(EOPNOTSUPP),
        }
    }

    /// Touches the channel in an entry no more.
    fn detach(&self, work: &mut Work, number: u32) {
        if number == CONTROL {
            work.control = None;
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

    /// Touches no channel any more.
    fn release(&self, work: &mut Work) {
        for number in 0..self.host.channels {
            let answer = work.answers.get(number as usize).copied().unwrap_or(0);
            let generation = (answer >> 32) as u32;
            if Answer::parse(answer, generation) == Ok(Answer::Attached) {
                self.detach(work, number);
                self.answer(work, number, Answer::Released.word(generation));
            }
        }
    }

    /// Takes what has come over the control channel.
    fn listen(&self, work: &mut Work) {
        let Some(control) = &mut work.control else {
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
            Body::Create { .. } | Body::Unknown(_) => Some(Body::Answer(Outcome::Unknown, &[])),
            Body::Answer(..) => None,
        });
        let is_wanted = control.bell();
        if let Err(trouble) = result {
            if !matches!(trouble, Trouble::Left) {
                report!(pr_err, "the control channel is broken: {trouble}");
            }
            self.release(work);
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
    fn ring(self: &Arc<Self>) {
        self.look();
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
