#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On a host whose kernel has the module built in: it is that, and
# it starts what kexec loads.
. "$(dirname "$0")/lib.sh"

by_kexec() {
	load_with "$1" --kexec --kernel "$MK_KERNEL" --initrd "$MK_ROOTFS" --cmdline "mk.agent=0 ${2:-}"
}

check "no module is loaded" not grep -q '^multikernel ' /proc/modules
check "the host can start instances" tells '^ok +module +' mkctl check
check "an instance is made" create builtin 1-2
check "kexec loads a kernel" by_kexec builtin mk.act=beat
check "it starts" start builtin
check "its user space is up" up builtin 2 "$RELEASE"
check "it goes on" beats builtin
check "while it runs nothing can be loaded" fails 'os error 16' by_kexec builtin
check "it is killed" mkctl kill builtin
check "it is loaded again, by the ioctl" load builtin
check "and starts" start builtin
check "it is removed" remove builtin
check "the host is unharmed" unharmed
finish
