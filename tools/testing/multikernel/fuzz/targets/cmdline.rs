// SPDX-License-Identifier: GPL-2.0

//! A command line from user space.

#![no_main]

use libfuzzer_sys::fuzz_target;
use multikernel_fuzz::pure::cmdline::{compose, Config, MAX};
use multikernel_fuzz::pure::lockdown::Lockdown;

const CONFIG: Config = Config {
    tsc_khz: 2_400_000,
    spare_apic_id: 254,
    without_hwp: true,
    uart: false,
    lockdown: Lockdown::Integrity,
};

fuzz_target!(|user: &[u8]| {
    let mut own = [0; MAX + 1];
    let own_len = compose(&mut own, b"", MAX, &CONFIG).unwrap();
    let own = &own[..own_len];

    let mut out = [0; MAX + 1];
    let line = match compose(&mut out, user, MAX, &CONFIG) {
        Ok(len) => &out[..len],
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    // The loader's options are there, up to where lists are joined, as words
    // of their own: not in quotes, and not behind "--".
    let end = own.windows(12).position(|w| w == b" clearcpuid=").unwrap();
    let at = line
        .windows(end)
        .rposition(|window| window == &own[..end])
        .expect("the loader's options are missing");
    let before = &line[..at];
    let mut quoted = false;
    let ends = before.split(|b| {
        quoted ^= *b == b'"';
        *b == b' ' && !quoted
    });
    for word in ends {
        assert!(word != b"--" && word != b"\"--\"");
    }
    assert!(!quoted);
    assert!(at == 0 || before.ends_with(b" "));
    // What the kernel finds last, wherever it is, is what the loader set.
    let features = line
        .split(|b| *b == b' ')
        .filter_map(|word| word.strip_prefix(b"clearcpuid="))
        .next_back()
        .unwrap();
    assert!(features.starts_with(b"lass,hfi") && features.len() <= 127);
});
