// SPDX-License-Identifier: GPL-2.0

//! Memory that was set aside at boot.

use super::{contig::Contig, ffi};
use crate::pure::range::Range;
use kernel::prelude::*;

/// A pool. Kernels that cannot set memory aside have none.
pub(crate) struct Pool {
    index: c_uint,
    range: Range,
    node: i32,
    is_cma: bool,
}

impl Pool {
    /// All pools of this kernel, which are the same as long as it runs.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(|index| {
            let mut told = ffi::PoolTold::default();
            // SAFETY: `told` is ours to write.
            if !unsafe { ffi::mk_pool(index, &raw mut told) } {
                return None;
            }
            Some(Self {
                index,
                range: Range::new(told.start, told.bytes)?,
                node: told.node,
                is_cma: told.is_cma != 0,
            })
        })
    }

    pub(crate) fn range(&self) -> Range {
        self.range
    }

    pub(crate) fn node(&self) -> i32 {
        self.node
    }

    /// Whether the kernel uses it until somebody wants it.
    pub(crate) fn is_cma(&self) -> bool {
        self.is_cma
    }

    /// Takes `bytes` of a pool that the kernel uses, at a multiple of `alignment`, a power of two.
    /// What is there is moved away, so this sleeps and can take seconds.
    pub(crate) fn take(&self, bytes: u64, alignment: u64) -> Option<Contig> {
        Contig::of_cma(self.index, bytes, alignment)
    }

    /// Takes `range` of a pool that the kernel leaves alone; `Err`: that page frame has a hardware
    /// error.
    ///
    /// # Safety
    ///
    /// The caller has all of `range`, which is a part of this pool, as long as the result lives.
    pub(crate) unsafe fn take_at(&self, range: Range) -> core::result::Result<Contig, u64> {
        // SAFETY: By the contract of this function; a pool is RAM in the direct map.
        unsafe { Contig::reserved(range) }
    }
}
