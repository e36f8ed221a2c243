// SPDX-License-Identifier: GPL-2.0

//! What happens to the instances when the host goes down, or to sleep.

use super::{cpus, fail::report, instance::has_cpus, registry::Host};
use crate::sys::{
    crash::Crash,
    notifier::{Handler, PowerEvent, PowerManagement, Reboot, RebootEvent},
};
use kernel::prelude::*;

impl Handler<Reboot> for Host {
    /// The machine restarts, halts, powers off, or another kernel takes it over: an instance must
    /// not go on in memory that will not be its own.
    fn notify(&self, _event: RebootEvent<'_>) -> Result {
        self.go_down();
        for instance in self.instances() {
            instance.stop_for_good();
        }
        Ok(())
    }
}

impl Handler<Crash> for Host {
    /// A crash kernel takes over, and finds the memory of the instances as it was.
    fn notify(&self, _event: ()) -> Result {
        cpus::stop_all();
        Ok(())
    }
}

impl Handler<PowerManagement> for Host {
    /// Sleep would stop the clocks, and power the memory down, of kernels that know nothing of it.
    fn notify(&self, event: PowerEvent) -> Result {
        match event {
            PowerEvent::HibernationPrepare
            | PowerEvent::SuspendPrepare
            | PowerEvent::RestorePrepare => {
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
            PowerEvent::PostHibernation | PowerEvent::PostSuspend | PowerEvent::PostRestore => {
                self.go_to_sleep(false)
            }
        }
        Ok(())
    }
}
