// SPDX-License-Identifier: GPL-2.0

//! What this module knows of the protocol, on either side; and, for tests only, what modules of
//! other ages would know: `MK_AGE=older`, `newer` or `future` for `make`
//! (Documentation/multikernel/protocol.rst).

use crate::{
    pure::{
        directory, half,
        half::Halves,
        handshake::{self, Offer},
        range::PAGE,
    },
    sys::shared::View,
};

/// It knows no feature.
const IS_OLDER: bool = cfg!(mk_age_older);
/// It knows a second version and a feature more, and its structures are larger.
const IS_NEWER: bool = cfg!(any(mk_age_newer, mk_age_future));
/// It does not know the first version any more.
const IS_FUTURE: bool = cfg!(mk_age_future);

const KNOWN: u64 = handshake::HEARTBEAT | handshake::CLOCK | handshake::PEERS | handshake::CREATE;

/// What this module knows of the protocol, on either side.
pub(crate) const OFFER: Offer = Offer {
    version_min: if IS_FUTURE { 2 } else { 1 },
    version_max: if IS_NEWER { 2 } else { 1 },
    features: match (IS_OLDER, IS_NEWER) {
        (true, _) => 0,
        (_, true) => KNOWN | 1 << 40,
        _ => KNOWN,
    },
};

/// Size of an entry of the directory that a host has.
pub(crate) const ENTRY_BYTES: usize = if IS_NEWER {
    192
} else {
    directory::ENTRY_BYTES
};

/// A field that others do not know.
const FIELD: u64 = 0x6e65_7765_7220_2121;

const CLOCK_BYTES: usize = 48;
/// What is between the fields of `struct mk_host_page`, `struct mk_agent_page` and `struct
/// mk_half`.
const HOST_GAPS: [(usize, usize); 4] = [(72, 128), (136, 256), (264, 320), (328, PAGE as usize)];
const AGENT_GAPS: [(usize, usize); 6] = [
    (40, 128),
    (136, 256),
    (264, 320),
    (328, 384),
    (392, 512),
    (1280, PAGE as usize),
];
const HALF_GAPS: [(usize, usize); 4] = [(8, 128), (136, 256), (264, 384), (392, half::DATA)];

/// Writes what a newer host has in its part of the area.
pub(crate) fn fill_host(area: &View, clock_at: usize, channels_at: usize) {
    fill(area, 0, &HOST_GAPS);
    fill(area, clock_at, &[(CLOCK_BYTES, PAGE as usize)]);
    for number in 0..directory::CHANNELS_MAX as usize {
        let entry = channels_at + number * ENTRY_BYTES;
        fill(
            area,
            entry,
            &[(48, 64), (directory::ENTRY_BYTES, ENTRY_BYTES)],
        );
    }
}

/// Writes what a newer agent has in its part of the area.
pub(crate) fn fill_agent(area: &View) {
    fill(area, 0, &AGENT_GAPS);
}

/// Writes what a newer side has in its half of a channel.
pub(crate) fn fill_half(view: &View) {
    fill(view, 0, &HALF_GAPS);
}

fn fill(view: &View, at: usize, gaps: &[(usize, usize)]) {
    if !IS_NEWER {
        return;
    }
    for (from, to) in gaps {
        for gap in (*from..*to).step_by(8) {
            view.store(at + gap, FIELD);
        }
    }
}

/// Makes a message longer, at the end of its structure. Returns how long it is then; it is as long
/// as it was if it is a ping or the answer to one, which have no structure.
pub(crate) fn grow(message: &mut [u8], len: usize) -> usize {
    const ANSWER: u8 = 2;
    const CREATED_BYTES: usize = 24;
    let grown = len + size_of::<u64>();
    let kind = message.first().copied().unwrap_or(0);
    let is_structure = kind > ANSWER || (kind == ANSWER && len <= CREATED_BYTES);
    match message.get_mut(len..grown) {
        Some(end) if IS_NEWER && is_structure => {
            end.copy_from_slice(&FIELD.to_le_bytes());
            grown
        }
        _ => len,
    }
}
