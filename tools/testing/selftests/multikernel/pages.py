#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What this kernel lets others see of its pages.

    pages.py kcore ADDRESS BYTES      whether /proc/kcore has something else there than zero
    pages.py offline ADDRESS BYTES    how many of these pages /proc/kpageflags calls offline

ADDRESS is a physical one. The status of the first is 1 if all is zero, or not there.
"""

import os
import struct
import sys

PT_LOAD = 1
PAGE = 4096
CHUNK = 1 << 20
OFFLINE = 1 << 23  # KPF_OFFLINE

# struct elf64_phdr
HEADER = struct.Struct("=IIQQQQQQ")


def read(file: int, start: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = os.pread(file, length - len(data), start + len(data))
        if not part:
            raise EOFError(f"the file ends at {start + len(data):#x}")
        data += part
    return bytes(data)


def kcore(address: int, length: int) -> bool:
    file = os.open("/proc/kcore", os.O_RDONLY)
    (at,) = struct.unpack("=Q", read(file, 32, 8))
    (count,) = struct.unpack("=H", read(file, 56, 2))
    seen = False
    for n in range(count):
        kind, _, offset, _, start, size, _, _ = HEADER.unpack(
            read(file, at + n * HEADER.size, HEADER.size)
        )
        # What is no RAM has an address of all ones.
        if kind != PT_LOAD or not start <= address <= address + length <= start + size:
            continue
        seen = True
        for chunk in range(0, length, CHUNK):
            part = read(file, offset + address - start + chunk, min(CHUNK, length - chunk))
            rest = part.lstrip(b"\0")
            if rest:
                place = address + chunk + len(part) - len(rest)
                print(f"from {place:#x} on: {rest[:64]!r}")
                return True
    print("all is zero" if seen else "it is not there")
    return False


def offline(address: int, length: int) -> int:
    file = os.open("/proc/kpageflags", os.O_RDONLY)
    data = read(file, address // PAGE * 8, length // PAGE * 8)
    return sum(flags & OFFLINE != 0 for (flags,) in struct.iter_unpack("=Q", data))


def main() -> int:
    what, address, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    match what:
        case "kcore":
            return 0 if kcore(address, length) else 1
        case "offline":
            print(offline(address, length))
        case _:
            raise ValueError(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
