#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether this kernel has the CPUs that it should have, and they work.

    online.py LIST [CPU...]     those of a list such as 0-2,4 are online, but none of CPU...

They work if they run what is bound to them. One process looks at all of them, as a kernel
that looks for faults takes a second to begin one in an emulator. The status is 1 if not.
"""

import os
import sys
import threading

TIMEOUT = 60


def cpus(text: str) -> set[int]:
    """Those of a list such as 0-2,4."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def main() -> None:
    wanted = cpus(sys.argv[1]) - {int(cpu) for cpu in sys.argv[2:]}
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        online = cpus(file.read())
    faults = []
    if wanted != online:
        faults.append(f"CPUs {sorted(online)} are online, not {sorted(wanted)}")

    visited = set()

    def visit(cpu: int) -> None:
        # It returns there: not on a CPU that does not work.
        os.sched_setaffinity(0, {cpu})
        visited.add(cpu)

    threads = [threading.Thread(target=visit, args=(cpu,), daemon=True) for cpu in sorted(online)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    faults += [f"CPU {cpu} does not work" for cpu in sorted(online - visited)]

    for fault in faults:
        print(fault, flush=True)
    # Not waiting for a thread that is still on its way.
    os._exit(bool(faults))


main()
