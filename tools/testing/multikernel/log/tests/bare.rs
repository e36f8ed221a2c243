// SPDX-License-Identifier: GPL-2.0

//! The reader, and what takes unpacked kernels, cannot panic: what the compiler makes of it calls nothing that
//! panics, also with the checks for overflow that kernels are built with.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compiles `bare.rs`, and returns the assembly.
fn assembly(name: &str, more: &[&str]) -> String {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.s"));
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_string());
    let status = Command::new(rustc)
        .args(["--edition=2021", "--crate-type=rlib", "--emit=asm"])
        .args(["-Copt-level=2", "-Coverflow-checks=on", "-Cpanic=abort"])
        .args(more)
        .arg("-o")
        .arg(&out)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bare.rs"))
        .status()
        .expect("rustc should run");
    assert!(status.success(), "rustc failed: {status}");
    fs::read_to_string(&out).unwrap()
}

fn panics(assembly: &str) -> Vec<&str> {
    assembly
        .lines()
        .filter(|line| line.contains("panicking") || line.contains("unwrap_failed"))
        .collect()
}

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
