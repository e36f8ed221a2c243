// SPDX-License-Identifier: GPL-2.0

//! What time it is.

use kernel::bindings;

/// CLOCK_BOOTTIME, in nanoseconds.
pub(crate) fn boottime() -> i64 {
    // SAFETY: It may be called anywhere.
    unsafe { bindings::ktime_get_with_offset(bindings::tk_offsets_TK_OFFS_BOOT) }
}

/// CLOCK_REALTIME, in nanoseconds since 1970.
pub(crate) fn realtime() -> i64 {
    // SAFETY: It may be called anywhere.
    unsafe { bindings::ktime_get_with_offset(bindings::tk_offsets_TK_OFFS_REAL) }
}

/// CLOCK_MONOTONIC, in nanoseconds; also for handlers of interrupts.
pub(crate) fn monotonic() -> u64 {
    // SAFETY: It may be called anywhere.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}
