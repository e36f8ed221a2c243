// SPDX-License-Identifier: GPL-2.0

//! The host itself: what it can do, and the instances that it has.

use super::{
    bells::{Bell, Bells},
    channel::Channel,
    events::{Event, Events},
    fail::{fail, report, Outcome},
    instance::Instance,
    link::{Link, Request, Wish},
    pools::Pools,
    slots::{page_is_ram, Low, Slot, Slots},
};
use crate::{
    channel::endpoint::HOST,
    pure::{
        cmdline,
        lockdown::Lockdown,
        madt, message,
        name::{self, Name},
        realmode, slot,
    },
    sys::{acpi, clock, ffi, kexec, lockdown, physical::Physical, ticker::Tick},
    uapi::*,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, Arc, Mutex},
};

/// With more memory in channels than this an instance gets none that it asks for by itself.
const ASKED_BYTES_MAX: u64 = 16 << 20;

/// The host.
#[pin_data]
pub(crate) struct Host {
    slots: Arc<Slots>,
    pools: Pools,
    spare_apic_id: Option<u8>,
    bells: Arc<Bells>,
    /// `MK_BLOCKED_*` that cannot change.
    blockers: u64,
    #[pin]
    events: Events,
    #[pin]
    registry: Mutex<Registry>,
    /// Held by who makes channels, and removes them.
    #[pin]
    wiring: Mutex<()>,
}

/// The instances, in the order of their creation.
pub(crate) struct Registry {
    pub(crate) instances: KVec<Arc<Instance>>,
    /// How many there ever were.
    created: u64,
    /// The host goes down: nothing starts any more.
    is_down: bool,
    /// The host goes to sleep: nothing starts now.
    is_asleep: bool,
}

impl Registry {
    /// The slot that those instances share that have none of their own.
    pub(crate) fn shared_slot(&self) -> Option<Arc<Slot>> {
        self.instances.iter().find_map(|instance| {
            instance.with_status(|status| match &status.low {
                Some(Low::Shared(slot)) if !slot.is_abandoned() => Some(slot.clone()),
                _ => None,
            })
        })
    }
}

pub(crate) type RegistryGuard<'a> = Guard<'a, Registry, MutexBackend>;

impl Host {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let mut blockers = 0;
        let slots = find_slots().unwrap_or_else(|error| {
            report!(pr_warn, "{error}");
            blockers |= u64::from(MK_BLOCKED_REAL_MODE);
            KVec::new()
        });
        let spare_apic_id = spare_apic_id();
        // SAFETY: They only read what the kernel found out about the machine.
        let (apic, encrypted, tsc) = unsafe {
            (
                ffi::mk_apic_mode(),
                ffi::mk_memory_encrypted(),
                ffi::mk_tsc_khz(),
            )
        };
        for (blocked, flag) in [
            (apic == 0, MK_BLOCKED_APIC),
            (encrypted, MK_BLOCKED_ENCRYPTION),
            (tsc == 0, MK_BLOCKED_TSC),
            (spare_apic_id.is_none(), MK_BLOCKED_APIC_ID),
        ] {
            if blocked {
                blockers |= u64::from(flag);
            }
        }
        let slots = Slots::new(slots)?;
        // More than can run, as some only wait.
        let bells = Bells::new(slots.count() + lendable_cpus())?;
        Arc::pin_init(
            try_pin_init!(Self {
                slots,
                pools: Pools::new()?,
                spare_apic_id,
                bells,
                blockers,
                events <- Events::new(),
                registry <- new_mutex!(Registry {
                    instances: KVec::new(),
                    created: 0,
                    is_down: false,
                    is_asleep: false,
                }),
                wiring <- new_mutex!(()),
            }? Error),
            GFP_KERNEL,
        )
    }

    pub(crate) fn has_apics(&self) -> bool {
        self.blockers & u64::from(MK_BLOCKED_APIC) == 0
    }

    /// Memory that was set aside.
    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What instances have below 1 MiB.
    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// What instances ring.
    pub(crate) fn bells(&self) -> &Bells {
        &self.bells
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn registry(&self) -> RegistryGuard<'_> {
        self.registry.lock()
    }

    pub(crate) fn spare_apic_id(&self) -> Result<u8> {
        self.spare_apic_id.ok_or(ENODEV)
    }

    /// What an instance's command line depends on.
    pub(crate) fn cmdline(&self, uart: bool) -> cmdline::Config {
        cmdline::Config {
            // SAFETY: They only read what the kernel found out about the machine.
            tsc_khz: unsafe { ffi::mk_tsc_khz() },
            spare_apic_id: self.spare_apic_id.unwrap_or(u8::MAX - 1),
            // SAFETY: As above.
            without_hwp: unsafe { ffi::mk_cpu_features() } & ffi::HAS_HWP == 0,
            uart,
            lockdown: lockdown::level(),
        }
    }

    pub(crate) fn blockers(&self) -> u64 {
        let mut blockers = self.blockers;
        if is_closed() {
            blockers |= u64::from(MK_BLOCKED_LOCKDOWN);
        }
        if self.slots.free() == 0 && self.slots.count() > 0 {
            blockers |= u64::from(MK_BLOCKED_NO_SLOT);
        }
        blockers
    }

    pub(crate) fn query(&self, query: &mut mk_query) {
        query.abi_version = MK_ABI_VERSION;
        query.nr_slots = self.slots.count() as u32;
        query.nr_slots_free = self.slots.free() as u32;
        query.nr_instances = self.registry().instances.len() as u32;
        query.features = u64::from(
            MK_FEATURE_MMAP
                | MK_FEATURE_STOP_REASON
                | MK_FEATURE_AGENT
                | MK_FEATURE_CHANNELS
                | MK_FEATURE_CONSOLE
                | MK_FEATURE_EVENTS
                | MK_FEATURE_POOLS,
        );
        if kexec::exists() {
            query.features |= u64::from(MK_FEATURE_KEXEC);
        }
        query.blockers = self.blockers();
        // SAFETY: They only read what the kernel found out about the machine.
        unsafe {
            query.tsc_khz = ffi::mk_tsc_khz();
            query.apic_mode = ffi::mk_apic_mode();
        }
        query.boot_cpu = 0;
        query.role = MK_ROLE_HOST;
        query.spare_apic_id = self.spare_apic_id.map_or(u32::MAX, u32::from);
    }

    /// Makes an instance.
    pub(crate) fn create(this: &Arc<Self>, name: &[u8; name::BYTES]) -> Outcome<Arc<Instance>> {
        let name = valid(name)?;
        let mut registry = this.registry();
        if find(&registry, &name).is_some() {
            return Err(fail!(EEXIST, "an instance \"{name}\" exists already"));
        }
        if this.blockers & u64::from(MK_BLOCKED_REAL_MODE) != 0 {
            return Err(fail!(
                ENODEV,
                "this kernel's real-mode code was not found, so there is no room below 1 MiB"
            ));
        }
        if this.slots.count() == 0 {
            return Err(fail!(
                ENODEV,
                "there is no memory below 1 MiB that this kernel leaves alone"
            ));
        }
        let bell: Bell = Bells::take(&this.bells).ok_or_else(|| {
            fail!(
                ENOSPC,
                "all {} doorbells of this host are taken, one for each instance: destroy one first",
                this.bells.count()
            )
        })?;
        registry.created += 1;
        let instance = Instance::new(name, registry.created, this.clone(), bell)?;
        registry.instances.push(instance.clone(), GFP_KERNEL)?;
        // Before anybody can do something with it.
        this.events.tell(&instance, Event::Created);
        drop(registry);
        report!(pr_info, "{name}: created");
        Ok(instance)
    }

    pub(crate) fn find(&self, name: &[u8; name::BYTES]) -> Outcome<Arc<Instance>> {
        let name = valid(name)?;
        find(&self.registry(), &name)
            .ok_or_else(|| fail!(ENOENT, "there is no instance \"{name}\""))
    }

    /// Leaves a destroyed instance out from now on.
    pub(crate) fn forget(&self, instance: &Instance) {
        let mut registry = self.registry();
        registry
            .instances
            .retain(|known| !core::ptr::eq::<Instance>(&**known, instance));
        // Before anybody can take the name.
        instance.with_status(|status| {
            self.events.tell(instance, Event::Destroyed(&status.life));
        });
    }

    /// Refuses where a start would do harm.
    pub(crate) fn can_start(&self) -> Outcome {
        self.stays_up()?;
        let blockers = self.blockers & !u64::from(MK_BLOCKED_NO_SLOT);
        if blockers != 0 {
            return Err(fail!(
                EOPNOTSUPP,
                "this host cannot start instances (blockers {blockers:#x}): \"mkctl check\" tells why"
            ));
        }
        Ok(())
    }

    /// Fails while the host goes down, or to sleep.
    pub(crate) fn stays_up(&self) -> Outcome {
        let registry = self.registry();
        let why = match (registry.is_down, registry.is_asleep) {
            (true, _) => "down",
            (false, true) => "to sleep",
            (false, false) => return Ok(()),
        };
        Err(fail!(EBUSY, "nothing begins now: the host goes {why}"))
    }

    /// Nothing starts any more.
    pub(crate) fn go_down(&self) {
        self.registry().is_down = true;
    }

    /// Nothing starts as long as the host sleeps.
    pub(crate) fn go_to_sleep(&self, asleep: bool) {
        self.registry().is_asleep = asleep;
    }

    /// All instances, those included that are made meanwhile, in the order of their creation. No
    /// lock is held in between.
    pub(crate) fn instances(&self) -> impl Iterator<Item = Arc<Instance>> + '_ {
        let mut last = 0;
        core::iter::from_fn(move || {
            let registry = self.registry();
            let mut later = registry.instances.iter().filter(|next| next.id() > last);
            let next = later.next()?.clone();
            last = next.id();
            Some(next)
        })
    }
}

impl Host {
    /// Looks at all that has happened. Returns how much the instance with this bell had to say.
    pub(crate) fn look(self: &Arc<Self>, bell: Option<usize>) -> u32 {
        let mut news = 0;
        for instance in self.instances() {
            let of_it = instance.look();
            if bell.is_some() && instance.bell() == bell {
                news = of_it;
            }
            Self::serve(self, &instance);
        }
        news
    }

    /// The instance with this bell rings without end.
    pub(crate) fn stop_storm(&self, bell: usize) {
        let mut instances = self.instances();
        if let Some(instance) = instances.find(|instance| instance.bell() == Some(bell)) {
            instance.stop_storm();
        }
    }

    /// Makes a channel of `instance` with `peer` or, without one, with the host.
    pub(crate) fn wire(
        this: &Arc<Self>,
        instance: &Arc<Instance>,
        peer: Option<Arc<Instance>>,
        name: Name,
        bytes: [u32; 2],
    ) -> Outcome<Arc<Channel>> {
        // The path of a node is made of them, and the kernel takes a ! for a slash.
        let names = [
            Some(*instance.name()),
            peer.as_ref().map(|peer| *peer.name()),
            Some(name),
        ];
        for name in names.iter().flatten() {
            if name.as_bytes().contains(&b'!') {
                return Err(fail!(
                    EINVAL,
                    "\"{name}\" has a !, which names of channels and of their ends cannot have"
                ));
            }
        }
        if let Some(peer) = &peer {
            if peer.id() == instance.id() {
                return Err(fail!(EINVAL, "an instance has no channel with itself"));
            }
            if let Some(name) = [instance, peer]
                .map(|end| end.name())
                .iter()
                .find(|name| name.as_str() == HOST)
            {
                return Err(fail!(
                    EINVAL,
                    "the other end would take the instance \"{name}\" for its host"
                ));
            }
        }
        let wiring = this.wiring.lock();
        for end in [Some(instance), peer.as_ref()].into_iter().flatten() {
            let channels = end.channels();
            if channels.is_closed {
                return Err(fail!(ENODEV, "the instance was destroyed"));
            }
            if channels.list.len() >= MK_INSTANCE_CHANNELS as usize {
                return Err(fail!(
                    ENOSPC,
                    "{} has {MK_INSTANCE_CHANNELS} channels: remove one first",
                    end.name()
                ));
            }
        }
        if find_channel(instance, peer.as_deref(), &name).is_some() {
            return Err(fail!(
                EEXIST,
                "there is a channel \"{name}\" between these two already"
            ));
        }
        let channel = Channel::new(instance, peer, name, bytes)?;
        for end in channel.instances() {
            let pushed = end.channels().list.push(channel.clone(), GFP_KERNEL);
            if let Err(error) = pushed {
                forget_channel(&channel);
                return Err(error.into());
            }
        }
        drop(wiring);
        channel.step();
        Ok(channel)
    }

    /// Does what the agents of an instance have asked for.
    fn serve(this: &Arc<Self>, instance: &Arc<Instance>) {
        while let Some((link, request)) = instance.take_request() {
            match this.fulfil(instance, &link, &request) {
                Ok(Some(created)) => {
                    link.reply(&request, message::Outcome::Done, &created.bytes());
                }
                Ok(None) => link.reply(&request, message::Outcome::Done, &[]),
                Err(fail) => {
                    let outcome = match fail.errno {
                        EEXIST => message::Outcome::Exists,
                        ENOENT => message::Outcome::NoPeer,
                        ENOSPC | ENOMEM => message::Outcome::NoRoom,
                        _ => message::Outcome::Invalid,
                    };
                    link.reply(&request, outcome, &[]);
                }
            }
        }
    }

    fn fulfil(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        link: &Link,
        request: &Request,
    ) -> Outcome<Option<message::Created>> {
        let peer = request.peer.map(|name| self.find(name.as_bytes()));
        let peer = peer.transpose()?;
        match request.what {
            Wish::Create(bytes) => {
                let wanted = 2 * u64::from(bytes.max(MK_CHANNEL_RING_BYTES));
                let channels = instance.channels();
                let had: u64 = channels.list.iter().map(|channel| channel.bytes()).sum();
                drop(channels);
                // What was removed may not have been given back.
                let had = had.max(link.lent_bytes());
                if had.saturating_add(wanted) > ASKED_BYTES_MAX {
                    return Err(ENOSPC.into());
                }
                let channel = Self::wire(self, instance, peer, request.name, [bytes; 2])?;
                Ok(Some(channel.entry(instance)))
            }
            Wish::Remove => {
                self.cut(instance, peer.as_deref(), &request.name)?;
                Ok(None)
            }
        }
    }

    /// Removes the channel of `instance` with `peer`, or with the host.
    pub(crate) fn cut(&self, instance: &Instance, peer: Option<&Instance>, name: &Name) -> Outcome {
        let wiring = self.wiring.lock();
        let channel = find_channel(instance, peer, name)
            .ok_or_else(|| fail!(ENOENT, "there is no channel \"{name}\" between these two"))?;
        forget_channel(&channel);
        drop(wiring);
        channel.remove();
        Ok(())
    }

    /// Removes all channels of an instance; it gets no others.
    pub(crate) fn unwire(&self, instance: &Instance) {
        let _wiring = self.wiring.lock();
        instance.channels().is_closed = true;
        loop {
            let last = instance.channels().list.last().cloned();
            let Some(channel) = last else { break };
            forget_channel(&channel);
            channel.remove();
        }
    }
}

fn find_channel(instance: &Instance, peer: Option<&Instance>, name: &Name) -> Option<Arc<Channel>> {
    let channels = instance.channels();
    let is_it = |channel: &&Arc<Channel>| {
        let other = channel.peer_of(instance).map(|other| other.id());
        channel.name() == *name && other == peer.map(Instance::id)
    };
    channels.list.iter().find(is_it).cloned()
}

/// Leaves a channel out of the lists of those at its ends.
fn forget_channel(channel: &Arc<Channel>) {
    for end in channel.instances() {
        let mut channels = end.channels();
        channels.list.retain(|known| !Arc::ptr_eq(known, channel));
    }
}

impl Tick for Host {
    fn tick(self: &Arc<Self>) {
        self.look(None);
        let is_waiting = self.instances().any(|instance| instance.is_linked());
        let clock = clock::tell(is_waiting);
        for instance in self.instances() {
            instance.tell_time(clock.as_ref());
        }
    }
}

/// Refuses what could not lead to an instance that runs.
pub(crate) fn permit() -> Outcome {
    if is_closed() {
        return Err(fail!(
            EPERM,
            "this kernel is locked down, and starting another one is refused as kexec is"
        ));
    }
    Ok(())
}

/// Refuses a kernel that nobody has verified, where kexec would refuse it.
pub(crate) fn permit_unverified() -> Outcome {
    let why = if lockdown::level() != Lockdown::None {
        "is locked down"
    } else if kexec::is_signature_enforced() {
        "loads only what has a valid signature"
    } else {
        return Ok(());
    };
    Err(fail!(
        EPERM,
        "this kernel {why}, and this way to load verifies no signatures"
    ))
}

/// Whether lockdown refuses all kernels: nobody here verifies signatures.
fn is_closed() -> bool {
    !kexec::exists() && lockdown::level() != Lockdown::None
}

pub(crate) fn valid(name: &[u8; name::BYTES]) -> Outcome<Name> {
    Name::new(name).map_err(|error| {
        let errno = match error {
            name::Error::TooLong => ENAMETOOLONG,
            _ => EINVAL,
        };
        fail!(errno, "{error}")
    })
}

fn find(registry: &Registry, name: &Name) -> Option<Arc<Instance>> {
    registry
        .instances
        .iter()
        .find(|instance| instance.name() == name)
        .cloned()
}

/// How many CPUs there are besides the boot CPU. None is lent yet.
fn lendable_cpus() -> usize {
    (0..kernel::cpu::nr_cpu_ids())
        // SAFETY: It only reads a mask.
        .filter(|cpu| unsafe { ffi::mk_cpu_present(*cpu) })
        .count()
        .saturating_sub(1)
}

/// The slots below 1 MiB that nobody uses.
fn find_slots() -> core::result::Result<KVec<slot::Slot>, realmode::Error> {
    // SAFETY: The direct map has all of the first MiB, and this is only read, where it is RAM or
    // the BIOS data area.
    let low = unsafe { Physical::new(0, 0x10_0000) };
    let word = |at: u64| {
        let mut bytes = [0; 2];
        low.read(at, &mut bytes)
            .map_or(0, |()| u16::from_le_bytes(bytes))
    };
    let bios_start = slot::bios_start(word(0x413), word(0x40e));
    let blobs = realmode::Blobs::find(|at| {
        if page_is_ram(at & !0xfff) {
            low.load(at).ok()
        } else {
            None
        }
    })?;
    let found = slot::Slots::find(page_is_ram, blobs.as_slice(), bios_start);
    let mut slots = KVec::new();
    for slot in found.as_slice() {
        if slots.push(*slot, GFP_KERNEL).is_err() {
            break;
        }
    }
    Ok(slots)
}

/// An APIC ID that no entry of this machine's MADT has.
fn spare_apic_id() -> Option<u8> {
    acpi::with_table(c"APIC", madt::spare_apic_id)?
}
