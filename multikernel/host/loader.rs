// SPDX-License-Identifier: GPL-2.0

//! Putting a kernel into an instance's memory, with all that it is to find there.

use super::{
    fail::{fail, Fail, Outcome},
    link::Link,
    memory::{Memory, Open},
    slots::{Low, Slot},
    unpacking::{Placed, Plan, Stopwatch, Unpacking, Zstd},
};
use crate::{
    arch::x86::{self, trampoline},
    pure::{
        acpi, bootparams,
        bzimage::{self, Image},
        cmdline,
        dock::{self, Dock},
        doorbell::Doorbell,
        e820,
        guest::{self, Guest},
        kaslr::Wish,
        layout::{self, Layout},
        lockdown::Trust,
        paging,
        range::{Range, PAGE},
        slot, tboot,
        vmlinux::{self, Vmlinux},
    },
    sys::{
        clock, ffi,
        file::{Kind, Readable},
        kexec, random,
    },
};
use core::fmt::Display;
use kernel::{prelude::*, sync::Arc};

/// No kernel's file is larger.
const IMAGE_MAX: u64 = 1 << 30;

/// A page, on the heap.
type Page = KBox<[u8; PAGE as usize]>;

/// What was loaded, and where.
pub(crate) struct Loaded {
    image: Image,
    kernel: Kernel,
    head: KVec<u8>,
    layout: Layout,
    trust: Trust,
    /// It knows what it is.
    guest: Option<Guest>,
}

/// A kernel that is in its place, or on its way there.
enum Kernel {
    Placed(Option<Vmlinux>),
    Unpacking(Unpacking),
}

impl Kernel {
    /// What was unpacked, once it is there; `None`: the kernel does that itself.
    fn vmlinux(&self) -> Placed {
        match self {
            Self::Placed(vmlinux) => Ok(*vmlinux),
            Self::Unpacking(unpacking) => unpacking.finish(),
        }
    }
}

/// An initrd.
enum Initrd<'a> {
    /// It is still to be read.
    File(Readable),
    Read(&'a [u8]),
}

impl Initrd<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size(),
            Self::Read(bytes) => bytes.len() as u64,
        }
    }

    fn put(&self, memory: &Open, at: u64) -> Outcome {
        match self {
            Self::File(file) => file
                .read_to(Kind::Initrd, memory.piece(at)?, at)
                .map_err(|errno| unreadable(errno, "initrd")),
            Self::Read(bytes) => Ok(memory.write(at, bytes)?),
        }
    }
}

/// Where a kernel is entered, and with what.
pub(crate) struct Entry {
    /// Page tables that map the first 4 GiB and the instance's memory.
    pub(crate) cr3: u64,
    pub(crate) entry: u64,
    /// Where its boot parameters are, or its berth.
    pub(crate) boot_params: u64,
    /// Where its further CPUs wait; `None`: where they are parked.
    dock: Option<Dock>,
}

impl Entry {
    /// Where the `n`th of its further CPUs waits, if it has a dock.
    pub(crate) fn berth(&self, n: usize) -> Option<Self> {
        let dock = self.dock?;
        Some(Self {
            cr3: dock.address(dock::ROOT),
            entry: dock.entrance(),
            boot_params: dock.berth(n),
            dock: None,
        })
    }
}

impl Loaded {
    /// Puts the kernel and the initrd of the caller's descriptors, and the command line, into
    /// `memory`, which is all zeros. To unpack the kernel takes longest, and goes on afterwards:
    /// `watch` is stopped when it is done.
    pub(crate) fn from_files(
        memory: Open,
        kernel_fd: i32,
        initrd_fd: Option<i32>,
        user: &[u8],
        config: &cmdline::Config,
        watch: &Arc<Stopwatch>,
    ) -> Outcome<Self> {
        let file = open("kernel", kernel_fd)?;
        let initrd = initrd_fd.map(|fd| open("initrd", fd)).transpose()?;
        if initrd.as_ref().is_some_and(|initrd| initrd.size() == 0) {
            return Err(fail!(
                EINVAL,
                "the initrd is empty: give none, or another one"
            ));
        }
        // Before memory is spent on reading it.
        if file.size() > memory.bytes().min(IMAGE_MAX) {
            return Err(fail!(
                EFBIG,
                "the kernel's file has {} bytes, {} are the most",
                file.size(),
                memory.bytes().min(IMAGE_MAX)
            ));
        }
        if file.size() == 0 {
            return Err(wrong(ENOEXEC, bzimage::Error::Empty));
        }
        let contents = file
            .read(Kind::Kernel)
            .map_err(|errno| unreadable(errno, "kernel"))?;
        let trust = Trust {
            is_verified: false,
            lockdown: config.lockdown,
        };
        let initrd = initrd.map(Initrd::File);
        let (mut loaded, plan) = Self::place(&memory, &contents, initrd, user, config, trust)?;
        loaded.kernel = if plan.zstd.is_some() {
            Kernel::Unpacking(Unpacking::begin(plan, memory, contents, watch.clone())?)
        } else {
            let vmlinux = plan.follow(memory, &contents)?;
            watch.stop();
            Kernel::Placed(vmlinux)
        };
        Ok(loaded)
    }

    /// The same with what kexec has read. It takes that back, so all is done here.
    pub(crate) fn from_kexec(
        memory: Open,
        image: &kexec::Image<'_>,
        config: &cmdline::Config,
        watch: &Stopwatch,
    ) -> Outcome<Self> {
        let trust = Trust {
            is_verified: image.is_verified,
            lockdown: config.lockdown,
        };
        let initrd = image.initrd.map(Initrd::Read);
        let (mut loaded, plan) =
            Self::place(&memory, image.kernel, initrd, image.cmdline, config, trust)?;
        loaded.kernel = Kernel::Placed(plan.follow(memory, image.kernel)?);
        watch.stop();
        Ok(loaded)
    }

    /// Puts all there but the kernel, and plans how that gets there.
    fn place(
        memory: &Open,
        contents: &[u8],
        initrd: Option<Initrd<'_>>,
        user: &[u8],
        config: &cmdline::Config,
        trust: Trust,
    ) -> Outcome<(Self, Plan)> {
        let image =
            Image::parse(contents, contents.len() as u64).map_err(|error| wrong(ENOEXEC, error))?;

        let mut line = Page::new([0; PAGE as usize], GFP_KERNEL)?;
        let length = cmdline::compose(line.as_mut_slice(), user, image.cmdline_size(), config)
            .map_err(|error| {
                let errno = match error {
                    cmdline::Error::TooLong { .. } => E2BIG,
                    _ => EINVAL,
                };
                wrong(errno, error)
            })?;

        let guest = image.info(contents).and_then(Guest::find);
        let wish = Wish::of(&line[..length]);
        let random = || (wish == Wish::Random).then(random::number);
        let packed = image.zstd(contents).filter(|_| wish != Wish::Own);
        let ranges = ranges(memory)?;
        let layout = Layout::plan(&layout::Request {
            ranges: &ranges,
            alignment: image.alignment(),
            init_size: image.init_size(),
            pref_address: image.pref_address(),
            initrd_size: initrd.as_ref().map_or(0, Initrd::size),
            has_dock: guest.is_some_and(Guest::knows_docks),
            random: packed.and_then(|_| random()),
        })
        .map_err(|error| wrong(EFBIG, error))?;

        let at = layout.kernel().start();
        let lead = match layout.below_kernel(&ranges) {
            vmlinux::LEAD.. => vmlinux::LEAD,
            _ => 0,
        };
        let link = vmlinux::Link {
            base: image.pref_address(),
            size: image.init_size(),
            alignment: image.alignment(),
            lead,
        };
        let zstd = packed.map(|_| Zstd {
            link,
            random: random(),
        });
        let plan = Plan { image, at, zstd };
        memory.write(layout.cmdline().start(), &line[..length])?;
        if let (Some(initrd), Some(place)) = (initrd, layout.initrd()) {
            initrd.put(memory, place.start())?;
        }

        let mut head = KVec::new();
        let length = contents.len().min(bzimage::HEAD_BYTES);
        head.extend_from_slice(&contents[..length], GFP_KERNEL)?;
        let loaded = Self {
            image,
            kernel: Kernel::Placed(None),
            head,
            layout,
            trust,
            guest,
        };
        Ok((loaded, plan))
    }

    /// Returns when the kernel is in its place.
    pub(crate) fn finish(&self) -> Outcome {
        self.kernel.vmlinux()?;
        Ok(())
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the kernel knows what it is.
    pub(crate) fn is_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// Whether its CPUs wait in its memory, and nothing below 1 MiB is its own.
    pub(crate) fn has_dock(&self) -> bool {
        self.layout.dock().is_some()
    }

    /// Writes what the kernel finds on its CPUs `cpus`, the first of which boots. It is told of
    /// what `link` shares with it.
    pub(crate) fn prepare(
        &self,
        memory: &Open,
        low: &Low,
        cpus: &[u8],
        spare: u8,
        doorbell: Doorbell,
        link: &Link,
    ) -> Outcome<Entry> {
        let (slot, own) = (low.slot(), low.own());
        let place = slot.place();
        let vmlinux = self.kernel.vmlinux()?;
        let ranges = ranges(memory)?;
        let mut page = Page::new([0; PAGE as usize], GFP_KERNEL)?;

        let mut tables = KVec::with_capacity(acpi::BYTES as usize, GFP_KERNEL)?;
        tables.resize(acpi::BYTES as usize, 0, GFP_KERNEL)?;
        let config = acpi::Config {
            spare,
            cpus,
            ioapic: place.address(slot::IOAPIC),
            area: link.area().ok_or(EINVAL)?,
        };
        let rsdp = acpi::write(&mut tables, self.layout.acpi().start(), &config)
            .map_err(|error| wrong(EINVAL, error))?;
        memory.write(self.layout.acpi().start(), &tables)?;
        page.fill(0xff);
        slot.write(slot::IOAPIC as usize, page.as_slice())?;

        let mut e820 = KBox::new(const { e820::Map::new() }, GFP_KERNEL)?;
        let own_place = own.map(|slot| slot.place());
        e820.compose(own_place, &self.layout, &ranges, link.memory().range())
            .map_err(|error| wrong(EINVAL, error))?;
        let dock = self.dock(memory, cpus)?;
        let config = bootparams::Config {
            kernel: self.layout.kernel().start(),
            cmdline: self.layout.cmdline().start(),
            initrd: self.layout.initrd(),
            rsdp,
            tboot: own_place.map_or(0, |place| place.address(slot::TBOOT).into()),
            setup_data: self.setup_data(memory, doorbell, dock, link)?,
            is_random: vmlinux.is_some_and(|vmlinux| vmlinux.is_random),
            e820: &e820,
        };
        bootparams::write(&mut page, &self.head, &self.image, &config).ok_or(EINVAL)?;
        memory.write(self.layout.boot_params().start(), page.as_slice())?;

        let root = self.page_tables(memory, &ranges)?;
        let cr3 = match dock {
            Some(dock) => {
                let at = dock.address(dock::ROOT);
                memory.write(at, bytes_of(&root))?;
                at
            }
            None => {
                slot.write(slot::ROOT as usize, bytes_of(&root))?;
                place.address(slot::ROOT).into()
            }
        };
        if let Some(slot) = own {
            stub(slot, cr3, doorbell, &mut page)?;
        }

        Ok(Entry {
            cr3,
            entry: self.layout.kernel().start()
                + vmlinux.map_or(bzimage::ENTRY64, |vmlinux| vmlinux.entry),
            boot_params: self.layout.boot_params().start(),
            dock,
        })
    }

    /// Writes what only a kernel looks for that knows what it is. Returns where that is, or 0.
    fn setup_data(
        &self,
        memory: &Open,
        doorbell: Doorbell,
        dock: Option<Dock>,
        link: &Link,
    ) -> Outcome<u64> {
        let Some(guest) = self.guest else {
            return Ok(0);
        };
        let (console, console_size) = link.early_console().ok_or(EINVAL)?;
        let config = guest::Config {
            down: link.down(),
            doorbell,
            now: clock::now(),
            // SAFETY: It only reads what the kernel found out about the machine.
            tsc_khz: unsafe { ffi::mk_tsc_khz() },
            console,
            console_size,
            dock,
        };
        let at = self.layout.setup_data().start();
        let mut bytes = [0; guest::SETUP_DATA_BYTES];
        guest.write(&mut bytes, &config);
        memory.write(at, &bytes)?;
        Ok(at)
    }

    /// Writes where all of `cpus` wait but the first one.
    fn dock(&self, memory: &Open, cpus: &[u8]) -> Outcome<Option<Dock>> {
        let Some(place) = self.layout.dock() else {
            return Ok(None);
        };
        let others = cpus.get(1..).unwrap_or_default();
        let dock = Dock {
            start: place.start(),
            entrance: trampoline::entrance() as u64,
            berths: others.len() as u32,
        };
        let mut berths = KVVec::<u8>::new();
        berths.resize((dock::BYTES - dock::BERTHS) as usize, 0, GFP_KERNEL)?;
        dock::write_berths(&mut berths, others).ok_or(EINVAL)?;
        memory.write(dock.address(dock::BERTHS), &berths)?;
        x86::dock::write(dock.start, |at, bytes| memory.write(at, bytes))?;
        Ok(Some(dock))
    }

    /// Writes the page tables but the top one, which it returns.
    fn page_tables(
        &self,
        memory: &Open,
        ranges: &[Range],
    ) -> Outcome<KBox<[u64; paging::ENTRIES]>> {
        let place = self.layout.tables();
        let mut root = KBox::new([0u64; paging::ENTRIES], GFP_KERNEL)?;
        let count = (place.bytes() / PAGE) as usize;
        let mut tables = KVVec::with_capacity(count, GFP_KERNEL)?;
        tables.resize(count, [0u64; paging::ENTRIES], GFP_KERNEL)?;
        paging::write(&mut root, &mut tables, place.start(), ranges)
            .map_err(|error| wrong(EINVAL, error))?;
        for (n, table) in tables.iter().enumerate() {
            memory.write(place.start() + n as u64 * PAGE, bytes_of(table))?;
        }
        Ok(root)
    }
}

/// Writes where a kernel ends that knows of no host, by way of `page`. `cr3` maps the local APIC.
fn stub(slot: &Slot, cr3: u64, doorbell: Doorbell, page: &mut Page) -> Outcome {
    let stub = slot.place().address(slot::STUB);
    let size = (slot::TBOOT + PAGE - slot::STUB) as u32;
    tboot::write(page, stub, stub, size);
    slot.write(slot::TBOOT as usize, page.as_slice())?;
    let write = |offset: usize, bytes: &[u8]| slot.write(slot::STUB as usize + offset, bytes);
    write(0, trampoline::stub())?;
    write(trampoline::STUB_CR3, &cr3.to_le_bytes())?;
    let vector = u32::from(doorbell.vector());
    write(trampoline::STUB_VECTOR, &vector.to_le_bytes())?;
    write(trampoline::STUB_APIC_ID, &doorbell.apic_id().to_le_bytes())?;
    write(trampoline::STUB_ENTERED, &0u32.to_le_bytes())?;
    Ok(())
}

/// x86 is little-endian, as page tables are.
fn bytes_of(table: &[u64; paging::ENTRIES]) -> &[u8] {
    kernel::transmute::AsBytes::as_bytes(table.as_slice())
}

fn ranges(memory: &Memory) -> Outcome<KVec<Range>> {
    let mut ranges = KVec::with_capacity(memory.nr_ranges(), GFP_KERNEL)?;
    for range in memory.ranges() {
        ranges.push(range, GFP_KERNEL)?;
    }
    Ok(ranges)
}

fn open(what: &str, fd: i32) -> Outcome<Readable> {
    Readable::new(fd).map_err(|errno| match errno {
        errno if errno == EISDIR => fail!(errno, "the {what} is a directory"),
        errno if errno == EBADF => {
            fail!(
                errno,
                "the {what}'s descriptor {fd} is not one that is open for reading"
            )
        }
        errno => fail!(errno, "the {what} is not a regular file"),
    })
}

fn unreadable(errno: Error, what: &str) -> Fail {
    fail!(
        errno,
        "the {what} cannot be read (error {})",
        errno.to_errno()
    )
}

fn wrong(errno: Error, error: impl Display) -> Fail {
    Fail::new(errno, core::format_args!("{error}"))
}
