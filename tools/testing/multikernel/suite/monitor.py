#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Gives commands to QEMU's monitor, and waits until they are done.

    monitor.py SOCKET COMMAND...
"""

import socket
import sys

PROMPT = b"(qemu) "


def prompt(monitor: socket.socket) -> None:
    said = b""
    while not said.endswith(PROMPT):
        part = monitor.recv(4096)
        if not part:
            raise SystemExit("QEMU has ended")
        said += part


with socket.socket(socket.AF_UNIX) as monitor:
    monitor.connect(sys.argv[1])
    monitor.settimeout(120)
    prompt(monitor)
    for command in sys.argv[2:]:
        monitor.sendall(command.encode() + b"\n")
        prompt(monitor)
