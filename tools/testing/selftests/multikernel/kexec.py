#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Load a kernel into an instance by kexec_file_load(), as mkctl does not.
#
#	kexec.py ID KERNEL CMDLINE [FLAGS]
#
# There is no initrd. FLAGS are added to those that it takes. It prints the error.
import ctypes
import os
import sys

FILE_LOAD = 320
NO_INITRAMFS = 0x4
MULTIKERNEL = 0x40
MULTIKERNEL_SHIFT = 16


def main():
    number, path, line = sys.argv[1:4]
    flags = MULTIKERNEL | NO_INITRAMFS | int(number) << MULTIKERNEL_SHIFT
    if len(sys.argv) > 4:
        flags |= int(sys.argv[4], 0)
    text = ctypes.create_string_buffer(line.encode())
    kernel = os.open(path, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(FILE_LOAD, kernel, -1, ctypes.c_ulong(len(text)), text, ctypes.c_ulong(flags)):
        error = ctypes.get_errno()
        sys.exit(f"{os.strerror(error)} (os error {error})")


main()
