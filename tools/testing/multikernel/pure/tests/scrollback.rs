// SPDX-License-Identifier: GPL-2.0

//! What a terminal has shown last.

use multikernel_pure::pure::scrollback::Scrollback;
use proptest::prelude::*;

fn empty(bytes: usize) -> Scrollback<Vec<u8>> {
    Scrollback::new(vec![0; bytes])
}

/// All that can be read from `position` on, `step` bytes at a time.
fn read(scrollback: &Scrollback<Vec<u8>>, mut position: u64, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        let (next, copied) = scrollback.read(position, &mut buffer);
        if copied == 0 {
            assert_eq!(next, scrollback.end());
            return all;
        }
        all.extend_from_slice(&buffer[..copied]);
        position = next;
    }
}

#[test]
fn what_was_shown_is_read() {
    let mut scrollback = empty(16);
    assert_eq!(read(&scrollback, 0, 4), b"");
    scrollback.append(b"login: ");
    assert_eq!((scrollback.start(), scrollback.end()), (0, 7));
    assert_eq!(read(&scrollback, 0, 4), b"login: ");
    assert_eq!(read(&scrollback, 5, 4), b": ");
    // Who has seen all of it sees the next.
    scrollback.append(b"root");
    assert_eq!(read(&scrollback, 7, 4), b"root");
}

#[test]
fn the_oldest_goes_first() {
    let mut scrollback = empty(8);
    scrollback.append(b"abcdef");
    scrollback.append(b"ghijk");
    assert_eq!((scrollback.start(), scrollback.end()), (3, 11));
    assert_eq!(read(&scrollback, 0, 3), b"defghijk");
    assert_eq!(read(&scrollback, 9, 3), b"jk");
}

#[test]
fn of_more_than_fits_the_last_stays() {
    let mut scrollback = empty(4);
    scrollback.append(b"ab");
    scrollback.append(b"cdefghijk");
    assert_eq!(scrollback.end(), 11);
    assert_eq!(read(&scrollback, 0, 100), b"hijk");
}

#[test]
fn a_position_that_was_not_reached_is_the_end() {
    let mut scrollback = empty(4);
    scrollback.append(b"ab");
    assert_eq!(scrollback.read(u64::MAX, &mut [0; 4]), (2, 0));
    assert_eq!(empty(0).read(7, &mut [0; 4]), (0, 0));
}

#[test]
fn without_memory_nothing_stays() {
    let mut scrollback = empty(0);
    scrollback.append(b"abc");
    assert_eq!((scrollback.start(), scrollback.end()), (3, 3));
    assert_eq!(read(&scrollback, 0, 4), b"");
}

proptest! {
    #[test]
    fn it_is_the_end_of_all(
        bytes in 1usize..40,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..12),
        position in 0u64..800,
        step in 1usize..50,
    ) {
        let mut scrollback = empty(bytes);
        for piece in &pieces {
            scrollback.append(piece);
        }
        let all = pieces.concat();
        prop_assert_eq!(scrollback.end(), all.len() as u64);
        prop_assert_eq!(scrollback.start(), all.len().saturating_sub(bytes) as u64);
        let from = (position as usize).max(all.len().saturating_sub(bytes)).min(all.len());
        prop_assert_eq!(read(&scrollback, position, step), &all[from..]);
    }
}
