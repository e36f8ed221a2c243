#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Registers of this kernel's CPUs, by the module msr.

    msr.py CPU[,CPU...] REGISTER[=VALUE]...     write those with a value, then show all

One process does all of it, as a kernel that looks for faults takes long to begin one.
"""

import os
import struct
import sys

for cpu in map(int, sys.argv[1].split(",")):
    fd = os.open(f"/dev/cpu/{cpu}/msr", os.O_RDWR)
    for word in sys.argv[2:]:
        name, _, value = word.partition("=")
        msr = int(name, 0)
        if value:
            os.pwrite(fd, struct.pack("=Q", int(value, 0)), msr)
        (found,) = struct.unpack("=Q", os.pread(fd, 8, msr))
        print(f"CPU {cpu}: MSR {msr:#x} is {found:#x}")
    os.close(fd)
