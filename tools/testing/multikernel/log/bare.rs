// SPDX-License-Identifier: GPL-2.0

//! What the kernel runs of the reader of logs, and on a kernel that it
//! unpacked, and no more: `tests/bare.rs` compiles it as the kernel does, and
//! looks for ways to panic in what comes out. The configuration `control` adds
//! one.

#![no_std]
#![allow(dead_code, missing_docs)]

#[path = "../../../../multikernel/pure/bytes.rs"]
pub mod bytes;
#[path = "../../../../multikernel/pure/kaslr.rs"]
pub mod kaslr;
#[path = "../../../../multikernel/pure/memory.rs"]
pub mod memory;
#[path = "../../../../multikernel/pure/pagewalk.rs"]
pub mod pagewalk;
#[path = "../../../../multikernel/pure/printk.rs"]
pub mod printk;
#[path = "../../../../multikernel/pure/range.rs"]
pub mod range;
#[path = "../../../../multikernel/pure/vmcoreinfo.rs"]
pub mod vmcoreinfo;
#[path = "../../../../multikernel/pure/vmlinux.rs"]
pub mod vmlinux;

use memory::Error;
use printk::Next;
use printk::Reader;

/// Memory of which nothing is known when this is compiled.
pub struct Memory<'a>(pub &'a dyn memory::Memory);

impl memory::Memory for Memory<'_> {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        self.0.read(pa, buf)
    }
}

pub fn find_panic(
    mem: Memory<'_>,
    ranges: [Option<range::Range>; 4],
    out: &mut [u8],
) -> Result<Option<usize>, Error> {
    let reader = Reader::find(&mem, ranges.into_iter().flatten())?;
    Ok(reader.stopped().find_panic(out))
}

pub fn next(mem: Memory<'_>, pa: u64, seq: u64, text: &mut [u8]) -> Result<Next, Error> {
    let info = vmcoreinfo::VmcoreInfo::read(&mem, pa).ok_or(Error::NotYet)?;
    Reader::new(&mem, &info)?.next(seq, text)
}

#[cfg(control)]
pub fn control(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}
