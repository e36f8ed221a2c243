// SPDX-License-Identifier: GPL-2.0

//! Names in `/proc/iomem`.

use super::ffi;
use kernel::{bindings, fmt, prelude::*, str::CString, types::Opaque};

/// A range of physical memory that `/proc/iomem` shows under a name, as long as this lives.
#[pin_data(PinnedDrop)]
pub(crate) struct Named {
    #[pin]
    resource: Opaque<bindings::resource>,
    name: CString,
}

// SAFETY: The resource tree has a lock of its own.
unsafe impl Send for Named {}
// SAFETY: As above; nothing is done through a shared reference.
unsafe impl Sync for Named {}

impl Named {
    /// With `is_dumped` it is in the dump when this kernel crashes, as all memory; otherwise it is
    /// left out by kernels with our series.
    pub(crate) fn new(
        start: u64,
        bytes: u64,
        name: fmt::Arguments<'_>,
        is_dumped: bool,
    ) -> Result<Pin<KBox<Self>>> {
        let name = CString::try_from_fmt(name)?;
        let named = KBox::try_pin_init(
            try_pin_init!(Self {
                resource <- Opaque::try_ffi_init(|slot: *mut bindings::resource| {
                    let mut resource: bindings::resource = pin_init::zeroed();
                    resource.start = start;
                    resource.end = start + bytes - 1;
                    resource.name = name.as_char_ptr();
                    resource.flags = bindings::IORESOURCE_MEM as usize;
                    if !is_dumped {
                        // SAFETY: It only returns a constant.
                        resource.desc = unsafe { ffi::mk_crash_left_out() };
                    }
                    // SAFETY: `slot` is ours to write, and stays where it is. The name is on the
                    // heap, so it stays, too, when its owner moves.
                    unsafe {
                        slot.write(resource);
                        kernel::error::to_result(bindings::insert_resource(
                            &raw mut bindings::iomem_resource,
                            slot,
                        ))
                    }
                }),
                name,
            }? Error),
            GFP_KERNEL,
        )?;
        // SAFETY: It may be called where one may sleep.
        unsafe { ffi::mk_crash_memory_changed() };
        Ok(named)
    }
}

#[pinned_drop]
impl PinnedDrop for Named {
    fn drop(self: Pin<&mut Self>) {
        // One that covers all of another is above that in the tree, and must not take it along.
        // SAFETY: It was inserted when this was made. Both may be called where one may sleep.
        unsafe {
            bindings::remove_resource(self.resource.get());
            ffi::mk_crash_memory_changed();
        }
    }
}
