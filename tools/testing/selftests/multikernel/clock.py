#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How far one clock is from another.

    clock.py HOST INSTANCE FROM LIMIT_US [SETTLE_S]

HOST and INSTANCE are files with what "clock pairs" has printed
(tools/testing/multikernel/guest/clock.c), with anything else between. Those of
the instance that are later than the counter's value FROM are compared with the
line through their neighbours of the host. No more than LIMIT_US may be between
them, but for SETTLE_S seconds after the host's clock was set.
"""

import bisect
import re
import sys

# A clock that is not set is never so far from the one that goes on as before.
JUMP_NS = 1_000_000
# Fewer say nothing.
ENOUGH = 10

PAIR = re.compile(r"clock: pair (\d+) (\d+) (\d+)$")


def pairs(path):
    """All pairs of counter and time in a file."""
    with open(path, encoding="ascii", errors="replace") as lines:
        found = (PAIR.search(line.rstrip()) for line in lines)
        return sorted(tuple(map(int, pair.groups())) for pair in found if pair)


def rate(host):
    """Nanoseconds for each tick: of most of them, whatever was set in between."""
    each = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(host, host[1:]))
    return each[len(each) // 2]


def main(host_path, instance_path, start, limit_us, settle_s="1"):
    """Compare, tell, and fail if they are too far from each other."""
    host = pairs(host_path)
    instance = [pair for pair in pairs(instance_path) if pair[0] > int(start)]
    if len(host) < ENOUGH or len(instance) < ENOUGH:
        sys.exit(f"{len(host)} and {len(instance)} pairs are too few")
    counters = [pair[0] for pair in host]
    slope = rate(host)
    jumps = [
        b[0]
        for a, b in zip(host, host[1:])
        if abs(b[1] - a[1] - (b[0] - a[0]) * slope) > JUMP_NS
    ]
    settle = float(settle_s) * 1e9 / slope
    errors = []
    for tsc, time, width in instance:
        at = bisect.bisect(counters, tsc)
        if at in (0, len(host)):
            continue
        # The last look before it was set is still wrong to be compared with.
        if any(host[at - 1][0] < jump <= host[at][0] for jump in jumps):
            continue
        if any(jump <= tsc < jump + settle for jump in jumps):
            continue
        (tsc_a, time_a, _), (tsc_b, time_b, _) = host[at - 1], host[at]
        wanted = time_a + (tsc - tsc_a) * (time_b - time_a) // (tsc_b - tsc_a)
        errors.append((time - wanted, width * slope))
    if len(errors) < ENOUGH:
        sys.exit(f"{len(errors)} pairs between those of the host are too few")
    worst = max((abs(error) for error, _ in errors))
    ordered = sorted(error for error, _ in errors)
    print(
        f"{len(errors)} pairs, {len(jumps)} times set: ahead by {ordered[0] / 1000:.1f} to "
        f"{ordered[-1] / 1000:.1f} us, read within {max(w for _, w in errors) / 1000:.1f} us"
    )
    if worst > float(limit_us) * 1000:
        sys.exit(f"{worst / 1000:.1f} us are more than {limit_us}")


main(*sys.argv[1:])
