// SPDX-License-Identifier: GPL-2.0

//! Makes the Rust form of the ioctl interface from its C header.

use std::env;
use std::path::PathBuf;

fn main() {
    let variable = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
    let header = variable("CARGO_MANIFEST_DIR").join("../../../include/uapi/linux/multikernel.h");
    let out = variable("OUT_DIR");

    println!("cargo::rerun-if-changed={}", header.display());
    bindgen::Builder::default()
        .header(header.to_str().expect("a path in UTF-8"))
        .allowlist_item("(mk|MK)_.*")
        .derive_default(true)
        .generate_comments(false)
        // The ioctl numbers are calls of a macro: only clang can tell their values.
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(&out)
        .generate()
        .expect("include/uapi/linux/multikernel.h cannot be read")
        .write_to_file(out.join("abi.rs"))
        .expect("OUT_DIR can be written");
}
