#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that knows what it is (CONFIG_MULTIKERNEL_GUEST), which takes minutes to
# build: as an instance, with every access to a device traced; with an agent; and as
# the host, on a machine like any other.
. "$(dirname "$0")/../lib.sh"

AUDIT=$TOP/tools/testing/multikernel/audit
TRACE=$BUILD/lab/$STEP-audit/trace
status=0

guest=$(kernel guest)
# The second UART is the audit's. The older QEMU does not trace the names of devices.
QEMU=newer lab audit --cpus 8 --memory 3G --timeout 1500 \
	--qemu-opts "-trace memory_region_ops_* -D trace" -- \
	env MK_AUDIT=/dev/ttyS1 MK_KERNEL="$guest/vmlinuz" bash -c '
		status=0
		"$0/kernels.sh" "$1" || status=1
		"$0/ends.sh" || status=1
		exit $status' "$SELFTESTS" "$guest" || status=1
in_env python3 "$AUDIT/audit.py" "$TRACE" "$AUDIT/allowance-guest" || status=1
[ "$status" != 0 ] || rm -f "$TRACE"

lab guest --cpus 4 --timeout 1500 -- env MK_KERNEL="$guest/vmlinuz" bash -c '
	status=0
	"$0/guest.sh" || status=1
	"$0/many.sh" 3 || status=1
	exit $status' "$SELFTESTS" || status=1

# They share a slot until one of them is lost in it.
lab_held held --cpus 5 --timeout 600 -- env MK_KERNEL="$guest/vmlinuz" "$SELFTESTS/stuck.sh" ||
	status=1

"$TOP/tools/testing/multikernel/guest/build" agent-guest
lab agent --cpus 4 --memory 2G --timeout 900 -- env MK_KERNEL="$guest/vmlinuz" \
	"$SELFTESTS/agent.sh" "$BUILD/agent-guest.cpio" || status=1

use_host guest
lab host --cpus 5 --memory 3G --timeout 900 -- "$SELFTESTS/ends.sh" || status=1
exit "$status"
