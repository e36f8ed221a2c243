// SPDX-License-Identifier: GPL-2.0

//! Taking CPUs offline, and bringing them online.
//!
//! This is what writing to `/sys/devices/system/cpu/cpuN/online` does. So nobody owns the state of
//! a CPU: what was taken offline here user space can bring online, and the other way round.
//!
//! C headers: [`include/linux/cpu.h`](srctree/include/linux/cpu.h),
//! [`include/linux/cpuhplock.h`](srctree/include/linux/cpuhplock.h)

use crate::{
    bindings,
    cpu::CpuId,
    error::to_result,
    prelude::*, //
};

/// Takes `cpu` offline. The result tells whether this call did it: `false` if it was offline.
///
/// This may sleep. It must not be called with a lock of the hotplug code held, so not by its
/// callbacks.
///
/// # Errors
///
/// - [`ENODEV`]: there is no such CPU.
/// - [`EPERM`]: it cannot be taken offline.
/// - [`EBUSY`]: it is the last one, or hotplug is disabled for now.
///
/// # Examples
///
/// ```
/// use kernel::cpu::{
///     hotplug,
///     CpuId, //
/// };
///
/// /// Calls `f` while `cpu` does nothing, where it can be spared.
/// fn while_idle(cpu: CpuId, f: impl FnOnce()) -> Result {
///     let was_online = hotplug::offline(cpu)?;
///     f();
///     if was_online {
///         hotplug::online(cpu)?;
///     }
///     Ok(())
/// }
/// ```
pub fn offline(cpu: CpuId) -> Result<bool> {
    // SAFETY: It can be called for any number, and takes the locks that it needs itself.
    has_changed(unsafe { bindings::remove_cpu(cpu.as_u32()) })
}

/// Brings `cpu` online. The result tells whether this call did it: `false` if it was online.
///
/// This may sleep. It must not be called with a lock of the hotplug code held, so not by its
/// callbacks.
///
/// # Errors
///
/// - [`ENODEV`]: there is no such CPU.
/// - [`EINVAL`]: it is not present.
/// - [`EBUSY`]: hotplug is disabled for now.
/// - Others, from what is started on the CPU.
///
/// # Examples
///
/// ```
/// use kernel::cpu::{
///     hotplug,
///     CpuId, //
/// };
///
/// // Whoever asks runs on a CPU that is online.
/// assert!(!hotplug::online(CpuId::current())?);
/// # Ok::<(), Error>(())
/// ```
pub fn online(cpu: CpuId) -> Result<bool> {
    // SAFETY: It can be called for any number, and takes the locks that it needs itself.
    has_changed(unsafe { bindings::add_cpu(cpu.as_u32()) })
}

/// What the device core says: 1 if there was nothing to do.
fn has_changed(ret: c_int) -> Result<bool> {
    to_result(ret)?;
    Ok(ret == 0)
}
