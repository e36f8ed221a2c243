// SPDX-License-Identifier: GPL-2.0

//! Tests of `pure` for KUnit, which runs them in the kernel, and for `cargo test` in
//! tools/testing/multikernel/pure, which has more of them: there are allocations, random
//! input and threads.
//!
//! One suite a file, in a module of its own as the attribute wants it. Here is `core` only
//! and a stack of 16 KiB; `assert!` and `assert_eq!` are KUnit's, which take no message.

#![allow(unreachable_pub)]

mod acpi;
mod bzimage;
mod cmdline;
mod e820;
mod layout;
mod range;
mod ring;
mod side;
mod state;
