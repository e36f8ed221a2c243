#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The faults again and again, with an emulator of several threads: the host and
# the instances are killed at other moments of each other.
. "$(dirname "$0")/../lib.sh"

"$TOP/tools/testing/multikernel/guest/build" trouble
status=0
for round in {1..20}; do
	lab "faults-$round" --cpus 5 --memory 2G --timeout 1200 \
		--qemu-opts "-accel tcg,thread=multi" -- \
		"$SELFTESTS/faults.sh" "$BUILD/trouble.cpio" || status=1
done
exit "$status"
