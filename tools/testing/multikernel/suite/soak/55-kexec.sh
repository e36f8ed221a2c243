#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What kexec does for instances on kernels with our series: loading by
# kexec_file_load(), on one that verifies signatures and on one that takes nothing
# else, and a crash kernel. The kernels are built first.
. "$(dirname "$0")/../lib.sh"

status=0
for host in patched signed; do
	use_host "$host"
	lab "$host" --cpus 4 --timeout 1800 -- \
		"$SELFTESTS/kexec.sh" "$BUILD/patched" "$(KVER=$HOST "$TOP/scripts/module" path)" ||
		status=1
done

# What the crash kernel finds its console tells.
use_host patched
"$TOP/tools/testing/multikernel/guest/build" crash

# crash LAB WHAT REGEX [WORD...]: the host crashes, and its dump has such a line about
# the memory of the instance. More words are for the module.
crash() {
	local name=$STEP-$1 host=$BUILD/lab/$STEP-$1/host.log what=$2 regex=$3 code=0
	boot_lab "$1" --cpus 3 --timeout 900 --append crashkernel=320M -- \
		"$SELFTESTS/crash.sh" "$(kernel cloud)/vmlinuz" "$BUILD/crash.cpio" "${@:4}" || code=$?
	echo "TAP version 13"
	# 125: the machine went down before the command ended.
	told 1 "$name" "the host crashes" [ "$code" = 125 ]
	told 2 "$name" "the crash kernel starts" \
		in_order "$host" 'Trigger a crash' 'crash-init: up'
	told 3 "$name" "the dump has the log of the host" \
		in_order "$host" 'crash-init: up' 'vmcore-dmesg: .*multikernel: crash: running' \
		'vmcore-dmesg: .*Kernel panic'
	told 4 "$name" "$what" in_order "$host" 'crash-init: up' "$regex" 'crash-init: done'
	echo "1..4"
}
crash dumped "the instance was stopped, and the dump has its memory" \
	'vmcore: 0x[0-9a-f]+ is there, and stays as it is' \
	"$(KVER=$HOST "$TOP/scripts/module" path)" dump_instances=1
crash "left-out" "the dump does not have the instance's memory" 'vmcore: 0x[0-9a-f]+ is left out'
exit "$status"
