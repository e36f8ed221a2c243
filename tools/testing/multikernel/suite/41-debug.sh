#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# In a host's kernel that looks for faults, with KASAN, UBSAN, lockdep and
# kmemleak: the interface, and instances that run, end, fail and are killed.
. "$(dirname "$0")/lib.sh"

use_host "${MK_HOST:-debug}"

status=0
interface 20 || status=1
# Memory that is free is not zero here. To poison all of it takes most of the time.
lab poisoned --cpus 4 --timeout 600 --append page_poison=1 -- \
	"$BUILD/selftests/memory" -t ranges || status=1
"$TOP/tools/testing/multikernel/guest/build" trouble
"$TOP/tools/testing/multikernel/guest/build" agent
lab instances --cpus 7 --memory 3G --timeout 1500 -- bash -c '
	status=0
	"$0/ends.sh" || status=1
	"$0/faults.sh" "$1" || status=1
	"$0/guard.sh" || status=1
	exit $status' "$SELFTESTS" "$BUILD/trouble.cpio" || status=1
lab hostile --cpus 4 --memory 3G --timeout 1500 -- \
	"$SELFTESTS/hostile.sh" "$BUILD/agent.cpio" "$(KVER=$HOST "$TOP/scripts/module" path)" ||
	status=1
exit "$status"
