// SPDX-License-Identifier: GPL-2.0

//! What is done after a while, by a thread of the kernel's.

use super::{ffi, wait::Wake};
use kernel::{bindings, container_of, prelude::*, sync::Arc, time::Jiffies, types::Opaque};

/// What is called then. Returns after how long it wants to be called again.
pub(crate) trait Due: Send + Sync {
    fn due(&self) -> Option<Jiffies>;
}

/// It is called no more once this is dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct Later<T: Due> {
    #[pin]
    work: Opaque<bindings::delayed_work>,
    target: Arc<T>,
}

// SAFETY: The work has a lock of its own, and the target can be shared.
unsafe impl<T: Due> Send for Later<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Due> Sync for Later<T> {}

impl<T: Due> Later<T> {
    pub(crate) fn new(target: Arc<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            target,
            // SAFETY: `slot` is ours to write, and stays where it is until `drop` has cancelled it.
            work <- Opaque::ffi_init(|slot| unsafe { ffi::mk_later_init(slot, Self::run) }),
        })
    }

    /// Calls it in that time, if no call is to come already.
    pub(crate) fn after(&self, jiffies: Jiffies) {
        // SAFETY: It was initialized by `new`.
        unsafe { ffi::mk_later(self.work.get(), jiffies) };
    }

    /// # Safety
    ///
    /// `work` is that of a `Self`.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the contract of this function; `drop` waits until this has returned.
        let this = unsafe {
            let work = container_of!(work, bindings::delayed_work, work);
            &*container_of!(Opaque::cast_from(work), Self, work)
        };
        if let Some(jiffies) = this.target.due() {
            this.after(jiffies);
        }
    }
}

impl<T: Due> Wake for Later<T> {
    fn wake(&self) {
        self.after(0);
    }
}

#[pinned_drop]
impl<T: Due> PinnedDrop for Later<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was initialized by `new`. Nobody but `run` calls it any more, and that is
        // waited for.
        unsafe { ffi::cancel_delayed_work_sync(self.work.get()) };
    }
}
