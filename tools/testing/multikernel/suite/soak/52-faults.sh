#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# As the step of the same name, and one killed while its second CPU starts:
# that takes an emulator with a thread for each CPU, which now and then loses
# an interrupt.
. "$(dirname "$0")/../lib.sh"

"$TOP/tools/testing/multikernel/guest/build"
lab soak --cpus 7 --memory 2G --timeout 1800 --qemu-opts "-accel tcg,thread=multi" -- \
	env MK_KILL_AT_SMP=1 "$SELFTESTS/faults.sh" "$BUILD/trouble.cpio"
