// SPDX-License-Identifier: GPL-2.0

//! Channels for other modules of this kernel: what `include/linux/multikernel.h` declares.

use super::endpoint::Endpoint;
use crate::{
    api::ffi::{mk_channel, mk_channel_news_t},
    sys::{
        export::export_symbol_gpl,
        later::{Due, Later},
        module,
        node::{Buffer, Way},
        wait::{Listener, Patience},
    },
};
use kernel::{
    bindings,
    error::from_result,
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::Jiffies,
    types::ForeignOwnable,
};

/// What a module has open. Fields are dropped in their order: who is called is called no more when
/// somebody else can open the end, and whoever drops it is code of a module that needs this one.
#[pin_data]
struct Channel {
    #[pin]
    watch: Mutex<Option<Pin<KBox<Watch>>>>,
    end: Entered,
    _module: module::Pin,
}

/// An end that was opened; left when this is dropped.
struct Entered(Arc<Endpoint>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Somebody is called, as long as this lives.
#[pin_data]
struct Watch {
    #[pin]
    readers: Listener<Endpoint, Later<News>>,
    #[pin]
    writers: Listener<Endpoint, Later<News>>,
    /// Dropped last: nobody makes it due any more.
    _later: Arc<Later<News>>,
}

/// What to call.
struct News {
    news: unsafe extern "C" fn(*mut mk_channel, *mut c_void),
    channel: *mut mk_channel,
    data: *mut c_void,
}

// SAFETY: The contract of `mk_channel_watch()` is that it may be called by any thread.
unsafe impl Send for News {}
// SAFETY: As above; there is one call at a time.
unsafe impl Sync for News {}

impl Due for News {
    fn due(&self) -> Option<Jiffies> {
        // SAFETY: By the contract of `mk_channel_watch()`. The channel is there: when it is closed,
        // the end of this call is waited for first.
        unsafe { (self.news)(self.channel, self.data) };
        None
    }
}

impl Channel {
    fn open(peer: &CStr, name: &CStr, patience: Patience) -> Result<Pin<KBox<Self>>> {
        let module = module::Pin::new()?;
        // What is no text is no name.
        let (Ok(peer), Ok(name)) = (peer.to_str(), name.to_str()) else {
            return Err(ENOENT);
        };
        let endpoint = Endpoint::find(peer, name).ok_or(ENOENT)?;
        endpoint.enter(patience)?;
        let end = Entered(endpoint);
        KBox::pin_init(
            pin_init!(Self {
                watch <- new_mutex!(None),
                end,
                _module: module,
            }),
            GFP_KERNEL,
        )
    }

    fn watch(&self, news: News) -> Result {
        let mut watch = self.watch.lock();
        if watch.is_some() {
            return Err(EBUSY);
        }
        let later = Arc::pin_init(Later::new(Arc::new(news, GFP_KERNEL)?), GFP_KERNEL)?;
        let end = || self.end.0.clone();
        let readers = Listener::new(end(), Endpoint::readers, later.clone());
        let writers = Listener::new(end(), Endpoint::writers, later.clone());
        let kept = later.clone();
        *watch = Some(KBox::pin_init(
            pin_init!(Watch {
                _later: kept,
                readers <- readers,
                writers <- writers,
            }),
            GFP_KERNEL,
        )?);
        later.after(0);
        Ok(())
    }
}

fn patience(timeout: c_long) -> Result<Patience> {
    Patience::new(timeout).ok_or(EINVAL)
}

/// # Safety
///
/// It is what [`mk_channel_open`] has returned, and was not closed.
unsafe fn opened<'a>(channel: *mut mk_channel) -> &'a Channel {
    // SAFETY: By the contract of this function.
    unsafe { <Pin<KBox<Channel>> as ForeignOwnable>::borrow(channel.cast()) }.get_ref()
}

/// # Safety
///
/// Both are strings.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_open(
    peer: *const c_char,
    name: *const c_char,
    timeout: c_long,
) -> *mut mk_channel {
    // SAFETY: By the contract of this function.
    let (peer, name) = unsafe { (CStr::from_char_ptr(peer), CStr::from_char_ptr(name)) };
    match patience(timeout).and_then(|patience| Channel::open(peer, name, patience)) {
        Ok(channel) => channel.into_foreign().cast(),
        Err(errno) => errno.to_ptr(),
    }
}

/// # Safety
///
/// The channel is open, and the message can be read.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_send(
    channel: *mut mk_channel,
    message: *const c_void,
    size: usize,
    timeout: c_long,
) -> c_int {
    // SAFETY: By the contract of this function.
    let end = unsafe { &opened(channel).end.0 };
    from_result(|| {
        let patience = patience(timeout)?;
        // SAFETY: By the contract of this function; it is only read.
        unsafe {
            Buffer::with(Way::From, message.cast_mut(), size, |from| {
                end.send(from, patience)
            })
        }?;
        Ok(0)
    })
}

/// # Safety
///
/// The channel is open, and the buffer can be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_receive(
    channel: *mut mk_channel,
    buffer: *mut c_void,
    size: usize,
    timeout: c_long,
) -> isize {
    // SAFETY: By the contract of this function.
    let end = unsafe { &opened(channel).end.0 };
    from_result(|| {
        let patience = patience(timeout)?;
        // SAFETY: By the contract of this function.
        let len = unsafe { Buffer::with(Way::To, buffer, size, |to| end.receive(to, patience)) }?;
        Ok(len as isize)
    })
}

/// # Safety
///
/// The channel is open.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_events(channel: *mut mk_channel) -> bindings::__poll_t {
    // SAFETY: By the contract of this function.
    let end = unsafe { &opened(channel).end.0 };
    end.events(bindings::__poll_t::MAX)
}

/// # Safety
///
/// The channel is open. The function can be called with it and with `data` from any thread, one
/// call at a time, until the channel is closed.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_watch(
    channel: *mut mk_channel,
    news: mk_channel_news_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function.
    let this = unsafe { opened(channel) };
    from_result(|| {
        let news = news.ok_or(EINVAL)?;
        this.watch(News {
            news,
            channel,
            data,
        })?;
        Ok(0)
    })
}

/// # Safety
///
/// The channel is open, and is not used any more.
#[no_mangle]
pub(crate) unsafe extern "C" fn mk_channel_close(channel: *mut mk_channel) {
    // SAFETY: By the contract of this function; it came from `into_foreign`.
    drop(unsafe { <Pin<KBox<Channel>> as ForeignOwnable>::from_foreign(channel.cast()) });
}

export_symbol_gpl!(
    mk_channel_open,
    mk_channel_send,
    mk_channel_receive,
    mk_channel_events,
    mk_channel_watch,
    mk_channel_close,
);
