// SPDX-License-Identifier: GPL-2.0

//! The memory of another kernel, read from outside.
//!
//! It belongs to a kernel that may be running at this moment, may have crashed
//! half-way through anything, and may be hostile. So nothing in it is ever
//! borrowed: what is needed is copied out once, and checked after that.

use core::fmt;

/// Physical memory of an instance, by the machine's physical addresses.
pub trait Memory {
    /// Fills `buf` with what is at the physical address `pa`.
    ///
    /// Returns `false` if any byte of it is not the instance's; `buf` then
    /// holds anything. The readers here never ask across the boundary of a
    /// 4 KiB page.
    ///
    /// Memory of a running kernel changes while it is read: an implementation
    /// copies with volatile accesses, so that the compiler neither repeats nor
    /// reorders them.
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool;

    /// Reads the little-endian number at `pa`, which is a multiple of 8.
    ///
    /// The state words of a running kernel's log are read with this: an
    /// implementation does it in one access where it can.
    fn read_u64(&self, pa: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(pa, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }
}

/// Why something could not be read out of an instance's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no VMCOREINFO: the kernel sets it up half-way through its
    /// boot, so before that there is nothing to go by.
    NotYet,
    /// VMCOREINFO does not have this key.
    Missing(&'static str),
    /// VMCOREINFO has this key with a value that cannot be.
    Impossible(&'static str, u64),
    /// This physical address is not memory of the instance.
    Outside(u64),
    /// The instance's page tables map nothing at this virtual address.
    Unmapped(u64),
    /// The log's own bookkeeping has a value that cannot be.
    Damaged(&'static str, u64),
    /// The log ends at the second sequence number, before the first, which was
    /// asked for: it is another kernel's by now.
    Replaced(u64, u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::NotYet => f.write_str(
                "no VMCOREINFO in its memory: its kernel has not booted that far \
                 (or was built without CONFIG_VMCORE_INFO)",
            ),
            Error::Missing(key) => write!(f, "its VMCOREINFO has no {key}"),
            Error::Impossible(key, value) => {
                write!(f, "its VMCOREINFO has an impossible {key}: {value:#x}")
            }
            Error::Outside(pa) => write!(f, "physical address {pa:#x} is not in its memory"),
            Error::Unmapped(va) => {
                write!(f, "its page tables do not map virtual address {va:#x}")
            }
            Error::Damaged(what, value) => {
                write!(f, "its log is damaged: {what} is {value:#x}")
            }
            Error::Replaced(seq, end) => write!(
                f,
                "its log ends at record {end}, before record {seq}: \
                 another kernel was started in its place"
            ),
        }
    }
}

impl core::error::Error for Error {}
