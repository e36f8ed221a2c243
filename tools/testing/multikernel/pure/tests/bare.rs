// SPDX-License-Identifier: GPL-2.0

//! What reads the memory of another kernel cannot panic: what the compiler
//! makes of it calls nothing that panics, also with the checks for overflow
//! that kernels are built with.

#[path = "../../common/assembly.rs"]
mod assembly;

use assembly::{assembly, panics};

#[test]
fn nothing_panics() {
    let assembly = assembly("protocol", &[]);
    for name in [
        "reserve",
        "glance",
        "follow",
        "receive",
        "host_page",
        "agent_page",
        "channel",
        "created",
        "show",
        "on_screen",
        "look_back",
    ] {
        assert!(assembly.contains(name), "{name}");
    }
    assert_eq!(panics(&assembly), [""; 0]);
}

/// This test would notice.
#[test]
fn control() {
    assert!(!panics(&assembly("protocol-control", &["--cfg=control"])).is_empty());
}
