// SPDX-License-Identifier: GPL-2.0

//! Sending INIT and SIPI, and ringing doorbells.

use crate::{pure::doorbell::Doorbell, sys::ffi};
use kernel::time::{delay::udelay, Delta};

/// Delivery mode INIT (SDM 3A, 12.6.1).
const INIT: u32 = 0x500;
/// Delivery mode Start-up.
const STARTUP: u32 = 0x600;
const LEVEL_ASSERT: u32 = 0x4000;
const TRIGGER_LEVEL: u32 = 0x8000;

/// Rings a doorbell: an interrupt of one CPU, which nobody but the doorbell's owner has to fear.
/// What was written before is seen before it.
pub(crate) fn ring(doorbell: Doorbell) {
    let low = LEVEL_ASSERT | u32::from(doorbell.vector());
    // SAFETY: A doorbell is no broadcast and no exception, and whoever has read it has checked that
    // its CPU is the owner's.
    unsafe { ffi::mk_apic_icr_write(low, doorbell.apic_id()) }
}

/// The APIC ID of a CPU, as the destination of an interrupt command.
///
/// # Invariants
///
/// It is no broadcast in either mode of the APIC, and it is not the boot CPU's, whose INIT resets
/// the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApicId(u8);

impl ApicId {
    /// `None`: an INIT cannot be sent to this one.
    pub(crate) fn new(id: u32) -> Option<Self> {
        // SAFETY: It only reads a variable.
        let boot = unsafe { ffi::mk_boot_cpu_apic_id() };
        match u8::try_from(id) {
            Ok(raw) if raw != 0xff && id != boot => Some(Self(raw)),
            _ => None,
        }
    }

    /// As the MADT has it.
    pub(crate) fn raw(self) -> u8 {
        self.0
    }

    /// Stops the CPU, whatever it does; it waits for SIPI from then on.
    ///
    /// The caller owns the CPU: this kernel has removed it.
    pub(crate) fn init(self) {
        self.command(TRIGGER_LEVEL | LEVEL_ASSERT | INIT);
        udelay(Delta::from_micros(20));
        self.command(TRIGGER_LEVEL | INIT);
    }

    /// Starts the CPU, which waits for SIPI, at `page` below 1 MiB.
    pub(crate) fn startup(self, page: u32) {
        debug_assert!(page & 0xfff == 0 && page < 0x10_0000);
        self.command(STARTUP | page >> 12);
    }

    fn command(self, low: u32) {
        // SAFETY: The invariant keeps broadcasts and the boot CPU out; the owner of the CPU decides
        // what it executes.
        unsafe { ffi::mk_apic_icr_write(low, self.0.into()) }
    }
}
