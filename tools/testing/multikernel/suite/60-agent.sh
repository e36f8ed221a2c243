#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances with an agent; also beside a host whose local APICs are in the other
# mode, which an instance leaves.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
"$TOP/tools/testing/multikernel/guest/build" agent-debug
status=0
# That of the clock waits, most of the time.
told=$(mktemp)
trap 'rm -f "$told"' EXIT
lab clock --cpus 3 --memory 2G --timeout 900 -- \
	"$SELFTESTS/clock.sh" "$BUILD/agent-debug.cpio" "$BUILD/clock" \
	"$(kernel debug)/vmlinuz" >"$told" 2>&1 &
clock=$!
lab agent --cpus 4 --memory 2G --timeout 900 -- bash -c '
	status=0
	"$0/agent.sh" "$1" || status=1
	"$0/doorbell.sh" "$1" || status=1
	exit $status' "$SELFTESTS" "$BUILD/agent.cpio" || status=1
lab heartbeat --cpus 3 --memory 2G --timeout 900 -- \
	"$SELFTESTS/heartbeat.sh" "$BUILD/agent.cpio" || status=1
# QEMU's emulation of interrupt remapping does not bear several threads.
QEMU=newer lab x2apic --cpus 4 --memory 2G --timeout 900 --append intel_iommu=on \
	--qemu-opts "-accel tcg,thread=single -device intel-iommu,intremap=on,eim=on" -- \
	"$SELFTESTS/doorbell.sh" "$BUILD/agent.cpio" || status=1
wait "$clock" || status=1
cat "$told"
exit "$status"
