// SPDX-License-Identifier: GPL-2.0

//! Kernels that know what they are (`CONFIG_MULTIKERNEL_GUEST`): how one is told by its
//! image, and what it is told in its boot parameters.
//!
//! `include/linux/multikernel_abi.h` (`struct mk_guest_info`, `struct mk_guest`) and
//! Documentation/multikernel/protocol.rst have the layout.

use super::bytes::{self, pair};
use super::dock::{self, Dock};
use super::doorbell::Doorbell;
use super::half::Size;

const MAGIC: &[u8; 4] = b"MKGU";
const VERSION: u32 = 1;
/// Of what is in `kernel_info`: a magic, and the size of all of it.
const CHUNK_HEADER: usize = 8;

/// Of its features: it knows what a dock is.
const DOCK: u32 = 1 << 0;

/// What `struct setup_data` begins with.
const HEADER: usize = 16;
/// Of `struct mk_guest`.
const BYTES: usize = 80;

/// Room for what it is told.
pub const SETUP_DATA_BYTES: usize = HEADER + BYTES;

/// A kernel of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    setup_type: u32,
    features: u32,
}

/// What it is told.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Address of the page where it tells its end.
    pub down: u64,
    /// Where it rings then.
    pub doorbell: Doorbell,
    /// A value of the time stamp counter, and `CLOCK_REALTIME` then, in nanoseconds.
    pub now: Option<(u64, u64)>,
    /// How fast that counter is.
    pub tsc_khz: u32,
    /// Address of its early console.
    pub console: u64,
    /// Size of the data of the half that it writes there.
    pub console_size: Size,
    /// Where its further processors wait; `None`: it starts them below 1 MiB.
    pub dock: Option<Dock>,
}

impl Guest {
    /// Looks in the `kernel_info` of an image for what tells such a kernel.
    pub fn find(info: &[u8]) -> Option<Self> {
        let mut rest = info.get(usize::try_from(bytes::u32(info, 4)?).ok()?..)?;
        loop {
            let size = usize::try_from(bytes::u32(rest, 4)?).ok()?;
            let (chunk, next) = rest.split_at_checked(size)?;
            if size < CHUNK_HEADER {
                return None;
            }
            if chunk.starts_with(MAGIC) {
                // Of another version nothing is known.
                return (bytes::u32(chunk, 8)? == VERSION).then_some(Self {
                    setup_type: bytes::u32(chunk, 12)?,
                    features: bytes::u32(chunk, 16).unwrap_or(0),
                });
            }
            rest = next;
        }
    }

    /// Whether it needs nothing below 1 MiB if it is told of a dock.
    pub fn knows_docks(self) -> bool {
        self.features & DOCK != 0
    }

    /// Writes what it is told: a `struct setup_data`, and none follows.
    pub fn write(self, to: &mut [u8; SETUP_DATA_BYTES], config: &Config) {
        let (tsc, realtime_ns) = config.now.unwrap_or((0, 0));
        let words = [
            0,
            pair(self.setup_type, BYTES as u32),
            config.down,
            config.doorbell.word(),
            tsc,
            realtime_ns,
            pair(config.tsc_khz, config.console_size.bytes()),
            config.console,
            config.dock.map_or(0, Dock::entrance),
            config.dock.map_or(0, |dock| dock.address(dock::ROOT)),
            config.dock.map_or(0, |dock| dock.berth(0)),
            config.dock.map_or(0, |dock| u64::from(dock.berths)),
        ];
        const { assert!(SETUP_DATA_BYTES == 8 * 12) };
        for (to, word) in to.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }
}
