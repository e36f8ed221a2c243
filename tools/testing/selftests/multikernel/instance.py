#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What has to be faster than mkctl is, or goes deeper.

    instance.py NAME BYTES zero                 whether all of its memory is zero
    instance.py NAME BYTES find TEXT            where that is in its memory, from the start
    instance.py NAME BYTES kill-after SECONDS   start it, and kill it after that time
    instance.py NAME BYTES kill-at OFFSET TEXT  start it, and kill it as soon as TEXT is there
    instance.py NAME BYTES hold                 say so, and keep it mapped until a signal comes

BYTES is the size of its memory. Not counted is a TEXT with KERN_SOH and a level before it:
so a kernel's code has what it will log. kill-at looks at some KiB around OFFSET
all the time. The status is 1 if nothing is found, or something else than zero.
"""

import fcntl
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator

MK_OPEN = 0xBC02
MK_START = 0xBC23
MK_KILL = 0xBC24
# struct mk_header; struct mk_name is that and the name.
HEADER = "=IIQII"
NAME = HEADER + "32s"
AROUND = 8 << 10
CHUNK = 16 << 20
TIMEOUT = float(os.environ.get("MK_BOOT_TIMEOUT", 240))


def call(fd: int, command: int, layout: str = HEADER, *values: bytes, flags: int = 0) -> int:
    # Only of what can be written the number is returned.
    argument = bytearray(struct.pack(layout, struct.calcsize(layout), flags, 0, 0, 0, *values))
    return fcntl.ioctl(fd, command, argument)


def find(memory: mmap.mmap, text: bytes, first: int, last: int) -> Iterator[int]:
    """Where `text` begins, from `first` on and before `last`."""
    for chunk in range(first, last, CHUNK):
        # With what may be before it, and with all of a text that begins in it.
        start = max(chunk - 2, 0)
        part = memory[start : min(chunk + CHUNK, last) + len(text) - 1]
        at = part.find(text)
        while at >= 0:
            if start + at >= chunk and not part[max(at - 2, 0) : at].startswith(b"\1"):
                yield start + at
            at = part.find(text, at + 1)


def first_not_zero(memory: mmap.mmap) -> int | None:
    zero = bytes(CHUNK)
    for chunk in range(0, len(memory), CHUNK):
        part = memory[chunk : chunk + CHUNK]
        if part != zero[: len(part)]:
            return chunk + len(part) - len(part.lstrip(b"\0"))
    return None


def kill_at(instance: int, memory: mmap.mmap, offset: int, text: bytes) -> None:
    call(instance, MK_START)
    end = time.monotonic() + TIMEOUT
    while not any(find(memory, text, max(offset - AROUND, 0), offset + AROUND)):
        if time.monotonic() > end:
            raise TimeoutError(f"{text!r} is not at {offset:#x} after {TIMEOUT} s")
    call(instance, MK_KILL)


def main() -> int:
    name, size, command, *arguments = sys.argv[1:]
    device = os.open("/dev/multikernel", os.O_RDWR | os.O_CLOEXEC)
    instance = call(device, MK_OPEN, NAME, name.encode())
    memory = mmap.mmap(instance, int(size), mmap.MAP_SHARED, mmap.PROT_READ)
    match command, arguments:
        case "zero", []:
            at = first_not_zero(memory)
            if at is not None:
                print(f"not zero from {at:#x} on: {memory[at : at + 64]!r}")
            return 0 if at is None else 1
        case "find", [text]:
            found = list(find(memory, text.encode(), 0, len(memory)))
            print(*found)
            return 0 if found else 1
        case "kill-at", [offset, text]:
            kill_at(instance, memory, int(offset), text.encode())
        case "hold", []:
            print("held", flush=True)
            signal.pause()
        case "kill-after", [seconds]:
            call(instance, MK_START)
            time.sleep(float(seconds))
            call(instance, MK_KILL)
        case _:
            raise ValueError(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
