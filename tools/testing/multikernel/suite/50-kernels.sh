#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All stock kernels as instances, and every way down, with every access to a
# device traced: none may go beyond the allowance, and no interrupt may lead to
# another kernel's CPU.
. "$(dirname "$0")/lib.sh"

AUDIT=$TOP/tools/testing/multikernel/audit
TRACE=$BUILD/lab/$STEP-audit/trace
status=0

step "$STEP-audit" "test the audit itself" python3 "$AUDIT/test_audit.py"

cloud=$(kernel cloud) amd64=$(kernel amd64) rt=$(kernel rt)
old=("$(kernel 6.12-cloud)" "$(kernel 6.1-cloud)")
kernels="$cloud $amd64 $rt ${old[*]}"

# The second UART is the audit's. These kernels have no words of ours: they do all that they
# do by themselves.
# The older QEMU does not trace the names of devices.
QEMU=newer lab audit --cpus 7 --memory 3G --timeout 1500 \
	--qemu-opts "-trace memory_region_ops_* -D trace" -- \
	env -u MK_WORDS MK_AUDIT=/dev/ttyS1 MK_MEMORY=320M bash -c "cd $SELFTESTS; status=0
		./kernels.sh $kernels || status=1
		./broadcasts.sh $rt/vmlinuz $(<"$rt/release") || status=1
		./ends.sh ${old[*]} || status=1
		exit \$status" || status=1
in_env python3 "$AUDIT/audit.py" "$TRACE" || status=1
[ "$status" != 0 ] || rm -f "$TRACE"
exit "$status"
