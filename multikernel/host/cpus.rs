// SPDX-License-Identifier: GPL-2.0

//! CPUs that the host lends.

use super::{
    fail::{fail, Outcome},
    slots::Slot,
};
use crate::{
    arch::x86::{
        apic::{udelay, ApicId},
        msr::Plan,
        slot,
        trampoline::{self, mailbox},
    },
    pure::{name::Name, slot::MAILBOX},
    sys::{ffi, guard},
};
use kernel::{error::to_result, prelude::*, sync::Arc};

/// How long a CPU may take to go through the trampoline, in microseconds.
const TRAMPOLINE_TIMEOUT: usize = 2_000_000;

/// A CPU that has left the host.
///
/// It is not present to the host's kernel, so that nobody can online it, and the host's broadcast
/// IPIs are off. It waits for SIPI, or executes what the instance makes of it. Dropping it stops
/// it, repairs it and gives it back to the host.
pub(crate) struct Lent {
    cpu: u32,
    apic: ApicId,
    plan: Plan,
    slot: Arc<Slot>,
}

impl Lent {
    /// Takes `cpu` for the instance `name`; it waits for SIPI afterwards.
    pub(crate) fn take(cpu: u32, slot: Arc<Slot>, name: &Name) -> Outcome<Self> {
        // SAFETY: It only reads a per-CPU variable of a possible CPU.
        let id = unsafe { ffi::mk_cpu_apic_id(cpu) };
        let apic = ApicId::new(id)
            .ok_or_else(|| fail!(EOPNOTSUPP, "CPU {cpu} has APIC ID {id}, which cannot be lent"))?;
        let plan =
            Plan::of(cpu).map_err(|errno| fail!(errno, "the registers of CPU {cpu} cannot be read"))?;
        // SAFETY: It may be called from where one may sleep, with no lock of the hotplug code held.
        match unsafe { ffi::remove_cpu(cpu) } {
            0 => {}
            err if err < 0 => {
                return Err(fail!(
                    Error::from_errno(err),
                    "CPU {cpu} cannot be taken offline (error {err})"
                ))
            }
            // It had been taken offline by somebody else.
            _ => return Err(fail!(ENODEV, "CPU {cpu} is offline: online it first")),
        }
        // From here on the CPU is offline. The failing attempt to online one that is not present
        // makes the kernel compare present with booted CPUs, and turn broadcasts off.
        // SAFETY: The CPU is offline.
        let err = unsafe {
            ffi::mk_set_cpu_present(cpu, false);
            ffi::add_cpu(cpu)
        };
        if err != EINVAL.to_errno() {
            // SAFETY: The CPU is this kernel's, as before.
            let back = unsafe {
                ffi::mk_set_cpu_present(cpu, true);
                ffi::add_cpu(cpu)
            };
            if back < 0 {
                pr_err!("CPU {cpu} stays offline (error {back})\n");
            }
            return Err(fail!(
                EBUSY,
                "CPU {cpu} did not leave this kernel (error {err}): somebody else switches CPUs now"
            ));
        }
        guard::lend(cpu, name);
        apic.init();
        Ok(Self {
            cpu,
            apic,
            plan,
            slot,
        })
    }

    pub(crate) fn apic(&self) -> ApicId {
        self.apic
    }

    /// Stops the CPU, whatever it does.
    pub(crate) fn stop(&self) {
        self.apic.init();
    }

    /// Sends the CPU through the trampoline, and leaves it waiting for SIPI.
    pub(crate) fn scrub(&self) -> Result {
        self.apic.init();
        let result = self.enter(&Way::Park);
        self.apic.init();
        result
    }

    /// Sends the CPU through the trampoline, into a kernel.
    pub(crate) fn boot(&self, cr3: u64, entry: u64, boot_params: u64) -> Result {
        self.enter(&Way::Boot {
            cr3,
            entry,
            boot_params,
        })
    }

    fn enter(&self, way: &Way) -> Result {
        let base = self.slot.base();
        let mut written = Ok(());
        slot::write_trampoline(base, |offset, bytes| {
            if written.is_ok() {
                written = self.slot.write(offset, bytes);
            }
        });
        written?;
        let field = |offset: usize, bytes: &[u8]| self.slot.write(MAILBOX as usize + offset, bytes);
        field(0, &[0; 0x1000])?;
        let early = base + slot::EARLY_TABLES as u64;
        field(mailbox::EARLY_CR3, &(early as u32).to_le_bytes())?;
        field(mailbox::MODE, &way.mode().to_le_bytes())?;
        if let Way::Boot {
            cr3,
            entry,
            boot_params,
        } = way
        {
            field(mailbox::CR3, &cr3.to_le_bytes())?;
            field(mailbox::ENTRY, &entry.to_le_bytes())?;
            field(mailbox::BOOT_PARAMS, &boot_params.to_le_bytes())?;
        }
        field(mailbox::APIC_BASE, &self.plan.apic_base.to_le_bytes())?;
        field(mailbox::XCR0, &xcr0().to_le_bytes())?;
        field(mailbox::CR4, &cr4().to_le_bytes())?;
        let steps = &self.plan.steps[..self.plan.steps.len().min(mailbox::LIST_CAPACITY)];
        field(mailbox::COUNT, &(steps.len() as u32).to_le_bytes())?;
        for (n, step) in steps.iter().enumerate() {
            let at = mailbox::LIST + 16 * n;
            field(at, &step.msr.to_le_bytes())?;
            field(at + 4, &step.operation.to_le_bytes())?;
            field(at + 8, &step.value.to_le_bytes())?;
        }

        // Twice, as the SDM has it for processors that miss the first (3A, 10.4.4.1).
        for _ in 0..2 {
            self.apic.startup(self.slot.trampoline());
            if self.wait_for_phase(1, 1000) {
                break;
            }
        }
        if !self.wait_for_phase(trampoline::PHASE_DONE, TRAMPOLINE_TIMEOUT) {
            pr_err!(
                "CPU {} is stuck in the trampoline, phase {}\n",
                self.cpu,
                self.mailbox(mailbox::PHASE)
            );
            return Err(ETIMEDOUT);
        }
        let (repaired, faults) = (
            self.mailbox(mailbox::REPAIRED),
            self.mailbox(mailbox::FAULTS),
        );
        if faults > 0 {
            pr_warn!("CPU {}: {faults} registers could not be written\n", self.cpu);
        }
        pr_debug!("CPU {}: {repaired} registers repaired\n", self.cpu);
        Ok(())
    }

    fn mailbox(&self, offset: usize) -> u32 {
        self.slot.load(MAILBOX as usize + offset).unwrap_or(0)
    }

    fn wait_for_phase(&self, phase: u32, us: usize) -> bool {
        const STEP: usize = 10;
        for _ in 0..us / STEP {
            if self.mailbox(mailbox::PHASE) >= phase {
                return true;
            }
            udelay(STEP);
        }
        false
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let cpu = self.cpu;
        if self.scrub().is_err() {
            pr_err!("CPU {cpu} does not answer; it is given back as it is\n");
        }
        guard::reclaim(cpu);
        // SAFETY: The CPU waits for SIPI, as one that never ran.
        let back = to_result(unsafe {
            ffi::mk_set_cpu_present(cpu, true);
            ffi::add_cpu(cpu)
        });
        if let Err(err) = back {
            pr_err!("CPU {cpu} stays offline (error {})\n", err.to_errno());
        }
    }
}

/// Where the trampoline leads.
enum Way {
    Park,
    Boot {
        cr3: u64,
        entry: u64,
        boot_params: u64,
    },
}

impl Way {
    fn mode(&self) -> u32 {
        match self {
            Way::Park => trampoline::MODE_PARK,
            Way::Boot { .. } => trampoline::MODE_BOOT,
        }
    }
}

/// All state components that the CPUs have; 0: no XSAVE.
fn xcr0() -> u64 {
    // SAFETY: It only reads what the kernel found out about the CPUs.
    if unsafe { ffi::mk_cpu_features() } & ffi::HAS_XSAVE == 0 {
        return 0;
    }
    // SAFETY: All x86-64 CPUs have CPUID, and one with XSAVE has this leaf.
    let leaf = unsafe { core::arch::x86_64::__cpuid_count(0xd, 0) };
    u64::from(leaf.edx) << 32 | u64::from(leaf.eax)
}

/// Bits of CR4 for the trampoline: a machine check must find a handler.
fn cr4() -> u32 {
    const MCE: u32 = 1 << 6;
    // SAFETY: It only reads what the kernel found out about the CPUs.
    if unsafe { ffi::mk_cpu_features() } & ffi::HAS_MCE == 0 {
        0
    } else {
        MCE
    }
}
