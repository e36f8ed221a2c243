// SPDX-License-Identifier: GPL-2.0

//! Memory that was set aside at boot, and what of it instances have.

use super::memory::{Share, Source, ALIGN};
use crate::{
    pure::{
        pool,
        range::{align_down, Range, PAGE},
    },
    sys::{contig::Contig, pool as sys},
    uapi::*,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// A pool.
#[pin_data]
pub(crate) struct Pool {
    pool: sys::Pool,
    /// In ascending order. Also what has a hardware error: that is never free again.
    #[pin]
    taken: Mutex<KVec<Range>>,
}

/// All pools of this host, those first that it leaves alone: nothing has to be moved out of these.
pub(crate) struct Pools(KVec<Arc<Pool>>);

/// A part of a pool that is taken; free again when dropped.
pub(crate) struct Claim {
    pool: Arc<Pool>,
    range: Range,
}

impl Pools {
    pub(crate) fn new() -> Result<Self> {
        let mut pools = KVec::new();
        for is_cma in [false, true] {
            for pool in sys::Pool::all().filter(|pool| pool.is_cma() == is_cma) {
                let pool = try_pin_init!(Pool {
                    pool,
                    taken <- new_mutex!(KVec::new()),
                });
                pools.push(Arc::pin_init(pool, GFP_KERNEL)?, GFP_KERNEL)?;
            }
        }
        Ok(Self(pools))
    }

    /// Those of a node.
    pub(crate) fn of_node(&self, node: i32) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.iter().filter(move |pool| pool.pool.node() == node)
    }

    /// What `MK_POOLS` tells of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = mk_pool_entry> + '_ {
        self.0.iter().map(|pool| pool.entry())
    }
}

impl Pool {
    fn with_free<R>(&self, f: impl FnOnce(pool::Pool<'_>) -> R) -> Option<R> {
        pool::Pool::new(self.pool.range(), &self.taken.lock()).map(f)
    }

    fn entry(&self) -> mk_pool_entry {
        let free = self.with_free(|pool| (pool.free(), pool.largest()));
        let (free, largest) = free.unwrap_or((0, 0));
        mk_pool_entry {
            start: self.pool.range().start(),
            bytes: self.pool.range().bytes(),
            free,
            largest,
            node: self.pool.node(),
            kind: match self.pool.is_cma() {
                false => MK_POOL_RESERVED,
                true => MK_POOL_CMA,
            },
        }
    }

    /// Takes the best place for `bytes`, of a pool that the host leaves alone.
    fn take_reserved(&self, bytes: u64) -> Result<Option<(Range, Contig)>> {
        let mut taken = self.taken.lock();
        loop {
            taken.reserve(1, GFP_KERNEL)?;
            let free = pool::Pool::new(self.pool.range(), &taken).ok_or(EINVAL)?;
            let Some(mut place) = free.best_fit(bytes) else {
                return Ok(None);
            };
            // SAFETY: Nobody has it, and from now on it is among those that are taken, until a
            // `Claim` is dropped, with which the result goes.
            let result = unsafe { self.pool.take_at(place.range) };
            if let Err(frame) = &result {
                pr_err!("page frame {frame:#x} has a hardware error: it is not used\n");
                let block = Range::new(align_down(frame * PAGE, ALIGN), ALIGN);
                place = block.and_then(|block| free.place(block)).ok_or(EINVAL)?;
            }
            taken
                .insert_within_capacity(place.index, place.range)
                .map_err(|_| EINVAL)?;
            if let Ok(memory) = result {
                return Ok(Some((place.range, memory)));
            }
        }
    }

    /// Takes `bytes` of a pool that the host uses.
    fn take_cma(&self, bytes: u64) -> Result<Option<(Range, Contig)>> {
        // Without the lock: it takes long.
        let Some(memory) = self.pool.take(bytes, ALIGN) else {
            return Ok(None);
        };
        let range = Range::new(memory.start(), memory.bytes()).ok_or(EINVAL)?;
        let mut taken = self.taken.lock();
        taken.reserve(1, GFP_KERNEL)?;
        let place = pool::Pool::new(self.pool.range(), &taken)
            .and_then(|free| free.place(range))
            .ok_or(EINVAL)?;
        taken
            .insert_within_capacity(place.index, place.range)
            .map_err(|_| EINVAL)?;
        Ok(Some((range, memory)))
    }
}

impl Source for Arc<Pool> {
    fn fitting(&self, bytes: u64) -> u64 {
        self.with_free(|pool| pool.largest())
            .map_or(0, |largest| largest.min(bytes))
    }

    fn take(&self, bytes: u64) -> Result<Option<Share>> {
        let taken = match self.pool.is_cma() {
            false => self.take_reserved(bytes)?,
            true => self.take_cma(bytes)?,
        };
        Ok(taken.map(|(range, memory)| {
            let claim = Claim {
                pool: self.clone(),
                range,
            };
            Share::new(memory, Some(claim))
        }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.pool.taken.lock().retain(|range| *range != self.range);
    }
}
