// SPDX-License-Identifier: GPL-2.0

//! The log of an instance that does with its memory what it likes: 1 byte
//! chooses a kernel with a log, then each 11 bytes put a word somewhere: 1
//! byte says where it comes from, 2 which of the words in use it replaces, 8
//! are the word.

#![no_main]

use std::array;
use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use multikernel_log::damage::Damaged;
use multikernel_log::synthetic::{Expected, Image, Machine, Options, Place, Shape, BASE};

/// A kernel, and where it has anything in its memory.
struct Kernel {
    image: Image,
    used: Vec<u64>,
}

const SHAPES: [Shape; 3] = [Shape::OLD, Shape::NEW, Shape::STRANGE];
const PLACES: [Place; 4] = [
    Place::Static,
    Place::Direct(1),
    Place::Direct(2),
    Place::Scattered,
];
const KERNELS: usize = SHAPES.len() * PLACES.len() * 2;

thread_local! {
    static ALL: [OnceCell<Kernel>; KERNELS] = const { [const { OnceCell::new() }; KERNELS] };
}

fn kernel(choice: usize) -> Kernel {
    let mut machine = Machine::new(Options {
        shape: SHAPES[choice / 2 % SHAPES.len()],
        place: PLACES[choice / 2 / SHAPES.len()],
        five_levels: choice % 2 == 1,
        count_bits: 3,
        size_bits: 10,
        ..Options::default()
    });
    for n in [0, 1, 3, 20, 9] {
        machine.log(&Expected::line(&"of some length ".repeat(n)));
    }
    machine.log(&Expected::line("Kernel panic - not syncing: fuzzed"));
    machine.log(&Expected::line(""));
    machine.log_open(&Expected::line("goes on"));
    machine.settle();
    Kernel {
        used: machine.image.used(),
        image: machine.image,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, changes)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice) % KERNELS;
    ALL.with(|all| {
        let kernel = all[choice].get_or_init(|| kernel(choice));
        let mut damaged = Damaged::new(&kernel.image, 100_000);
        for change in changes.chunks_exact(11) {
            let at = usize::from(u16::from_le_bytes([change[1], change[2]]));
            let pa = kernel.used[at % kernel.used.len()];
            let value = u64::from_le_bytes(array::from_fn(|n| change[3 + n]));
            let old = damaged.word(pa);
            let word = match change[0] % 4 {
                0 => value,
                1 => old ^ value,
                2 => old.wrapping_add(value),
                _ => BASE + value % (6 << 20),
            };
            damaged.put(pa, word);
        }
        damaged.exercise();
    });
});
