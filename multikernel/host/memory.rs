// SPDX-License-Identifier: GPL-2.0

//! The memory of an instance.

use super::{
    fail::{fail, Fail, Outcome},
    pools::{Claim, Pools},
};
use crate::{
    pure::{name::Name, range::Range},
    sys::{contig::Contig, ffi, foreign::Foreign, iomem::Named},
    uapi::*,
};
use core::{
    ops::Deref,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};
use kernel::{prelude::*, sizes::SZ_1M, sync::Arc};

/// Ranges are multiples of this, and aligned to it.
pub(crate) const ALIGN: u64 = crate::uapi::MK_MEMORY_ALIGN as u64;
/// The least that an instance can have.
pub(crate) const MIN: u64 = crate::uapi::MK_MEMORY_MIN as u64;

/// Pieces smaller than this are not worth an entry in the instance's memory map.
const PIECE_MIN: u64 = 16 * SZ_1M as u64;
/// And not more of them than this.
const PIECES_MAX: usize = 64;
/// What the host may use until somebody who was told what could be had asks for it.
const HOST_USES: u64 = 16 * SZ_1M as u64;
/// What the host keeps of what is free, at least.
const HOST_KEEPS: u64 = 64 * SZ_1M as u64;

/// Contiguous memory that was taken from somewhere.
pub(crate) struct Share {
    /// On a part of a pool. Dropped first: another instance may have the pages as soon as they are
    /// free.
    _claim: Option<Claim>,
    memory: Contig,
}

impl Share {
    pub(crate) fn new(memory: Contig, claim: Option<Claim>) -> Self {
        Self {
            _claim: claim,
            memory,
        }
    }
}

impl Deref for Share {
    type Target = Contig;

    fn deref(&self) -> &Contig {
        &self.memory
    }
}

/// Where memory can be taken from.
pub(crate) trait Source {
    /// The next size to try, at most `bytes`.
    fn fitting(&self, bytes: u64) -> u64;

    /// Takes one piece. `None`: so much is not there.
    fn take(&self, bytes: u64) -> Result<Option<Share>>;
}

/// The page allocator of a node.
struct Node(i32);

/// A share, with its name in `/proc/iomem`.
struct Piece {
    /// Dropped first: as a claim.
    _name: Pin<KBox<Named>>,
    memory: Foreign<Share>,
}

/// The memory of one instance: zeroed when taken, zeroed and given back when dropped. In between it
/// can be read, and is written only while it is [open](Self::open).
pub(crate) struct Memory {
    /// In the order of their addresses.
    pieces: KVec<Piece>,
    bytes: u64,
    /// A CPU that could not be stopped may write to it until the machine starts anew.
    is_abandoned: AtomicBool,
    _counted: Counted,
}

/// How many there are. Who maps one can have it longer than its instance.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// One that is counted, as long as this lives.
struct Counted(());

impl Counted {
    fn new() -> Self {
        COUNT.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether any instance has memory, or had some that is mapped.
pub(crate) fn is_used() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

impl Memory {
    /// Takes `bytes` from the pools of the first of `nodes` that has them, or of several. What
    /// these have not comes from the page allocator.
    ///
    /// On `ENOMEM`, `largest` says how many bytes could be had.
    pub(crate) fn take(
        bytes: u64,
        pools: &Pools,
        nodes: &[i32],
        name: &Name,
        largest: &mut u64,
    ) -> Outcome<Self> {
        let mut missing = bytes;
        let mut taken = KVec::new();
        for &node in nodes {
            // One that has all of it is better than several.
            let whole = missing;
            for pool in pools
                .of_node(node)
                .filter(|pool| pool.fitting(whole) == whole)
            {
                gather(pool, &mut missing, &mut taken)?;
            }
            for pool in pools.of_node(node) {
                gather(pool, &mut missing, &mut taken)?;
            }
        }
        let of_pools = bytes - missing;

        // What cannot be had is tried for, too: nothing else tells how much can.
        let wanted = missing.min(available() / ALIGN * ALIGN);
        missing = wanted;
        for &node in nodes {
            gather(&Node(node), &mut missing, &mut taken)?;
        }
        let at_run_time = wanted - missing;
        if of_pools + at_run_time < bytes {
            *largest = match of_pools + at_run_time.saturating_sub(HOST_USES) {
                less if less < MIN => 0,
                less => less,
            };
            return Err(too_much(bytes, *largest));
        }
        // Before there are pages that somebody could miss.
        let counted = Counted::new();
        let is_dumped = crate::module_parameters::dump_instances.value();
        let mut pieces = KVec::<Piece>::with_capacity(taken.len(), GFP_KERNEL)?;
        for share in taken {
            share.zero_at_first();
            let name = Named::new(
                share.start(),
                share.bytes(),
                core::format_args!("multikernel: {name}"),
                is_dumped,
            )?;
            let place = pieces
                .iter()
                .position(|piece| piece.memory.start() > share.start())
                .unwrap_or(pieces.len());
            let memory = Foreign::new(share, !is_dumped).map_err(exposed)?;
            let piece = Piece {
                _name: name,
                memory,
            };
            pieces
                .insert_within_capacity(place, piece)
                .map_err(|_| ENOMEM)?;
        }
        Ok(Self {
            pieces,
            bytes,
            is_abandoned: AtomicBool::new(false),
            _counted: counted,
        })
    }

    /// Nothing is to be loaded into it any more.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn contiguous(&self) -> impl Iterator<Item = &Foreign<Share>> {
        self.pieces.iter().map(|piece| &piece.memory)
    }

    /// Its ranges, in the order of their addresses.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        self.contiguous()
            .filter_map(|memory| Range::new(memory.start(), memory.bytes()))
    }

    pub(crate) fn nr_ranges(&self) -> usize {
        self.pieces.len()
    }

    /// The physical address of what a mapping shows at `offset`: the ranges one after the other.
    pub(crate) fn address(&self, mut offset: u64) -> Option<u64> {
        for range in self.ranges() {
            if offset < range.bytes() {
                return Some(range.start() + offset);
            }
            offset -= range.bytes();
        }
        None
    }

    /// The piece in which physical address `at` lies.
    fn piece(&self, at: u64) -> Result<&Foreign<Share>> {
        self.contiguous()
            .find(|memory| (memory.start()..memory.end()).contains(&at))
            .ok_or(EFAULT)
    }

    /// Opens it to be written. The caller has it to itself: its instance is stopped, and nobody
    /// else loads it, or opens it, until the result is closed, or dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Outcome<Open> {
        // Pages with one stay hidden.
        if !self.contiguous().all(Foreign::is_whole) {
            return Err(fail!(
                EIO,
                "the instance's memory has a hardware error: give it other memory"
            ));
        }
        // Dropped on an error, too.
        let open = Open {
            memory: self.clone(),
            is_shown: true,
        };
        self.contiguous().try_for_each(Foreign::show)?;
        Ok(open)
    }
}

/// The memory of an instance that is stopped, while the host writes it.
pub(crate) struct Open {
    memory: Arc<Memory>,
    /// Until this ends.
    is_shown: bool,
}

impl Open {
    fn contiguous(&self) -> impl Iterator<Item = &Contig> {
        self.memory.contiguous().map(|memory| {
            // SAFETY: It was shown when this was made, and is hidden when this ends.
            unsafe { memory.pages() }
        })
    }

    /// Hides it again. What is in it is not to be started on an error.
    pub(crate) fn close(mut self) -> Result {
        self.hide()
    }

    /// As much of it as can be.
    fn hide(&mut self) -> Result {
        let mut result = Ok(());
        if self.is_shown {
            for memory in self.memory.contiguous() {
                result = result.and(memory.hide());
            }
            self.is_shown = result.is_err();
        }
        result
    }

    /// The piece in which physical address `at` lies.
    pub(crate) fn piece(&self, at: u64) -> Result<&Contig> {
        self.contiguous()
            .find(|memory| (memory.start()..memory.end()).contains(&at))
            .ok_or(EFAULT)
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result {
        self.piece(at)?.write(at, bytes)
    }

    pub(crate) fn zero(&self) {
        self.contiguous().for_each(Contig::zero);
    }
}

impl Deref for Open {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

impl Drop for Open {
    /// Nothing is started in what was not closed.
    fn drop(&mut self) {
        if let Err(errno) = self.hide() {
            pr_warn!(
                "memory of an instance, from {:#x} on, stays in the direct map (error {})\n",
                self.memory.address(0).unwrap_or(0),
                errno.to_errno()
            );
        }
    }
}

/// Why memory is not given, or not used: this kernel could write to it by mistake.
pub(crate) fn exposed(errno: Error) -> Fail {
    fail!(
        errno,
        "the instance's memory cannot be kept from the host: free memory first"
    )
}

impl crate::pure::memory::Memory for Memory {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        self.piece(pa).and_then(|piece| piece.read(pa, buf)).is_ok()
    }

    fn read_u64(&self, pa: u64) -> Option<u64> {
        // Whoever looks for a log comes by here for each page.
        // SAFETY: All callers may sleep.
        unsafe { ffi::mk_cond_resched() };
        self.piece(pa).and_then(|piece| piece.load(pa)).ok()
    }
}

const PAGE: u64 = kernel::page::PAGE_SIZE as u64;

/// What may be taken from the page allocator without starving the host.
fn available() -> u64 {
    // SAFETY: It may be called anywhere.
    let pages = unsafe { ffi::mk_available_pages() } as u64;
    (pages * PAGE).saturating_sub(HOST_KEEPS)
}

/// Takes up to `missing` bytes from `source`, in as few pieces as it finds.
fn gather(source: &impl Source, missing: &mut u64, taken: &mut KVec<Share>) -> Outcome {
    let mut size = *missing;
    while *missing > 0 && taken.len() < PIECES_MAX {
        size = source.fitting(size.min(*missing));
        if size < PIECE_MIN.min(*missing) {
            break;
        }
        match source.take(size)? {
            Some(share) => {
                *missing -= share.memory.bytes();
                taken.push(share, GFP_KERNEL)?;
            }
            None => size = smaller(size),
        }
    }
    Ok(())
}

/// What to try when `size` was not to be had.
///
/// The page allocator looks for a piece at multiples of the piece's own size, so after the whole
/// has failed, powers of two find most.
fn smaller(size: u64) -> u64 {
    match size.checked_ilog2() {
        Some(log) if !size.is_power_of_two() => 1 << log,
        _ => size / 2,
    }
}

impl Node {
    fn free(&self) -> u64 {
        // SAFETY: It only adds up counters.
        unsafe { ffi::mk_free_pages(self.0) as u64 * PAGE }
    }

    /// What `MK_POOLS` tells of it.
    fn entry(&self) -> mk_pool_entry {
        mk_pool_entry {
            start: 0,
            // SAFETY: It only adds up counters.
            bytes: unsafe { ffi::mk_node_pages(self.0) as u64 * PAGE },
            free: self.free().min(available()) / ALIGN * ALIGN,
            largest: 0,
            node: self.0,
            kind: MK_POOL_RUN_TIME,
        }
    }
}

impl Source for Node {
    /// What cannot be there is not even looked for: looking moves pages around.
    fn fitting(&self, bytes: u64) -> u64 {
        let free = self.free();
        let mut size = bytes;
        while size > free {
            size = smaller(size);
        }
        size
    }

    fn take(&self, bytes: u64) -> Result<Option<Share>> {
        Ok(Contig::new(bytes, self.0).map(|memory| Share::new(memory, None)))
    }
}

fn too_much(bytes: u64, largest: u64) -> Fail {
    let bytes = bytes >> 20;
    if largest == 0 {
        return fail!(
            ENOMEM,
            "{bytes} MiB of contiguous memory cannot be had, nor can {} MiB, the least: \
             free memory first",
            MIN >> 20
        );
    }
    fail!(
        ENOMEM,
        "{bytes} MiB of contiguous memory cannot be had, {} MiB can: \
         ask for less, or free memory first",
        largest >> 20
    )
}

/// What `MK_POOLS` tells of the page allocators.
pub(crate) fn entries() -> impl Iterator<Item = mk_pool_entry> {
    all_nodes()
        .filter(has_memory)
        .map(|node| Node(node).entry())
}

fn all_nodes() -> impl Iterator<Item = i32> {
    0..kernel::bindings::MAX_NUMNODES as i32
}

fn has_memory(node: &i32) -> bool {
    // SAFETY: It only reads a mask.
    unsafe { ffi::mk_node_has_memory(*node) }
}

/// The nodes to take memory from: `wanted` alone, or that of the CPUs first and then the others.
pub(crate) fn nodes(wanted: Option<i32>, of_cpus: Option<i32>) -> Outcome<KVec<i32>> {
    let mut nodes = KVec::new();
    if let Some(node) = wanted {
        if !has_memory(&node) {
            return Err(fail!(
                EINVAL,
                "NUMA node {} does not exist, or has no memory",
                node
            ));
        }
        nodes.push(node, GFP_KERNEL)?;
        return Ok(nodes);
    }
    let others = all_nodes().filter(|node| Some(*node) != of_cpus);
    for node in Iterator::chain(of_cpus.into_iter(), others).filter(has_memory) {
        nodes.push(node, GFP_KERNEL)?;
    }
    Ok(nodes)
}
