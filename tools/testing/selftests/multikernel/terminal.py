#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sit at a terminal.

	terminal.py COMMAND... <<END
	expect REGEX		wait until it was shown, behind what was found before
	type TEXT		and Enter
	keys TEXT		without; \\x1d and the like are keys
	flood COUNT		so many letters
	signal NAME		to the command
	end STATUS		wait until the command ends so (128 + N: by a signal)
	END

Each has $MK_BOOT_TIMEOUT seconds (240). After "end" the terminal has to be as it was.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

TIMEOUT = float(os.environ.get("MK_BOOT_TIMEOUT", 240))


class Terminal:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""
        self.found = 0
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def read(self, timeout):
        """Take what is shown within a time; false: nothing."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        self.shown += os.read(self.master, 65536)
        return True

    def keys(self, keys):
        while keys:
            _, writable, _ = select.select([], [self.master], [], TIMEOUT)
            if not writable:
                raise SystemExit("the command does not take what is typed")
            # Little at a time: it never blocks.
            keys = keys[os.write(self.master, keys[:256]) :]
            self.read(0)

    def do(self, what, argument):
        deadline = time.monotonic() + TIMEOUT
        if what == "expect":
            regex = re.compile(argument.encode(), re.MULTILINE)
            while not (match := regex.search(self.shown, self.found)):
                left = deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None and not self.read(0):
                    raise SystemExit(f"it was not shown: {argument}")
                self.read(min(left, 1))
            self.found = match.end()
        elif what == "type":
            self.keys(argument.encode() + b"\r")
        elif what == "keys":
            self.keys(argument.encode().decode("unicode_escape").encode("latin-1"))
        elif what == "flood":
            self.keys(b"x" * int(argument))
        elif what == "signal":
            self.process.send_signal(getattr(signal, "SIG" + argument))
        elif what == "end":
            while self.process.poll() is None:
                if time.monotonic() > deadline:
                    raise SystemExit("the command does not end")
                self.read(0.1)
            while self.read(0):
                pass
            status = self.process.returncode
            status = 128 - status if status < 0 else status
            if status != int(argument):
                raise SystemExit(f"its status is {status}, not {argument}")
            if termios.tcgetattr(self.slave) != self.before:
                raise SystemExit("the terminal is not as it was")
        else:
            raise SystemExit(f"{what} is unknown")


def main():
    terminal = Terminal(sys.argv[1:])
    try:
        for line in sys.stdin:
            what, _, argument = line.strip("\n").strip("\t").partition(" ")
            if what:
                terminal.do(what, argument)
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        # For whoever asks why.
        sys.stdout.buffer.write(terminal.shown[-4000:])


main()
