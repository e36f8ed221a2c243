// SPDX-License-Identifier: GPL-2.0

//! What the host is told when this kernel goes down.

use super::session::Session;
use crate::{
    pure::agent::Gone,
    sys::notifier::{Handler, Panic, Reboot, RebootEvent},
};
use kernel::prelude::*;

/// What the kernel calls a restart that another kernel comes out of (`kernel_kexec()`).
const KEXEC: &[u8] = b"kexec reboot";

impl Handler<Reboot> for Session {
    fn notify(&self, event: RebootEvent<'_>) -> Result {
        self.leave(match event {
            RebootEvent::Halt => Gone::Halt,
            RebootEvent::PowerOff => Gone::PowerOff,
            RebootEvent::Restart(Some(command)) if command.to_bytes() == KEXEC => Gone::Kexec,
            RebootEvent::Restart(_) => Gone::Restart,
        });
        Ok(())
    }
}

impl Handler<Panic> for Session {
    fn notify(&self, message: &CStr) -> Result {
        self.leave_at_once(Gone::Panic, message.to_bytes());
        Ok(())
    }
}
