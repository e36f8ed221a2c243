// SPDX-License-Identifier: GPL-2.0

//! What a terminal shows to a slow reader.

use multikernel_pure::pure::half::State;
use multikernel_pure::pure::ring::{ReceiveError, Receiver};
use multikernel_pure::pure::screen::Screen;
use multikernel_pure::ram::{Ram, Side};

fn ends(ram: &Ram) -> (Screen<Side<'_>>, Receiver<Side<'_>>) {
    (
        Screen::new(ram.side(0), ram.size()),
        Receiver::new(ram.side(1), ram.size()),
    )
}

/// All that is there.
fn read(receiver: &mut Receiver<Side<'_>>) -> String {
    let mut all = String::new();
    let mut bytes = [0; 4096];
    loop {
        match receiver.receive(&mut bytes) {
            Ok(len) => all.push_str(std::str::from_utf8(&bytes[..len]).unwrap()),
            Err(error) => {
                assert_eq!(error, ReceiveError::Empty);
                return all;
            }
        }
    }
}

#[test]
fn what_is_shown_is_read() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    assert!(receiver.wait());
    assert_eq!(screen.show(b"login: ", true), 7);
    assert!(screen.bell());
    assert_eq!(screen.show(b"root\r\n", false), 6);
    assert!(!screen.bell());
    assert_eq!(read(&mut receiver), "login: root\r\n");
}

#[test]
fn a_line_in_pieces_is_one_message() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    assert!(receiver.wait());
    let line = format!("{}\r\n", "x".repeat(78));
    for piece in line.as_bytes().chunks(16) {
        assert!(!screen.bell());
        assert_eq!(screen.show(piece, false), piece.len());
    }
    assert!(screen.bell());
    assert_eq!(receiver.receive(&mut [0; 4096]), Ok(80));
    assert_eq!(read(&mut receiver), "");
}

#[test]
fn a_line_without_end_is_shown_before_what_comes_next() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    assert_eq!(screen.show(b"of the kernel, ", false), 15);
    assert_eq!(read(&mut receiver), "");
    assert_eq!(screen.show(b"of a program", true), 12);
    assert_eq!(read(&mut receiver), "of the kernel, of a program");
    // Or when it is too long.
    let piece = [b'x'; 100];
    for _ in 0..3 {
        assert_eq!(screen.show(&piece, false), piece.len());
    }
    assert_eq!(read(&mut receiver).len(), 200);
    let long = [b'y'; 1000];
    assert_eq!(screen.show(&long, false), long.len());
    let shown = read(&mut receiver);
    assert_eq!(shown, format!("{}{}", "x".repeat(100), "y".repeat(1000)));
}

#[test]
fn who_cannot_wait_is_told_of_later() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    // Each in a line of the ring, one of which is free.
    let lines = 4096 / 64 - 1;
    for n in 0..lines + 100 {
        assert_eq!(screen.show(format!("{n:<15}\n").as_bytes(), false), 16);
    }
    let shown = read(&mut receiver);
    let numbers: Vec<usize> = shown
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..lines).collect::<Vec<_>>());
    assert_eq!(screen.show(b"more\n", false), 5);
    assert_eq!(
        read(&mut receiver),
        "\r\n[1600 bytes are missing here]\r\nmore\n"
    );
    // It is told once.
    screen.show(b"more\n", false);
    assert_eq!(read(&mut receiver), "more\n");
}

#[test]
fn who_can_wait_loses_nothing() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    let text = [b'x'; 1000];
    let mut sent = 0;
    while screen.show(&text, true) == text.len() {
        sent += text.len();
    }
    assert_eq!(sent, 3 * text.len());
    assert_eq!(screen.show(&text, true), 0);
    assert_eq!(read(&mut receiver).len(), sent);
    assert_eq!(screen.show(&text, true), text.len());
    assert_eq!(read(&mut receiver).len(), text.len());
}

#[test]
fn what_is_missing_waits_for_room_too() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    while screen.show(&[b'x'; 56], true) > 0 {}
    assert_eq!(screen.show(b"lost\n", false), 5);
    // There is room for less than both.
    receiver.receive(&mut [0; 64]).unwrap();
    assert_eq!(screen.show(b"kept", true), 0);
    read(&mut receiver);
    assert_eq!(screen.show(b"kept", true), 4);
    assert_eq!(read(&mut receiver), "kept");
}

#[test]
fn what_is_too_long_for_any_message_is_missing() {
    let ram = Ram::new(4096);
    let (mut screen, mut receiver) = ends(&ram);
    assert_eq!(screen.show(&[b'x'; 5000], true), 5000);
    screen.show(b"more", true);
    assert!(read(&mut receiver).contains("[5000 bytes"));
}

#[test]
fn where_nobody_reads_nothing_waits() {
    let ram = Ram::new(4096);
    let (mut screen, _) = ends(&ram);
    State::Closed.publish(&ram.side(1));
    for _ in 0..1000 {
        assert_eq!(screen.show(b"is anybody there?", true), 17);
    }
}
