// SPDX-License-Identifier: GPL-2.0

//! The ACPI tables of this kernel.

use kernel::{bindings, prelude::*};

/// Lets `f` read the first table with this signature. `None`: there is none.
pub(crate) fn with_table<R>(signature: &CStr, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let mut table = core::ptr::null_mut();
    let signature = signature.as_char_ptr().cast_mut();
    // SAFETY: The signature is only read, and `table` can be written.
    let status = unsafe { bindings::acpi_get_table(signature, 1, &mut table) };
    if status != 0 || table.is_null() {
        return None;
    }
    // SAFETY: ACPI has mapped and checked the table, which has `length` bytes.
    let bytes =
        unsafe { core::slice::from_raw_parts(table.cast::<u8>(), (*table).length as usize) };
    let result = f(bytes);
    // SAFETY: It was got above.
    unsafe { bindings::acpi_put_table(table) };
    Some(result)
}
