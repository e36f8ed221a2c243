// SPDX-License-Identifier: GPL-2.0

//! The memory of an instance, mapped to be read.

use std::ffi::c_void;
use std::mem::size_of;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::instance::Range;

const WORD: usize = size_of::<u64>();

/// The memory of an instance, read-only. The instance may change it at any
/// moment, so what is read is copied, and two reads may differ.
#[derive(Debug)]
pub struct Map {
    base: NonNull<u8>,
    len: usize,
    ranges: Vec<Range>,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Map {}
// SAFETY: nobody here writes through it, and there is no other state.
unsafe impl Sync for Map {}

impl Map {
    pub(crate) fn new(instance: BorrowedFd<'_>, ranges: Vec<Range>) -> Result<Self, Errno> {
        let total = ranges
            .iter()
            .try_fold(0u64, |total, range| total.checked_add(range.bytes))
            .and_then(|total| usize::try_from(total).ok())
            .ok_or(Errno::OVERFLOW)?;

        // SAFETY: a new mapping, placed where nothing is.
        let base = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                total,
                ProtFlags::READ,
                MapFlags::SHARED,
                instance,
                0,
            )
        }?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(Errno::FAULT)?,
            len: total,
            ranges,
        })
    }

    /// The physical memory that is mapped, one range after the other.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where in the mapping `bytes` bytes at a physical address are, if they
    /// are all in one range.
    fn offset_of(&self, address: u64, bytes: usize) -> Option<usize> {
        let mut offset = 0;
        for range in &self.ranges {
            if let Some(inside) = address.checked_sub(range.start) {
                if inside < range.bytes {
                    let fits = bytes as u64 <= range.bytes - inside;
                    return fits.then_some((offset + inside) as usize);
                }
            }
            offset += range.bytes;
        }
        None
    }

    /// Copies what is at a physical address now into `buffer`; `false`: some
    /// of that memory is not the instance's.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let Some(offset) = self.offset_of(address, buffer.len()) else {
            return false;
        };
        self.copy(offset, buffer);
        true
    }

    /// Copies what is at an offset into the mapping.
    fn copy(&self, offset: usize, buffer: &mut [u8]) {
        assert!(offset <= self.len && buffer.len() <= self.len - offset);

        let head = (offset.next_multiple_of(WORD) - offset).min(buffer.len());
        let (head, rest) = buffer.split_at_mut(head);
        let (words, tail) = rest.split_at_mut(rest.len() / WORD * WORD);

        let mut at = offset;
        for byte in head {
            // SAFETY: the assertion holds for all of `buffer`.
            *byte = unsafe { self.load(at) };
            at += 1;
        }
        for word in words.chunks_exact_mut(WORD) {
            // SAFETY: the same; and `head` ended at a multiple of a word.
            let value: u64 = unsafe { self.load(at) };
            word.copy_from_slice(&value.to_ne_bytes());
            at += WORD;
        }
        for byte in tail {
            // SAFETY: the same.
            *byte = unsafe { self.load(at) };
            at += 1;
        }
    }

    /// The only place that looks at the memory of another kernel.
    ///
    /// # Safety
    ///
    /// A `T` at `offset` is within the mapping and aligned, and `T` is an
    /// integer, so that whatever the other kernel wrote there is one.
    unsafe fn load<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: within the mapping, which begins at a page; volatile, since
        // another kernel writes this memory meanwhile.
        unsafe { self.base.as_ptr().add(offset).cast::<T>().read_volatile() }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing that was read points into it.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;
    use std::os::fd::AsFd;

    /// Two ranges, of which the second lies below the first.
    fn map() -> Map {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..8192u32).map(|n| (n % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let range = |start| Range { start, bytes: 4096 };
        Map::new(file.as_fd(), vec![range(0x20_0000), range(0x10_0000)]).unwrap()
    }

    #[test]
    fn addresses_find_their_range() {
        let map = map();
        assert_eq!(map.len(), 8192);
        let mut byte = [0];
        assert!(map.read(0x20_0000, &mut byte));
        assert_eq!(byte, [0]);
        assert!(map.read(0x10_0000, &mut byte));
        assert_eq!(byte, [(4096 % 251) as u8]);
        assert!(map.read(0x10_0fff, &mut byte));
        assert_eq!(byte, [(8191 % 251) as u8]);
    }

    #[test]
    fn every_alignment_and_length_is_copied() {
        let map = map();
        for start in 0..9u64 {
            for len in 0..40 {
                let mut buffer = vec![0xff; len];
                assert!(map.read(0x20_0000 + start, &mut buffer));
                let expected: Vec<u8> = (start..start + len as u64).map(|n| n as u8).collect();
                assert_eq!(buffer, expected);
            }
        }
    }

    #[test]
    fn what_is_not_wholly_in_a_range_is_refused() {
        let map = map();
        let mut buffer = [0xff; 2];
        for address in [0, 0xf_ffff, 0x10_0fff, 0x10_1000, 0x20_0fff, u64::MAX] {
            assert!(!map.read(address, &mut buffer), "{address:#x}");
        }
        assert_eq!(buffer, [0xff; 2]);
    }
}
