// SPDX-License-Identifier: GPL-2.0

//! The channels of one run of an instance, as its agent is told of them.

use crate::{
    channel::age::ENTRY_BYTES,
    pure::{
        agent,
        directory::{self, Answer, Channel, State, Status, CHANNELS_MAX},
        half::Halves,
    },
    sys::shared::View,
};

/// The host's part of the area, where the directory is, and what was written there.
///
/// Who uses an entry offers, withdraws and frees it; nothing is rung here.
pub(crate) struct Directory {
    area: View,
    /// Where the first entry is.
    at: usize,
    entries: [Status; CHANNELS_MAX as usize],
    /// Which ones are somebody's, offered already or not.
    reserved: u64,
}

impl Directory {
    pub(crate) fn new(area: View, at: usize) -> Self {
        let free = Status {
            generation: 0,
            state: State::Free,
        };
        Self {
            area,
            at,
            entries: [free; CHANNELS_MAX as usize],
            reserved: 0,
        }
    }

    /// Takes the lowest entry that is free, from `first` on, for what is to be offered.
    pub(crate) fn reserve(&mut self, first: u32) -> Option<u32> {
        let number = (first..CHANNELS_MAX).find(|number| self.reserved & 1 << number == 0)?;
        self.reserved |= 1 << number;
        Some(number)
    }

    pub(crate) fn state(&self, number: u32) -> State {
        let status = self.entries.get(number as usize);
        status.map_or(State::Withdrawn, |status| status.state)
    }

    pub(crate) fn generation(&self, number: u32) -> u32 {
        let status = self.entries.get(number as usize);
        status.map_or(0, |status| status.generation)
    }

    /// Offers a channel, whose halves are cleared: a new one in a free entry, or the same one once
    /// more when the agent has released it.
    pub(crate) fn offer(&mut self, number: u32, channel: &Channel) {
        if self.state(number) == State::Free {
            channel.write(&self.area, self.offset(number));
        }
        if let Some(status) = self.entries.get_mut(number as usize) {
            status.generation = status.generation.wrapping_add(1);
        }
        self.publish(number, State::Offered);
    }

    /// Asks the agent to leave a channel.
    pub(crate) fn withdraw(&mut self, number: u32) {
        self.publish(number, State::Withdrawn);
    }

    /// Nobody uses the channel any more.
    pub(crate) fn free(&mut self, number: u32) {
        self.reserved &= !(1 << number);
        self.publish(number, State::Free);
    }

    /// What the agent says of the channel that was offered last. What makes no sense is none.
    pub(crate) fn answer(&self, number: u32) -> Answer {
        let Some(status) = self.entries.get(number as usize) else {
            return Answer::None;
        };
        let word = self.area.load(agent::ANSWERS + 8 * number as usize);
        Answer::parse(word, status.generation).unwrap_or(Answer::None)
    }

    /// Says where the peer of a channel is rung.
    pub(crate) fn publish_doorbell(&self, number: u32, word: u64) {
        self.area
            .store(self.offset(number) + directory::DOORBELL, word);
    }

    fn publish(&mut self, number: u32, state: State) {
        let at = self.offset(number);
        if let Some(status) = self.entries.get_mut(number as usize) {
            status.state = state;
            status.publish(&self.area, at);
        }
    }

    fn offset(&self, number: u32) -> usize {
        self.at + number as usize * ENTRY_BYTES
    }
}
