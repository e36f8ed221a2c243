// SPDX-License-Identifier: GPL-2.0

//! What errors say to people, those that no other test here reads.

use std::fmt::Display;

use multikernel_pure::pure::handshake::{self, Offer, Terms, CLOCK, HEARTBEAT};
use multikernel_pure::pure::range::Range;
use multikernel_pure::pure::{acpi, area, bzimage, doorbell, e820, layout, name, paging};

fn says(error: impl Display, words: &str) {
    assert_eq!(error.to_string(), words);
}

#[test]
fn of_the_handshake() {
    let offer = |version_min, version_max, features| Offer {
        version_min,
        version_max,
        features,
    };
    let own = offer(2, 3, HEARTBEAT);
    says(
        own.meet(&offer(4, 5, 0)).unwrap_err(),
        "this module speaks versions 2 to 3 of the protocol, the other kernel's 4 to 5; use \
         modules nearer in age",
    );
    says(
        handshake::Error::Strange(own, 1),
        "this module speaks versions 2 to 3 of the protocol, the agent none of them, and 1 at \
         most; use modules nearer in age",
    );
    let chosen = |version, features| own.check(&Terms { version, features }).unwrap_err();
    says(
        chosen(1, 0),
        "the agent chose version 1, which was not offered",
    );
    says(
        chosen(3, HEARTBEAT | CLOCK),
        "the agent chose features 0x2, which were not offered",
    );
    let terms = own.meet(&offer(1, 2, HEARTBEAT | CLOCK)).unwrap();
    assert!(terms.has(HEARTBEAT) && !terms.has(CLOCK) && !terms.has(HEARTBEAT | CLOCK));
}

#[test]
fn of_what_the_loader_writes() {
    says(
        e820::Error::Full,
        "the memory is in too many pieces: an instance's memory map has 128 entries; ask for less \
         memory",
    );
    let range = Range::new(0x1000, 0x2000).unwrap();
    says(
        e820::Error::Overlap(range),
        "memory at 0x1000-0x2fff is given twice",
    );
    says(acpi::Error::Cpus(0), "an instance has 1 to 254 CPUs, not 0");
    says(
        acpi::Error::ApicId(255),
        "APIC ID 0xff cannot be a CPU of an instance",
    );
    says(
        acpi::Error::Room(100),
        "ACPI tables need 4096 bytes, and have 100",
    );
    says(
        layout::Error::Empty,
        "the instance has no memory; set its memory first",
    );
    says(
        layout::Error::Ranges,
        "the memory ranges do not ascend in whole pages",
    );
    says(
        layout::Error::Pieces(200),
        "the memory is in 200 pieces, 123 are the most; ask for less memory",
    );
    says(
        layout::Error::Paging(paging::Error::Unsorted),
        "the memory ranges do not ascend",
    );
    says(
        paging::Error::Room { have: 4, need: 5 },
        "page tables need 5 pages, and have 4",
    );
    says(
        paging::Error::Unaligned(0x1008),
        "page tables cannot be at 0x1008",
    );
}

#[test]
fn of_kernel_files_and_names() {
    says(bzimage::Error::Empty, "the kernel file is empty");
    says(
        bzimage::Error::Protocol(0x20b),
        "the kernel has boot protocol 2.11; 2.12 (Linux 3.8) is the oldest that works",
    );
    says(
        bzimage::Error::LoadedLow,
        "the kernel is a zImage; use its bzImage",
    );
    says(
        bzimage::Error::NotRelocatable,
        "the kernel is not relocatable; build it with CONFIG_RELOCATABLE=y",
    );
    says(
        name::Error::TooLong,
        "the name is too long; 31 characters are the most",
    );
    says(
        name::Error::Dots,
        "the name is . or .., which a file cannot have",
    );
    says(
        name::Error::Padding(5),
        "the name has a byte at offset 5, behind its end; fill it up with NULs",
    );
}

#[test]
fn of_what_kernels_share() {
    says(area::Error::Table, "the ACPI table MKRN tells of no memory");
    says(
        area::Error::Outside(40, 0x99),
        "the host's page has 0x99 at 40, which cannot be",
    );
    says(
        doorbell::Error::Word(7),
        "a doorbell is 0x7, which means nothing",
    );
    says(
        doorbell::Error::ApicId(9),
        "a doorbell is at APIC ID 0x9, which is not its owner's",
    );
    says(
        doorbell::Error::Vector(0x1f),
        "a doorbell has the vector 0x1f",
    );
}
