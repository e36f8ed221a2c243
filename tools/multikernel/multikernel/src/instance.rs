// SPDX-License-Identifier: GPL-2.0

//! One instance.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::abi;
use crate::console::{Console, ConsoleOptions};
use crate::error::{Errno, Error, Operation, Result};
use crate::ioctl;
use crate::kexec;
use crate::log::Log;
use crate::map::Map;
use crate::named::named;

named! {
    /// What an instance is doing.
    pub enum State: u32 {
        /// It exists; no kernel is loaded.
        Created = MK_STATE_CREATED, "created";
        /// A kernel is loaded.
        Loaded = MK_STATE_LOADED, "loaded";
        /// It runs.
        Running = MK_STATE_RUNNING, "running";
        /// It ended.
        Stopped = MK_STATE_STOPPED, "stopped";
        /// It ended in a way that was not meant.
        Crashed = MK_STATE_CRASHED, "crashed";
    }
}

impl State {
    /// Whether it ran and does no more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Stopped | Self::Crashed)
    }
}

named! {
    /// Why an instance is stopped or crashed.
    pub enum Reason: u32 {
        /// It is neither.
        None = MK_REASON_NONE, "none";
        /// It was killed from here.
        Killed = MK_REASON_KILLED, "killed";
        /// It restarted itself.
        Restart = MK_REASON_RESTART, "restart";
        /// It halted or powered off.
        Halt = MK_REASON_HALT, "halt";
        /// It panicked.
        Panic = MK_REASON_PANIC, "panic";
        /// The host goes down.
        HostDown = MK_REASON_HOST_DOWN, "host-down";
        /// Its boot CPU did not start.
        StartFailed = MK_REASON_START_FAILED, "start-failed";
        /// A CPU could not be stopped; all that is left is to destroy the instance.
        Stuck = MK_REASON_STUCK, "stuck";
        /// It rang the host without end.
        Misbehaved = MK_REASON_MISBEHAVED, "misbehaved";
    }
}

named! {
    /// Whether the module is loaded in an instance, too: its agent.
    pub enum Agent: u32 {
        /// It was never there in this run, or the last.
        None = MK_AGENT_STATE_NONE, "none";
        /// It is at work.
        Ready = MK_AGENT_STATE_READY, "ready";
        /// It was there.
        Gone = MK_AGENT_STATE_GONE, "gone";
        /// It does not beat any more, and may again: the instance hangs.
        Hung = MK_AGENT_STATE_HUNG, "hung";
    }
}

named! {
    /// Why an agent is gone.
    pub enum AgentGone: u32 {
        /// The module was unloaded; the instance goes on.
        Unloaded = MK_AGENT_GONE_UNLOADED, "unloaded";
        /// The instance restarts.
        Restart = MK_AGENT_GONE_RESTART, "restart";
        /// It halts.
        Halt = MK_AGENT_GONE_HALT, "halt";
        /// It powers off.
        PowerOff = MK_AGENT_GONE_POWER_OFF, "power-off";
        /// It panicked.
        Panic = MK_AGENT_GONE_PANIC, "panic";
        /// It starts another kernel.
        Kexec = MK_AGENT_GONE_KEXEC, "kexec";
        /// The instance has ended without a word of its agent.
        Ended = MK_AGENT_GONE_ENDED, "ended";
        /// The agent did what it must not do.
        Misbehaved = MK_AGENT_GONE_MISBEHAVED, "misbehaved";
        /// It has never come: no version of the protocol is known to both modules.
        Version = MK_AGENT_GONE_VERSION, "version";
    }
}

/// What an agent and its host both know of the protocol, bit by bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentFeatures(pub u64);

impl AgentFeatures {
    const NAMES: [(u64, &str); 4] = [
        (abi::MK_AGENT_FEATURE_HEARTBEAT as u64, "heartbeat"),
        (abi::MK_AGENT_FEATURE_CLOCK as u64, "clock"),
        (abi::MK_AGENT_FEATURE_PEERS as u64, "peers"),
        (abi::MK_AGENT_FEATURE_CREATE as u64, "create"),
    ];

    /// Those that both know.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.those(true)
    }

    /// Those that one of them does not know.
    pub fn missing(self) -> impl Iterator<Item = &'static str> {
        self.those(false)
    }

    fn those(self, known: bool) -> impl Iterator<Item = &'static str> {
        let are = Self::NAMES
            .into_iter()
            .filter(move |(bit, _)| (self.0 & bit != 0) == known);
        are.map(|(_, name)| name)
    }
}

impl AgentGone {
    /// None: it does not say.
    pub(crate) fn of(raw: u32) -> Option<Self> {
        (raw != abi::MK_AGENT_GONE_UNKNOWN).then(|| Self::from_raw(raw))
    }
}

/// Physical memory of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Physical address of its first byte.
    pub start: u64,
    /// Its size.
    pub bytes: u64,
}

/// All about an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// A number that no other instance has had, as [`EventRecord`](crate::EventRecord) has it;
    /// none: the module is older.
    pub id: Option<u64>,
    /// Its state.
    pub state: State,
    /// Why it is stopped or crashed.
    pub reason: Reason,
    /// The same for a person: an instance's panic message, say. May be empty.
    pub text: String,
    /// Counts the changes of its state.
    pub generation: u64,
    /// How many bytes of memory it has.
    pub memory: u64,
    /// Physical address of its slot below 1 MiB.
    pub slot: u64,
    /// Size of that slot.
    pub slot_bytes: u32,
    /// NUMA node that was asked for; none: any.
    pub node: Option<u32>,
    /// How often it was started.
    pub runs: u64,
    /// When it was last started, since the host booted (`CLOCK_BOOTTIME`).
    pub started: Option<Duration>,
    /// When it last ended, by the same clock.
    pub ended: Option<Duration>,
    /// How long taking its CPUs took at the last start.
    pub take: Duration,
    /// How long giving them back took at the last end.
    pub give: Duration,
    /// How long the last load took.
    pub load: Duration,
    /// From the begin of the last load until the kernel could be started: it may be unpacked
    /// after that. `None`: it still is, or nothing was loaded.
    pub ready: Option<Duration>,
    /// The CPUs that it has or will have, by the host's numbers; it boots on
    /// the first.
    pub cpus: Vec<u32>,
    /// Its memory, in the order in which a [`Map`] has it.
    pub ranges: Vec<Range>,
    /// Whether its agent is there.
    pub agent: Agent,
    /// Why its agent is gone; none: it is not, or does not say.
    pub agent_gone: Option<AgentGone>,
    /// Version of the protocol that the agent has chosen, or the highest that it knows if it
    /// shares none with the host; none: there was none in this run, or the last.
    pub agent_version: Option<u32>,
    /// And the features.
    pub agent_features: AgentFeatures,
    /// How long its agent has to be silent until the instance counts as hung; none: for ever.
    pub hung_after: Option<Duration>,
}

impl Info {
    fn new(raw: &abi::mk_info, cpus: &[u32], ranges: &[abi::mk_range]) -> Self {
        let moment = |ns: u64| (ns != 0).then(|| Duration::from_nanos(ns));
        Self {
            name: ioctl::text_of(&raw.name),
            id: (raw.id != 0).then_some(raw.id),
            state: State::from_raw(raw.state),
            reason: Reason::from_raw(raw.reason),
            text: ioctl::text_of(&raw.text),
            generation: raw.generation,
            memory: raw.memory,
            slot: raw.slot,
            slot_bytes: raw.slot_bytes,
            node: u32::try_from(raw.node).ok(),
            runs: raw.runs,
            started: moment(raw.started),
            ended: moment(raw.ended),
            take: Duration::from_nanos(raw.take_ns),
            give: Duration::from_nanos(raw.give_ns),
            load: Duration::from_nanos(raw.load_ns),
            ready: moment(raw.ready_ns),
            cpus: cpus.to_vec(),
            ranges: ranges
                .iter()
                .map(|range| Range {
                    start: range.start,
                    bytes: range.bytes,
                })
                .collect(),
            agent: Agent::from_raw(raw.agent),
            agent_gone: AgentGone::of(raw.agent_reason),
            agent_version: (raw.agent_version != 0).then_some(raw.agent_version),
            agent_features: AgentFeatures(raw.agent_features),
            hung_after: (raw.hung_ms != 0).then(|| Duration::from_millis(raw.hung_ms.into())),
        }
    }
}

/// What is loaded into an instance.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The kernel, a bzImage.
    pub kernel: BorrowedFd<'a>,
    /// Its initrd.
    pub initrd: Option<BorrowedFd<'a>>,
    /// Its command line, to which the module adds what keeps it off the
    /// host's hardware.
    pub cmdline: &'a str,
    /// Whether the command line may name a UART, which the host then must not
    /// use.
    pub uart: bool,
}

impl<'a> Image<'a> {
    /// A kernel alone, with an empty command line.
    pub fn new(kernel: &'a impl AsFd) -> Self {
        Self {
            kernel: kernel.as_fd(),
            initrd: None,
            cmdline: "",
            uart: false,
        }
    }
}

/// What [`Instance::poll`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state changed since [`Instance::info`] last told it.
    Changed,
    /// The instance was destroyed.
    Destroyed,
    /// Nothing, for as long as was asked for.
    TimedOut,
}

impl Event {
    /// What to poll for: a change is an exceptional condition, there is
    /// nothing to be read.
    pub const POLL: PollFlags = PollFlags::PRI;

    /// Reads the answer of `poll(2)` for the descriptor of an instance.
    pub fn from_poll(flags: PollFlags) -> Self {
        if flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            Self::Destroyed
        } else if flags.is_empty() {
            Self::TimedOut
        } else {
            Self::Changed
        }
    }
}

/// An instance: what one would call a machine, if it had one of its own.
///
/// It holds a descriptor; dropping it does not end the instance, unless it was
/// created with [`Lifetime::Descriptor`](crate::Lifetime::Descriptor).
///
/// ```no_run
/// use std::fs::File;
/// use multikernel::{Device, Image, Lifetime};
///
/// let device = Device::open()?;
/// let instance = device.create("blue", Lifetime::Persistent)?;
/// instance.set_cpus(&[2, 3], false)?;
/// instance.set_memory(384 << 20, None)?;
/// let kernel = File::open("/boot/vmlinuz")?;
/// instance.load(&Image { cmdline: "quiet", ..Image::new(&kernel) })?;
/// instance.start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Instance {
    fd: OwnedFd,
    name: String,
}

impl Instance {
    pub(crate) fn new(fd: OwnedFd, name: &str) -> Self {
        Self {
            fd,
            name: name.to_owned(),
        }
    }

    pub(crate) fn failed(&self, operation: Operation) -> impl Fn(ioctl::Failure) -> Error + '_ {
        move |failure| {
            Error::new(operation, &self.name, failure.errno).with_message(failure.message)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reserves CPUs, by the host's numbers, in place of those it had. It
    /// boots on the first. The host keeps them until the instance is started.
    ///
    /// With `split_cores` a core may be shared between two kernels.
    pub fn set_cpus(&self, cpus: &[u32], split_cores: bool) -> Result<()> {
        let flags = if split_cores {
            abi::MK_CPUS_SPLIT_CORES
        } else {
            0
        };
        ioctl::set_cpus(self.fd.as_fd(), cpus, flags).map_err(self.failed(Operation::SetCpus))
    }

    /// Takes memory, a multiple of [`MEMORY_ALIGN`] and at least
    /// [`MEMORY_MIN`] bytes, in place of what it had; what was loaded is lost.
    ///
    /// `node` is a NUMA node; none: that of the CPUs first, then any. Where
    /// that much cannot be had, [`Error::largest_memory`] tells what can.
    ///
    /// [`MEMORY_ALIGN`]: crate::MEMORY_ALIGN
    /// [`MEMORY_MIN`]: crate::MEMORY_MIN
    pub fn set_memory(&self, bytes: u64, node: Option<u32>) -> Result<()> {
        let node = match node.map(i32::try_from) {
            None => abi::MK_NODE_ANY,
            Some(Ok(node)) => node,
            Some(Err(_)) => {
                return Err(Error::new(Operation::SetMemory, &self.name, Errno::INVAL)
                    .with_message(format!(
                        "there is no NUMA node {}",
                        node.unwrap_or_default()
                    )))
            }
        };
        ioctl::set_memory(self.fd.as_fd(), bytes, node).map_err(|(failure, largest)| {
            self.failed(Operation::SetMemory)(failure).with_largest(largest)
        })
    }

    /// From the next start on it counts as hung when its agent was silent for `after`, whole
    /// milliseconds; none: never.
    pub fn set_heartbeat(&self, after: Option<Duration>) -> Result<()> {
        ioctl::set_heartbeat(self.fd.as_fd(), after.map_or(0, milliseconds))
            .map_err(self.failed(Operation::SetHeartbeat))
    }

    /// Puts a kernel into its memory.
    pub fn load(&self, image: &Image<'_>) -> Result<()> {
        let flags = if image.uart { abi::MK_LOAD_UART } else { 0 };
        let cmdline = image.cmdline.as_bytes();
        ioctl::load(self.fd.as_fd(), image.kernel, image.initrd, cmdline, flags)
            .map_err(self.failed(Operation::Load))
    }

    /// Puts a kernel into its memory by `kexec_file_load()`: with the rules that the host has for
    /// kernels of its own, signatures among them. It takes
    /// [`Feature::Kexec`](crate::Feature::Kexec), and there can be no UART.
    pub fn load_by_kexec(&self, image: &Image<'_>) -> Result<()> {
        let failed = |errno| Error::new(Operation::KexecLoad, &self.name, errno);
        if image.uart {
            return Err(failed(Errno::INVAL)
                .with_message("kexec_file_load() cannot say that the instance has a UART"));
        }
        let id = self.info()?.id.ok_or_else(|| failed(Errno::OPNOTSUPP))?;
        kexec::load(id, image.kernel, image.initrd, image.cmdline).map_err(failed)
    }

    /// Takes its CPUs from the host and boots what is loaded. Where that fails it is as before, with
    /// its CPUs back at the host; but when its boot CPU was sent into the kernel and did not get
    /// there, it has crashed: [`Reason::StartFailed`].
    pub fn start(&self) -> Result<()> {
        ioctl::start(self.fd.as_fd()).map_err(self.failed(Operation::Start))
    }

    /// Ends it at once, whatever it does; its CPUs go back to the host.
    pub fn kill(&self) -> Result<()> {
        ioctl::kill(self.fd.as_fd()).map_err(self.failed(Operation::Kill))
    }

    /// Asks its agent for an answer, and waits for it no longer than `timeout`. How long it took.
    pub fn ping(&self, timeout: Duration) -> Result<Duration> {
        ioctl::ping(self.fd.as_fd(), milliseconds(timeout))
            .map(Duration::from_nanos)
            .map_err(self.failed(Operation::Ping))
    }

    /// Asks its agent to end it in good order, and waits no longer than `timeout` for it to agree:
    /// that the instance ends is what [`Instance::wait_for`] waits for.
    pub fn stop(&self, timeout: Duration) -> Result<()> {
        ioctl::stop(self.fd.as_fd(), milliseconds(timeout))
            .map(drop)
            .map_err(self.failed(Operation::Stop))
    }

    /// Opens its console. It can be before it runs, and after it has ended.
    pub fn console(&self, options: ConsoleOptions) -> Result<Console> {
        let mut flags = 0;
        if options.write {
            flags |= abi::MK_CONSOLE_WRITE;
        }
        if options.from_now {
            flags |= abi::MK_CONSOLE_NEW;
        }
        ioctl::console(self.fd.as_fd(), flags)
            .map(Console::new)
            .map_err(self.failed(Operation::Console))
    }

    /// Gives back all that it has, and forgets it. If it runs it is refused,
    /// unless `force` kills it first.
    pub fn destroy(&self, force: bool) -> Result<()> {
        let flags = if force { abi::MK_DESTROY_FORCE } else { 0 };
        ioctl::destroy(self.fd.as_fd(), flags).map_err(self.failed(Operation::Destroy))
    }

    /// All about it. What [`Instance::poll`] reported is settled by this.
    pub fn info(&self) -> Result<Info> {
        let mut cpus = [0; abi::MK_MAX_CPUS as usize];
        let mut ranges = vec![abi::mk_range::default(); 16];
        loop {
            let info = ioctl::info(self.fd.as_fd(), &mut cpus, &mut ranges)
                .map_err(self.failed(Operation::Info))?;
            let nr_cpus = (info.nr_cpus as usize).min(cpus.len());
            let nr_ranges = info.nr_ranges as usize;
            if nr_ranges <= ranges.len() {
                return Ok(Info::new(&info, &cpus[..nr_cpus], &ranges[..nr_ranges]));
            }
            ranges.resize(nr_ranges, abi::mk_range::default());
        }
    }

    /// Waits until its state changes, but no longer than `timeout`.
    ///
    /// To wait for something else at the same time, poll the descriptor
    /// ([`AsFd`]) for [`Event::POLL`] and give the answer to
    /// [`Event::from_poll`].
    pub fn poll(&self, timeout: Option<Duration>) -> Result<Event> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()))
                .map(|left| Timespec::try_from(left).expect("it fits: it is what is left of one"));
            let mut fds = [PollFd::new(&self.fd, Event::POLL)];
            match rustix::event::poll(&mut fds, left.as_ref()) {
                Ok(_) => return Ok(Event::from_poll(fds[0].revents())),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::new(Operation::Wait, &self.name, errno)),
            }
        }
    }

    /// Waits until `wanted` is true of it, but no longer than `timeout`;
    /// nothing: the time is over. An instance that is destroyed meanwhile is
    /// an error.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn example(instance: &multikernel::Instance) -> multikernel::Result<()> {
    /// let ended = instance.wait_for(Some(Duration::from_secs(60)), |info| {
    ///     info.state.has_ended()
    /// })?;
    /// match ended {
    ///     Some(info) => println!("it ended: {}", info.reason),
    ///     None => println!("it still runs"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for(
        &self,
        timeout: Option<Duration>,
        mut wanted: impl FnMut(&Info) -> bool,
    ) -> Result<Option<Info>> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let info = self.info()?;
            if wanted(&info) {
                return Ok(Some(info));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if self.poll(left)? == Event::TimedOut {
                return Ok(None);
            }
        }
    }

    /// Maps its memory, to be read.
    pub fn map(&self) -> Result<Map> {
        let ranges = self.info()?.ranges;
        if ranges.is_empty() {
            return Err(Error::new(Operation::Map, &self.name, Errno::NODATA)
                .with_message("it has no memory yet"));
        }
        Map::new(self.fd.as_fd(), ranges)
            .map_err(|errno| Error::new(Operation::Map, &self.name, errno))
    }

    /// The log of the kernel that runs, or ran, in it. It is of the memory that
    /// the instance has now: once it gets other memory, ask again.
    pub fn log(&self) -> Result<Log> {
        self.map().map(Log::new)
    }
}

/// At least that long.
fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_numbers_get_their_meaning() {
        let mut raw = abi::mk_info {
            state: abi::MK_STATE_CRASHED,
            reason: abi::MK_REASON_PANIC,
            node: abi::MK_NODE_ANY,
            started: 5,
            ready_ns: 7,
            agent: abi::MK_AGENT_STATE_GONE,
            agent_reason: abi::MK_AGENT_GONE_PANIC,
            hung_ms: 1500,
            agent_version: 1,
            agent_features: u64::from(abi::MK_AGENT_FEATURE_CLOCK) | (1 << 40),
            ..Default::default()
        };
        for (to, from) in raw.text.iter_mut().zip(b"oops") {
            *to = *from as std::ffi::c_char;
        }
        let info = Info::new(
            &raw,
            &[3, 2],
            &[abi::mk_range {
                start: 1 << 32,
                bytes: 1 << 21,
            }],
        );
        assert_eq!(info.state, State::Crashed);
        assert!(info.state.has_ended());
        assert_eq!(info.reason.to_string(), "panic");
        assert_eq!(info.text, "oops");
        assert_eq!(info.node, None);
        assert_eq!(info.started, Some(Duration::from_nanos(5)));
        assert_eq!(info.ended, None);
        assert_eq!(info.ready, Some(Duration::from_nanos(7)));
        assert_eq!(info.cpus, [3, 2]);
        assert_eq!(info.ranges[0].start, 1 << 32);
        assert_eq!(info.agent, Agent::Gone);
        assert_eq!(info.agent_gone, Some(AgentGone::Panic));
        assert_eq!(info.hung_after, Some(Duration::from_millis(1500)));
        assert_eq!(info.agent_version, Some(1));
        assert!(info.agent_features.names().eq(["clock"]));
        let missing = info.agent_features.missing();
        assert!(missing.eq(["heartbeat", "peers", "create"]));
    }

    #[test]
    fn no_wait_is_shorter_than_asked_for() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_secs(2)), 2000);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn states_of_a_newer_module_are_kept() {
        assert_eq!(State::from_raw(77), State::Unknown(77));
        assert_eq!(State::Unknown(77).to_string(), "unknown-77");
    }

    #[test]
    fn what_poll_says_is_read() {
        assert_eq!(Event::from_poll(PollFlags::empty()), Event::TimedOut);
        assert_eq!(Event::from_poll(PollFlags::PRI), Event::Changed);
        assert_eq!(
            Event::from_poll(PollFlags::PRI | PollFlags::HUP),
            Event::Destroyed
        );
    }
}
