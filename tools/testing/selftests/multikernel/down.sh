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

check "$1: an instance boots" boot down 1-2
check "$1: it runs" state down running none
case $1 in
kexec)
	check "$1: the next kernel is loaded" kexec --load --kexec-file-syscall "$MK_KERNEL" \
		--initrd="$MK_ROOTFS" \
		--command-line="console=ttyS0 loglevel=7 mk.act=poweroff"
	set -- kexec --exec
	;;
*) set -- busybox "$1" ;;
esac
# What follows kills this shell.
finished=yes
echo "1..$tests"
[ "$failed" = 0 ] || exit 1
exec "$@" -f
