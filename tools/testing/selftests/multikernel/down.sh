#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host goes down while an instance runs. Nothing can be told afterwards: that
# the instance was stopped first is to be seen on the host's console.
#
#	down.sh reboot|poweroff|kexec
#
# With kexec the next kernel is $MK_KERNEL, with $MK_ROOTFS; it powers off.
. "$(dirname "$0")/lib.sh"

way=$1
runs() { mkctl create down --ncpus 2 --memory "$MEMORY" && load down && start down; }

next_kernel() {
	kexec --load --kexec-file-syscall "$MK_KERNEL" --initrd="$MK_ROOTFS" \
		--command-line="console=ttyS0 loglevel=7 mk.act=poweroff"
}

check "$way: an instance boots" runs
check "$way: it runs" state down running none
[ "$way" != kexec ] || check "$way: the next kernel is loaded" next_kernel
# What follows ends this shell.
finished=yes
echo "1..$tests"
[ "$failed" = 0 ] || exit 1
case $way in
kexec) exec kexec --exec ;;
*) exec busybox "$way" -f ;;
esac
