// SPDX-License-Identifier: GPL-2.0

//! What happens to the instances when the host goes down, or to sleep.

use super::{cpus, fail::report, instance::has_cpus, registry::Host};
use crate::sys::notifier::{Crash, Notify, Reboot, Sleep};
use kernel::{bindings, prelude::*};

impl Notify<Reboot> for Host {
    /// The machine restarts, halts, powers off, or another kernel takes it over: an instance must
    /// not go on in memory that will not be its own.
    fn notify(&self, _event: usize, _text: &[u8]) -> Result {
        self.go_down();
        for instance in self.instances() {
            instance.stop_for_good();
        }
        Ok(())
    }
}

impl Notify<Crash> for Host {
    /// A crash kernel takes over, and finds the memory of the instances as it was.
    fn notify(&self, _event: usize, _text: &[u8]) -> Result {
        cpus::stop_all();
        Ok(())
    }
}

impl Notify<Sleep> for Host {
    /// Sleep would stop the clocks, and power the memory down, of kernels that know nothing of it.
    fn notify(&self, event: usize, _text: &[u8]) -> Result {
        match event as u32 {
            bindings::PM_HIBERNATION_PREPARE
            | bindings::PM_SUSPEND_PREPARE
            | bindings::PM_RESTORE_PREPARE => {
                self.go_to_sleep(true);
                let mut instances = self.instances();
                // One that is just being started counts: it may be seen to run too late.
                if let Some(instance) =
                    instances.find(|instance| instance.with_status(|status| has_cpus(&status.life)))
                {
                    report!(
                        pr_err,
                        "no suspend while the instance {} runs: kill it first",
                        instance.name()
                    );
                    // Who vetoes is not told when it is over.
                    self.go_to_sleep(false);
                    return Err(EBUSY);
                }
            }
            bindings::PM_POST_HIBERNATION
            | bindings::PM_POST_SUSPEND
            | bindings::PM_POST_RESTORE => self.go_to_sleep(false),
            _ => {}
        }
        Ok(())
    }
}
