// SPDX-License-Identifier: GPL-2.0

//! A set of APIC IDs, for who can take no lock.

use core::sync::atomic::{AtomicU64, Ordering};

/// APIC IDs of 8 bits. Each call is atomic by itself.
pub struct ApicSet([AtomicU64; 4]);

impl ApicSet {
    /// An empty one.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 4])
    }

    /// From now on `id` is in it.
    pub fn insert(&self, id: u8) {
        if let Some((word, bit)) = self.place(id) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// From now on it is not.
    pub fn remove(&self, id: u8) {
        if let Some((word, bit)) = self.place(id) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// Those that are in it, in their order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|id| {
            self.place(*id)
                .is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
        })
    }

    fn place(&self, id: u8) -> Option<(&AtomicU64, u64)> {
        Some((self.0.get(usize::from(id / 64))?, 1 << (id % 64)))
    }
}
