// SPDX-License-Identifier: GPL-2.0

//! The descriptor of an instance.

use super::{
    fail::{fail, Outcome},
    instance::{Instance, Status},
    ioctl::{self, reserved},
    link::Question,
    loader::Loaded,
    memory::{self, Memory},
    registry::{permit_unverified, valid, Host},
    watcher::Watcher,
};
use crate::{
    pure::{
        heart::{self, Pace},
        lockdown::Lockdown,
    },
    sys::{ffi, file, lockdown},
    uapi::*,
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{
    bindings,
    error::from_result,
    fs::{file::LocalFile, File},
    mm::virt::VmaNew,
    prelude::*,
    sync::{poll::PollTable, Arc},
    types::ForeignOwnable,
};

/// What a descriptor of an instance refers to.
pub(crate) struct Handle {
    instance: Arc<Instance>,
    /// The generation that this descriptor has seen, for `poll()`.
    seen: AtomicU64,
    auto_destroy: bool,
}

/// How a file keeps it.
type Kept = KBox<Handle>;

const _: () = assert!(
    heart::HUNG_MS == MK_HUNG_MS
        && heart::HUNG_MS_MIN == MK_HUNG_MS_MIN
        && heart::HUNG_MS_MAX == MK_HUNG_MS_MAX
);

/// Longer command lines are read to be told how long they are; nobody needs to be told of more.
const CMDLINE_READ_MAX: usize = 1 << 16;

impl Handle {
    /// A new descriptor; with `auto_destroy` the instance goes when the file does.
    pub(crate) fn open(instance: Arc<Instance>, auto_destroy: bool) -> Outcome<file::NewFile> {
        let seen = AtomicU64::new(instance.generation());
        let handle = KBox::new(
            Self {
                instance,
                seen,
                auto_destroy,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The operations treat the private data as a `Kept`.
        Ok(unsafe {
            file::anonymous::<Kept>(c"[multikernel]", &OPERATIONS.0, handle, bindings::O_RDWR)
        }?)
    }

    fn ioctl(&self, command: u32, address: usize) -> Result<isize> {
        let instance = &*self.instance;
        match command {
            MK_SET_CPUS => ioctl::call(address, MK_CPUS_SPLIT_CORES, |arg: &mut mk_cpus| {
                reserved(arg.reserved)?;
                if arg.nr_cpus > MK_MAX_CPUS {
                    return Err(fail!(
                        E2BIG,
                        "{} CPUs are given; {MK_MAX_CPUS} are the most",
                        arg.nr_cpus
                    ));
                }
                let list = ioctl::read_array(arg.cpus, arg.nr_cpus as usize)?;
                let split = arg.header.flags & MK_CPUS_SPLIT_CORES != 0;
                instance.set_cpus(list, split).map(|()| 0)
            }),
            MK_SET_MEMORY => ioctl::call(address, 0, |arg: &mut mk_memory| {
                reserved(arg.reserved)?;
                let node = (arg.node != MK_NODE_ANY).then_some(arg.node);
                arg.largest = 0;
                instance
                    .set_memory(arg.bytes, node, &mut arg.largest)
                    .map(|()| 0)
            }),
            MK_SET_HEARTBEAT => ioctl::call(address, 0, |arg: &mut mk_heartbeat| {
                reserved(arg.reserved)?;
                let pace = match arg.hung_ms {
                    0 => None,
                    ms => Some(Pace::new(ms).ok_or_else(|| {
                        fail!(
                            EINVAL,
                            "hung after {ms} ms: it has to be 0, or {} to {} ms",
                            heart::HUNG_MS_MIN,
                            heart::HUNG_MS_MAX
                        )
                    })?),
                };
                instance.set_pace(pace).map(|()| 0)
            }),
            MK_LOAD => ioctl::call(address, MK_LOAD_UART, |arg: &mut mk_load| {
                reserved(arg.reserved)?;
                permit_unverified()?;
                if arg.initrd_fd < -1 {
                    return Err(fail!(EBADF, "the initrd's descriptor is {}", arg.initrd_fd));
                }
                let length = arg.cmdline_size as usize;
                if length > CMDLINE_READ_MAX {
                    return Err(fail!(E2BIG, "the command line has {length} characters"));
                }
                let line = ioctl::read_array::<u8>(arg.cmdline, length)?;
                let initrd = (arg.initrd_fd != -1).then_some(arg.initrd_fd);
                let uart = arg.header.flags & MK_LOAD_UART != 0;
                instance.load(uart, |memory, config, watch| {
                    Loaded::from_files(memory, arg.kernel_fd, initrd, &line, config, watch)
                })?;
                Ok(0)
            }),
            MK_START => ioctl::call(address, 0, |_: &mut mk_command| {
                instance.start().map(|()| 0)
            }),
            MK_KILL => ioctl::call(address, 0, |_: &mut mk_command| instance.kill().map(|()| 0)),
            MK_DESTROY => ioctl::call(address, MK_DESTROY_FORCE, |arg: &mut mk_command| {
                let force = arg.header.flags & MK_DESTROY_FORCE != 0;
                instance.destroy(force).map(|()| 0)
            }),
            MK_CONSOLE => ioctl::call(
                address,
                MK_CONSOLE_WRITE | MK_CONSOLE_NEW,
                |arg: &mut mk_command| {
                    let types = arg.header.flags & MK_CONSOLE_WRITE != 0;
                    let from_now = arg.header.flags & MK_CONSOLE_NEW != 0;
                    instance.with_status(check_exists)?;
                    let file = Watcher::open(self.instance.clone(), types, from_now)?;
                    Ok(file.install() as isize)
                },
            ),
            MK_CHANNEL_CREATE => ioctl::call(address, 0, |arg: &mut mk_channel_call| {
                let peer = self.peer(arg)?;
                let name = valid(&arg.name)?;
                let bytes = [arg.from_bytes, arg.to_bytes];
                let host = instance.host();
                Host::wire(host, &self.instance, peer, name, bytes).map(|_| 0)
            }),
            MK_CHANNEL_REMOVE => ioctl::call(address, 0, |arg: &mut mk_channel_call| {
                let peer = self.peer(arg)?;
                let name = valid(&arg.name)?;
                let host = instance.host();
                host.cut(instance, peer.as_deref(), &name).map(|()| 0)
            }),
            MK_CHANNEL_LIST => ioctl::call(address, 0, |arg: &mut mk_list| {
                instance.with_status(check_exists)?;
                let channels = instance.channels();
                let mut entries = KVec::with_capacity(channels.list.len(), GFP_KERNEL)?;
                for channel in &channels.list {
                    entries.push(channel.clone(), GFP_KERNEL)?;
                }
                drop(channels);
                let entries = entries.iter().map(|channel| channel.describe(instance));
                ioctl::write_list(arg, entries).map(|()| 0)
            }),
            MK_PING => self.ask(address, Question::Ping),
            MK_STOP => self.ask(address, Question::PowerOff),
            MK_INFO => ioctl::call(address, 0, |arg: &mut mk_info| self.info(arg).map(|()| 0)),
            _ => Err(ENOTTY),
        }
    }

    /// The instance at the other end of a channel of this one; `None`: the host. Both exist.
    fn peer(&self, channel: &mk_channel_call) -> Outcome<Option<Arc<Instance>>> {
        no_peer_name(channel)?;
        self.instance.with_status(check_exists)?;
        let peer = instance_of(channel.peer_fd)?;
        if let Some(peer) = &peer {
            peer.with_status(check_exists)?;
        }
        Ok(peer)
    }

    fn ask(&self, address: usize, question: Question) -> Result<isize> {
        ioctl::call(address, 0, |arg: &mut mk_ask| {
            reserved(arg.reserved)?;
            arg.answer_ns = self.instance.ask(question, arg.timeout_ms)? as u64;
            Ok(0)
        })
    }

    fn info(&self, info: &mut mk_info) -> Outcome {
        let mut cpus = KVec::new();
        let mut memory = None;
        self.instance.with_status(|status| -> Outcome {
            check_exists(status)?;
            info.state = status.life.state() as u32;
            info.reason = status.life.reason() as u32;
            info.text = [0; MK_TEXT_SIZE as usize];
            if let Some(text) = &status.text {
                let bytes = text.to_bytes();
                let length = bytes.len().min(info.text.len() - 1);
                info.text[..length].copy_from_slice(&bytes[..length]);
            }
            info.agent = status.agent.state();
            info.agent_reason = status.agent.reason();
            let terms = status.terms;
            info.agent_version = terms.map_or(0, |terms| terms.version);
            info.agent_features = terms.map_or(0, |terms| terms.features);
            info.hung_ms = status.pace.map_or(0, |pace| pace.hung_ms());
            info.generation = status.life.generation();
            let low = status.low.as_ref();
            info.slot = low.map_or(0, |low| low.slot().base());
            info.slot_bytes = low.map_or(0, |_| crate::pure::slot::BYTES as u32);
            info.node = status.node.unwrap_or(MK_NODE_ANY);
            info.runs = status.life.runs();
            info.started = status.started as u64;
            info.ended = status.ended as u64;
            info.take_ns = status.take_ns as u64;
            info.give_ns = status.give_ns as u64;
            info.load_ns = status.load_ns as u64;
            info.ready_ns = status.ready.as_ref().map_or(0, |watch| watch.ns());
            cpus.extend_from_slice(&status.cpus, GFP_KERNEL)?;
            memory = status.memory.clone();
            Ok(())
        })?;
        info.name = *self.instance.name().as_bytes();
        info.id = self.instance.id();
        let (cpu_room, range_room) = (info.nr_cpus as usize, info.nr_ranges as usize);
        ioctl::write_array(info.cpus, cpu_room, 4, cpus.iter().copied())?;
        info.nr_cpus = cpus.len() as u32;
        (info.memory, info.nr_ranges) = (0, 0);
        if let Some(memory) = memory {
            let ranges = memory.ranges().map(|range| mk_range {
                start: range.start(),
                bytes: range.bytes(),
            });
            ioctl::write_array(info.ranges, range_room, size_of::<mk_range>(), ranges)?;
            info.memory = memory.bytes();
            info.nr_ranges = memory.nr_ranges() as u32;
        }
        self.seen.store(info.generation, Ordering::Relaxed);
        Ok(())
    }

    fn poll(&self, file: &File, table: &PollTable<'_>) -> u32 {
        self.instance.register_poll(file, table);
        let (gone, generation) = self
            .instance
            .with_status(|status| (status.life.is_gone(), status.life.generation()));
        if gone {
            bindings::POLLHUP | bindings::POLLPRI
        } else if generation != self.seen.load(Ordering::Relaxed) {
            bindings::POLLPRI
        } else {
            0
        }
    }

    /// Maps the memory that it has now, read-only. The mapping keeps that memory from going back.
    fn map(&self, vma: &VmaNew) -> Result {
        // It has what another kernel keeps for itself.
        if lockdown::level() == Lockdown::Confidentiality {
            return Err(EPERM);
        }
        let memory = self.instance.memory().ok_or(ENODEV)?;
        Mapping::new(memory).install(vma)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.auto_destroy {
            self.instance.destroy_when_idle();
        }
    }
}

/// The memory that a mapping shows.
struct Mapping(Arc<Memory>);

impl Mapping {
    fn new(memory: Arc<Memory>) -> Self {
        Self(memory)
    }

    /// Pages are put into the area when they are looked at.
    fn install(self, vma: &VmaNew) -> Result {
        vma.try_clear_maywrite().map_err(|_| EACCES)?;
        vma.try_clear_mayexec().map_err(|_| EACCES)?;
        let raw = vma.as_ptr();
        // SAFETY: The area is being set up, by us alone.
        let first = unsafe { (*raw).vm_pgoff } as u64 * PAGE;
        let bytes = (vma.end() - vma.start()) as u64;
        if first
            .checked_add(bytes)
            .is_none_or(|end| end > self.0.bytes())
        {
            return Err(EINVAL);
        }
        // Nothing fails from here on: the area has the reference.
        // SAFETY: The area is being set up, by us alone; its operations treat the private data as
        // what it is. The flags are those of an area of page frames, without pages to refer to.
        unsafe {
            ffi::mk_vma_set_pfnmap(raw);
            (*raw).vm_private_data = self.0.into_foreign();
            (*raw).vm_ops = &MAPPING_OPERATIONS.0;
        }
        Ok(())
    }
}

/// A table of functions.
pub(crate) struct Table<T>(pub(crate) T);

// SAFETY: Nobody writes it, and the functions and the module that it points to are there as long
// as it is.
unsafe impl<T> Sync for Table<T> {}

const PAGE: u64 = kernel::page::PAGE_SIZE as u64;

static MAPPING_OPERATIONS: Table<bindings::vm_operations_struct> =
    Table(bindings::vm_operations_struct {
        open: Some(mapping_open),
        close: Some(mapping_close),
        fault: Some(mapping_fault),
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        huge_fault: Some(mapping_huge_fault),
        ..pin_init::zeroed()
    });

/// # Safety
///
/// `vma` is an area that [`Mapping::install`] has set up, or a copy of one.
unsafe extern "C" fn mapping_open(vma: *mut bindings::vm_area_struct) {
    // SAFETY: By the contract of this function; the copy gets a reference of its own.
    unsafe {
        let memory = <Arc<Memory> as ForeignOwnable>::borrow((*vma).vm_private_data);
        (*vma).vm_private_data = Arc::from(memory).into_foreign();
    }
}

/// # Safety
///
/// `vma` is an area that [`Mapping::install`] has set up, or a copy of one, and goes away.
unsafe extern "C" fn mapping_close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: By the contract of this function.
    drop(unsafe { <Arc<Memory> as ForeignOwnable>::from_foreign((*vma).vm_private_data) });
}

/// Which area `fault` is in, at which address, and the physical address of what belongs there.
///
/// # Safety
///
/// `fault` is one in an area that [`Mapping::install`] has set up.
unsafe fn looked_at(
    fault: *mut bindings::vm_fault,
) -> (*mut bindings::vm_area_struct, u64, Option<u64>) {
    // SAFETY: By the contract of this function; these fields do not change while a fault is
    // handled.
    let (vma, address, offset) = unsafe {
        let info = &(*fault).__bindgen_anon_1;
        (info.vma, info.address as u64, info.pgoff as u64 * PAGE)
    };
    // SAFETY: The area is one of ours, and is there as long as its fault is handled.
    let owned = unsafe { <Arc<Memory> as ForeignOwnable>::borrow((*vma).vm_private_data) };
    (vma, address, owned.address(offset))
}

/// Maps a whole block at once, where the area has all of it, at such an address: its neighbours
/// need no fault, nor a table.
///
/// # Safety
///
/// `fault` is one in an area that [`Mapping::install`] has set up.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
unsafe extern "C" fn mapping_huge_fault(
    fault: *mut bindings::vm_fault,
    order: c_uint,
) -> bindings::vm_fault_t {
    const ORDER: c_uint = (memory::ALIGN / PAGE).ilog2();

    // SAFETY: By the contract of this function.
    let (vma, address, at) = unsafe { looked_at(fault) };
    // SAFETY: The area is there as long as its fault is handled.
    let area = unsafe { (*vma).__bindgen_anon_1.__bindgen_anon_1 };
    let start = address - address % memory::ALIGN;
    // Nobody else looks: what is beyond the area may be another's.
    let has_block = area.vm_start as u64 <= start && start + memory::ALIGN <= area.vm_end as u64;
    match at {
        // Ranges are made of blocks: if one part of a block is the instance's, all of it is.
        Some(at) if order == ORDER && has_block && at % memory::ALIGN == address - start => {
            let block = (at - at % memory::ALIGN) / PAGE;
            // SAFETY: The area maps page frames, has the block, and keeps the memory from going
            // back.
            unsafe { bindings::vmf_insert_pfn_pmd(fault, block as c_ulong, false) }
        }
        _ => bindings::vm_fault_reason_VM_FAULT_FALLBACK,
    }
}

/// # Safety
///
/// `fault` is one in an area that [`Mapping::install`] has set up.
unsafe extern "C" fn mapping_fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: By the contract of this function.
    let (vma, address, at) = unsafe { looked_at(fault) };
    let Some(at) = at else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };
    let insert = |address: u64, at: u64| {
        // SAFETY: The page is the instance's as long as the area has its reference.
        unsafe { bindings::vmf_insert_pfn(vma, address as c_ulong, (at / PAGE) as c_ulong) }
    };
    let result = insert(address, at);
    // Who looks for a log looks at each page: its neighbours come along. Ranges are made of blocks.
    // The area need not have all of the block, which may begin below address 0.
    let start = address.wrapping_sub(at % memory::ALIGN);
    // SAFETY: As above for the area.
    let area = unsafe { (*vma).__bindgen_anon_1.__bindgen_anon_1 };
    for n in 0..memory::ALIGN / PAGE {
        let address = start.wrapping_add(n * PAGE);
        if (area.vm_start as u64..area.vm_end as u64).contains(&address) {
            // What fails now is asked for again.
            insert(address, at - at % memory::ALIGN + n * PAGE);
        }
    }
    result
}

static OPERATIONS: Table<bindings::file_operations> = Table(bindings::file_operations {
    owner: kernel::module::this_module::<crate::Multikernel>().as_ptr(),
    release: Some(release),
    unlocked_ioctl: Some(unlocked_ioctl),
    compat_ioctl: bindings::compat_ptr_ioctl,
    poll: Some(poll),
    mmap: Some(mmap),
    // Where whole blocks can be mapped.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    get_unmapped_area: Some(bindings::thp_get_unmapped_area),
    ..pin_init::zeroed()
});

/// # Safety
///
/// `file` is one that [`Handle::open`] has made.
unsafe fn handle<'a>(file: *mut bindings::file) -> &'a Handle {
    // SAFETY: By the contract of this function.
    unsafe { <Kept as ForeignOwnable>::borrow((*file).private_data) }
}

/// # Safety
///
/// `file` is one that [`Handle::open`] has made.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is one of ours, and goes away.
    drop(unsafe { <Kept as ForeignOwnable>::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// `file` is one that [`Handle::open`] has made.
unsafe extern "C" fn unlocked_ioctl(
    file: *mut bindings::file,
    command: c_uint,
    address: c_ulong,
) -> c_long {
    // SAFETY: The file is one of ours.
    let handle = unsafe { handle(file) };
    match handle.ioctl(command, address) {
        Ok(value) => value as c_long,
        Err(err) => err.to_errno() as c_long,
    }
}

/// # Safety
///
/// `file` is one that [`Handle::open`] has made.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The file is one of ours, and both are valid during this call.
    unsafe { handle(file).poll(File::from_raw_file(file), &PollTable::from_raw(table)) }
}

/// # Safety
///
/// `file` is one that [`Handle::open`] has made.
unsafe extern "C" fn mmap(file: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: The file is one of ours, and the area is being set up.
    let (handle, vma) = unsafe { (handle(file), VmaNew::from_raw(vma)) };
    from_result(|| handle.map(vma).map(|()| 0))
}

fn check_exists(status: &Status) -> Outcome {
    if status.life.is_gone() {
        return Err(fail!(ENODEV, "the instance was destroyed"));
    }
    Ok(())
}

/// Who has a descriptor of one instance is not to reach others by their names.
fn no_peer_name(channel: &mk_channel_call) -> Outcome {
    reserved(channel.reserved)?;
    match channel.peer {
        [0, ..] => Ok(()),
        _ => Err(fail!(
            EINVAL,
            "the peer is given by its descriptor, not by its name"
        )),
    }
}

/// The instance that a descriptor is of; -1: none.
fn instance_of(fd: i32) -> Outcome<Option<Arc<Instance>>> {
    if fd == -1 {
        return Ok(None);
    }
    let file = u32::try_from(fd)
        .map_err(|_| EBADF)
        .and_then(|fd| Ok(LocalFile::fget(fd)?))
        .map_err(|errno| fail!(errno, "the peer's descriptor is {fd}"))?;
    // SAFETY: The file is valid as long as `file` lives, and this field does not change.
    if !core::ptr::eq(unsafe { (*file.as_ptr()).f_op }, &OPERATIONS.0) {
        return Err(fail!(
            EINVAL,
            "the peer's descriptor {fd} is not one of an instance"
        ));
    }
    // SAFETY: It is one of ours.
    Ok(Some(unsafe { handle(file.as_ptr()) }.instance.clone()))
}
