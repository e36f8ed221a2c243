#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What kexec does for instances on kernels with our series: loading by
# kexec_file_load(), on one that verifies signatures and on one that takes nothing
# else, and a crash kernel, which is compared with that of a stock kernel. There IMA is
# seen to measure what is loaded, too. The kernels are built first.
. "$(dirname "$0")/../lib.sh"

status=0
for host in patched signed; do
	use_host "$host"
	lab "$host" --cpus 4 --timeout 1800 -- \
		"$SELFTESTS/kexec.sh" "$BUILD/patched" "$(KVER=$HOST "$TOP/scripts/module" path)" ||
		status=1
done
# What the crash kernel finds its console tells.
"$TOP/tools/testing/multikernel/guest/build" crash

# crash LAB WHAT REGEX WHAT REGEX [WORD...]: the host crashes; its dump has such a line
# about the memory of the instance, and so has what makedumpfile makes of it. More words
# are for the module.
crash() {
	local name=$STEP-$1 host=$BUILD/lab/$STEP-$1/host.log code=0
	boot_lab "$1" --cpus 3 --memory 3G --timeout 900 --append crashkernel=1G -- \
		env MK_MEMORY=128M "$SELFTESTS/crash.sh" "$(kernel cloud)/vmlinuz" "$BUILD/crash.cpio" \
		"${@:6}" || code=$?
	echo "TAP version 13"
	# 125: the machine went down before the command ended.
	told 1 "$name" "the host crashes" [ "$code" = 125 ]
	told 2 "$name" "the crash kernel starts" \
		in_order "$host" 'Trigger a crash' 'crash-init: up'
	told 3 "$name" "the dump has the log of the host" \
		in_order "$host" 'crash-init: up' 'vmcore-dmesg: .*multikernel: crash: running' \
		'vmcore-dmesg: .*Kernel panic'
	told 4 "$name" "$2" in_order "$host" 'crash-init: up' "$3" 'crash-init: done'
	told 5 "$name" "makedumpfile makes a dump" \
		in_order "$host" 'crash-init: up' 'makedumpfile: [1-9][0-9]* MiB' 'crash-init: done'
	told 6 "$name" "$4" in_order "$host" 'makedumpfile: [1-9]' "$5" 'crash-init: done'
	echo "1..6"
}
use_host patched
crash dumped "the instance was stopped, and the dump has its memory" \
	'vmcore: 0x[0-9a-f]+ is there, and stays as it is' \
	"so has that of makedumpfile, but for what is zero" \
	'dump: 0x[0-9a-f]+ is there in parts' \
	"$(KVER=$HOST "$TOP/scripts/module" path)" dump_instances=1
crash left-out "the instance was stopped, and the dump does not have its memory" \
	'vmcore: 0x[0-9a-f]+ is left out, and stays as it is' \
	"it does not have it, either" 'dump: 0x[0-9a-f]+ is left out'
# A stock kernel has IMA.
use_host "$PIN_FLAVOUR"
lab measured --cpus 2 --timeout 600 -- "$SELFTESTS/ima.sh" || status=1
# On it an instance goes on. Whether that is left out is up to makedumpfile.
crash stock "the instance was not stopped, and the dump has its memory" \
	'vmcore: 0x[0-9a-f]+ is there, and changes' \
	"it is not in the way of that" 'dump: 0x[0-9a-f]+ is '
exit "$status"
