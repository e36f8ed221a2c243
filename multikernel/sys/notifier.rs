// SPDX-License-Identifier: GPL-2.0

//! Notifier chains: what this kernel tells before it goes down or to sleep.

use super::ffi;
use core::marker::PhantomData;
use kernel::{bindings, container_of, error::to_result, prelude::*, sync::Arc, types::Opaque};

/// A chain of notifiers.
///
/// # Safety
///
/// With [`Chain::HAS_TEXT`] its data is a C string or null.
pub(crate) unsafe trait Chain {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int;
    /// By default before those that stop devices.
    const PRIORITY: c_int = c_int::MAX;
    const HAS_TEXT: bool = false;
}

/// Restart, halt, power-off and kexec of this kernel.
pub(crate) struct Reboot;

impl Reboot {
    // Events, as include/linux/reboot.h has them.
    pub(crate) const HALT: usize = 2;
    pub(crate) const POWER_OFF: usize = 3;
}

// SAFETY: The data is what reboot(2) was given, or a constant, or null.
unsafe impl Chain for Reboot {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        register_reboot_notifier;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        unregister_reboot_notifier;
    const HAS_TEXT: bool = true;
}

/// Suspend and hibernation of this kernel.
pub(crate) struct Sleep;

// SAFETY: It has no text.
unsafe impl Chain for Sleep {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        register_pm_notifier;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        unregister_pm_notifier;
}

/// Panics of this kernel: nothing but this CPU runs any more, and nothing may wait.
pub(crate) struct Panic;

// SAFETY: The data is the message.
unsafe impl Chain for Panic {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        register_panic_notifier;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        unregister_panic_notifier;
    // After those that save something.
    const PRIORITY: c_int = c_int::MIN;
    const HAS_TEXT: bool = true;
}

/// A crash kernel takes over: nothing but this CPU runs any more, and nothing may wait. Only a
/// kernel with our series tells it.
pub(crate) struct Crash;

// SAFETY: It has no text.
unsafe impl Chain for Crash {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        ffi::mk_crash_register;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        ffi::mk_crash_unregister;
}

/// # Safety
///
/// As for the functions of the other chains.
unsafe extern "C" fn register_panic_notifier(block: *mut bindings::notifier_block) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { atomic_notifier_chain_register(&raw mut panic_notifier_list, block) }
}

/// # Safety
///
/// As for the functions of the other chains.
unsafe extern "C" fn unregister_panic_notifier(block: *mut bindings::notifier_block) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { atomic_notifier_chain_unregister(&raw mut panic_notifier_list, block) }
}

extern "C" {
    fn register_reboot_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn unregister_reboot_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn register_pm_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn unregister_pm_notifier(block: *mut bindings::notifier_block) -> c_int;
    static mut panic_notifier_list: bindings::atomic_notifier_head;
    fn atomic_notifier_chain_register(
        chain: *mut bindings::atomic_notifier_head,
        block: *mut bindings::notifier_block,
    ) -> c_int;
    fn atomic_notifier_chain_unregister(
        chain: *mut bindings::atomic_notifier_head,
        block: *mut bindings::notifier_block,
    ) -> c_int;
}

/// What is called, with the text that comes with the event; an error vetoes it, where the chain
/// lets it.
pub(crate) trait Notify<C: Chain>: Send + Sync {
    fn notify(&self, event: usize, text: &[u8]) -> Result;
}

/// A registration with a chain, as long as it lives.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier<C: Chain, T: Notify<C>> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    target: Arc<T>,
    _chain: PhantomData<C>,
}

// SAFETY: The chain has a lock of its own, and the target can be shared.
unsafe impl<C: Chain, T: Notify<C>> Send for Notifier<C, T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<C: Chain, T: Notify<C>> Sync for Notifier<C, T> {}

impl<C: Chain, T: Notify<C>> Notifier<C, T> {
    pub(crate) fn new(target: Arc<T>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            target,
            _chain: PhantomData,
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let mut block: bindings::notifier_block = pin_init::zeroed();
                block.notifier_call = Some(Self::call);
                block.priority = C::PRIORITY;
                // SAFETY: `slot` is ours to write, stays where it is until it is unregistered, and
                // the target is in place already.
                unsafe {
                    slot.write(block);
                    to_result((C::REGISTER)(slot))
                }
            }),
        })
    }

    /// # Safety
    ///
    /// `block` is that of a registered `Self`, and `data` is what the chain passes.
    unsafe extern "C" fn call(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        let this = unsafe { &*container_of!(Opaque::cast_from(block), Self, block) };
        let text = match C::HAS_TEXT && !data.is_null() {
            // SAFETY: By the contract of the chain.
            true => unsafe { CStr::from_char_ptr(data.cast()) }.to_bytes(),
            false => &[],
        };
        match this.target.notify(event, text) {
            Ok(()) => bindings::NOTIFY_OK as c_int,
            Err(err) => bindings::NOTIFY_STOP_MASK as c_int | (1 - err.to_errno()),
        }
    }
}

#[pinned_drop]
impl<C: Chain, T: Notify<C>> PinnedDrop for Notifier<C, T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered when this was made.
        unsafe { (C::UNREGISTER)(self.block.get()) };
    }
}
