// SPDX-License-Identifier: GPL-2.0

//! An instance: another kernel, with the CPUs and the memory that it has.

use super::{
    bells::Bell,
    channel::Channel,
    console::Console,
    cpus::{Lent, LentCpus},
    events::Event,
    fail::{fail, report, Fail, Outcome},
    link::{Link, Question, Request, Seen, Why},
    loader::Loaded,
    memory::{self, Memory, Open},
    registry::{Host, Registry},
    slots::{Low, Slots},
    unpacking::Stopwatch,
};
use crate::{
    arch::x86::trampoline,
    channel::switchboard::Switchboard,
    pure::{
        agent,
        clock::Clock,
        cmdline, cpus,
        handshake::Terms,
        heart::{self, Pace},
        name::Name,
        printk, slot,
        state::{self, Life, Operation, Reason},
        tboot,
    },
    sys::{ffi, guard::Running, later::Later, lockdown, module, rcu::Expedited, ticker, time},
    uapi,
};
use kernel::{
    new_condvar, new_mutex, new_poll_condvar,
    prelude::*,
    str::CString,
    sync::{
        poll::{PollCondVar, PollTable},
        Arc,
        CondVar,
        Mutex, //
    },
    time::{msecs_to_jiffies, Instant, Monotonic},
};

/// An instance. It exists until it is destroyed; descriptors may refer to it longer.
///
/// Two locks: [`Self::work`] is held as long as something is done to it, which may take seconds;
/// [`Self::status`] only while a field is read or written. So one can always ask what an instance
/// does, and a slow one keeps nobody else waiting. Order: `work`, the registry, `status`;
/// `mmap_lock` before `status`, never before `work`, under which CPUs are switched; `work`, the
/// host's wiring, `channels`; a channel before a link before `status`.
#[pin_data]
pub(crate) struct Instance {
    name: Name,
    /// Later instances have higher ones.
    id: u64,
    host: Arc<Host>,
    console: Arc<Console>,
    /// Looks at the console again.
    #[pin]
    later: Later<Console>,
    #[pin]
    work: Mutex<Work>,
    #[pin]
    status: Mutex<Status>,
    #[pin]
    changed: PollCondVar,
    /// Nothing is under way any more.
    #[pin]
    idle: CondVar,
    #[pin]
    channels: Mutex<Channels>,
}

/// The channels that it has, in the order of their creation. Who changes them has the host's
/// [`Host::wiring`].
pub(crate) struct Channels {
    pub(crate) list: KVec<Arc<Channel>>,
    /// It was destroyed, or is about to be.
    pub(crate) is_closed: bool,
}

/// What it has, besides what [`Status`] tells of. Dropping any of it gives it back.
struct Work {
    /// In the order in which they were taken; the first one boots.
    lent: LentCpus,
    running: Option<Running>,
    loaded: Option<Loaded>,
    /// Nothing was written to the memory since it was zeroed.
    clean: bool,
    split_cores: bool,
    /// `None`: it was destroyed.
    module: Option<module::Pin>,
}

/// What is told about it. Only who has `work` changes what it has.
pub(crate) struct Status {
    pub(crate) life: Life,
    pub(crate) text: Option<CString>,
    pub(crate) cpus: KVec<u32>,
    pub(crate) memory: Option<Arc<Memory>>,
    /// From when a kernel is loaded until it has ended.
    pub(crate) low: Option<Low>,
    /// `None`: it was destroyed.
    bell: Option<Arc<Bell>>,
    /// While it runs.
    link: Option<Arc<Link>>,
    /// In this run, or the last.
    pub(crate) agent: Seen,
    /// What that agent has chosen.
    pub(crate) terms: Option<Terms>,
    pub(crate) node: Option<i32>,
    /// How fast its agent has to beat, from the next start on; `None`: not at all.
    pub(crate) pace: Option<Pace>,
    pub(crate) started: i64,
    pub(crate) ended: i64,
    pub(crate) take_ns: i64,
    pub(crate) give_ns: i64,
    pub(crate) load_ns: i64,
    /// Of the last load.
    pub(crate) ready: Option<Arc<Stopwatch>>,
}

impl Instance {
    pub(crate) fn new(name: Name, id: u64, host: Arc<Host>, bell: Bell) -> Result<Arc<Self>> {
        let pin = module::Pin::new()?;
        let bell = Arc::new(bell, GFP_KERNEL)?;
        let console = Console::new(&name)?;
        Arc::pin_init(
            try_pin_init!(Self {
                name,
                id,
                host,
                later <- Later::new(console.clone()),
                console,
                work <- new_mutex!(Work {
                    lent: LentCpus::new(),
                    running: None,
                    loaded: None,
                    clean: true,
                    split_cores: false,
                    module: Some(pin),
                }),
                status <- new_mutex!(Status {
                    life: Life::new(),
                    text: None,
                    cpus: KVec::new(),
                    memory: None,
                    low: None,
                    bell: Some(bell),
                    link: None,
                    agent: Seen::None,
                    terms: None,
                    node: None,
                    pace: Pace::new(heart::HUNG_MS),
                    started: 0,
                    ended: 0,
                    take_ns: 0,
                    give_ns: 0,
                    load_ns: 0,
                    ready: None,
                }),
                changed <- new_poll_condvar!(),
                idle <- new_condvar!(),
                channels <- new_mutex!(Channels {
                    list: KVec::new(),
                    is_closed: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Lets `f` look at what is told about this instance.
    pub(crate) fn with_status<R>(&self, f: impl FnOnce(&Status) -> R) -> R {
        f(&self.status.lock())
    }

    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// Rings its agent, if there is one.
    pub(crate) fn ring_agent(&self) {
        if let Some(link) = self.with_status(|status| status.link.clone()) {
            link.call();
        }
    }

    /// Its memory, for as long as the caller needs it.
    pub(crate) fn memory(&self) -> Option<Arc<Memory>> {
        self.status.lock().memory.clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.status.lock().life.generation()
    }

    pub(crate) fn register_poll(&self, file: &kernel::fs::File, table: &PollTable<'_>) {
        table.register_wait(file, &self.changed);
    }

    /// Reserves CPUs, in place of those that it had.
    pub(crate) fn set_cpus(&self, list: KVec<u32>, split_cores: bool) -> Outcome {
        self.perform(Operation::SetCpus, |work| {
            // No two instances reserve at the same time.
            let registry = self.host.registry();
            check_cpus(&list, split_cores, self, &registry)?;
            work.split_cores = split_cores;
            self.status.lock().cpus = list;
            Ok(())
        })
    }

    /// Takes memory, in place of what it had.
    pub(crate) fn set_memory(&self, bytes: u64, node: Option<i32>, largest: &mut u64) -> Outcome {
        self.perform(Operation::SetMemory, |work| {
            if bytes % memory::ALIGN != 0 || bytes < memory::MIN {
                return Err(Undone::unchanged(fail!(
                    EINVAL,
                    "{bytes} bytes of memory: it has to be a multiple of {} MiB, \
                     and at least {} MiB",
                    memory::ALIGN >> 20,
                    memory::MIN >> 20
                )));
            }
            let of_cpus = self.status.lock().cpus.first().copied();
            // SAFETY: The CPU exists: it was checked when it was reserved.
            let of_cpus = of_cpus.map(|cpu| unsafe { ffi::mk_cpu_node(cpu) });
            let nodes = memory::nodes(node, of_cpus)?;

            // What it had goes first: it may be needed for what it gets.
            self.unload(work);
            self.publish_memory(None);
            self.status.lock().node = node;
            let pools = self.host.pools();
            let memory =
                Memory::take(bytes, pools, &nodes, &self.name, largest).map_err(Undone::lost)?;
            let memory = Arc::new(memory, GFP_KERNEL).map_err(|err| Undone::lost(err.into()))?;
            self.publish_memory(Some(memory));
            // Who puts the host to sleep has seen it, or is seen here.
            if let Err(fail) = self.host.stays_up() {
                self.publish_memory(None);
                return Err(Undone::lost(fail));
            }
            work.clean = true;
            Ok(())
        })
    }

    /// Lets everybody see `memory` in place of what it had.
    fn publish_memory(&self, memory: Option<Arc<Memory>>) {
        let former = core::mem::replace(&mut self.status.lock().memory, memory);
        // After the lock: giving memory back takes long.
        drop(former);
    }

    /// Its agent has to beat that fast from the next start on; `None`: not at all.
    pub(crate) fn set_pace(&self, pace: Option<Pace>) -> Outcome {
        let mut status = self.status.lock();
        let life = &status.life;
        if life.is_gone() {
            return Err(fail!(ENODEV, "the instance was destroyed"));
        }
        if has_cpus(life) {
            return Err(fail!(
                EBUSY,
                "the instance is running, or about to; kill it first"
            ));
        }
        status.pace = pace;
        Ok(())
    }

    /// Has `load` put a kernel and an initrd into its memory.
    pub(crate) fn load(
        &self,
        uart: bool,
        load: impl FnOnce(Open, &cmdline::Config, &Arc<Stopwatch>) -> Outcome<Loaded>,
    ) -> Outcome {
        let watch = Stopwatch::new()?;
        self.perform(Operation::Load, |work| {
            let memory = self.memory().ok_or(ENODEV)?;
            self.unload(work);
            let memory = memory.open().map_err(Undone::lost)?;
            if !work.clean {
                memory.zero();
            }
            work.clean = false;
            let config = self.host.cmdline(uart);
            let loaded = load(memory, &config, &watch).map_err(Undone::lost)?;
            self.take_low(loaded.has_dock()).map_err(Undone::lost)?;
            work.loaded = Some(loaded);
            let mut status = self.status.lock();
            status.load_ns = watch.elapsed();
            status.ready = Some(watch);
            Ok(())
        })
    }

    /// Forgets what was loaded, and gives back what only that needs.
    fn unload(&self, work: &mut Work) {
        work.loaded = None;
        self.give_low_back();
    }

    /// Takes what it needs below 1 MiB.
    fn take_low(&self, is_shared: bool) -> Outcome {
        // Two that come at once share one slot, too.
        let registry = self.host.registry();
        let low = match registry.shared_slot().filter(|_| is_shared) {
            Some(slot) => Low::Shared(slot),
            None => {
                let slot = Arc::new(Slots::take(self.host.slots())?, GFP_KERNEL)?;
                if is_shared {
                    Low::Shared(slot)
                } else {
                    Low::Own(slot)
                }
            }
        };
        self.status.lock().low = Some(low);
        Ok(())
    }

    /// That is free as soon as no CPU can be in there any more.
    fn give_low_back(&self) {
        let low = self.status.lock().low.take();
        // After the lock.
        drop(low);
    }

    /// Takes the CPUs and starts the kernel on the first of them.
    pub(crate) fn start(&self) -> Outcome {
        let result = self.perform(Operation::Start, |work| {
            self.host.can_start()?;
            let loaded = work.loaded.as_ref().ok_or(EBADFD)?;
            let trust = loaded.trust().check(lockdown::level());
            trust.map_err(|error| Fail::new(EPERM, core::format_args!("{error}")))?;
            // Before CPUs are taken, which the host has until then.
            loaded.finish()?;
            let mut cpus = KVec::new();
            cpus.extend_from_slice(&self.status.lock().cpus, GFP_KERNEL)?;
            // What was true when they were reserved need not be true any more.
            check_cpus(&cpus, work.split_cores, self, &self.host.registry())?;
            // A CPU of another that shared it is stuck. What is loaded fits any.
            let is_lost = |low: &Low| low.slot().is_abandoned();
            if self.with_status(|status| status.low.as_ref().is_some_and(is_lost)) {
                self.take_low(loaded.has_dock())?;
            }
            let (Some(low), Some(memory)) =
                self.with_status(|status| (status.low.clone(), status.memory.clone()))
            else {
                return Err(ENODEV.into());
            };

            let first = *cpus.first().ok_or(EBADFD)?;
            // SAFETY: The CPU exists: it was just checked.
            let node = unsafe { ffi::mk_cpu_node(first) };
            let pace = self.with_status(|status| status.pace);
            let switchboard = self.switchboard()?;
            let console = self.console.clone();
            let link = Link::new(
                &self.name,
                loaded.is_guest(),
                node,
                pace,
                switchboard,
                console,
            )?;

            let start = Instant::<Monotonic>::now();
            let mut lent = LentCpus::with_capacity(cpus.len())?;
            let expedited = Expedited::new();
            for &cpu in &cpus {
                let link = link.clone();
                let (low, memory, bell) = (low.clone(), memory.clone(), self.held_bell()?);
                let cpu = Lent::take(cpu, &self.name, low, memory, link, bell)?;
                lent.push(cpu)?;
            }
            drop(expedited);
            self.status.lock().take_ns = start.elapsed().as_nanos();

            let mut ids = KVec::with_capacity(lent.len(), GFP_KERNEL)?;
            for cpu in lent.iter() {
                ids.push(cpu.apic().raw(), GFP_KERNEL)?;
            }
            let doorbell = self.held_bell()?.doorbell()?;
            let open = memory.open()?;
            let entry = work.loaded.as_ref().ok_or(EBADFD)?.prepare(
                &open,
                &low,
                &ids,
                self.host.spare_apic_id()?,
                doorbell,
                &link,
            )?;
            open.close().map_err(memory::exposed)?;
            let run = self.with_status(|status| status.life.runs()) + 1;
            link.publish(run, &ids, doorbell)?;
            let (first, others) = lent.split_first().ok_or(EBADFD)?;
            for (n, cpu) in others.iter().enumerate() {
                // Where they wait must not lie in what the instance is about to use.
                match entry.berth(n) {
                    Some(berth) => cpu.boot(&berth)?,
                    None => cpu.park(Some(entry.cr3))?,
                }
            }
            link.open_early()?;
            self.status.lock().started = time::boottime();
            let running = Running::new();
            // It writes over the image from its first instructions on: that can be started once.
            work.loaded = None;
            first
                .boot(&entry)
                .inspect_err(|_| {
                    self.console.close_early();
                    self.give_low_back();
                })
                .map_err(Undone::lost)?;
            link.listen_to_calls();
            work.lent = lent;
            work.running = Some(running);
            let mut status = self.status.lock();
            status.link = Some(link);
            status.agent = Seen::None;
            status.terms = None;
            drop(status);
            self.console.set_live(true);
            Ok(())
        });
        // What has rung before the link was there, at worst.
        self.look();
        // It is told the time.
        ticker::within(0);
        result
    }

    /// Stops it, whatever it does, and gives its CPUs back.
    pub(crate) fn kill(&self) -> Outcome {
        self.perform(Operation::Kill, |work| {
            self.end(work, Reason::Killed);
            Ok(())
        })
    }

    /// Gives everything back; what refers to this instance gets `ENODEV` from then on.
    pub(crate) fn destroy(&self, force: bool) -> Outcome {
        if force {
            match self.kill() {
                // It does not run, or not any more.
                Err(fail) if fail.errno == EBADFD => {}
                result => result?,
            }
        }
        self.perform(Operation::Destroy, |work| {
            self.unload(work);
            self.publish_memory(None);
            self.host.unwire(self);
            let bell = {
                let mut status = self.status.lock();
                status.cpus = KVec::new();
                status.bell.take()
            };
            drop(bell);
            work.module = None;
            // Whoever finds the name free finds the rest free, too.
            self.host.forget(self);
            Ok(())
        })?;
        report!(pr_info, "{}: destroyed", self.name);
        Ok(())
    }

    /// Destroys it, running or not, when nothing else is done with it any more.
    pub(crate) fn destroy_when_idle(&self) {
        loop {
            let mut status = self.status.lock();
            while status.life.under_way().is_some() {
                self.idle.wait(&mut status);
            }
            drop(status);
            match self.destroy(true) {
                Err(fail) if fail.errno == EBUSY => {}
                // It is gone, by us or by somebody else.
                _ => return,
            }
        }
    }

    /// Why it has called its stub, or has told that it ends, if it has.
    fn shutdown(&self) -> Option<Reason> {
        let (low, link) = {
            let status = self.status.lock();
            if !has_cpus(&status.life) {
                return None;
            }
            (status.low.clone()?, status.link.clone())
        };
        if let Some(why) = link.and_then(|link| link.ended()) {
            return Some(match why {
                agent::Gone::PowerOff | agent::Gone::Halt => Reason::Halt,
                agent::Gone::Panic => Reason::Panic,
                _ => Reason::Restart,
            });
        }
        let slot = low.own()?;
        let entered = slot
            .load(slot::STUB as usize + trampoline::STUB_ENTERED)
            .ok()?;
        let kind = slot
            .load(slot::TBOOT as usize + tboot::SHUTDOWN_TYPE)
            .ok()?;
        Some(match tboot::shutdown(entered, kind)? {
            tboot::Shutdown::PowerOff | tboot::Shutdown::Halt => Reason::Halt,
            _ => Reason::Restart,
        })
    }

    /// Asks its agent, and waits for the answer no longer than `timeout_ms`. Returns how long that
    /// took, in nanoseconds.
    pub(crate) fn ask(&self, question: Question, timeout_ms: u32) -> Outcome<i64> {
        let link = {
            let status = self.status.lock();
            status
                .life
                .check_running()
                .map_err(|error| Fail::new(state_errno(&error), core::format_args!("{error}")))?;
            status.link.clone()
        };
        // It is just ending.
        let link = link.ok_or_else(|| fail!(ENOTCONN, "the instance ends"))?;
        link.ask(question, msecs_to_jiffies(timeout_ms))
    }

    fn held_bell(&self) -> Result<Arc<Bell>> {
        self.with_status(|status| status.bell.clone()).ok_or(ENODEV)
    }

    /// The number of what it rings.
    pub(crate) fn bell(&self) -> Option<usize> {
        self.held_bell().ok().map(|bell| bell.index())
    }

    /// What the handler looks at of the interrupt that it rings.
    pub(crate) fn switchboard(&self) -> Result<Arc<Switchboard>> {
        self.held_bell()?.switchboard().cloned()
    }

    /// Its agent rings without end. It is told that nobody is to be rung; if that does not help its
    /// CPUs are stopped, and [`Self::look`] ends it.
    pub(crate) fn stop_storm(&self) {
        let Some(link) = self.with_status(|status| status.link.clone()) else {
            return;
        };
        link.stop_storm(|seen, terms| self.tell_agent(seen, terms));
    }

    /// Ends it, if it is still the run that has this link.
    fn end_run(&self, link: &Arc<Link>, reason: Reason) {
        let mut work = self.work.lock();
        let is_same = |now: &Arc<Link>| Arc::ptr_eq(now, link);
        if self.with_status(|status| status.link.as_ref().is_some_and(is_same)) {
            self.end(&mut work, reason);
        }
    }

    /// Looks at all that it may have rung for. Returns how much that was.
    pub(crate) fn look(&self) -> u32 {
        let mut news = 0;
        if let Some(link) = self.with_status(|status| status.link.clone()) {
            let seen = link.look(&mut news, |seen, terms| self.tell_agent(seen, terms));
            if let Some(ns) = link.due() {
                ticker::within(ns);
            }
            if let Some(jiffies) = self.console.look(&mut news) {
                self.later.after(jiffies);
            }
            if seen == Seen::Gone(Why::Said(agent::Gone::Panic)) {
                self.end_run(&link, Reason::Panic);
            }
            if link.is_stopped() {
                self.end_run(&link, Reason::Misbehaved);
            }
        }
        self.step_channels();
        self.collect();
        news
    }

    /// Whether it shares something with the host.
    pub(crate) fn is_linked(&self) -> bool {
        self.status.lock().link.is_some()
    }

    /// Tells it how to make the host's time; `None`: it cannot be made.
    pub(crate) fn tell_time(&self, clock: Option<&Clock>) {
        if let Some(link) = self.with_status(|status| status.link.clone()) {
            link.tell_time(clock);
        }
    }

    /// The agent that is there, if it knows all of `features`, and its number.
    pub(crate) fn agent(&self, features: u64) -> Option<(Arc<Link>, u64)> {
        let link = self.with_status(|status| status.link.clone())?;
        let attach = link.agent(features)?;
        Some((link, attach))
    }

    /// What its agent has asked for first, and who is to be answered.
    pub(crate) fn take_request(&self) -> Option<(Arc<Link>, Request)> {
        let link = self.with_status(|status| status.link.clone())?;
        let request = link.take_request()?;
        Some((link, request))
    }

    pub(crate) fn channels(&self) -> impl core::ops::DerefMut<Target = Channels> + '_ {
        self.channels.lock()
    }

    /// Goes on with all its channels, those included that are made meanwhile.
    fn step_channels(&self) {
        for n in 0.. {
            let channel = self.channels.lock().list.get(n).cloned();
            let Some(channel) = channel else { break };
            channel.step();
        }
    }

    /// The node of the first of its CPUs, or of any.
    pub(crate) fn node(&self) -> i32 {
        let first = self.with_status(|status| status.cpus.first().copied());
        // SAFETY: It only reads a variable; the CPU exists, and CPU 0 always does.
        unsafe { ffi::mk_cpu_node(first.unwrap_or(0)) }
    }

    /// Tells what was seen of its agent.
    fn tell_agent(&self, seen: Seen, terms: Option<Terms>) {
        let mut is_news = false;
        self.tell(|status| {
            is_news = status.agent != seen;
            if is_news {
                (status.agent, status.terms) = (seen, terms);
                status.life.changed();
            }
        });
        if is_news {
            match seen {
                Seen::Hung(_) => report!(pr_warn, "{}: its agent is {seen}", self.name),
                _ => report!(pr_info, "{}: its agent is {seen}", self.name),
            }
        }
    }

    /// Ends it if it has told so, and has rung the host.
    fn collect(&self) {
        // Without waiting for one that has nothing to tell.
        if self.shutdown().is_none() {
            return;
        }
        let mut work = self.work.lock();
        if let Some(reason) = self.shutdown() {
            self.end(&mut work, reason);
        }
    }

    /// Stops it where it stands; its CPUs wait for whoever starts the machine next.
    pub(crate) fn stop_for_good(&self) {
        // One that is being loaded, say, has none, and may take for ever.
        if !self.with_status(|status| has_cpus(&status.life)) {
            return;
        }
        let work = self.work.lock();
        if work.lent.is_empty() {
            return;
        }
        for cpu in work.lent.iter() {
            cpu.stop();
        }
        for cpu in work.lent.iter() {
            // Parking it proves that it has stopped. Then it waits for SIPI, as the memory that it
            // is parked in may soon be another kernel's.
            if cpu.park(None).is_err() {
                report!(pr_emerg, "{}: a CPU does not stop", self.name);
            }
            cpu.stop();
        }
        self.close_link();
        if let Some(low) = self.with_status(|status| status.low.clone()) {
            // The next kernel must not take what is left of this one for its own.
            if let Some(slot) = low.own() {
                slot.zero();
            }
        }
        self.ended(Reason::HostDown, None);
    }

    /// Stops all its CPUs, gives them back and tells why.
    fn end(&self, work: &mut Work, reason: Reason) {
        if work.lent.is_empty() {
            return;
        }
        for cpu in work.lent.iter() {
            cpu.stop();
        }
        let ended = time::boottime();
        let last_words = self.close_link();
        let start = Instant::<Monotonic>::now();
        let expedited = Expedited::new();
        work.lent.give_back();
        drop(expedited);
        work.running = None;
        self.give_low_back();
        {
            let mut status = self.status.lock();
            status.give_ns = start.elapsed().as_nanos();
            status.ended = ended;
        }
        // A panic restarts, and without an agent only the log tells the one from the other.
        let panic = match (reason, self.memory()) {
            (Reason::Restart | Reason::Panic, Some(memory)) => {
                panic_message(&memory).or(last_words)
            }
            _ => None,
        };
        let reason = match (self.is_stuck(), &panic) {
            (true, _) => Reason::Stuck,
            (false, Some(_)) => Reason::Panic,
            (false, None) => reason,
        };
        self.ended(reason, panic);
    }

    /// Its CPUs have stopped: nobody may ring them any more. Returns what it said of a panic.
    fn close_link(&self) -> Option<CString> {
        let link = self.status.lock().link.take()?;
        let (seen, terms) = link.close();
        self.tell_agent(seen, terms);
        // Its peers must not ring its CPUs any more.
        self.step_channels();
        let mut text = [0; agent::TEXT_BYTES];
        let length = link.last_words(&mut text);
        if length == 0 {
            return None;
        }
        let text = core::str::from_utf8(text.get(..length)?).ok()?;
        CString::try_from_fmt(fmt!("{text}")).ok()
    }

    /// Whether a CPU of it could not be stopped: it may still write to the memory.
    fn is_stuck(&self) -> bool {
        self.memory().is_some_and(|memory| memory.is_abandoned())
    }

    /// Does `f` as `operation`, if that is legal now.
    fn perform(
        &self,
        operation: Operation,
        f: impl FnOnce(&mut Work) -> core::result::Result<(), Undone>,
    ) -> Outcome {
        self.status
            .lock()
            .life
            .begin(operation)
            .map_err(|error| Fail::new(state_errno(&error), core::format_args!("{error}")))?;
        // Until it is told: what has just started may end at once.
        let mut work = self.work.lock();
        let result = if self.is_stuck() && operation != Operation::Destroy {
            Err(Undone::unchanged(fail!(
                EIO,
                "a CPU of it could not be stopped; all that can be done is to destroy it"
            )))
        } else {
            f(&mut work)
        };
        let (outcome, result) = match result {
            Ok(()) => (state::Outcome::Done, Ok(())),
            Err(undone) => (undone.outcome, Err(undone.fail)),
        };
        self.tell(|status| {
            status.life.end(outcome);
            if status.life.state() != state::State::Crashed {
                status.text = None;
            }
        });
        self.idle.notify_all();
        result
    }

    /// It has ended, for `reason`.
    fn ended(&self, reason: Reason, text: Option<CString>) {
        self.tell(|status| {
            if status.life.stopped(reason) {
                status.text = text;
            }
        });
        self.console.set_live(false);
    }

    /// Changes what is told, and tells all who want to know if it is something else now.
    fn tell(&self, f: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock();
        let (before, agent) = (status.life, status.agent);
        f(&mut status);
        let life = status.life;
        let is_changed = (life.state(), life.reason()) != (before.state(), before.reason());
        if status.agent != agent {
            let event = Event::Agent(&life, status.agent);
            self.host.events().tell(self, event);
        }
        if is_changed {
            let event = Event::State(&life, status.text.as_ref());
            self.host.events().tell(self, event);
        }
        drop(status);
        if is_changed {
            match (life.state(), life.reason()) {
                (state, Reason::None) => report!(pr_info, "{}: {state}", self.name),
                (state, reason) => report!(pr_info, "{}: {state} ({reason})", self.name),
            }
        }
        if life.generation() != before.generation() || life.is_gone() {
            self.changed.notify_all();
        }
    }
}

/// Whether it may have CPUs of the host.
pub(crate) fn has_cpus(life: &Life) -> bool {
    life.state() == state::State::Running
        || matches!(life.under_way(), Some(Operation::Start | Operation::Kill))
}

/// What was asked for and did not work.
struct Undone {
    outcome: state::Outcome,
    fail: Fail,
}

impl Undone {
    /// All is as before.
    fn unchanged(fail: Fail) -> Self {
        Self {
            outcome: state::Outcome::Unchanged,
            fail,
        }
    }

    /// What was there before is lost.
    fn lost(fail: Fail) -> Self {
        Self {
            outcome: state::Outcome::Lost,
            fail,
        }
    }
}

impl<T: Into<Fail>> From<T> for Undone {
    fn from(fail: T) -> Self {
        Self::unchanged(fail.into())
    }
}

/// What this host says of its CPUs.
struct HostCpus<'a> {
    instance: &'a Instance,
    registry: &'a Registry,
}

impl cpus::Host for HostCpus<'_> {
    fn exists(&self, cpu: u32) -> bool {
        // A lent CPU is not present, and exists.
        // SAFETY: It only reads a mask.
        unsafe {
            ffi::mk_cpu_possible(cpu) && (ffi::mk_cpu_present(cpu) || self.owner(cpu).is_some())
        }
    }

    fn online(&self, cpu: u32) -> bool {
        // SAFETY: It only reads a mask.
        unsafe { ffi::mk_cpu_online(cpu) }
    }

    fn is_boot(&self, cpu: u32) -> bool {
        // SAFETY: They only read variables; the CPU exists.
        unsafe { ffi::mk_cpu_apic_id(cpu) == ffi::mk_boot_cpu_apic_id() }
    }

    fn owner(&self, cpu: u32) -> Option<Name> {
        self.registry
            .instances
            .iter()
            .filter(|other| !core::ptr::eq::<Instance>(&***other, self.instance))
            .find(|other| other.status.lock().cpus.contains(&cpu))
            .map(|other| other.name)
    }

    fn apic_id(&self, cpu: u32) -> u32 {
        // SAFETY: It only reads a per-CPU variable of a CPU that exists.
        unsafe { ffi::mk_cpu_apic_id(cpu) }
    }

    fn sibling(&self, cpu: u32, n: usize) -> Option<u32> {
        (0..kernel::cpu::nr_cpu_ids())
            // SAFETY: Both are below the number of CPUs.
            .filter(|other| *other != cpu && unsafe { ffi::mk_cpu_siblings(cpu, *other) })
            .nth(n)
    }
}

fn check_cpus(list: &[u32], split: bool, instance: &Instance, registry: &Registry) -> Outcome {
    cpus::check(list, &HostCpus { instance, registry }, split)
        .map_err(|error| Fail::new(cpu_errno(&error), core::format_args!("{error}")))
}

fn cpu_errno(error: &cpus::Error) -> Error {
    use cpus::Error as E;
    match error {
        E::Empty | E::Repeated(_) | E::Split { .. } => EINVAL,
        E::TooMany(_) => E2BIG,
        E::Missing(_) => ENXIO,
        E::Boot(_) => EPERM,
        E::Owned { .. } => EBUSY,
        E::Offline(_) => ENODEV,
        E::ApicId { .. } => EOPNOTSUPP,
    }
}

/// The message of the panic that ended the kernel in `memory`.
fn panic_message(memory: &Memory) -> Option<CString> {
    let reader = printk::Reader::find(memory, memory.ranges())
        .ok()?
        .stopped();
    let mut line = [0; uapi::MK_TEXT_SIZE as usize];
    let length = reader.find_panic(&mut line)?;
    let text = core::str::from_utf8(line.get(..length)?).ok()?;
    CString::try_from_fmt(fmt!("{text}")).ok()
}

fn state_errno(error: &state::Error) -> Error {
    use state::Error as E;
    match error {
        E::Busy(_) | E::Running => EBUSY,
        E::NotRunning(_) | E::Needs(_) => EBADFD,
        E::Gone => ENODEV,
    }
}
