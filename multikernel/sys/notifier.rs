// SPDX-License-Identifier: GPL-2.0

//! Notifier chains: what this kernel tells before it goes down or to sleep.

use core::marker::PhantomData;
use kernel::{bindings, container_of, error::to_result, prelude::*, sync::Arc, types::Opaque};

/// A chain of notifiers.
pub(crate) trait Chain {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int;
}

/// Restart, halt, power-off and kexec of this kernel.
pub(crate) struct Reboot;

impl Chain for Reboot {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        register_reboot_notifier;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        unregister_reboot_notifier;
}

/// Suspend and hibernation of this kernel.
pub(crate) struct Sleep;

impl Chain for Sleep {
    const REGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        register_pm_notifier;
    const UNREGISTER: unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int =
        unregister_pm_notifier;
}

extern "C" {
    fn register_reboot_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn unregister_reboot_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn register_pm_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn unregister_pm_notifier(block: *mut bindings::notifier_block) -> c_int;
}

/// What is called; an error vetoes the event, where the chain lets it.
pub(crate) trait Notify<C: Chain>: Send + Sync {
    fn notify(&self, event: usize) -> Result;
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
                // Before those that stop devices.
                block.priority = c_int::MAX;
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
    /// `block` is that of a registered `Self`.
    unsafe extern "C" fn call(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        _data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        let this = unsafe { &*container_of!(Opaque::cast_from(block), Self, block) };
        match this.target.notify(event) {
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
