// SPDX-License-Identifier: GPL-2.0

//! What the compiler makes of a file, as the kernel builds it, and whether
//! that can panic.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compiles `bare.rs` of this crate, and returns the assembly.
pub fn assembly(name: &str, more: &[&str]) -> String {
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

/// The lines of it that panic.
pub fn panics(assembly: &str) -> Vec<&str> {
    assembly
        .lines()
        .filter(|line| line.contains("panicking") || line.contains("unwrap_failed"))
        .collect()
}
