// SPDX-License-Identifier: GPL-2.0

//! Getting a kernel to its place in an instance's memory, which takes long if it is unpacked.

use super::{
    fail::{fail, Fail},
    memory::Open,
};
use crate::{
    pure::{
        bzimage::Image,
        vmlinux::{self, Vmlinux},
    },
    sys::{
        file::Contents,
        later::{Due, Later},
        zstd,
    },
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::{Instant, Jiffies, Monotonic},
};

/// Where a kernel goes, and how.
pub(super) struct Plan {
    pub(super) image: Image,
    /// Where it goes.
    pub(super) at: u64,
    /// It is unpacked here, if that works; otherwise it does that itself.
    pub(super) zstd: Option<Zstd>,
}

/// How a kernel is unpacked.
pub(super) struct Zstd {
    pub(super) link: vmlinux::Link,
    /// For its virtual addresses; `None`: they are those that it was linked to.
    pub(super) random: Option<u64>,
}

/// What became of a kernel: what it is now, if it was unpacked.
pub(super) type Placed = core::result::Result<Option<Vmlinux>, Unplaced>;

/// Why a kernel is not in its place.
#[derive(Clone, Copy)]
pub(super) enum Unplaced {
    Unwritten(Error),
    Exposed(Error),
}

impl From<Unplaced> for Fail {
    fn from(why: Unplaced) -> Self {
        match why {
            Unplaced::Unwritten(errno) => {
                fail!(errno, "the kernel cannot be put into the instance's memory")
            }
            Unplaced::Exposed(errno) => fail!(
                errno,
                "the instance's memory cannot be kept from the host: free memory, and load again"
            ),
        }
    }
}

impl Plan {
    /// Puts the kernel in `file` there, and closes `memory`.
    pub(super) fn follow(&self, memory: Open, file: &[u8]) -> Placed {
        let unpacked = self
            .zstd
            .as_ref()
            .and_then(|zstd| self.unpack(zstd, &memory, file));
        if unpacked.is_none() {
            self.copy(&memory, file).map_err(Unplaced::Unwritten)?;
        }
        memory.close().map_err(Unplaced::Exposed)?;
        Ok(unpacked)
    }

    /// As it is.
    fn copy(&self, memory: &Open, file: &[u8]) -> Result {
        let start = self.image.kernel_offset() as usize;
        let kernel = file.get(start..start + self.image.kernel_size() as usize);
        memory.write(self.at, kernel.ok_or(ENOEXEC)?)
    }

    /// `None` if it cannot be done here, whatever the reason.
    fn unpack(&self, zstd: &Zstd, memory: &Open, file: &[u8]) -> Option<Vmlinux> {
        let (data, bytes) = self.image.zstd(file)?;
        let settle = |room: &mut [u8]| {
            zstd::unpack(data, room).filter(|unpacked| *unpacked == room.len())?;
            Vmlinux::settle(room, &zstd.link, zstd.random)
        };
        let at = self.at - zstd.link.lead;
        // SAFETY: The instance is stopped while a kernel is loaded. Who loads another one, or
        // zeroes or gives back the memory, has dropped this one first.
        unsafe { memory.piece(at).ok()?.with_bytes(at, bytes, settle) }.ok()?
    }
}

/// How long it took until a kernel could be started.
pub(crate) struct Stopwatch {
    start: Instant<Monotonic>,
    ns: AtomicU64,
}

impl Stopwatch {
    pub(super) fn new() -> Result<Arc<Self>> {
        let watch = Self {
            start: Instant::now(),
            ns: AtomicU64::new(0),
        };
        Ok(Arc::new(watch, GFP_KERNEL)?)
    }

    pub(super) fn stop(&self) {
        // 0 says that it runs.
        self.ns
            .store(self.elapsed().max(1) as u64, Ordering::Relaxed);
    }

    /// How long ago it was started, in nanoseconds.
    pub(super) fn elapsed(&self) -> i64 {
        self.start.elapsed().as_nanos()
    }

    /// In nanoseconds; 0: it still runs.
    pub(crate) fn ns(&self) -> u64 {
        self.ns.load(Ordering::Relaxed)
    }
}

/// A kernel that is unpacked by a thread of the host's, while its instance is prepared further.
/// Once this is dropped, nobody writes to the memory any more.
pub(super) struct Unpacking {
    job: Arc<Job>,
    _later: Pin<KBox<Later<Job>>>,
}

#[pin_data]
struct Job {
    plan: Plan,
    watch: Arc<Stopwatch>,
    /// Who holds it works; so to wait for it is to lock it.
    #[pin]
    progress: Mutex<Progress>,
}

struct Progress {
    /// Until somebody begins.
    waiting: Option<(Open, Contents)>,
    placed: Placed,
}

impl Unpacking {
    pub(super) fn begin(
        plan: Plan,
        memory: Open,
        file: Contents,
        watch: Arc<Stopwatch>,
    ) -> Result<Self> {
        let job = Arc::pin_init(
            pin_init!(Job {
                plan,
                watch,
                progress <- new_mutex!(Progress {
                    waiting: Some((memory, file)),
                    placed: Ok(None),
                }),
            }),
            GFP_KERNEL,
        )?;
        let later = KBox::pin_init(Later::new(job.clone()), GFP_KERNEL)?;
        later.after(0);
        Ok(Self { job, _later: later })
    }

    /// Returns when it is done, by the thread or, if that has not begun yet, by the caller.
    pub(super) fn finish(&self) -> Placed {
        self.job.finish()
    }
}

impl Job {
    fn finish(&self) -> Placed {
        let mut progress = self.progress.lock();
        if let Some((memory, file)) = progress.waiting.take() {
            progress.placed = self.plan.follow(memory, &file);
            self.watch.stop();
        }
        progress.placed
    }
}

impl Due for Job {
    fn due(&self) -> Option<Jiffies> {
        // Who starts the instance is told of a failure.
        let _ = self.finish();
        None
    }
}
