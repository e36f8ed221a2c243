// SPDX-License-Identifier: GPL-2.0

//! The memory of an instance.

use super::fail::{fail, Outcome};
use crate::{
    pure::{name::Name, range::Range},
    sys::{contig::Contig, ffi, iomem::Named},
};
use kernel::{prelude::*, sizes::SZ_1M};

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

/// A piece of contiguous memory, with its name in `/proc/iomem`.
struct Piece {
    /// Dropped first: another instance may have the pages as soon as they are free.
    _name: Pin<KBox<Named>>,
    memory: Contig,
}

/// The memory of one instance: zeroed when taken, zeroed and given back when dropped.
pub(crate) struct Memory {
    /// In the order of their addresses.
    pieces: KVec<Piece>,
    bytes: u64,
}

impl Memory {
    /// Takes `bytes`, from the first of `nodes` that has them, or from several.
    ///
    /// On `ENOMEM`, `largest` says how many bytes could be had.
    pub(crate) fn take(bytes: u64, nodes: &[i32], name: &Name, largest: &mut u64) -> Outcome<Self> {
        // What cannot be had is tried for, too: nothing else tells how much can.
        let wanted = bytes.min(available() / ALIGN * ALIGN);
        let mut missing = wanted;
        let mut taken = KVec::new();
        for &node in nodes {
            gather(node, &mut missing, &mut taken)?;
            if missing == 0 {
                break;
            }
        }
        let had = wanted - missing;
        if had < bytes {
            *largest = match had.saturating_sub(HOST_USES) {
                less if less < MIN => 0,
                less => less,
            };
            return Err(too_much(bytes, *largest));
        }
        let mut pieces = KVec::<Piece>::with_capacity(taken.len(), GFP_KERNEL)?;
        for memory in taken {
            memory.zero();
            let name = Named::new(
                memory.start(),
                memory.bytes(),
                core::format_args!("multikernel: {name}"),
            )?;
            let place = pieces
                .iter()
                .position(|piece| piece.memory.start() > memory.start())
                .unwrap_or(pieces.len());
            let piece = Piece {
                _name: name,
                memory,
            };
            pieces
                .insert_within_capacity(place, piece)
                .map_err(|_| ENOMEM)?;
        }
        Ok(Self { pieces, bytes })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its ranges, in the order of their addresses.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        self.pieces
            .iter()
            .filter_map(|piece| Range::new(piece.memory.start(), piece.memory.bytes()))
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
    pub(crate) fn piece(&self, at: u64) -> Result<&Contig> {
        self.pieces
            .iter()
            .map(|piece| &piece.memory)
            .find(|memory| (memory.start()..memory.end()).contains(&at))
            .ok_or(EFAULT)
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result {
        self.piece(at)?.write(at, bytes)
    }

    pub(crate) fn zero(&self) {
        for piece in &self.pieces {
            piece.memory.zero();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.zero();
    }
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

/// What may be taken without starving the host.
fn available() -> u64 {
    // SAFETY: It may be called anywhere.
    let pages = u64::try_from(unsafe { ffi::si_mem_available() }).unwrap_or(0);
    (pages * kernel::page::PAGE_SIZE as u64).saturating_sub(HOST_KEEPS)
}

/// Takes up to `missing` bytes from `node`, in as few pieces as it finds.
///
/// The page allocator looks for a piece at multiples of the piece's own size, so after the whole
/// has failed, powers of two find most.
fn gather(node: i32, missing: &mut u64, taken: &mut KVec<Contig>) -> Outcome {
    let mut size = *missing;
    while *missing > 0 && size >= PIECE_MIN.min(*missing) && taken.len() < PIECES_MAX {
        size = size.min(*missing);
        // Not even looked for where it cannot be: looking moves pages around.
        // SAFETY: It only adds up counters.
        let free = unsafe { ffi::mk_free_pages(node) } as u64 * kernel::page::PAGE_SIZE as u64;
        let found = if size <= free {
            Contig::new(size, node)
        } else {
            None
        };
        match found {
            Some(piece) => {
                *missing -= piece.bytes();
                taken.push(piece, GFP_KERNEL)?;
            }
            None if size.is_power_of_two() => size /= 2,
            None => size = 1 << size.ilog2(),
        }
    }
    Ok(())
}

fn too_much(bytes: u64, largest: u64) -> super::fail::Fail {
    let bytes = bytes >> 20;
    if largest == 0 {
        return fail!(
            ENOMEM,
            "{bytes} MiB of contiguous memory cannot be had, nor can {} MiB, the least: free memory first",
            MIN >> 20
        );
    }
    fail!(
        ENOMEM,
        "{bytes} MiB of contiguous memory cannot be had, {} MiB can: ask for less, or free memory first",
        largest >> 20
    )
}

/// The nodes to take memory from: `wanted` alone, or that of the CPUs first and then the others.
pub(crate) fn nodes(wanted: Option<i32>, of_cpus: Option<i32>) -> Outcome<KVec<i32>> {
    // SAFETY: It only reads a mask.
    let has_memory = |node: &i32| unsafe { ffi::mk_node_has_memory(*node) };
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
    let all = 0..kernel::bindings::MAX_NUMNODES as i32;
    let others = all.filter(|node| Some(*node) != of_cpus);
    for node in Iterator::chain(of_cpus.into_iter(), others).filter(has_memory) {
        nodes.push(node, GFP_KERNEL)?;
    }
    Ok(nodes)
}
