// SPDX-License-Identifier: GPL-2.0

//! What `kexec_file_load()` has read for an instance, and checked as it checks what it starts
//! itself. Only a kernel with our series hands it on.

use super::ffi;
use core::marker::PhantomData;
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::Arc,
    types::ForeignOwnable,
};

/// A kernel and what goes with it.
pub(crate) struct Image<'a> {
    pub(crate) kernel: &'a [u8],
    pub(crate) initrd: Option<&'a [u8]>,
    pub(crate) cmdline: &'a [u8],
    /// The kernel has a valid signature.
    pub(crate) is_verified: bool,
}

/// Who takes images.
pub(crate) trait Take: Send + Sync + Sized {
    /// For the instance with this id.
    fn take(self: &Arc<Self>, id: u64, image: &Image<'_>) -> Result;
}

/// Whether this kernel hands images on.
pub(crate) fn exists() -> bool {
    // SAFETY: It only returns a constant.
    unsafe { ffi::mk_kexec_exists() }
}

/// Whether what is loaded has to have a valid signature, also without lockdown.
pub(crate) fn is_signature_enforced() -> bool {
    // SAFETY: It only reads a variable.
    unsafe { ffi::mk_kexec_sig_enforced() }
}

/// As long as this lives, its target is called. The module has one at a time.
pub(crate) struct Taker<T: Take + 'static> {
    target: *mut c_void,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: It is an `Arc` of what can be shared.
unsafe impl<T: Take + 'static> Send for Taker<T> {}
// SAFETY: Nothing changes through a shared reference.
unsafe impl<T: Take + 'static> Sync for Taker<T> {}

impl<T: Take + 'static> Taker<T> {
    /// Once the module's `init` cannot fail any more: a call keeps the module loaded, but not one
    /// that was never loaded.
    pub(crate) fn new(target: Arc<T>) -> Result<Self> {
        let target = target.into_foreign();
        // SAFETY: `target` lives until nobody can call any more, and is treated as what it is.
        to_result(unsafe { ffi::mk_kexec_register(load::<T>, target) }).inspect_err(|_| {
            // SAFETY: It came from `into_foreign`, and the failed call does not keep it.
            drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(target) })
        })?;
        Ok(Self {
            target,
            _target: PhantomData,
        })
    }
}

impl<T: Take + 'static> Drop for Taker<T> {
    fn drop(&mut self) {
        // SAFETY: It was registered by `new`.
        unsafe { ffi::mk_kexec_unregister() };
        // SAFETY: It came from `into_foreign`. Nobody calls any more: who does keeps the module
        // loaded.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(self.target) });
    }
}

/// # Safety
///
/// `data` is an `Arc<T>` that was made foreign, and `image` is valid during the call.
unsafe extern "C" fn load<T: Take + 'static>(
    data: *mut c_void,
    id: u64,
    image: *const ffi::KexecImage,
) -> c_int {
    // SAFETY: By the contract of this function.
    let (target, image) = unsafe { (<Arc<T> as ForeignOwnable>::borrow(data), &*image) };
    // SAFETY: Each is null, or what kexec has read, which stays as it is during the call.
    let (kernel, initrd, cmdline) = unsafe {
        (
            bytes(image.kernel, image.kernel_len),
            bytes(image.initrd, image.initrd_len),
            bytes(image.cmdline, image.cmdline_len),
        )
    };
    let image = Image {
        kernel: kernel.unwrap_or(&[]),
        initrd,
        cmdline: cmdline.unwrap_or(&[]),
        is_verified: image.is_verified,
    };
    from_result(|| T::take(&Arc::from(target), id, &image).map(|()| 0))
}

/// # Safety
///
/// `start` is null, or points to `len` bytes that nobody writes as long as the result lives.
unsafe fn bytes<'a>(start: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: By the contract of this function.
    (!start.is_null()).then(|| unsafe { core::slice::from_raw_parts(start, len) })
}
