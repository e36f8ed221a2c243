// SPDX-License-Identifier: GPL-2.0

//! Where the memory of instances comes from.

use crate::abi;
use crate::named::named;

named! {
    /// What memory is before an instance has it.
    pub enum PoolKind: u32 {
        /// Set aside at boot: the host leaves it alone.
        Reserved = MK_POOL_RESERVED, "reserved";
        /// Set aside at boot: the host uses it until an instance gets it.
        Cma = MK_POOL_CMA, "cma";
        /// No pool, but what the host's page allocator has.
        RunTime = MK_POOL_RUN_TIME, "run-time";
    }
}

/// Memory that instances can have: a pool, or that of the page allocator of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is before an instance has it.
    pub kind: PoolKind,
    /// Its NUMA node.
    pub node: i32,
    /// Its physical address; `None`: it is no pool.
    pub start: Option<u64>,
    /// Its size in bytes; of a page allocator, all that it looks after.
    pub bytes: u64,
    /// How much no instance has; of a page allocator, how much could be had now, at most.
    pub free: u64,
    /// The largest piece that is free; `None`: only trying tells it.
    pub largest: Option<u64>,
}

impl From<&abi::mk_pool_entry> for Pool {
    fn from(raw: &abi::mk_pool_entry) -> Self {
        let kind = PoolKind::from_raw(raw.kind);
        let is_pool = kind != PoolKind::RunTime;
        Self {
            kind,
            node: raw.node,
            start: is_pool.then_some(raw.start),
            bytes: raw.bytes,
            free: raw.free,
            largest: is_pool.then_some(raw.largest),
        }
    }
}
