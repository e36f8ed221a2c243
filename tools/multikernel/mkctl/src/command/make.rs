// SPDX-License-Identifier: GPL-2.0

//! Making an instance, wholly or not at all.

use multikernel::{Blocker, Device, Instance, Lifetime};

use super::cpus;
use crate::cli::Resources;
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::units;

/// An instance that is removed again unless it is kept.
pub struct Made(Option<Instance>);

impl Made {
    /// Creates an instance, and gives it CPUs and memory.
    pub fn new(
        device: &Device,
        name: &str,
        resources: &Resources,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let query = device.query()?;
        // Whether a kernel needs a slot is known when it is loaded.
        let blockers = query.blockers.into_iter();
        let blockers: Vec<_> = blockers.filter(|it| *it != Blocker::NoSlot).collect();
        if !blockers.is_empty() {
            return Err(Failure::Blocked(blockers));
        }
        let made = Self(Some(device.create(name, Lifetime::Persistent)?));
        let after = Some(resources.hung_after).filter(|after| !after.is_zero());
        made.instance().set_heartbeat(after)?;
        cpus::reserve(device, query.boot_cpu, made.instance(), resources)?;
        interrupt.check()?;
        {
            let size = units::size(resources.memory);
            let _progress = Progress::new(format!("taking {size} of memory for {name}"));
            made.instance()
                .set_memory(resources.memory, resources.node)?;
        }
        interrupt.check()?;
        Ok(made)
    }

    /// The instance.
    pub fn instance(&self) -> &Instance {
        self.0.as_ref().expect("it is there until it is kept")
    }

    /// Lets it live.
    pub fn keep(mut self) -> Instance {
        self.0.take().expect("it is there until it is kept")
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(instance) = self.0.take() {
            if let Err(error) = instance.destroy(true) {
                eprintln!("mkctl: {error}");
            }
        }
    }
}
