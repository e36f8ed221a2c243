// SPDX-License-Identifier: GPL-2.0

//! Starts further Linux kernels beside this one, on CPUs and memory that it gives away; and in
//! these is the host's agent.
//!
//! Documentation/multikernel/ tells how.

use kernel::{
    miscdevice::{MiscDeviceOptions, MiscDeviceRegistration},
    prelude::*,
    sync::{global_lock, Arc},
};
// What is of the kernel crate's files in `sys::stock` calls this crate that one.
#[cfg(not(CONFIG_MULTIKERNEL))]
use {
    kernel::{alloc, container_of, cpu, error, io, page, prelude, sync, types},
    sys::stock::bindings,
};

mod agent;
// What other modules use of it.
#[allow(dead_code)]
mod api;
mod arch {
    pub(crate) mod x86;
}
mod channel;
mod host;
// The library and the tests use the rest of it.
#[allow(dead_code)]
mod pure;
mod sys;
#[cfg(CONFIG_MULTIKERNEL_KUNIT_TEST)]
mod tests;
mod uapi;

use agent::{
    clock::Clocks,
    session::{Presence, Session},
};
use channel::endpoint::{Endpoint, ENDS};
use host::{cpus::COMES_BACK, lines::Lines, registry::Host};
use pure::range::Range;
use sys::{
    clock::Watch,
    crash::Crash,
    guard::Guard,
    kexec::Taker,
    line::Line,
    node::Nodes,
    notifier::{Panic, PowerManagement, Reboot, Registration},
    ticker::Ticker,
};

module! {
    type: Multikernel,
    name: "multikernel",
    authors: ["The multikernel developers"],
    description: "Starts further Linux kernels beside this one",
    license: "GPL v2",
    params: {
        storm_rings: u32 {
            default: 2000,
            description: "On a host: more rings for nothing than that, in 20 ms, are a storm",
        },
        init_retry_us: u32 {
            default: 20_000,
            description: "On a host: a CPU that does not answer for so long is sent INIT once more",
        },
        spin_us: u32 {
            default: 200,
            description: "Who waits for a peer looks for so many microseconds before it sleeps",
        },
        dump_instances: bool {
            default: false,
            description: "On a host: the dump of a crash has the memory of instances",
        },
        follow_clock: bool {
            default: true,
            description: "In an instance: its clock follows the host's; else it is only set once",
        },
    },
}

global_lock! {
    // SAFETY: The module's `init` initializes it before anything can use it.
    unsafe(uninit) static HOST: Mutex<Option<Arc<Host>>> = None;
}

global_lock! {
    // SAFETY: The module's `init` initializes it before anything can use it.
    unsafe(uninit) static SESSION: Mutex<Option<Arc<Session>>> = None;
}

/// What this kernel and its host share, for those who open the device.
fn session() -> Option<Arc<Session>> {
    SESSION.lock().clone()
}

/// The host, for those who open the device.
fn host() -> Option<Arc<Host>> {
    HOST.lock().clone()
}

/// As long as this lives, [`host`] gives the host.
struct Published(());

impl Published {
    fn new(host: Arc<Host>) -> Self {
        *HOST.lock() = Some(host);
        Self(())
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        *HOST.lock() = None;
    }
}

/// As long as this lives, [`session`] gives the session.
struct PublishedSession(());

impl PublishedSession {
    fn new(session: Arc<Session>) -> Self {
        *SESSION.lock() = Some(session);
        Self(())
    }
}

impl Drop for PublishedSession {
    fn drop(&mut self) {
        *SESSION.lock() = None;
    }
}

/// The host of instances. Fields are dropped in their order: first nobody can come in any more.
#[pin_data]
struct HostRole {
    taker: Taker<Host>,
    #[pin]
    device: MiscDeviceRegistration<Host>,
    #[pin]
    crash: Registration<Crash, Arc<Host>>,
    #[pin]
    reboot: Registration<Reboot, Arc<Host>>,
    #[pin]
    sleep: Registration<PowerManagement, Arc<Host>>,
    published: Published,
    ticker: Ticker<Host>,
    watch: Watch,
    /// `None`: there are no local APICs, and [`Host::query`] tells that nothing can start.
    lines: Option<Lines>,
    guard: Guard,
    nodes: Nodes<Endpoint>,
}

/// An instance. First nothing calls it any more, and the host is told before the line goes.
#[pin_data]
struct AgentRole {
    #[pin]
    device: MiscDeviceRegistration<Session>,
    #[pin]
    panic: Registration<Panic, Arc<Session>>,
    #[pin]
    reboot: Registration<Reboot, Arc<Session>>,
    published: PublishedSession,
    presence: Presence,
    ticker: Ticker<Session>,
    clocks: Clocks,
    line: Line<Session>,
    nodes: Nodes<Endpoint>,
}

/// Before those that stop devices.
const FIRST: i32 = i32::MAX;
/// After those that save something.
const LAST: i32 = i32::MIN;

impl HostRole {
    fn new() -> Result<Pin<KBox<Self>>> {
        let host = Host::new()?;
        let lines = match host.has_apics() {
            true => Some(Lines::new(&host)?),
            false => None,
        };
        KBox::try_pin_init(
            try_pin_init!(Self {
                nodes: Nodes::new()?,
                lines,
                guard: Guard::new(),
                watch: Watch::new(),
                ticker: Ticker::new(host.clone()),
                published: Published::new(host.clone()),
                sleep <- Registration::new(host.clone(), FIRST),
                reboot <- Registration::new(host.clone(), FIRST),
                crash <- Registration::new(host.clone(), FIRST),
                device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                    name: c"multikernel",
                }),
                taker: Taker::new(host)?,
            }? Error),
            GFP_KERNEL,
        )
    }
}

impl AgentRole {
    fn new(area: Range) -> Result<Pin<KBox<Self>>> {
        let session = Session::new(area)?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                nodes: Nodes::new()?,
                line: Line::moving(c"multikernel", session.clone())?,
                clocks: Clocks::new(&session),
                ticker: Ticker::new(session.clone()),
                presence: Presence::new(session.clone()),
                published: PublishedSession::new(session.clone()),
                reboot <- Registration::new(session.clone(), FIRST),
                panic <- Registration::new(session, LAST),
                device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                    name: c"multikernel",
                }),
            }? Error),
            GFP_KERNEL,
        )
    }
}

/// The module, in one of its roles.
struct Multikernel {
    _host: Option<Pin<KBox<HostRole>>>,
    _agent: Option<Pin<KBox<AgentRole>>>,
}

impl kernel::Module for Multikernel {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: It is called once, when the module is loaded.
        unsafe { HOST.init() };
        // SAFETY: As above.
        unsafe {
            SESSION.init();
            ENDS.init();
            COMES_BACK.init();
        }
        // An instance has no instances of its own: CPUs and memory are its host's.
        let (host, agent) = match Session::find() {
            Some(area) => (None, Some(AgentRole::new(area?)?)),
            None => (Some(HostRole::new()?), None),
        };
        Ok(Self {
            _host: host,
            _agent: agent,
        })
    }
}
