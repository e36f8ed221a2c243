// SPDX-License-Identifier: GPL-2.0

//! What happens to the instances when the host goes down, or to sleep.

use super::{
    cpus,
    fail::report,
    instance::{has_cpus, Instance},
    memory,
    registry::Host,
};
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
    /// Sleep would stop the clocks, and power the memory down, of kernels that know nothing of it;
    /// and the image of a host that hibernates has no memory of instances.
    fn notify(&self, event: PowerEvent) -> Result {
        let is_saved = matches!(event, PowerEvent::HibernationPrepare);
        match event {
            PowerEvent::HibernationPrepare
            | PowerEvent::SuspendPrepare
            | PowerEvent::RestorePrepare => {
                self.go_to_sleep(true);
                let result = self
                    .instances()
                    .try_for_each(|instance| may_sleep(&instance, is_saved))
                    .and_then(|()| may_be_saved(is_saved));
                if result.is_err() {
                    // Who vetoes is not told when it is over.
                    self.go_to_sleep(false);
                }
                result
            }
            PowerEvent::PostHibernation | PowerEvent::PostSuspend | PowerEvent::PostRestore => {
                self.go_to_sleep(false);
                Ok(())
            }
        }
    }
}

/// Whether the host may be saved, if it `is_saved`. Its image has no memory of instances.
fn may_be_saved(is_saved: bool) -> Result {
    if is_saved && memory::is_used() {
        report!(
            pr_err,
            "no hibernation while memory of an instance that is gone is mapped"
        );
        return Err(EBUSY);
    }
    Ok(())
}

/// Whether the host may sleep, for all that this instance has. One that is just being started
/// counts as running: it may be seen to run too late.
fn may_sleep(instance: &Instance, is_saved: bool) -> Result {
    let name = instance.name();
    if instance.with_status(|status| has_cpus(&status.life)) {
        report!(
            pr_err,
            "no suspend while the instance {name} runs: kill it first"
        );
    } else if is_saved && instance.memory().is_some() {
        report!(
            pr_err,
            "no hibernation while the instance {name} has memory: remove it first"
        );
    } else {
        return Ok(());
    }
    Err(EBUSY)
}
