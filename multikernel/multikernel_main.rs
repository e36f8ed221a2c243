// SPDX-License-Identifier: GPL-2.0

//! Starts further Linux kernels beside this one, on CPUs and memory that it gives away.
//!
//! Documentation/multikernel/ tells how.

use kernel::{
    miscdevice::{MiscDeviceOptions, MiscDeviceRegistration},
    prelude::*,
    sync::{global_lock, Arc},
};

mod arch {
    pub(crate) mod x86;
}
mod channel;
mod host;
// The library and the tests use the rest of it.
#[allow(dead_code)]
mod pure;
mod sys;
mod uapi;

use host::registry::Host;
use sys::{
    guard::Guard,
    line::Line,
    notifier::{Notifier, Reboot, Sleep},
};

module! {
    type: Multikernel,
    name: "multikernel",
    authors: ["The multikernel developers"],
    description: "Starts further Linux kernels beside this one",
    license: "GPL v2",
}

global_lock! {
    // SAFETY: The module's `init` initializes it before anything can use it.
    unsafe(uninit) static HOST: Mutex<Option<Arc<Host>>> = None;
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

/// The module. Fields are dropped in this order: first nobody can come in any more.
#[pin_data]
struct Multikernel {
    #[pin]
    device: MiscDeviceRegistration<Host>,
    #[pin]
    reboot: Notifier<Reboot, Host>,
    #[pin]
    sleep: Notifier<Sleep, Host>,
    published: Published,
    /// `None`: there are no local APICs, and [`Host::query`] tells that nothing can start.
    line: Option<Line<Host>>,
    guard: Guard,
}

impl kernel::InPlaceModule for Multikernel {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: It is called once, when the module is loaded.
        unsafe { HOST.init() };
        pin_init::pin_init_scope(|| {
            let host = Host::new()?;
            let line = match host.has_apics() {
                true => Some(Line::new(c"multikernel", host.clone())?),
                false => None,
            };
            host.set_vector(line.as_ref().map_or(0, Line::vector));
            Ok(try_pin_init!(Self {
                line,
                guard: Guard::new(),
                published: Published::new(host.clone()),
                sleep <- Notifier::new(host.clone()),
                reboot <- Notifier::new(host),
                device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                    name: c"multikernel",
                }),
            }? Error))
        })
    }
}
