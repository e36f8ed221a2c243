#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host that cannot send INIT (nolapic): nothing starts, and who asks is told why.
. "$(dirname "$0")/lib.sh"

grep -qw nolapic /proc/cmdline || skip_all "this kernel uses its local APICs"

why='INIT and SIPI cannot be sent to its CPUs'

refuses() {
	local status=0
	"$@" >"$scratch/told" 2>&1 || status=$?
	cat "$scratch/told"
	is "the status" 5 "$status" && grep "$why" "$scratch/told"
}

check "mkctl check tells why" refuses mkctl check
check "for programs, too" is "what is missing" $'apic\ncpus' \
	"$(checked 'checks[] | select(.status == "fail").name' | jq -r .)"
check "an instance is not run" refuses mkctl run none --kernel "$MK_KERNEL" --ncpus 1 --memory 128M
check "there is none" is "the list" '' "$(names)"
check "the host is unharmed" unharmed
check "the module goes" rmmod multikernel
finish
