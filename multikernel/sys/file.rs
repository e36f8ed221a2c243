// SPDX-License-Identifier: GPL-2.0

//! Files: reading a kernel and an initrd, and descriptors of our own.

use super::{ffi, physical::Physical};
use kernel::{
    bindings,
    fs::file::{FileDescriptorReservation, LocalFile},
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable,
};

/// What is read, for security modules and integrity measurement (`enum kernel_read_file_id`).
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Kernel = 3,
    Initrd = 4,
}

/// A regular file that was opened for reading.
pub(crate) struct Readable {
    fd: c_int,
    size: u64,
}

impl Readable {
    /// Errors: `EBADF`, `EISDIR`, `EINVAL` for what is no regular file.
    pub(crate) fn new(fd: i32) -> Result<Self> {
        const FMODE_READ: u32 = 1;
        let file = LocalFile::fget(u32::try_from(fd).map_err(|_| EBADF)?)?;
        // SAFETY: The file is valid as long as `file` lives, and this field is not written after
        // the file was opened.
        if unsafe { (*file.as_ptr()).f_mode } & FMODE_READ == 0 {
            return Err(EBADF);
        }
        // SAFETY: The file is valid as long as `file` lives.
        let (mode, size) = unsafe {
            (
                ffi::mk_file_mode(file.as_ptr()),
                ffi::mk_file_size(file.as_ptr()),
            )
        };
        match u32::from(mode) & bindings::S_IFMT {
            bindings::S_IFREG => Ok(Self {
                fd,
                size: u64::try_from(size).map_err(|_| EINVAL)?,
            }),
            bindings::S_IFDIR => Err(EISDIR),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Reads all of it into memory of this kernel.
    pub(crate) fn read(&self, kind: Kind) -> Result<Contents> {
        let mut start = core::ptr::null_mut();
        // SAFETY: With a null buffer the function allocates one, and `start` says where.
        let read = unsafe {
            ffi::kernel_read_file_from_fd(
                self.fd,
                0,
                &mut start,
                isize::MAX as usize,
                core::ptr::null_mut(),
                kind as c_uint,
            )
        };
        let len = kernel::error::to_result(read.min(0) as c_int).map(|()| read as usize)?;
        Ok(Contents {
            start: start.cast(),
            len,
        })
    }

    /// Reads all of it, `size()` bytes, to physical address `at` of `memory`.
    pub(crate) fn read_to(&self, kind: Kind, memory: &Physical, at: u64) -> Result {
        let len = usize::try_from(self.size).map_err(|_| EFBIG)?;
        let mut window = memory.window(at, len)?;
        // SAFETY: The window has room for `len` bytes, and the function writes no more.
        let read = unsafe {
            ffi::kernel_read_file_from_fd(
                self.fd,
                0,
                &mut window,
                len,
                core::ptr::null_mut(),
                kind as c_uint,
            )
        };
        kernel::error::to_result(read.min(0) as c_int)?;
        if read as usize == len {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

/// The contents of a file.
///
/// # Invariants
///
/// `start` points to `len` bytes that `kernel_read_file()` allocated.
pub(crate) struct Contents {
    start: *mut u8,
    len: usize,
}

// SAFETY: It is memory that nobody else has.
unsafe impl Send for Contents {}

impl core::ops::Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the invariant; nobody writes them any more.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // SAFETY: By the invariant; it is documented to be freed so.
        unsafe { ffi::vfree(self.start.cast()) };
    }
}

/// Makes a descriptor for `data`, closed on exec. `access` is `O_RDONLY` or `O_RDWR`.
///
/// # Safety
///
/// `operations` treats the private data of the file as a `P` made foreign, and frees it on release.
pub(crate) unsafe fn anonymous<P: ForeignOwnable>(
    name: &CStr,
    operations: &'static bindings::file_operations,
    data: P,
    access: u32,
) -> Result<NewFile> {
    let reservation = FileDescriptorReservation::get_unused_fd_flags(bindings::O_CLOEXEC)?;
    let data = data.into_foreign();
    // SAFETY: By the contract of this function.
    let file = kernel::error::from_err_ptr(unsafe {
        ffi::anon_inode_getfile(
            name.as_char_ptr(),
            operations,
            data,
            (access | bindings::O_CLOEXEC) as c_int,
        )
    })
    .inspect_err(|_| {
        // SAFETY: The failed call does not keep it.
        drop(unsafe { P::from_foreign(data) })
    })?;
    let file = core::ptr::NonNull::new(file).ok_or(ENOMEM)?;
    // SAFETY: The reference that the call returned is ours.
    let file = unsafe { ARef::from_raw(file.cast::<kernel::fs::File>()) };
    Ok(NewFile { reservation, file })
}

/// A file that has a number, and that user space does not see yet.
pub(crate) struct NewFile {
    reservation: FileDescriptorReservation,
    file: ARef<kernel::fs::File>,
}

impl NewFile {
    /// Lets user space see it; returns its number.
    pub(crate) fn install(self) -> u32 {
        let fd = self.reservation.reserved_fd();
        self.reservation.fd_install(self.file);
        fd
    }
}
