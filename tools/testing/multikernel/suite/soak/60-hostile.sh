#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A bad agent writes at random into what the host reads, for five minutes; also where the
# host's kernel looks for faults.
. "$(dirname "$0")/../lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
status=0
for host in "$HOST" debug; do
	use_host "$host"
	lab "hostile-$host" --cpus 4 --memory 3G --timeout 1800 -- \
		env MK_HOSTILE_SECONDS=300 "$SELFTESTS/hostile.sh" "$BUILD/agent.cpio" \
		"$(KVER=$HOST "$TOP/scripts/module" path)" || status=1
done
exit "$status"
