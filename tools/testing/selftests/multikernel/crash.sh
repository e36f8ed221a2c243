#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host crashes, with a crash kernel, while an instance runs. Nothing can be told
# afterwards: what the crash kernel finds is to be seen on its console.
#
#	crash.sh KERNEL INITRD [MODULE PARAMETER...]
#
# They are the crash kernel's (tools/testing/multikernel/guest/crash-init), for which
# the host has memory (crashkernel=). With MODULE the module is loaded anew. The crash
# kernel is loaded before the instance has its memory.
. "$(dirname "$0")/lib.sh"

crash_kernel=$1
crash_initrd=$2
MODULE=${3:-}
loaded() {
	kexec --load-panic --kexec-file-syscall "$crash_kernel" --initrd="$crash_initrd" \
		--command-line="console=ttyS0 loglevel=4 nr_cpus=1 irqpoll reset_devices rdinit=/crash-init"
}
runs() { load crash mk.act=beat && start crash && said crash 'alive'; }

[ -z "$MODULE" ] || check "the module is loaded with ${*:4}" anew "${@:4}"
check "the crash kernel is loaded" loaded
check "an instance is made" create crash 1
check "it runs" runs
# To be found by the crash kernel, in the log in the dump.
mkctl show --json crash | jq -r '.ranges[] | "crash: range \(.start) \(.bytes)"' >/dev/kmsg
# What follows ends this shell.
finished=yes
echo "1..$tests"
[ "$failed" = 0 ] || exit 1
echo 1 >/proc/sys/kernel/sysrq
echo c >/proc/sysrq-trigger
