// SPDX-License-Identifier: GPL-2.0

//! The kernel's own zstd decompressor.

/// Unpacks `data`, all of it, to the start of `room`, and returns how much that is. `None` if it is
/// damaged, or too much, or if this kernel has no decompressor built in.
#[cfg(CONFIG_ZSTD_DECOMPRESS = "y")]
pub(crate) fn unpack(data: &[u8], room: &mut [u8]) -> Option<usize> {
    use super::ffi;
    use kernel::prelude::*;

    // SAFETY: It only adds up sizes.
    let bytes = unsafe { ffi::zstd_dctx_workspace_bound() };
    let mut workspace =
        KVVec::<u64>::with_capacity(bytes.div_ceil(size_of::<u64>()), GFP_KERNEL).ok()?;
    // SAFETY: The workspace has that many bytes, aligned to 8, and outlives the context, which is
    // all in it.
    let context = unsafe { ffi::zstd_init_dctx(workspace.as_mut_ptr().cast(), bytes) };
    if context.is_null() {
        return None;
    }
    // SAFETY: The context is valid, and both buffers have the sizes that are told.
    let unpacked = unsafe {
        ffi::zstd_decompress_dctx(
            context,
            room.as_mut_ptr().cast(),
            room.len(),
            data.as_ptr().cast(),
            data.len(),
        )
    };
    // What is larger is the number of an error.
    (unpacked <= room.len()).then_some(unpacked)
}

#[cfg(not(CONFIG_ZSTD_DECOMPRESS = "y"))]
pub(crate) fn unpack(_data: &[u8], _room: &mut [u8]) -> Option<usize> {
    None
}
