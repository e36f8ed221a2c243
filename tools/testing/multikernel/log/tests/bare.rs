// SPDX-License-Identifier: GPL-2.0

//! The reader, and what takes unpacked kernels, cannot panic: what the compiler makes of it calls nothing that
//! panics, also with the checks for overflow that kernels are built with.

#[path = "../../common/assembly.rs"]
mod assembly;

use assembly::{assembly, panics};

#[test]
fn nothing_panics() {
    let assembly = assembly("bare", &[]);
    assert!(assembly.contains("find_panic") && assembly.contains("settle"));
    assert_eq!(panics(&assembly), [""; 0]);
}

/// This test would notice.
#[test]
fn control() {
    assert!(!panics(&assembly("control", &["--cfg=control"])).is_empty());
}
