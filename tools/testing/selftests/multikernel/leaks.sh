#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever ran before on a host that looks for lost memory, none is lost: the last of
# the tests there.
. "$(dirname "$0")/lib.sh"

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
[ -w "$LEAKS" ] || skip_all "this kernel does not look for lost memory"
check "no memory of the host is lost" lost_nothing
check "the host is unharmed" unharmed
finish
