#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Holds CPUs of an emulated machine, as a debugger does: they do not even take INIT.

    hold.py SOCKET DIRECTORY

SOCKET is that of QEMU's stub for gdb. In DIRECTORY a file "ask" has "hold N" or "release N",
and "answer" appears when that is done. It ends with the machine.
"""

import pathlib
import re
import socket
import sys
import time


class Stub:
    """A connection to the stub, whose remote protocol gdb's manual has in an appendix."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.said = b""

    def send(self, command: str) -> None:
        data = command.encode()
        self.socket.sendall(b"$%b#%02x" % (data, sum(data) % 256))

    def packet(self) -> str:
        while not (match := re.search(rb"\$([^#]*)#..", self.said)):
            part = self.socket.recv(4096)
            if not part:
                raise SystemExit("QEMU has ended")
            self.said += part
        self.said = self.said[match.end() :]
        self.socket.sendall(b"+")
        return match[1].decode()

    def ask(self, command: str) -> str:
        self.send(command)
        return self.packet()

    def stop(self) -> None:
        self.socket.sendall(b"\x03")
        while not self.packet().startswith(("S", "T")):
            pass

    def threads(self) -> list[str]:
        """Those of the machine, which are its CPUs in order."""
        found: list[str] = []
        reply = self.ask("qfThreadInfo")
        while reply.startswith("m"):
            found += reply[1:].split(",")
            reply = self.ask("qsThreadInfo")
        return found


path, shared = sys.argv[1], pathlib.Path(sys.argv[2])
stub: Stub | None = None
held: set[int] = set()
while True:
    time.sleep(0.2)
    if not (shared / "ask").exists():
        continue
    verb, number = (shared / "ask").read_text().split()
    (shared / "ask").unlink()
    if verb == "hold":
        held.add(int(number))
    else:
        held.discard(int(number))
    if stub:
        stub.stop()
    else:
        # This stops the machine.
        stub = Stub(path)
    runs = [thread for cpu, thread in enumerate(stub.threads()) if cpu not in held]
    stub.send("vCont" + "".join(f";c:{thread}" for thread in runs))
    (shared / "answer").touch()
