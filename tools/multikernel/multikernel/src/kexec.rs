// SPDX-License-Identifier: GPL-2.0

//! `kexec_file_load()` for an instance: a kernel with
//! [`Feature::Kexec`](crate::Feature::Kexec) knows it.

use std::ffi::{c_char, c_int, c_ulong, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

// As its include/uapi/linux/kexec.h has them.
const NO_INITRAMFS: c_ulong = 0x4;
const MULTIKERNEL: c_ulong = 0x40;
const MULTIKERNEL_SHIFT: u32 = 16;

/// Loads a kernel into the instance with this id.
pub(crate) fn load(
    id: u64,
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: &str,
) -> Result<(), Errno> {
    let line = CString::new(cmdline).map_err(|_| Errno::INVAL)?;
    let size = line.as_bytes_with_nul().len() as c_ulong;
    let mut flags = MULTIKERNEL | (id << MULTIKERNEL_SHIFT);
    if initrd.is_none() {
        flags |= NO_INITRAMFS;
    }
    let kernel: c_int = kernel.as_raw_fd();
    let initrd: c_int = initrd.map_or(-1, |fd| fd.as_raw_fd());
    let address: *const c_char = line.as_ptr();
    // SAFETY: the call reads `size` bytes at `address`, which are those of `line`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel,
            initrd,
            size,
            address,
            flags,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        let error = std::io::Error::last_os_error();
        Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
    }
}
