// SPDX-License-Identifier: GPL-2.0

//! What the host is told when this kernel goes down.

use super::session::Session;
use crate::{
    pure::agent::Gone,
    sys::notifier::{Notify, Panic, Reboot},
};
use kernel::prelude::*;

/// What the kernel calls a restart that another kernel comes out of (`kernel_kexec()`).
const KEXEC: &[u8] = b"kexec reboot";

impl Notify<Reboot> for Session {
    fn notify(&self, event: usize, text: &[u8]) -> Result {
        self.leave(match event {
            Reboot::HALT => Gone::Halt,
            Reboot::POWER_OFF => Gone::PowerOff,
            _ if text == KEXEC => Gone::Kexec,
            _ => Gone::Restart,
        });
        Ok(())
    }
}

impl Notify<Panic> for Session {
    fn notify(&self, _event: usize, text: &[u8]) -> Result {
        self.leave_at_once(Gone::Panic, text);
        Ok(())
    }
}
