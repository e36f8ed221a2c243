#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All stock kernels as instances, every access to a device traced: none may go
# beyond the allowance, and no interrupt may lead to another kernel's CPU.
. "$(dirname "$0")/lib.sh"

AUDIT=$TOP/tools/testing/multikernel/audit
TRACE=$BUILD/lab/$STEP-audit/trace
status=0

step "$STEP-audit" "test the audit itself" python3 "$AUDIT/test_audit.py"

dirs=()
for name in cloud amd64 rt 6.12-cloud 6.1-cloud; do dirs+=("$(kernel "$name")"); done
rt=${dirs[2]}

# The second UART is the audit's.
lab audit --cpus 8 --memory 3G --timeout 900 \
	--qemu-opts "-trace memory_region_ops_* -D trace" -- \
	env MK_AUDIT=/dev/ttyS1 MK_MEMORY=384M bash -c '
		status=0
		"$0/kernels.sh" "${@:3}" || status=1
		"$0/broadcasts.sh" "$1" "$2" || status=1
		exit $status' "$SELFTESTS" "$rt/vmlinuz" "$(<"$rt/release")" "${dirs[@]}" || status=1
in_env python3 "$AUDIT/audit.py" "$TRACE" || status=1
[ "$status" != 0 ] || rm -f "$TRACE"
exit "$status"
