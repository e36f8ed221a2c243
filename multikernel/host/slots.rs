// SPDX-License-Identifier: GPL-2.0

//! The slots below 1 MiB, one for each kernel that is loaded and needs it.

use super::fail::{fail, Outcome};
use crate::{
    pure::{slot, taken::Taken},
    sys::{ffi, physical::Physical},
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        lock::{mutex::MutexBackend, Guard},
        Arc,
        Mutex, //
    },
};

/// All slots of this host.
#[pin_data]
pub(crate) struct Slots {
    slots: KVec<slot::Slot>,
    #[pin]
    taken: Mutex<Taken>,
    /// Held by whose CPU passes through a slot that is shared.
    #[pin]
    passage: Mutex<()>,
}

impl Slots {
    /// In use by nobody.
    pub(crate) fn new(slots: KVec<slot::Slot>) -> Result<Arc<Self>> {
        let taken = Taken::none_of(slots.len()).ok_or(EINVAL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                slots,
                taken <- new_mutex!(taken),
                passage <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn free(&self) -> usize {
        self.taken.lock().left()
    }

    /// A free slot, zeroed.
    pub(crate) fn take(this: &Arc<Self>) -> Outcome<Slot> {
        let taken = this.taken.lock().take();
        let index = taken.ok_or_else(|| {
            fail!(
                ENOSPC,
                "all {} slots below 1 MiB are taken: destroy an instance first",
                this.count()
            )
        })?;
        let slot = Slot {
            // SAFETY: The slot is RAM that this kernel does not use, and ours until it is dropped.
            memory: unsafe { Physical::new(this.slots[index].start().into(), slot::BYTES) },
            index,
            slots: this.clone(),
            is_abandoned: AtomicBool::new(false),
        };
        slot.memory.zero();
        Ok(slot)
    }
}

/// What an instance has below 1 MiB.
#[derive(Clone)]
pub(crate) enum Low {
    /// A slot of its own.
    Own(Arc<Slot>),
    /// Its CPUs pass through this one, as do those of others, and it never sees it.
    Shared(Arc<Slot>),
}

impl Low {
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        match self {
            Self::Own(slot) | Self::Shared(slot) => slot,
        }
    }

    pub(crate) fn own(&self) -> Option<&Arc<Slot>> {
        match self {
            Self::Own(slot) => Some(slot),
            Self::Shared(_) => None,
        }
    }

    /// Keeps the CPUs of others out, as long as the result lives.
    pub(crate) fn enter(&self) -> Option<Guard<'_, (), MutexBackend>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(slot) => Some(slot.slots.passage.lock()),
        }
    }
}

/// One slot; free again when dropped.
pub(crate) struct Slot {
    memory: Physical,
    index: usize,
    slots: Arc<Slots>,
    is_abandoned: AtomicBool,
}

impl Slot {
    /// A CPU that cannot be stopped may be in it, or come by: nobody else may have it.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    pub(crate) fn base(&self) -> u64 {
        self.memory.start()
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
        self.slots.taken.lock().free(self.index);
    }
}

/// Whether all of a page below 1 MiB is RAM.
pub(crate) fn page_is_ram(page: u64) -> bool {
    // SAFETY: It only reads the memory map.
    unsafe { ffi::mk_e820_is_ram(page, page + 0x1000) }
}
