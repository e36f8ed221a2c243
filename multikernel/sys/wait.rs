// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait for what an interrupt tells.

use super::ffi;
use core::sync::atomic::{fence, Ordering};
use kernel::{
    bindings, container_of,
    prelude::*,
    sync::{Arc, LockClassKey},
    types::Opaque,
};

/// How long a task waits, at most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(c_long);

impl Patience {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ENDLESS: Self = Self(c_long::MAX);

    /// In jiffies, as `schedule_timeout()` takes them. `None`: it is negative.
    pub(crate) fn new(jiffies: c_long) -> Option<Self> {
        (jiffies >= 0).then_some(Self(jiffies))
    }
}

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

    /// Calls `f` until it gives something, now and each time that this queue is woken. What `f`
    /// looks at may change at any time before the wake-up. `ERESTARTSYS`: a signal came, or the
    /// task is a thread of the kernel's that has to stop or to park. `EAGAIN`, `ETIMEDOUT`: there
    /// was no patience, or no more.
    pub(crate) fn wait<T>(
        &self,
        patience: Patience,
        mut f: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        // Most of the time nobody has to wait.
        if let Some(value) = f() {
            return Ok(value);
        }
        let Patience(mut left) = patience;
        if left == 0 {
            return Err(EAGAIN);
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
            if current!().signal_pending() || is_thread_to_end() {
                break Err(ERESTARTSYS);
            }
            if left == 0 {
                break Err(ETIMEDOUT);
            }
            // SAFETY: The entry is of this task, and in a queue.
            left = unsafe { bindings::wait_woken(entry.get(), bindings::TASK_INTERRUPTIBLE, left) };
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

/// Whether this task is a thread of the kernel's that has to stop or to park: `wait_woken()` does
/// not sleep then.
fn is_thread_to_end() -> bool {
    // SAFETY: The task is the current one, and only it changes this field.
    if unsafe { (*current!().as_ptr()).flags } & bindings::PF_KTHREAD == 0 {
        return false;
    }
    // SAFETY: It is a thread of the kernel's.
    unsafe { bindings::kthread_should_stop() || bindings::kthread_should_park() }
}

/// Whether this CPU has something better to do than what the caller does.
pub(crate) fn cpu_is_wanted() -> bool {
    // SAFETY: It only looks at the current task.
    unsafe { ffi::mk_cpu_is_wanted() }
}

/// What is told when those who wait are woken.
pub(crate) trait Wake: Send + Sync {
    /// In any context, with interrupts off: it must not sleep, nor use the queue.
    fn wake(&self);
}

/// Somebody in a queue who does not sleep, but is told of each wake-up, as long as this lives.
#[pin_data(PinnedDrop)]
pub(crate) struct Listener<Q: 'static, T: Wake> {
    #[pin]
    entry: Opaque<bindings::wait_queue_entry>,
    head: *mut bindings::wait_queue_head,
    _owner: Arc<Q>,
    target: Arc<T>,
}

// SAFETY: The queue has a lock of its own, and the rest can be shared.
unsafe impl<Q: Send + Sync, T: Wake> Send for Listener<Q, T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<Q: Send + Sync, T: Wake> Sync for Listener<Q, T> {}

impl<Q, T: Wake> Listener<Q, T> {
    /// `queue` gives the queue, which is the owner's.
    pub(crate) fn new(
        owner: Arc<Q>,
        queue: impl FnOnce(&Q) -> &Queue,
        target: Arc<T>,
    ) -> impl PinInit<Self> {
        let at = queue(&owner).head.get();
        pin_init!(Self {
            head: at,
            _owner: owner,
            target,
            // The last one: it can be called at once.
            entry <- Opaque::ffi_init(move |slot: *mut bindings::wait_queue_entry| {
                // SAFETY: `slot` is ours to write, and stays where it is until `drop` has removed
                // it. The queue lives as long as its owner.
                unsafe {
                    slot.write(bindings::wait_queue_entry {
                        func: Some(Self::woken),
                        ..pin_init::zeroed()
                    });
                    bindings::add_wait_queue(at, slot);
                }
            }),
        })
    }

    /// # Safety
    ///
    /// `entry` is that of a `Self`.
    unsafe extern "C" fn woken(
        entry: *mut bindings::wait_queue_entry,
        _mode: c_uint,
        _flags: c_int,
        _key: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function; `drop` waits until this has returned.
        let this = unsafe { &*container_of!(Opaque::cast_from(entry), Self, entry) };
        this.target.wake();
        // Nobody was woken who would be counted.
        0
    }
}

#[pinned_drop]
impl<Q, T: Wake> PinnedDrop for Listener<Q, T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is in this queue, whose lock is held while it is called.
        unsafe { bindings::remove_wait_queue(self.head, self.entry.get()) };
    }
}

/// A [`Queue`], of a lock class of its own.
macro_rules! new_queue {
    ($name:literal) => {
        $crate::sys::wait::Queue::new($name, kernel::static_lock_class!())
    };
}
pub(crate) use new_queue;
