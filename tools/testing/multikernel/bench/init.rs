// SPDX-License-Identifier: GPL-2.0

//! The init of the kernels whose start is measured: it tells when it began, by the time stamp
//! counter, and halts, or stays if the command line has `mk_bench=stay`.
//!
//! It is compiled alone, static: there is nothing else in its file system.

use std::arch::x86_64::_rdtsc;
use std::fs::OpenOptions;
use std::io::Write;

const RB_HALT_SYSTEM: i32 = 0xcdef_0123_u32 as i32;

extern "C" {
    fn reboot(command: i32) -> i32;
}

fn main() {
    // SAFETY: All x86-64 processors have it, and Linux lets user space use it.
    let tsc = unsafe { _rdtsc() };
    // An instance has no UART, and nobody reads the log of a virtual machine.
    for file in ["/dev/kmsg", "/dev/ttyS0"] {
        if let Ok(mut file) = OpenOptions::new().write(true).open(file) {
            let _ = file.write_all(format!("mk-bench: init tsc={tsc}\n").as_bytes());
        }
    }
    if std::env::var_os("mk_bench").is_none() {
        // SAFETY: It takes a number.
        unsafe { reboot(RB_HALT_SYSTEM) };
    }
    // Process 1 must not end.
    loop {
        std::thread::park();
    }
}
