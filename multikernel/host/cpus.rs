// SPDX-License-Identifier: GPL-2.0

//! CPUs that the host lends.

use super::{
    bells::Bell,
    fail::{fail, report, Fail, Outcome},
    link::Link,
    loader::Entry,
    memory::Memory,
    slots::Low,
};
use crate::{
    arch::x86::{
        apic::ApicId,
        msr::Plan,
        slot::{write_trampoline, EARLY_TABLES},
        trampoline::{self, mailbox},
    },
    pure::{apicset::ApicSet, name::Name, slot::MAILBOX},
    sys::{ffi, guard, hotplug, module},
};
use core::ops::Deref;
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::{global_lock, Arc},
    time::{
        delay::{fsleep, udelay},
        Delta, Instant, Monotonic,
    },
};

/// How long a CPU may take to take INIT, and to go through the trampoline. SMIs and the flushing of
/// large caches take milliseconds; an emulated CPU may have to wait for its turn.
const TIMEOUT: Delta = Delta::from_secs(5);
/// A CPU that takes INIT executes nothing of before any more after so long. One that takes it later
/// executes nothing at all until then.
const INIT_TAKEN: Delta = Delta::from_micros(10);

/// A CPU that has left the host.
///
/// It is not present to the host's kernel, so that nobody can online it, and the host's broadcast
/// IPIs are off. It is parked, or executes what the instance makes of it. Dropping it stops it,
/// repairs it and gives it back to the host.
pub(crate) struct Lent {
    cpu: u32,
    apic: ApicId,
    plan: Plan,
    /// What it executes, and writes, lies in there, so all stay as long as it may execute.
    low: Low,
    memory: Arc<Memory>,
    /// And all that it shares.
    link: Arc<Link>,
    /// What it rings.
    bell: Arc<Bell>,
}

/// Those that are lent, for the moment when the host has crashed.
static LENT: ApicSet = ApicSet::new();

/// Stops all CPUs that are lent, as [`Lent::stop`] does, without a lock. Nothing of the host runs
/// any more but this.
pub(crate) fn stop_all() {
    for apic in LENT.iter().filter_map(|id| ApicId::new(id.into())) {
        apic.init();
    }
}

global_lock! {
    // SAFETY: The module's `init` initializes it before anything can use it.
    /// Held as long as a CPU is present and waits to be onlined. Another that comes online then
    /// would turn broadcasts on, as all that are present have been booted once, and the next of
    /// them would reach this one.
    pub(crate) unsafe(uninit) static COMES_BACK: Mutex<()> = ();
}

impl Lent {
    /// Takes `cpu` for the instance `name`, and parks it.
    pub(crate) fn take(
        cpu: u32,
        name: &Name,
        low: Low,
        memory: Arc<Memory>,
        link: Arc<Link>,
        bell: Arc<Bell>,
    ) -> Outcome<Self> {
        // SAFETY: It only reads a per-CPU variable of a possible CPU.
        let id = unsafe { ffi::mk_cpu_apic_id(cpu) };
        let apic = ApicId::new(id).ok_or_else(|| {
            fail!(
                EOPNOTSUPP,
                "CPU {cpu} has APIC ID {id}, which cannot be lent"
            )
        })?;
        let plan = Plan::of(cpu)
            .map_err(|errno| fail!(errno, "the registers of CPU {cpu} cannot be read"))?;
        let number = number(cpu)?;
        match hotplug::offline(number) {
            Ok(true) => {}
            // It had been taken offline by somebody else.
            Ok(false) => return Err(fail!(ENODEV, "CPU {cpu} is offline: bring it online first")),
            Err(err) => {
                return Err(fail!(
                    err,
                    "CPU {cpu} cannot be taken offline (error {})",
                    err.to_errno()
                ))
            }
        }
        // From here on the CPU is offline.
        // SAFETY: It is.
        unsafe { ffi::mk_set_cpu_present(cpu, false) };
        // The failing attempt to online one that is not present makes the kernel compare present
        // with booted CPUs, and turn broadcasts off.
        let attempt = hotplug::online(number);
        if attempt != Err(EINVAL) {
            let err = attempt.err().map_or(0, Error::to_errno);
            let fate = match online(cpu) {
                Ok(()) => "it is online again",
                Err(_) => "it stays offline: bring it online by hand",
            };
            return Err(fail!(
                EBUSY,
                "CPU {cpu} did not leave this kernel (error {err}), as somebody else switches CPUs; {fate}"
            ));
        }
        guard::lend(cpu, name);
        LENT.insert(apic.raw());
        let lent = Self {
            cpu,
            apic,
            plan,
            low,
            memory,
            link,
            bell,
        };
        lent.park(None).map_err(no_answer(cpu))?;
        Ok(lent)
    }

    pub(crate) fn apic(&self) -> ApicId {
        self.apic
    }

    /// Stops the CPU, whatever it does: it waits for SIPI.
    pub(crate) fn stop(&self) {
        self.apic.init();
    }

    /// Sends the CPU through the trampoline, and leaves it halted there, with a handler for machine
    /// checks, on the page tables at `cr3` or on those in the slot that only the host uses.
    pub(crate) fn park(&self, cr3: Option<u64>) -> Result {
        self.enter(&Way::Park { cr3 })
    }

    /// Sends the CPU through the trampoline, into a kernel, or to where it waits for that.
    pub(crate) fn boot(&self, entry: &Entry) -> Outcome {
        self.enter(&Way::Boot(entry)).map_err(no_answer(self.cpu))
    }

    fn enter(&self, way: &Way<'_>) -> Result {
        let (slot, _passage) = (self.low.slot(), self.low.enter());
        let base = slot.base();
        let mut written = Ok(());
        write_trampoline(base, |offset, bytes| {
            if written.is_ok() {
                written = slot.write(offset, bytes);
            }
        });
        written?;
        let field = |offset: usize, bytes: &[u8]| slot.write(MAILBOX as usize + offset, bytes);
        field(0, &[0; 0x1000])?;
        let early = base + EARLY_TABLES as u64;
        field(mailbox::EARLY_CR3, &(early as u32).to_le_bytes())?;
        field(mailbox::MODE, &way.mode().to_le_bytes())?;
        let cr3 = match way {
            Way::Park { cr3 } => cr3.unwrap_or(0),
            Way::Boot(entry) => {
                field(mailbox::ENTRY, &entry.entry.to_le_bytes())?;
                field(mailbox::BOOT_PARAMS, &entry.boot_params.to_le_bytes())?;
                entry.cr3
            }
        };
        field(mailbox::CR3, &cr3.to_le_bytes())?;
        field(mailbox::APIC_BASE, &self.plan.apic_base.to_le_bytes())?;
        field(mailbox::XCR0, &xcr0().to_le_bytes())?;
        field(mailbox::CR4, &cr4().to_le_bytes())?;
        let steps = &self.plan.steps;
        field(mailbox::COUNT, &(steps.len() as u32).to_le_bytes())?;
        for (n, step) in steps.iter().enumerate() {
            let at = mailbox::LIST + 16 * n;
            field(at, &step.msr.to_le_bytes())?;
            field(at + 4, &step.operation.to_le_bytes())?;
            field(at + 8, &step.value.to_le_bytes())?;
        }

        // A CPU that has not taken INIT yet misses SIPI, so both are sent until it answers. One
        // that has answered is left alone: INIT could hit it while its caches are off. If it
        // answers just before the next INIT, what it said is void: it begins anew. Into a kernel
        // it goes when no INIT can come any more.
        let retry = Delta::from_micros(crate::module_parameters::init_retry_us.value().into());
        let start = Instant::<Monotonic>::now();
        loop {
            self.apic.init();
            udelay(INIT_TAKEN);
            field(mailbox::PHASE, &[0; 4])?;
            self.apic.startup(slot.trampoline());
            if self.wait_for_phase(1, retry) || start.elapsed() > TIMEOUT {
                break;
            }
        }
        field(mailbox::GO, &1u32.to_le_bytes())?;
        if !self.wait_for_phase(trampoline::PHASE_DONE, TIMEOUT) {
            pr_err!(
                "CPU {} is stuck in the trampoline, phase {}\n",
                self.cpu,
                self.mailbox(mailbox::PHASE)
            );
            // If it comes after all, it must not follow orders that are for the CPU of another.
            self.apic.init();
            return Err(ETIMEDOUT);
        }
        let (repaired, faults) = (
            self.mailbox(mailbox::REPAIRED),
            self.mailbox(mailbox::FAULTS),
        );
        if faults > 0 {
            pr_warn!(
                "CPU {}: {faults} registers could not be written\n",
                self.cpu
            );
        }
        pr_debug!("CPU {}: {repaired} registers repaired\n", self.cpu);
        Ok(())
    }

    fn mailbox(&self, offset: usize) -> u32 {
        let slot = self.low.slot();
        slot.load(MAILBOX as usize + offset).unwrap_or(0)
    }

    /// Most CPUs answer within microseconds; for others it sleeps.
    fn wait_for_phase(&self, phase: u32, timeout: Delta) -> bool {
        const BUSY_POLLS: usize = 100;
        let start = Instant::<Monotonic>::now();
        for poll in 0.. {
            if self.mailbox(mailbox::PHASE) >= phase {
                return true;
            }
            if start.elapsed() > timeout {
                break;
            }
            if poll < BUSY_POLLS {
                udelay(Delta::from_micros(2));
            } else {
                fsleep(Delta::from_micros(200));
            }
        }
        false
    }
}

impl Drop for Lent {
    /// Gives the CPU back to the host.
    fn drop(&mut self) {
        let cpu = self.cpu;
        if self.park(None).is_err() {
            report!(
                pr_emerg,
                "INIT does not stop CPU {cpu}: it, and the memory that it may write to, are lost \
                 until the machine starts anew"
            );
            self.low.slot().abandon();
            self.memory.abandon();
            // Not present: nobody onlines it, and broadcasts stay off.
            core::mem::forget((
                self.low.clone(),
                self.memory.clone(),
                self.link.clone(),
                self.bell.clone(),
                module::Pin::new(),
            ));
            return;
        }
        LENT.remove(self.apic.raw());
        guard::reclaim(cpu);
        if let Err(err) = online(cpu) {
            // It stays parked, where NMIs and machine checks find their handlers: that must not
            // be zeroed, nor become another's.
            core::mem::forget((self.low.clone(), module::Pin::new()));
            report!(
                pr_err,
                "CPU {cpu} stays offline (error {}): bring it online by hand; what it waits in \
                 below 1 MiB is lost until the machine starts anew",
                err.to_errno()
            );
        }
    }
}

/// CPUs in the order in which they were taken; they go back in reverse.
pub(crate) struct LentCpus(KVec<Lent>);

impl LentCpus {
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Room for so many.
    pub(crate) fn with_capacity(count: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(count, GFP_KERNEL)?))
    }

    pub(crate) fn push(&mut self, cpu: Lent) -> Result {
        Ok(self.0.push(cpu, GFP_KERNEL)?)
    }

    pub(crate) fn give_back(&mut self) {
        while self.0.pop().is_some() {}
    }
}

impl Deref for LentCpus {
    type Target = [Lent];

    fn deref(&self) -> &[Lent] {
        &self.0
    }
}

impl Drop for LentCpus {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Makes `cpu`, which waits for SIPI or is parked, the host's again.
fn online(cpu: u32) -> Result {
    let _only = COMES_BACK.lock();
    // SAFETY: The CPU executes nothing of others.
    unsafe { ffi::mk_set_cpu_present(cpu, true) };
    // It may be online already.
    hotplug::online(number(cpu)?).map(|_| ())
}

fn number(cpu: u32) -> Result<CpuId> {
    CpuId::from_u32(cpu).ok_or(ENODEV)
}

fn no_answer(cpu: u32) -> impl Fn(Error) -> Fail {
    move |errno| fail!(errno, "CPU {cpu} did not start: see the kernel's log")
}

/// Where the trampoline leads.
enum Way<'a> {
    Park { cr3: Option<u64> },
    Boot(&'a Entry),
}

impl Way<'_> {
    fn mode(&self) -> u32 {
        match self {
            Way::Park { .. } => trampoline::MODE_PARK,
            Way::Boot(_) => trampoline::MODE_BOOT,
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
