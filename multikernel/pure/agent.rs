// SPDX-License-Identifier: GPL-2.0

//! What an agent tells of itself, in its part of the area.

use super::bytes::pair;
use super::half::Halves;
use super::handshake::Terms;

const MAGIC: usize = 0;
const AGENT_MAGIC: u64 = u64::from_le_bytes(*b"MKRNAGNT");
const VERSION: usize = 8;
const FEATURES: usize = 16;
const RUN: usize = 24;
const ATTACH: usize = 32;
const STATE: usize = 128;
/// Counts beats.
pub const HEARTBEAT: usize = 384;
/// What it answers to each entry of the directory.
pub const ANSWERS: usize = 512;
const TEXT: usize = 1024;

/// Room for why it is gone.
pub const TEXT_BYTES: usize = 256;

/// Why an agent is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It does not say.
    None,
    /// The module was unloaded; the instance goes on.
    Unloaded,
    /// The instance restarts.
    Restart,
    /// It halts.
    Halt,
    /// It powers off.
    PowerOff,
    /// It has panicked.
    Panic,
    /// It starts another kernel in its place.
    Kexec,
    /// It has never come: no version of the protocol is known to both kernels.
    Version,
}

/// Whether an agent is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// None was seen in this run.
    None,
    /// It is at work.
    Ready,
    /// It was.
    Gone(Gone),
}

/// An agent at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it has chosen.
    pub terms: Terms,
    /// The run of the instance that it belongs to.
    pub run: u64,
    /// Tells it from others of that run.
    pub attach: u64,
}

impl Gone {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Unloaded,
        Self::Restart,
        Self::Halt,
        Self::PowerOff,
        Self::Panic,
        Self::Kexec,
        Self::Version,
    ];
}

impl Agent {
    /// Says that it is ready. Its doorbell has to be there before.
    pub fn publish(&self, halves: &impl Halves) {
        self.introduce(halves);
        halves.store(STATE, State::Ready.word());
    }

    /// Says that it does not come, as no version is known to both; its own is the
    /// highest that it knows.
    pub fn decline(&self, halves: &impl Halves) {
        self.introduce(halves);
        leave(halves, Gone::Version, &[]);
    }

    fn introduce(&self, halves: &impl Halves) {
        halves.store(STATE, State::None.word());
        for (at, word) in [
            (VERSION, self.terms.version.into()),
            (FEATURES, self.terms.features),
            (RUN, self.run),
            (ATTACH, self.attach),
            (MAGIC, AGENT_MAGIC),
        ] {
            halves.store(at, word);
        }
    }

    /// What the agent says, and which one it is, both at one time. `None`: it
    /// just changes that, and rings afterwards.
    pub fn look(halves: &impl Halves, run: u64) -> Option<(Result<State, u64>, Option<Self>)> {
        let read = || (State::read(halves), Self::read(halves, run));
        let seen = read();
        (seen == read()).then_some(seen)
    }

    /// Which agent is there, in this run of the instance.
    pub fn read(halves: &impl Halves, run: u64) -> Option<Self> {
        let load = |at| halves.load(at);
        if load(MAGIC) != AGENT_MAGIC || load(RUN) != run {
            return None;
        }
        Some(Self {
            terms: Terms {
                version: load(VERSION) as u32,
                features: load(FEATURES),
            },
            run,
            attach: load(ATTACH),
        })
    }
}

impl State {
    fn word(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Ready => 1,
            Self::Gone(gone) => pair(2, gone as u32),
        }
    }

    /// What the agent says. A reason that only later versions know is none.
    /// `Err`: nothing that makes sense.
    pub fn read(halves: &impl Halves) -> Result<Self, u64> {
        let word = halves.load(STATE);
        match (word as u32, (word >> 32) as usize) {
            (0, 0) => Ok(Self::None),
            (1, 0) => Ok(Self::Ready),
            (2, gone) => Ok(Self::Gone(
                Gone::ALL.get(gone).copied().unwrap_or(Gone::None),
            )),
            _ => Err(word),
        }
    }
}

/// Says how often the agent has beaten.
pub fn beat(halves: &impl Halves, beats: u64) {
    halves.store(HEARTBEAT, beats);
}

/// How often the agent has beaten, as it says.
pub fn beats(halves: &impl Halves) -> u64 {
    halves.load(HEARTBEAT)
}

/// Says why the agent goes: it is the last that it says. Waits for nobody, so
/// that it can be called in a panic.
pub fn leave(halves: &impl Halves, gone: Gone, text: &[u8]) {
    let mut bytes = text.iter().copied();
    for at in (TEXT..TEXT + TEXT_BYTES).step_by(8) {
        let word = [(); 8].map(|()| bytes.next().unwrap_or(0));
        halves.store(at, u64::from_le_bytes(word));
    }
    halves.store(STATE, State::Gone(gone).word());
}

/// Why it is gone, for a person: the length of what is in `out` then. Whatever
/// the agent has written, these are printable characters.
pub fn read_text(halves: &impl Halves, out: &mut [u8; TEXT_BYTES]) -> usize {
    let mut len = 0usize;
    for (at, to) in (TEXT..TEXT + TEXT_BYTES)
        .step_by(8)
        .zip(out.chunks_exact_mut(8))
    {
        to.copy_from_slice(&halves.load(at).to_le_bytes());
        for byte in to {
            if *byte == 0 {
                return len;
            }
            if !(b' '..=b'~').contains(byte) {
                *byte = b'?';
            }
            len = len.wrapping_add(1);
        }
    }
    len
}
