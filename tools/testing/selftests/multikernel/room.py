#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints how many more instances there can be: it makes that many, which go with it.

    room.py
"""

import errno
import os

from instance import NAME, call

MK_CREATE = 0xBC01
MK_CREATE_AUTO_DESTROY = 1 << 0

device = os.open("/dev/multikernel", os.O_RDWR | os.O_CLOEXEC)
made = 0
try:
    while True:
        call(device, MK_CREATE, NAME, f"room-{made}".encode(), flags=MK_CREATE_AUTO_DESTROY)
        made += 1
except OSError as error:
    if error.errno != errno.ENOSPC:
        raise
print(made)
