// SPDX-License-Identifier: GPL-2.0

//! The descriptor of a console.

use super::{console::Typed, fail::Outcome, handle::Table, instance::Instance};
use crate::sys::file;
use kernel::{
    bindings,
    error::from_result,
    fs::File,
    new_mutex,
    prelude::*,
    sync::{poll::PollTable, Arc, Mutex},
    types::ForeignOwnable,
    uaccess::{UserPtr, UserSlice},
};

/// So many bytes are copied at once.
const AT_ONCE: usize = 4096;

/// What a descriptor of a console refers to.
#[pin_data(PinnedDrop)]
pub(crate) struct Watcher {
    instance: Arc<Instance>,
    types: bool,
    #[pin]
    reading: Mutex<Reading>,
}

struct Reading {
    /// Where this descriptor is in what was shown.
    position: u64,
    /// User space is written from here: that may take long, and the console does not wait for it.
    buffer: KVec<u8>,
}

/// How a file keeps it.
type Kept = Pin<KBox<Watcher>>;

impl Watcher {
    /// A new descriptor, which reads what was shown, or with `from_now` what will be. With `types`
    /// it writes, too.
    pub(crate) fn open(
        instance: Arc<Instance>,
        types: bool,
        from_now: bool,
    ) -> Outcome<file::NewFile> {
        let position = match from_now {
            true => instance.console().end(),
            false => 0,
        };
        let mut buffer = KVec::new();
        buffer.resize(AT_ONCE, 0, GFP_KERNEL)?;
        if types {
            instance.console().begin_to_type()?;
        }
        let kept = instance.clone();
        let watcher = KBox::pin_init(
            pin_init!(Self {
                instance,
                types,
                reading <- new_mutex!(Reading { position, buffer }),
            }),
            GFP_KERNEL,
        )
        .inspect_err(|_| {
            if types {
                kept.console().end_to_type();
            }
        })?;
        let access = match types {
            true => bindings::O_RDWR,
            false => bindings::O_RDONLY,
        };
        // SAFETY: The operations treat the private data as a `Kept`.
        let file = unsafe {
            file::anonymous::<Kept>(c"[multikernel-console]", &OPERATIONS.0, watcher, access)
        };
        Ok(file?)
    }

    /// 0: all was read, and the instance does not run.
    fn read(&self, to: UserSlice, can_wait: bool) -> Result<usize> {
        let mut to = to.writer();
        while !to.is_empty() {
            let position = {
                let mut guard = self.reading.lock();
                let Reading { position, buffer } = &mut *guard;
                let room = buffer.len().min(to.len());
                let room = buffer.get_mut(..room).unwrap_or(&mut []);
                let (next, copied) = self.instance.console().read(*position, room);
                if copied > 0 {
                    to.write_slice(room.get(..copied).unwrap_or(&[]))?;
                    *position = next;
                    return Ok(copied);
                }
                next
            };
            let console = self.instance.console();
            if !can_wait && console.status(position) == (false, true) {
                return Err(EAGAIN);
            }
            if !console.wait_for_more(position)? {
                break;
            }
        }
        Ok(0)
    }

    fn write(&self, from: UserSlice, can_wait: bool) -> Result<usize> {
        let mut from = from.reader();
        let mut bytes = KVec::new();
        bytes.resize(from.len().min(AT_ONCE), 0, GFP_KERNEL)?;
        from.read_slice(&mut bytes)?;
        loop {
            match self.instance.console().write(&bytes)? {
                Typed::Sent(sent, is_wanted) => {
                    if is_wanted {
                        self.instance.ring_agent();
                    }
                    return Ok(sent);
                }
                Typed::Full if can_wait => self.instance.console().wait_for_room()?,
                Typed::Full => return Err(EAGAIN),
            }
        }
    }

    fn poll(&self, file: &File, table: &PollTable<'_>) -> u32 {
        let console = self.instance.console();
        console.register_poll(file, table);
        let position = self.reading.lock().position;
        let (has_more, is_live) = console.status(position);
        let mut events = 0;
        if has_more || !is_live {
            // The end can be read, too.
            events |= bindings::POLLIN | bindings::POLLRDNORM;
        }
        if !is_live {
            events |= bindings::POLLHUP;
        } else if self.types && console.has_room() {
            events |= bindings::POLLOUT | bindings::POLLWRNORM;
        }
        events
    }
}

#[pinned_drop]
impl PinnedDrop for Watcher {
    fn drop(self: Pin<&mut Self>) {
        if self.types {
            self.instance.console().end_to_type();
        }
    }
}

static OPERATIONS: Table<bindings::file_operations> = Table(bindings::file_operations {
    owner: kernel::module::this_module::<crate::Multikernel>().as_ptr(),
    release: Some(release),
    read: Some(read),
    write: Some(write),
    poll: Some(poll),
    ..pin_init::zeroed()
});

/// # Safety
///
/// `file` is one that [`Watcher::open`] has made.
unsafe fn watcher<'a>(file: *mut bindings::file) -> Pin<&'a Watcher> {
    // SAFETY: By the contract of this function.
    unsafe { <Kept as ForeignOwnable>::borrow((*file).private_data) }
}

/// # Safety
///
/// `file` is a file.
unsafe fn can_wait(file: *mut bindings::file) -> bool {
    // SAFETY: By the contract of this function.
    unsafe { (*file).f_flags & bindings::O_NONBLOCK == 0 }
}

/// # Safety
///
/// `file` is one that [`Watcher::open`] has made.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is one of ours, and goes away.
    drop(unsafe { <Kept as ForeignOwnable>::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// `file` is one that [`Watcher::open`] has made.
unsafe extern "C" fn read(
    file: *mut bindings::file,
    to: *mut c_char,
    len: usize,
    _position: *mut bindings::loff_t,
) -> isize {
    // SAFETY: The file is one of ours.
    let (watcher, can_wait) = unsafe { (watcher(file), can_wait(file)) };
    let to = UserSlice::new(UserPtr::from_ptr(to.cast()), len);
    from_result(|| watcher.read(to, can_wait).map(|read| read as isize))
}

/// # Safety
///
/// `file` is one that [`Watcher::open`] has made.
unsafe extern "C" fn write(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    _position: *mut bindings::loff_t,
) -> isize {
    // SAFETY: The file is one of ours.
    let (watcher, can_wait) = unsafe { (watcher(file), can_wait(file)) };
    let from = UserSlice::new(UserPtr::from_ptr(from.cast_mut().cast()), len);
    from_result(|| {
        watcher
            .write(from, can_wait)
            .map(|written| written as isize)
    })
}

/// # Safety
///
/// `file` is one that [`Watcher::open`] has made.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The file is one of ours, and both are valid during this call.
    unsafe { watcher(file).poll(File::from_raw_file(file), &PollTable::from_raw(table)) }
}
