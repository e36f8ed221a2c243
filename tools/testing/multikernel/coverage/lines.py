#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print which lines of the module were reached: "FILE LINE COUNT", with 0 or 1.

    lines.py BUILD-ID BLOCKS REACHED...

BLOCKS is what addr2line -a -i says of the blocks of the module with this ID, in their
order: of each its address, the line where it begins, and those that this is inlined
at. REACHED are files of lines that mk-reached prints.
"""

import sys


def flags(build_id, files):
    """The numbers of the blocks that were run."""
    run = set()
    for name in files:
        with open(name, encoding="ascii") as file:
            for line in file:
                word, of, offset, digits = line.split()
                if word != "mk-reached" or of != build_id:
                    continue
                for at, byte in enumerate(bytes.fromhex(digits)):
                    first = int(offset) + 8 * at
                    run.update(first + bit for bit in range(8) if byte >> bit & 1)
    return run


def main():
    build_id, blocks, *files = sys.argv[1:]
    run = flags(build_id, files)
    count = {}
    number = -1
    with open(blocks, encoding="utf-8") as file:
        for line in file:
            if line.startswith("0x"):
                number += 1
                continue
            # It may be followed by "(discriminator N)".
            path, line_number = line.split(" ")[0].rsplit(":", 1)
            if line_number.strip().isdigit():
                key = path, int(line_number)
                count[key] = count.get(key, 0) or int(number in run)
    for (path, line_number), reached in count.items():
        print(path, line_number, reached)


main()
