// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait for what an interrupt tells.

use core::sync::atomic::{fence, Ordering};
use kernel::{bindings, prelude::*, sync::LockClassKey, types::Opaque};

/// Who waits, asleep or by `poll()`. It can be woken from any context.
///
/// A file that registers a poll table here has to keep it until it is released.
#[pin_data]
pub(crate) struct Queue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue has a lock of its own.
unsafe impl Send for Queue {}
// SAFETY: As above.
unsafe impl Sync for Queue {}

impl Queue {
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is being made, and stays where it is; name and key are static.
            head <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }

    /// Wakes all that wait, and tells those that poll for any of `events`.
    pub(crate) fn wake(&self, events: u32) {
        // SAFETY: The queue is initialized; the key of such a wake-up is a mask.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                0,
                events as usize as *mut c_void,
            );
        }
    }

    /// Whether anybody does. What the caller has done before is seen by who comes later.
    pub(crate) fn is_waited_for(&self) -> bool {
        fence(Ordering::SeqCst);
        let list = self.head.get();
        // SAFETY: The queue is initialized. Others change the list, a word at a time.
        unsafe {
            let list = &raw mut (*list).head;
            (&raw const (*list).next).read_volatile() != list
        }
    }

    /// Calls `f` until it gives something, now and each time that this queue is woken. What `f` looks
    /// at may change at any time before the wake-up. `ERESTARTSYS`: a signal came.
    pub(crate) fn wait<T>(&self, mut f: impl FnMut() -> Option<T>) -> Result<T> {
        // Most of the time nobody has to wait.
        if let Some(value) = f() {
            return Ok(value);
        }
        let entry = Opaque::new(bindings::wait_queue_entry {
            private: current!().as_ptr().cast(),
            func: Some(bindings::woken_wake_function),
            ..pin_init::zeroed()
        });
        // SAFETY: `entry` stays where it is until it was removed below. It is what wait_woken()
        // wants: its function is the one that belongs to that.
        unsafe { bindings::add_wait_queue(self.head.get(), entry.get()) };
        let result = loop {
            if let Some(value) = f() {
                break Ok(value);
            }
            if current!().signal_pending() {
                break Err(ERESTARTSYS);
            }
            // SAFETY: The entry is of this task, and in a queue.
            unsafe { bindings::wait_woken(entry.get(), bindings::TASK_INTERRUPTIBLE, c_long::MAX) };
        };
        // SAFETY: It is in this queue.
        unsafe { bindings::remove_wait_queue(self.head.get(), entry.get()) };
        result
    }

    /// Lets `poll()` know of this queue.
    ///
    /// # Safety
    ///
    /// Both are those of a call of `poll()`, and the file keeps this queue until it is released.
    pub(crate) unsafe fn register(
        &self,
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) {
        // SAFETY: By the contract of this function.
        unsafe { bindings::poll_wait(file, self.head.get(), table) };
    }
}

/// A [`Queue`], of a lock class of its own.
macro_rules! new_queue {
    ($name:literal) => {
        $crate::sys::wait::Queue::new($name, kernel::static_lock_class!())
    };
}
pub(crate) use new_queue;
