// SPDX-License-Identifier: GPL-2.0

//! The init of the kernels whose start is measured: it tells by the time stamp counter when its
//! first instruction ran, and halts, or stays if the command line has `mk_bench=stay`.
//!
//! It is compiled alone, static and without a library, whose own beginnings would be measured, too:
//! there is nothing else in its file system.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

/// In the environment if it is to stay: what the kernel does not know of its command line.
const STAY: &[u8] = b"mk_bench=stay\0";

const SYS_WRITE: usize = 1;
const SYS_OPEN: usize = 2;
const SYS_PAUSE: usize = 34;
const SYS_REBOOT: usize = 169;

const O_WRONLY: usize = 1;
const LINUX_REBOOT_MAGIC1: usize = 0xfee1_dead;
const LINUX_REBOOT_MAGIC2: usize = 0x2812_1969;
const LINUX_REBOOT_CMD_HALT: usize = 0xcdef_0123;

// The stack holds the number of arguments, the arguments, 0, the environment, 0 (System V ABI,
// AMD64 supplement, "Initial Stack and Register State").
global_asm!(
    ".globl _start",
    "_start:",
    "rdtsc",
    "shl rdx, 32",
    "lea rdi, [rax + rdx]",
    "mov rsi, rsp",
    "and rsp, -16",
    "call {begin}",
    begin = sym begin,
);

/// # Safety
///
/// The arguments are what the call `number` wants.
unsafe fn syscall(number: usize, args: [usize; 4]) -> isize {
    let result;
    // SAFETY: The kernel changes these registers only, and memory as the caller says.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            lateout("rcx") _,
            lateout("r11") _,
        )
    };
    result
}

/// # Safety
///
/// `stack` is where a process finds it.
unsafe extern "C" fn begin(tsc: u64, stack: *const usize) -> ! {
    let mut line = *b"mk-bench: init tsc=00000000000000000000\n";
    let mut rest = tsc;
    for digit in line[19..39].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    // An instance has no UART, and nobody reads the log of a virtual machine.
    for file in [c"/dev/kmsg", c"/dev/ttyS0"] {
        // SAFETY: The name ends with 0, and the line is as long as is said.
        unsafe {
            let file = syscall(SYS_OPEN, [file.as_ptr() as usize, O_WRONLY, 0, 0]);
            if let Ok(file) = usize::try_from(file) {
                syscall(SYS_WRITE, [file, line.as_ptr() as usize, line.len(), 0]);
            }
        }
    }
    // SAFETY: As the caller says; the environment begins after the arguments and the 0.
    let mut variable = unsafe { stack.add(*stack + 2) }.cast::<*const u8>();
    let mut stay = false;
    // SAFETY: It ends with 0.
    while let Some(text) = unsafe { variable.read().as_ref() } {
        // SAFETY: That was not the end, and it points to a string, which ends with 0: what is not
        // the same so far is not looked at any further.
        stay |=
            (0..STAY.len()).all(|n| unsafe { core::ptr::from_ref(text).add(n).read() } == STAY[n]);
        // SAFETY: As above.
        variable = unsafe { variable.add(1) };
    }
    if !stay {
        let args = [
            LINUX_REBOOT_MAGIC1,
            LINUX_REBOOT_MAGIC2,
            LINUX_REBOOT_CMD_HALT,
            0,
        ];
        // SAFETY: It takes numbers.
        unsafe { syscall(SYS_REBOOT, args) };
    }
    // Process 1 must not end.
    loop {
        // SAFETY: It takes nothing.
        unsafe { syscall(SYS_PAUSE, [0; 4]) };
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        // SAFETY: It takes nothing.
        unsafe { syscall(SYS_PAUSE, [0; 4]) };
    }
}
