// SPDX-License-Identifier: GPL-2.0

//! The slots below 1 MiB, one an instance.

use crate::{
    pure::slot,
    sys::{ffi, physical::Physical},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// All slots of this host.
#[pin_data]
pub(crate) struct Slots {
    slots: KVec<slot::Slot>,
    #[pin]
    taken: Mutex<u64>,
}

impl Slots {
    /// At most 64 slots, in use by nobody.
    pub(crate) fn new(slots: KVec<slot::Slot>) -> Result<Arc<Self>> {
        if slots.len() > u64::BITS as usize {
            return Err(EINVAL);
        }
        Arc::pin_init(
            try_pin_init!(Self {
                slots,
                taken <- new_mutex!(0),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn free(&self) -> usize {
        self.count() - self.taken.lock().count_ones() as usize
    }

    /// A free slot, zeroed.
    pub(crate) fn take(this: &Arc<Self>) -> Option<Slot> {
        let index = {
            let mut taken = this.taken.lock();
            let index = (0..this.count()).find(|index| *taken & 1 << index == 0)?;
            *taken |= 1 << index;
            index
        };
        let slot = Slot {
            // SAFETY: The slot is RAM that this kernel does not use, and ours until it is dropped.
            memory: unsafe { Physical::new(this.slots[index].start().into(), slot::BYTES) },
            index,
            slots: this.clone(),
        };
        slot.memory.zero();
        Some(slot)
    }
}

/// One slot; free again when dropped.
pub(crate) struct Slot {
    memory: Physical,
    index: usize,
    slots: Arc<Slots>,
}

impl Slot {
    pub(crate) fn base(&self) -> u64 {
        self.memory.start()
    }

    /// Its number.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// What lies where in it.
    pub(crate) fn place(&self) -> slot::Slot {
        self.slots.slots[self.index]
    }

    /// Where a SIPI has to go.
    pub(crate) fn trampoline(&self) -> u32 {
        self.place().address(slot::TRAMPOLINE)
    }

    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result {
        self.memory.write(self.base() + offset as u64, bytes)
    }

    pub(crate) fn zero(&self) {
        self.memory.zero();
    }

    pub(crate) fn load(&self, offset: usize) -> Result<u32> {
        self.memory.load(self.base() + offset as u64)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.memory.zero();
        *self.slots.taken.lock() &= !(1 << self.index);
    }
}

/// Whether all of a page below 1 MiB is RAM.
pub(crate) fn page_is_ram(page: u64) -> bool {
    // SAFETY: It only reads the memory map.
    unsafe { ffi::mk_e820_is_ram(page, page + 0x1000) }
}
