// SPDX-License-Identifier: GPL-2.0

//! What the files in C offer, as `shim.h` declares it.

// The bindings' own types, behind pointers only.
#![allow(improper_ctypes)]

use kernel::{bindings, ffi::*};

pub(crate) const HAS_XSAVE: u64 = 1 << 0;
pub(crate) const HAS_IBPB: u64 = 1 << 1;
pub(crate) const HAS_FLUSH_L1D: u64 = 1 << 2;
pub(crate) const HAS_MCE: u64 = 1 << 3;
pub(crate) const HAS_HWP: u64 = 1 << 4;

/// Ends of channels that this kernel can have.
pub(crate) const NODES: usize = 512;

/// `E820_TYPE_RAM`, an enum that the bindings do not have.
pub(crate) const E820_RAM: c_uint = 1;

/// One register to read, and what was read.
#[repr(C)]
pub(crate) struct MsrValue {
    pub(crate) msr: u32,
    pub(crate) exists: u32,
    pub(crate) value: u64,
}

/// The registers to read.
#[repr(C)]
pub(crate) struct MsrList {
    pub(crate) count: u64,
    pub(crate) entries: *mut MsrValue,
}

/// Of `CLOCK_REALTIME`, from the time stamp counter.
#[repr(C)]
#[derive(Default)]
pub(crate) struct ClockBase {
    pub(crate) tsc: u64,
    pub(crate) realtime_ns: u64,
    pub(crate) multiplier: u64,
    pub(crate) shift: u32,
    pub(crate) tai_offset: i32,
    pub(crate) is_valid: u64,
}

/// Memory that was set aside at boot.
#[repr(C)]
#[derive(Default)]
pub(crate) struct PoolTold {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    pub(crate) node: i32,
    pub(crate) is_cma: u32,
}

/// What `kexec_file_load()` has read for an instance; a null pointer where there is none.
#[repr(C)]
pub(crate) struct KexecImage {
    pub(crate) kernel: *const u8,
    pub(crate) kernel_len: usize,
    pub(crate) initrd: *const u8,
    pub(crate) initrd_len: usize,
    pub(crate) cmdline: *const u8,
    pub(crate) cmdline_len: usize,
    pub(crate) is_verified: bool,
}

pub(crate) type IrqHandler =
    unsafe extern "C" fn(irq: c_int, data: *mut c_void) -> bindings::irqreturn_t;

pub(crate) type LineMoved = unsafe extern "C" fn(data: *mut c_void, apic_id: u32, vector: u32);

pub(crate) type ClockRead =
    unsafe extern "C" fn(data: *mut c_void, tsc: u64, time_ns: *mut u64) -> bool;

pub(crate) type TickCall = unsafe extern "C" fn(data: *mut c_void);
pub(crate) type WorkFunction = unsafe extern "C" fn(work: *mut bindings::work_struct);

pub(crate) type KexecLoad =
    unsafe extern "C" fn(data: *mut c_void, id: u64, image: *const KexecImage) -> c_int;

pub(crate) type TerminalPut =
    unsafe extern "C" fn(data: *mut c_void, buf: *const u8, count: usize, can_wait: bool) -> isize;
pub(crate) type TerminalGet =
    unsafe extern "C" fn(data: *mut c_void, buf: *mut u8, count: usize) -> isize;

extern "C" {
    pub(crate) fn mk_apic_mode() -> c_uint;
    pub(crate) fn mk_apic_icr_write(low: u32, apic_id: u32);
    pub(crate) fn mk_boot_cpu_apic_id() -> u32;
    pub(crate) fn mk_cpu_is_wanted() -> bool;
    pub(crate) fn mk_cpu_apic_id(cpu: c_uint) -> u32;
    pub(crate) fn mk_cpu_possible(cpu: c_uint) -> bool;
    pub(crate) fn mk_cpu_present(cpu: c_uint) -> bool;
    pub(crate) fn mk_cpu_online(cpu: c_uint) -> bool;
    pub(crate) fn mk_set_cpu_present(cpu: c_uint, present: bool);
    pub(crate) fn mk_cpu_siblings(a: c_uint, b: c_uint) -> bool;
    pub(crate) fn mk_cpu_node(cpu: c_uint) -> c_int;
    pub(crate) fn mk_read_msrs(cpu: c_uint, list: *mut MsrList) -> c_int;
    pub(crate) fn mk_cpu_features() -> u64;
    pub(crate) fn mk_memory_encrypted() -> bool;
    pub(crate) fn mk_set_lent_to(cpu: c_uint, name: *const c_char);
    pub(crate) fn mk_add_running(n: c_int);
    pub(crate) fn mk_guard_register();
    pub(crate) fn mk_guard_unregister();
    pub(crate) fn mk_tsc_khz() -> c_uint;
    pub(crate) fn mk_phys_to_virt(address: u64) -> *mut c_void;
    pub(crate) fn mk_e820_is_ram(start: u64, end: u64) -> bool;
    pub(crate) fn mk_copy(to: *mut c_void, from: *const c_void, len: usize);
    pub(crate) fn mk_cond_resched();
    pub(crate) fn mk_node_has_memory(node: c_int) -> bool;
    pub(crate) fn mk_good_pages(pfn: c_ulong, nr_pages: c_ulong) -> c_ulong;
    pub(crate) fn mk_locked_down(what: bindings::lockdown_reason) -> bool;
    pub(crate) fn mk_module_get(module: *mut bindings::module) -> bool;
    pub(crate) fn mk_module_put(module: *mut bindings::module);
    pub(crate) fn mk_available_pages() -> c_ulong;
    pub(crate) fn mk_free_pages(node: c_int) -> c_ulong;
    pub(crate) fn mk_node_pages(node: c_int) -> c_ulong;
    pub(crate) fn mk_pool(index: c_uint, told: *mut PoolTold) -> bool;
    pub(crate) fn mk_pool_alloc(index: c_uint, nr_pages: c_ulong, order: c_uint) -> c_ulong;
    pub(crate) fn mk_pool_free(index: c_uint, pfn: c_ulong, nr_pages: c_ulong);
    pub(crate) fn mk_foreign_set_offline(pfn: c_ulong, nr_pages: c_ulong, offline: bool);
    pub(crate) fn mk_foreign_can_hide() -> bool;
    pub(crate) fn mk_foreign_hide(start: u64, bytes: usize) -> c_int;
    pub(crate) fn mk_foreign_show(start: u64, bytes: usize) -> c_int;
    pub(crate) fn mk_foreign_map(start: u64, bytes: usize) -> *const c_void;
    pub(crate) fn mk_foreign_unmap(at: *const c_void);
    pub(crate) fn mk_vma_set_pfnmap(vma: *mut bindings::vm_area_struct);
    pub(crate) fn mk_line_alloc(
        rung: IrqHandler,
        handler: IrqHandler,
        name: *const c_char,
        data: *mut c_void,
        vector: *mut u32,
    ) -> c_int;
    pub(crate) fn mk_line_hold(vector: u8);
    pub(crate) fn mk_line_release();
    pub(crate) fn mk_line_be_nice();
    pub(crate) fn mk_line_free(irq: c_int);
    pub(crate) fn mk_moving_line_alloc(
        rung: IrqHandler,
        handler: IrqHandler,
        moved: LineMoved,
        name: *const c_char,
        data: *mut c_void,
    ) -> c_int;
    pub(crate) fn mk_moving_line_free(irq: c_int);
    pub(crate) fn mk_ticker_start(call: TickCall, data: *mut c_void);
    pub(crate) fn mk_ticker_stop();
    pub(crate) fn mk_ticker_within(ns: u64);
    pub(crate) fn mk_clock_watch();
    pub(crate) fn mk_clock_unwatch();
    pub(crate) fn mk_clock_tell(is_wanted: bool, base: *mut ClockBase);
    pub(crate) fn mk_clock_now(tsc: *mut u64, realtime_ns: *mut u64) -> bool;
    pub(crate) fn mk_tsc() -> u64;
    pub(crate) fn mk_clock_set(realtime_ns: u64) -> c_int;
    pub(crate) fn mk_ptp_register(read: ClockRead, data: *mut c_void) -> c_int;
    pub(crate) fn mk_ptp_unregister();
    pub(crate) fn mk_rtc_guard_register() -> c_int;
    pub(crate) fn mk_rtc_guard_unregister();
    pub(crate) fn mk_file_size(file: *mut bindings::file) -> i64;
    pub(crate) fn mk_file_mode(file: *mut bindings::file) -> bindings::umode_t;
    pub(crate) fn mk_nodes_register(operations: *const bindings::file_operations) -> c_int;
    pub(crate) fn mk_nodes_unregister();
    pub(crate) fn mk_node_create(minor: c_uint, path: *const c_char) -> c_int;
    pub(crate) fn mk_node_destroy(minor: c_uint);
    pub(crate) fn mk_node_minor(inode: *mut bindings::inode) -> c_uint;
    pub(crate) fn mk_node_opened(inode: *mut bindings::inode, file: *mut bindings::file);
    pub(crate) fn mk_call_waits(call: *mut bindings::kiocb) -> bool;
    pub(crate) fn mk_poll_wanted(table: *mut bindings::poll_table_struct) -> u32;
    pub(crate) fn mk_map_physical(
        vma: *mut bindings::vm_area_struct,
        start: u64,
        may_write: bool,
    ) -> c_int;
    pub(crate) fn mk_broken_pipe();
    pub(crate) fn mk_lock_init(lock: *mut bindings::raw_spinlock_t);
    pub(crate) fn mk_lock(lock: *mut bindings::raw_spinlock_t, flags: *mut c_ulong) -> bool;
    pub(crate) fn mk_unlock(lock: *mut bindings::raw_spinlock_t, flags: c_ulong);
    pub(crate) fn mk_later_init(work: *mut bindings::delayed_work, function: WorkFunction);
    pub(crate) fn mk_later(work: *mut bindings::delayed_work, jiffies: c_ulong);
    pub(crate) fn mk_kexec_exists() -> bool;
    pub(crate) fn mk_kexec_sig_enforced() -> bool;
    pub(crate) fn mk_kexec_register(call: KexecLoad, data: *mut c_void) -> c_int;
    pub(crate) fn mk_kexec_unregister();
    pub(crate) fn mk_crash_register(block: *mut bindings::notifier_block) -> c_int;
    pub(crate) fn mk_crash_unregister(block: *mut bindings::notifier_block) -> c_int;
    pub(crate) fn mk_crash_left_out() -> c_ulong;
    pub(crate) fn mk_crash_memory_changed();
    pub(crate) fn mk_terminal_alloc(put: TerminalPut, get: TerminalGet, data: *mut c_void)
        -> c_int;
    pub(crate) fn mk_terminal_free();
    pub(crate) fn mk_terminal_poll();
}

// Exported to modules, and not in the bindings.
extern "C" {
    pub(crate) fn kernel_read_file_from_fd(
        fd: c_int,
        offset: i64,
        buf: *mut *mut c_void,
        buf_size: usize,
        file_size: *mut usize,
        id: c_uint,
    ) -> isize;
    pub(crate) fn anon_inode_getfile(
        name: *const c_char,
        fops: *const bindings::file_operations,
        data: *mut c_void,
        flags: c_int,
    ) -> *mut bindings::file;
    pub(crate) fn vfree(start: *const c_void);
    pub(crate) fn rcu_expedite_gp();
    pub(crate) fn rcu_unexpedite_gp();
    pub(crate) fn get_random_bytes(buf: *mut c_void, len: usize);
    pub(crate) fn e820__mapped_any(start: u64, end: u64, kind: c_uint) -> bool;
    pub(crate) fn orderly_poweroff(force: bool);
    pub(crate) fn orderly_reboot();
    pub(crate) fn cancel_delayed_work_sync(work: *mut bindings::delayed_work) -> bool;
}

#[cfg(CONFIG_ZSTD_DECOMPRESS = "y")]
extern "C" {
    pub(crate) fn zstd_dctx_workspace_bound() -> usize;
    pub(crate) fn zstd_init_dctx(workspace: *mut c_void, size: usize) -> *mut c_void;
    pub(crate) fn zstd_decompress_dctx(
        context: *mut c_void,
        to: *mut c_void,
        room: usize,
        from: *const c_void,
        len: usize,
    ) -> usize;
}
