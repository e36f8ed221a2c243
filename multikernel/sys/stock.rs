// SPDX-License-Identifier: GPL-2.0

//! For a kernel without our series: what that brings to the kernel crate, of the same files.
//!
//! There they say `crate` for the kernel crate. Here it is the module, whose root has the names
//! that they use.

// The module needs a part of them.
#![allow(dead_code, unreachable_pub)]

#[path = "../../rust/kernel/page/contig.rs"]
pub(crate) mod contig;
#[path = "../../rust/kernel/cpu/hotplug.rs"]
pub(crate) mod hotplug;
#[path = "../../rust/kernel/notifier.rs"]
pub(crate) mod notifier;

/// The bindings of this kernel, and those that the series adds.
pub(crate) mod bindings {
    // The bindings' own types, behind pointers only.
    #![allow(improper_ctypes)]

    pub(crate) use kernel::bindings::*;
    use kernel::ffi::*;

    pub(crate) const __GFP_THISNODE: gfp_t = 1 << ___GFP_THISNODE_BIT;

    pub(crate) const SYS_RESTART: u32 = 1;
    pub(crate) const SYS_HALT: u32 = 2;
    pub(crate) const SYS_POWER_OFF: u32 = 3;

    extern "C" {
        pub(crate) static mut panic_notifier_list: atomic_notifier_head;
        pub(crate) fn register_reboot_notifier(block: *mut notifier_block) -> c_int;
        pub(crate) fn unregister_reboot_notifier(block: *mut notifier_block) -> c_int;
    }

    // Those of stock.c.
    extern "C" {
        #[link_name = "mk_add_cpu"]
        pub(crate) fn add_cpu(cpu: c_uint) -> c_int;
        #[link_name = "mk_remove_cpu"]
        pub(crate) fn remove_cpu(cpu: c_uint) -> c_int;
        #[link_name = "mk_alloc_contig_pages"]
        pub(crate) fn alloc_contig_pages(
            nr_pages: c_ulong,
            gfp_mask: gfp_t,
            nid: c_int,
            nodemask: *mut nodemask_t,
        ) -> *mut page;
        #[link_name = "mk_node_state"]
        pub(crate) fn node_state(node: c_int, state: node_states) -> c_int;
        #[link_name = "mk_page_to_pfn"]
        pub(crate) fn page_to_pfn(page: *const page) -> c_ulong;
    }
}
