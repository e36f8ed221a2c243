// SPDX-License-Identifier: GPL-2.0

//! An area of two parts, words only.

use std::collections::BTreeMap;
use std::sync::Arc;

use loom::sync::atomic::{fence, AtomicU64};

use crate::pure::half::{Halves, FENCE, LOAD, STORE};

type Part = BTreeMap<usize, AtomicU64>;

/// An area as one side sees it.
#[derive(Clone)]
pub struct Area {
    own: Arc<Part>,
    peer: Arc<Part>,
}

/// An area of which the words at these offsets are used, in both parts; as the
/// host and as the agent see it.
pub fn area(offsets: &[usize]) -> [Area; 2] {
    let part = || Arc::new(offsets.iter().map(|at| (*at, AtomicU64::new(0))).collect());
    let (host, agent): (Arc<Part>, Arc<Part>) = (part(), part());
    [(&host, &agent), (&agent, &host)].map(|(own, peer)| Area {
        own: own.clone(),
        peer: peer.clone(),
    })
}

impl Halves for Area {
    fn load(&self, at: usize) -> u64 {
        self.peer[&at].load(LOAD)
    }

    fn store(&self, at: usize, word: u64) {
        self.own[&at].store(word, STORE);
    }

    fn fence(&self) {
        fence(FENCE);
    }
}
