// SPDX-License-Identifier: GPL-2.0

//! What has happened to instances, and the descriptors that tell of it.

use super::{
    fail::{fail, Outcome},
    handle::Table,
    instance::Instance,
    ioctl,
    link::Seen,
    registry::Host,
};
use crate::{
    pure::{history::History, state::Life},
    sys::{file, time},
    uapi::*,
};
use core::mem::size_of;
use kernel::{
    bindings,
    fs::{file::flags::O_NONBLOCK, File},
    new_mutex, new_poll_condvar,
    prelude::*,
    str::CString,
    sync::{
        poll::{PollCondVar, PollTable},
        Arc, Mutex,
    },
    transmute::AsBytes,
    types::ForeignOwnable,
    uaccess::{UserPtr, UserSlice, UserSliceWriter},
};

/// So many are kept.
const KEPT: usize = 256;

/// What is told, besides of whom and when.
pub(crate) enum Event<'a> {
    Created,
    State(&'a Life, Option<&'a CString>),
    Agent(&'a Life, Seen),
    Destroyed(&'a Life),
}

/// All events. Its lock is the innermost one.
#[pin_data]
pub(crate) struct Events {
    #[pin]
    history: Mutex<History<KVVec<mk_event>>>,
    #[pin]
    come: PollCondVar,
}

impl Events {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            history <- {
                let mut slots = KVVec::new();
                slots.resize(KEPT, pin_init::zeroed(), GFP_KERNEL)?;
                new_mutex!(History::new(slots))
            },
            come <- new_poll_condvar!(),
        }? Error)
    }

    /// Tells all readers. The caller holds what the event is about, so that events come in its
    /// order.
    pub(crate) fn tell(&self, instance: &Instance, event: Event<'_>) {
        let (what, run) = match event {
            Event::Created => (MK_EVENT_CREATED, 0),
            Event::State(life, _) => (MK_EVENT_STATE, life.runs()),
            Event::Agent(life, _) => (MK_EVENT_AGENT, life.runs()),
            Event::Destroyed(life) => (MK_EVENT_DESTROYED, life.runs()),
        };
        let mut told = mk_event {
            instance: instance.id(),
            run,
            what,
            name: *instance.name().as_bytes(),
            ..pin_init::zeroed()
        };
        match event {
            Event::State(life, text) => {
                (told.state, told.reason) = (life.state() as u32, life.reason() as u32);
                let bytes = text.map_or(&[][..], |text| text.to_bytes());
                // The last byte stays the NUL.
                for (to, from) in told
                    .text
                    .iter_mut()
                    .take(MK_TEXT_SIZE as usize - 1)
                    .zip(bytes)
                {
                    *to = *from;
                }
            }
            Event::Agent(_, seen) => (told.state, told.reason) = (seen.state(), seen.reason()),
            Event::Created | Event::Destroyed(_) => {}
        }
        let mut history = self.history.lock();
        told.seq = history.next();
        (told.boottime, told.realtime) = (time::boottime() as u64, time::realtime() as u64);
        history.push(told);
        drop(history);
        self.come.notify_all();
    }
}

/// What a descriptor of events refers to.
#[pin_data]
pub(crate) struct Reader {
    host: Arc<Host>,
    /// Of an event, as user space knows it.
    event_size: usize,
    /// The number of the event that is read next.
    #[pin]
    position: Mutex<u64>,
}

/// How a file keeps it.
type Kept = Pin<KBox<Reader>>;

impl Reader {
    /// A new descriptor, that begins with the oldest event that is kept.
    pub(crate) fn open(host: Arc<Host>, event_size: u32) -> Outcome<file::NewFile> {
        let event_size = event_size as usize;
        if event_size < size_of::<mk_event>() || event_size % 8 != 0 {
            return Err(fail!(
                EINVAL,
                "event_size is {event_size}: it has to be a multiple of 8, and at least {}",
                size_of::<mk_event>()
            ));
        }
        if event_size > ioctl::SIZE_MAX {
            return Err(fail!(
                E2BIG,
                "event_size is {event_size}; no structure is larger than {} bytes",
                ioctl::SIZE_MAX
            ));
        }
        let oldest = host.events().history.lock().oldest();
        let reader = KBox::pin_init(
            pin_init!(Self {
                host,
                event_size,
                position <- new_mutex!(oldest),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The operations treat the private data as a `Kept`.
        let file = unsafe {
            file::anonymous::<Kept>(
                c"[multikernel-events]",
                &OPERATIONS.0,
                reader,
                bindings::O_RDWR,
            )
        };
        Ok(file?)
    }

    /// Waits until there is an event, unless it must not.
    fn read(&self, out: UserSlice, may_wait: bool) -> Result<usize> {
        let mut writer = out.writer();
        let room = writer.len();
        if room < self.event_size {
            return Err(EINVAL);
        }
        loop {
            let result = self.copy(&mut writer);
            let copied = room - writer.len();
            // What was copied is told first, as it is not told again.
            match (copied / self.event_size * self.event_size, result) {
                (0, result) => result?,
                (whole, _) => return Ok(whole),
            }
            if !may_wait {
                return Err(EAGAIN);
            }
            self.wait()?;
        }
    }

    /// Copies what there is, as far as there is room.
    fn copy(&self, writer: &mut UserSliceWriter) -> Result {
        let mut position = self.position.lock();
        while writer.len() >= self.event_size {
            let found = self.host.events().history.lock().find(*position);
            let Some(mut found) = found else { break };
            found.item.lost = found.lost;
            let bytes = found.item.as_bytes();
            writer.write_slice(bytes)?;
            for _ in bytes.len()..self.event_size {
                writer.write(&0u8)?;
            }
            *position = found.seq + 1;
        }
        Ok(())
    }

    /// Waits until there is more than was read.
    fn wait(&self) -> Result {
        let position = *self.position.lock();
        let events = self.host.events();
        let mut history = events.history.lock();
        while history.next() <= position {
            if events.come.wait_interruptible(&mut history) {
                return Err(ERESTARTSYS);
            }
        }
        Ok(())
    }

    fn poll(&self, file: &File, table: &PollTable<'_>) -> u32 {
        let events = self.host.events();
        table.register_wait(file, &events.come);
        let position = *self.position.lock();
        if events.history.lock().next() > position {
            bindings::POLLIN | bindings::POLLRDNORM
        } else {
            0
        }
    }
}

static OPERATIONS: Table<bindings::file_operations> = Table(bindings::file_operations {
    owner: kernel::module::this_module::<crate::Multikernel>().as_ptr(),
    release: Some(release),
    read: Some(read),
    poll: Some(poll),
    ..pin_init::zeroed()
});

/// # Safety
///
/// `file` is one that [`Reader::open`] has made.
unsafe fn reader<'a>(file: *mut bindings::file) -> Pin<&'a Reader> {
    // SAFETY: By the contract of this function.
    unsafe { <Kept as ForeignOwnable>::borrow((*file).private_data) }
}

/// # Safety
///
/// `file` is one that [`Reader::open`] has made.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is one of ours, and goes away.
    drop(unsafe { <Kept as ForeignOwnable>::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// `file` is one that [`Reader::open`] has made.
unsafe extern "C" fn read(
    file: *mut bindings::file,
    start: *mut c_char,
    size: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: The file is one of ours, and valid during this call.
    let (reader, flags) = unsafe { (reader(file), File::from_raw_file(file).flags()) };
    let out = UserSlice::new(UserPtr::from_ptr(start.cast()), size);
    match reader.read(out, flags & O_NONBLOCK == 0) {
        Ok(size) => size as isize,
        Err(err) => err.to_errno() as isize,
    }
}

/// # Safety
///
/// `file` is one that [`Reader::open`] has made.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The file is one of ours, and both are valid during this call.
    unsafe { reader(file).poll(File::from_raw_file(file), &PollTable::from_raw(table)) }
}
