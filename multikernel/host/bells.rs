// SPDX-License-Identifier: GPL-2.0

//! What instances ring the host by: each has one of its own, so that it is known who storms.

use super::fail::{fail, Outcome};
use crate::{
    channel::switchboard::Switchboard,
    pure::{
        doorbell::Doorbell,
        taken::{self, Taken},
    },
    sys::ffi,
};
use core::sync::atomic::{AtomicU8, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// All bells of this host.
#[pin_data]
pub(crate) struct Bells {
    lines: KVec<Wire>,
    #[pin]
    taken: Mutex<Taken>,
}

/// What one of them leads to.
struct Wire {
    /// 0: the line is not there yet.
    vector: AtomicU8,
    switchboard: Arc<Switchboard>,
}

impl Bells {
    /// `count` of them, or as many as there can be, in use by nobody.
    pub(crate) fn new(count: usize) -> Result<Arc<Self>> {
        let count = count.min(taken::MAX);
        let mut lines = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let wire = Wire {
                vector: AtomicU8::new(0),
                switchboard: Switchboard::new()?,
            };
            lines.push(wire, GFP_KERNEL)?;
        }
        let taken = Taken::none_of(count).ok_or(EINVAL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                lines,
                taken <- new_mutex!(taken),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.lock().count()
    }

    /// No more than `count` can be had. Nobody has one yet.
    pub(crate) fn limit(&self, count: usize) {
        self.taken.lock().limit(count);
    }

    /// The vector of the one with this number.
    pub(crate) fn vector(&self, index: usize) -> u8 {
        let wire = self.lines.get(index);
        wire.map_or(0, |wire| wire.vector.load(Ordering::Relaxed))
    }

    pub(crate) fn set_vector(&self, index: usize, vector: u8) {
        if let Some(wire) = self.lines.get(index) {
            wire.vector.store(vector, Ordering::Relaxed);
        }
    }

    /// What the handler of its interrupt looks at.
    pub(crate) fn switchboard(&self, index: usize) -> Result<&Arc<Switchboard>> {
        Ok(&self.lines.get(index).ok_or(ENODEV)?.switchboard)
    }

    /// One that nobody has.
    pub(crate) fn take(this: &Arc<Self>) -> Option<Bell> {
        let index = this.taken.lock().take()?;
        Some(Bell {
            index,
            bells: this.clone(),
        })
    }
}

/// One bell; free again when dropped.
pub(crate) struct Bell {
    index: usize,
    bells: Arc<Bells>,
}

impl Bell {
    /// Its number.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn switchboard(&self) -> Result<&Arc<Switchboard>> {
        self.bells.switchboard(self.index)
    }

    /// Where it is rung: on the boot CPU, which is never lent.
    pub(crate) fn doorbell(&self) -> Outcome<Doorbell> {
        // SAFETY: It only reads a variable.
        let apic_id = unsafe { ffi::mk_boot_cpu_apic_id() };
        Doorbell::new(apic_id, self.bells.vector(self.index).into())
            .map_err(|error| fail!(ENODEV, "{error}"))
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.bells.taken.lock().free(self.index);
    }
}
