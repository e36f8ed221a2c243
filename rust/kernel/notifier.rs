// SPDX-License-Identifier: GPL-2.0

//! Notifier chains.
//!
//! By a chain a part of the kernel tells others what happens to it: that the kernel goes down, that
//! the system is about to be suspended. [`Registration`] puts a [`Handler`] on a [`Chain`].
//!
//! C header: [`include/linux/notifier.h`](srctree/include/linux/notifier.h)

use crate::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};
use core::marker::PhantomData;

/// A notifier chain.
///
/// # Safety
///
/// - A chain calls a block that [`Chain::register`] has put on it with that block as the first
///   argument, and with an action and data that [`Chain::event`] can be called with.
/// - When [`Chain::unregister`] has returned, the block is not called any more, and no call of it
///   is still going on.
pub unsafe trait Chain {
    /// What the chain tells.
    type Event<'a>;

    /// Puts `block` on the chain.
    ///
    /// # Safety
    ///
    /// `block` must be initialized, and on no chain. It must stay valid, and where it is, until it
    /// was taken off with [`Chain::unregister`].
    unsafe fn register(block: *mut bindings::notifier_block) -> Result;

    /// Takes `block` off the chain, and waits for calls of it that are going on.
    ///
    /// # Safety
    ///
    /// [`Chain::register`] must have succeeded for `block`.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// Returns what the chain tells by `action` and `data`, or [`None`] for an action that is not
    /// known here: handlers are not called for it.
    ///
    /// # Safety
    ///
    /// It must be called by a notifier on this chain, with what the chain has called that with, and
    /// the result must not be used after that call.
    unsafe fn event<'a>(action: c_ulong, data: *mut c_void) -> Option<Self::Event<'a>>;
}

/// Callbacks of a notifier chain.
pub trait Handler<C: Chain>: Sync {
    /// Called when the chain tells something, in the context that the chain has: see there.
    ///
    /// After an error those that come later on the chain are not called. Where what is told can be
    /// refused, this refuses it, and whoever asked for it is given the error.
    fn notify(&self, event: C::Event<'_>) -> Result;
}

impl<C: Chain, T: ?Sized + Handler<C> + Send> Handler<C> for Arc<T> {
    fn notify(&self, event: C::Event<'_>) -> Result {
        (**self).notify(event)
    }
}

/// A handler on a notifier chain. Dropping this takes it off, which may sleep.
///
/// It must not be dropped by its own handler: that would wait for itself.
///
/// # Examples
///
/// ```
/// use kernel::{
///     notifier::{
///         Handler,
///         PowerEvent,
///         PowerManagement,
///         Reboot,
///         RebootEvent,
///         Registration, //
///     },
///     prelude::*,
///     sync::Arc, //
/// };
///
/// struct Device;
///
/// impl Handler<Reboot> for Device {
///     fn notify(&self, event: RebootEvent<'_>) -> Result {
///         if let RebootEvent::Restart(Some(command)) = event {
///             pr_info!("a restart, with {} bytes of command\n", command.to_bytes().len());
///         }
///         Ok(())
///     }
/// }
///
/// impl Handler<PowerManagement> for Device {
///     fn notify(&self, event: PowerEvent) -> Result {
///         match event {
///             // No suspend while the device works.
///             PowerEvent::SuspendPrepare => Err(EBUSY),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// let device = Arc::new(Device, GFP_KERNEL)?;
/// // Before all others.
/// let reboot = Registration::<Reboot, _>::new(device.clone(), i32::MAX);
/// let reboot = KBox::pin_init(reboot, GFP_KERNEL)?;
/// let power = Registration::<PowerManagement, _>::new(device, 0);
/// let power = KBox::pin_init(power, GFP_KERNEL)?;
///
/// assert_eq!(
///     Handler::<PowerManagement>::notify(power.handler(), PowerEvent::SuspendPrepare),
///     Err(EBUSY)
/// );
/// # drop(reboot);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `block` is on the chain `C`.
#[pin_data(PinnedDrop)]
pub struct Registration<C: Chain, T: Handler<C>> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    #[pin]
    handler: T,
    _chain: PhantomData<C>,
}

// SAFETY: A block can be taken off by any thread, and the handler is dropped with it.
unsafe impl<C: Chain, T: Handler<C> + Send> Send for Registration<C, T> {}
// SAFETY: By a shared reference only the handler can be reached, which is `Sync`.
unsafe impl<C: Chain, T: Handler<C>> Sync for Registration<C, T> {}

impl<C: Chain, T: Handler<C> + 'static> Registration<C, T> {
    /// Puts `handler` on the chain. Those of a higher `priority` are called earlier.
    pub fn new<E>(handler: impl PinInit<T, E>, priority: i32) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(Self {
            handler <- handler,
            _chain: PhantomData,
            // INVARIANT: It is on the chain when it is initialized.
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let mut block: bindings::notifier_block = pin_init::zeroed();
                block.notifier_call = Some(Self::call);
                block.priority = priority;
                // SAFETY: `slot` is valid for writes. It is pinned, and taken off the chain when it
                // is dropped. What a call needs of `Self` is initialized already.
                unsafe {
                    slot.write(block);
                    C::register(slot)
                }
            }),
        })
    }

    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// # Safety
    ///
    /// It must be called by the chain `C` only, with the block of a `Self`.
    unsafe extern "C" fn call(
        block: *mut bindings::notifier_block,
        action: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the requirements of this function. The chain calls no block that is dropped.
        let this = unsafe { &*crate::container_of!(Opaque::cast_from(block), Self, block) };
        // SAFETY: The chain has called with these, and the event is gone when this returns.
        let Some(event) = (unsafe { C::event(action, data) }) else {
            return bindings::NOTIFY_DONE as c_int;
        };
        match this.handler.notify(event) {
            Ok(()) => bindings::NOTIFY_OK as c_int,
            // As `notifier_from_errno()`.
            Err(err) => {
                bindings::NOTIFY_STOP_MASK as c_int
                    | (bindings::NOTIFY_OK as c_int - err.to_errno())
            }
        }
    }
}

#[pinned_drop]
impl<C: Chain, T: Handler<C>> PinnedDrop for Registration<C, T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is on the chain.
        unsafe { C::unregister(self.block.get()) };
    }
}

/// This kernel restarts, halts, powers off, or starts another one by kexec.
///
/// Handlers are called in process context. None can refuse it.
///
/// C header: [`include/linux/reboot.h`](srctree/include/linux/reboot.h)
pub struct Reboot;

/// How this kernel goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebootEvent<'a> {
    /// A restart or a kexec, with the command that is given to whoever does it.
    Restart(Option<&'a CStr>),
    /// A halt.
    Halt,
    /// A power-off.
    PowerOff,
}

// SAFETY: It is a blocking chain, whose lock is held during calls and to take a block off. Data is
// a C string or null.
unsafe impl Chain for Reboot {
    type Event<'a> = RebootEvent<'a>;

    unsafe fn register(block: *mut bindings::notifier_block) -> Result {
        // SAFETY: By the requirements of this function.
        to_result(unsafe { bindings::register_reboot_notifier(block) })
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the requirements of this function.
        unsafe { bindings::unregister_reboot_notifier(block) };
    }

    unsafe fn event<'a>(action: c_ulong, data: *mut c_void) -> Option<RebootEvent<'a>> {
        match action as u32 {
            bindings::SYS_RESTART if data.is_null() => Some(RebootEvent::Restart(None)),
            // SAFETY: The command of a restart is a C string, which outlives the call.
            bindings::SYS_RESTART => Some(RebootEvent::Restart(Some(unsafe {
                CStr::from_char_ptr(data.cast())
            }))),
            bindings::SYS_HALT => Some(RebootEvent::Halt),
            bindings::SYS_POWER_OFF => Some(RebootEvent::PowerOff),
            _ => None,
        }
    }
}

/// The system is suspended, hibernated or woken.
///
/// Handlers are called in process context. What is being prepared they can refuse; one that has is
/// not told that it is over.
///
/// C header: [`include/linux/suspend.h`](srctree/include/linux/suspend.h)
pub struct PowerManagement;

/// What happens to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerEvent {
    /// It is going to be hibernated.
    HibernationPrepare,
    /// It was hibernated, or could not be.
    PostHibernation,
    /// It is going to be suspended.
    SuspendPrepare,
    /// It was suspended, or could not be.
    PostSuspend,
    /// It is going to be replaced by an image of hibernation.
    RestorePrepare,
    /// It could not be replaced.
    PostRestore,
}

// SAFETY: It is a blocking chain, whose lock is held during calls and to take a block off. Where it
// does not exist nothing is ever called.
unsafe impl Chain for PowerManagement {
    type Event<'a> = PowerEvent;

    unsafe fn register(block: *mut bindings::notifier_block) -> Result {
        // SAFETY: By the requirements of this function.
        to_result(unsafe { bindings::register_pm_notifier(block) })
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the requirements of this function.
        unsafe { bindings::unregister_pm_notifier(block) };
    }

    unsafe fn event<'a>(action: c_ulong, _data: *mut c_void) -> Option<Self::Event<'a>> {
        match action as u32 {
            bindings::PM_HIBERNATION_PREPARE => Some(PowerEvent::HibernationPrepare),
            bindings::PM_POST_HIBERNATION => Some(PowerEvent::PostHibernation),
            bindings::PM_SUSPEND_PREPARE => Some(PowerEvent::SuspendPrepare),
            bindings::PM_POST_SUSPEND => Some(PowerEvent::PostSuspend),
            bindings::PM_RESTORE_PREPARE => Some(PowerEvent::RestorePrepare),
            bindings::PM_POST_RESTORE => Some(PowerEvent::PostRestore),
            _ => None,
        }
    }
}

/// This kernel panics. The event is the message.
///
/// Other CPUs have stopped, and may hold any lock: handlers must not wait for anything, and must
/// not allocate memory.
///
/// C header: [`include/linux/panic_notifier.h`](srctree/include/linux/panic_notifier.h)
pub struct Panic;

// SAFETY: It is an atomic chain, and taking a block off waits for the readers of RCU. Data is the
// message.
unsafe impl Chain for Panic {
    type Event<'a> = &'a CStr;

    unsafe fn register(block: *mut bindings::notifier_block) -> Result {
        let chain = &raw mut bindings::panic_notifier_list;
        // SAFETY: By the requirements of this function, and `chain` is one.
        to_result(unsafe { bindings::atomic_notifier_chain_register(chain, block) })
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        let chain = &raw mut bindings::panic_notifier_list;
        // SAFETY: By the requirements of this function, and `chain` is one.
        unsafe { bindings::atomic_notifier_chain_unregister(chain, block) };
    }

    unsafe fn event<'a>(_action: c_ulong, data: *mut c_void) -> Option<&'a CStr> {
        // SAFETY: The message is a C string, in a buffer that is there for good.
        Some(unsafe { CStr::from_char_ptr(data.cast()) })
    }
}
