// SPDX-License-Identifier: GPL-2.0

//! Device nodes that come and go, and what is asked of their files.

use super::{ffi, shared::View, wait::Patience};
use crate::pure::{range::PAGE, ring::Pieces};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{from_result, to_result},
    fmt,
    prelude::*,
    str::CString,
    sync::Arc,
    types::{ForeignOwnable, Opaque},
};

/// What is behind the nodes of this module.
pub(crate) trait Files: Send + Sync + Sized + 'static {
    /// Opens the node with this number. What it returns is released with the file.
    fn open(number: u32, patience: Patience) -> Result<Arc<Self>>;
    fn read(&self, to: &mut Buffer, patience: Patience) -> Result<usize>;
    fn write(&self, from: &mut Buffer, patience: Patience) -> Result<usize>;
    /// Which of the events `wanted` there are; `register` has to be called first.
    fn poll(&self, poll: &Poll, wanted: u32) -> u32;
    fn ioctl(&self, command: u32, address: usize) -> Result<isize>;
    /// Where the memory is that is to be mapped: `bytes` from `offset` on. It has to stay until the
    /// file is released, as a mapping keeps the file.
    fn map(&self, offset: u64, bytes: u64, is_written: bool) -> Result<Memory>;
    /// The file is closed.
    fn release(&self);
}

/// Memory for user space.
pub(crate) struct Memory {
    pub(crate) start: u64,
    pub(crate) may_write: bool,
}

/// The nodes of this module can be there.
pub(crate) struct Nodes<T>(PhantomData<T>);

impl<T: Files> Nodes<T> {
    /// Once at a time.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The operations are static, and nobody else registers any.
        to_result(unsafe { ffi::mk_nodes_register(&Operations::<T>::TABLE) })?;
        Ok(Self(PhantomData))
    }
}

impl<T> Drop for Nodes<T> {
    fn drop(&mut self) {
        // SAFETY: They were registered when this was made; all nodes are gone, and with them the
        // files: each keeps the module.
        unsafe { ffi::mk_nodes_unregister() };
    }
}

/// A node, as long as this lives. Files that were opened live longer.
pub(crate) struct Node {
    number: Option<u32>,
}

impl Node {
    /// Makes the node `path` below `/dev`. [`Nodes`] has to be there, and the number has to be
    /// free.
    pub(crate) fn new(number: u32, path: fmt::Arguments<'_>) -> Result<Self> {
        let path = CString::try_from_fmt(path)?;
        // SAFETY: The path is a string, which is copied.
        to_result(unsafe { ffi::mk_node_create(number, path.as_char_ptr()) })?;
        Ok(Self {
            number: Some(number),
        })
    }

    /// Removes it before this is dropped.
    pub(crate) fn remove(&mut self) {
        if let Some(number) = self.number.take() {
            // SAFETY: It was made with this number.
            unsafe { ffi::mk_node_destroy(number) };
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What a call reads to, or writes from.
pub(crate) struct Buffer(*mut bindings::iov_iter);

/// Which of both.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    To = bindings::ITER_DEST as isize,
    From = bindings::ITER_SOURCE as isize,
}

impl Buffer {
    /// Lets `f` use memory of this kernel.
    ///
    /// # Safety
    ///
    /// The `len` bytes from `at` on can be read or, if `way` is [`Way::To`], written, and nobody
    /// else does that meanwhile.
    pub(crate) unsafe fn with<R>(
        way: Way,
        at: *mut c_void,
        len: usize,
        f: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let memory = bindings::kvec {
            iov_base: at,
            iov_len: len,
        };
        let iterator = Opaque::uninit();
        // SAFETY: The call initializes the iterator, and all it refers to stays until `f` has
        // returned.
        unsafe { bindings::iov_iter_kvec(iterator.get(), way as c_uint, &memory, 1, len) };
        f(&mut Self(iterator.get()))
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: It is valid during the call, and this field of the union is that of all kinds.
        unsafe { (*self.0).__bindgen_anon_1.__bindgen_anon_1.as_ref().count }
    }

    /// Copies a message of the peer's out, each byte once.
    pub(crate) fn fill(&mut self, view: &View, pieces: &Pieces) -> Result {
        for piece in pieces {
            let from = view.other.pointer(piece.at, piece.len).ok_or(EFAULT)?;
            // SAFETY: `from` is good for that many bytes. What the peer writes meanwhile is copied
            // as it is at some moment.
            let copied = unsafe { bindings::_copy_to_iter(from.cast(), piece.len, self.0) };
            if copied != piece.len {
                return Err(EFAULT);
            }
        }
        Ok(())
    }

    /// Copies a message in, to this side's half.
    pub(crate) fn drain(&mut self, view: &View, pieces: &Pieces) -> Result {
        for piece in pieces {
            let to = view.own.pointer(piece.at, piece.len).ok_or(EFAULT)?;
            // SAFETY: `to` is good for that many bytes, and nobody has a reference to them.
            let copied = unsafe { bindings::_copy_from_iter(to.cast(), piece.len, self.0) };
            if copied != piece.len {
                return Err(EFAULT);
            }
        }
        Ok(())
    }
}

/// A call of `poll()`.
pub(crate) struct Poll {
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
}

impl Poll {
    /// Lets it know of a queue of what is behind the file.
    pub(crate) fn register(&self, queue: &super::wait::Queue) {
        // SAFETY: Both are those of a call of poll(). What implements `Files` keeps its queues as
        // long as its file keeps it.
        unsafe { queue.register(self.file, self.table) };
    }
}

fn patience(may_wait: bool) -> Patience {
    match may_wait {
        true => Patience::ENDLESS,
        false => Patience::NONE,
    }
}

/// Tells the task that nobody reads what it writes.
pub(crate) fn broken_pipe() {
    // SAFETY: A system call runs.
    unsafe { ffi::mk_broken_pipe() };
}

struct Operations<T>(PhantomData<T>);

impl<T: Files> Operations<T> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::Multikernel>().as_ptr(),
        open: Some(open::<T>),
        release: Some(release::<T>),
        read_iter: Some(read_iter::<T>),
        write_iter: Some(write_iter::<T>),
        poll: Some(poll::<T>),
        unlocked_ioctl: Some(ioctl::<T>),
        compat_ioctl: bindings::compat_ptr_ioctl,
        mmap: Some(mmap::<T>),
        ..pin_init::zeroed()
    };
}

/// # Safety
///
/// The arguments are those of `open()` of one of our nodes.
unsafe extern "C" fn open<T: Files>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: Both are valid during this call.
    let (number, may_wait) = unsafe {
        (
            ffi::mk_node_minor(inode),
            (*file).f_flags & bindings::O_NONBLOCK == 0,
        )
    };
    from_result(|| {
        let opened = T::open(number, patience(may_wait))?;
        // SAFETY: The file is being opened, by us alone.
        unsafe {
            (*file).private_data = opened.into_foreign();
            ffi::mk_node_opened(inode, file);
        }
        Ok(0)
    })
}

/// # Safety
///
/// The file was opened by [`open`].
unsafe fn opened<'a, T: Files>(file: *mut bindings::file) -> &'a T {
    // SAFETY: By the contract of this function; it lives as long as the file.
    let opened = unsafe { <Arc<T> as ForeignOwnable>::borrow((*file).private_data) };
    let opened: *const T = &*opened;
    // SAFETY: As above.
    unsafe { &*opened }
}

/// # Safety
///
/// The file was opened by [`open`], and goes.
unsafe extern "C" fn release<T: Files>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The file is one of ours, and goes.
    let opened = unsafe { <Arc<T> as ForeignOwnable>::from_foreign((*file).private_data) };
    opened.release();
    0
}

/// # Safety
///
/// The arguments are those of a call on a file that was opened by [`open`].
unsafe extern "C" fn read_iter<T: Files>(
    call: *mut bindings::kiocb,
    to: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: By the contract of this function.
    let (file, may_wait) = unsafe { (opened::<T>((*call).ki_filp), ffi::mk_call_waits(call)) };
    from_result(|| {
        file.read(&mut Buffer(to), patience(may_wait))
            .map(|len| len as isize)
    })
}

/// # Safety
///
/// The arguments are those of a call on a file that was opened by [`open`].
unsafe extern "C" fn write_iter<T: Files>(
    call: *mut bindings::kiocb,
    from: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: By the contract of this function.
    let (file, may_wait) = unsafe { (opened::<T>((*call).ki_filp), ffi::mk_call_waits(call)) };
    from_result(|| {
        file.write(&mut Buffer(from), patience(may_wait))
            .map(|len| len as isize)
    })
}

/// # Safety
///
/// The arguments are those of a call on a file that was opened by [`open`].
unsafe extern "C" fn poll<T: Files>(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: By the contract of this function.
    unsafe { opened::<T>(file).poll(&Poll { file, table }, ffi::mk_poll_wanted(table)) }
}

/// # Safety
///
/// The arguments are those of a call on a file that was opened by [`open`].
unsafe extern "C" fn ioctl<T: Files>(
    file: *mut bindings::file,
    command: c_uint,
    address: c_ulong,
) -> c_long {
    // SAFETY: By the contract of this function.
    match unsafe { opened::<T>(file) }.ioctl(command, address) {
        Ok(value) => value as c_long,
        Err(errno) => errno.to_errno() as c_long,
    }
}

/// # Safety
///
/// The file was opened by [`open`], and the area is being set up.
unsafe extern "C" fn mmap<T: Files>(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: By the contract of this function.
    let (file, range, flags, offset) = unsafe {
        let area = (*vma).__bindgen_anon_1.__bindgen_anon_1;
        let flags = (*vma).__bindgen_anon_2.vm_flags;
        (opened::<T>(file), area, flags, (*vma).vm_pgoff as u64)
    };
    from_result(|| {
        // Nobody gets a copy of memory that another kernel writes.
        if flags & bindings::VM_SHARED as c_ulong == 0 {
            return Err(EINVAL);
        }
        let is_written = flags & bindings::VM_WRITE as c_ulong != 0;
        let offset = offset.checked_mul(PAGE).ok_or(EINVAL)?;
        let bytes = range.vm_end as u64 - range.vm_start as u64;
        let memory = file.map(offset, bytes, is_written)?;
        // SAFETY: The area is being set up. The memory stays as long as the file, which the area
        // keeps.
        to_result(unsafe { ffi::mk_map_physical(vma, memory.start, memory.may_write) })?;
        Ok(0)
    })
}
