#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Integrity measurement sees the kernels and initrds that are loaded, as those of a
# kexec of the host itself. The machine has a policy afterwards.
. "$(dirname "$0")/lib.sh"

ima=/sys/kernel/security/ima

policy() {
	printf '%s\n' 'measure func=KEXEC_KERNEL_CHECK' 'measure func=KEXEC_INITRAMFS_CHECK' \
		>"$ima/policy"
}

# measured FILE: it is in the list, with what it has in it.
measured() {
	local hash
	hash=$(sha256sum "$1" | cut -d ' ' -f 1)
	grep -F -e "sha256:$hash $1" "$ima/ascii_runtime_measurements" ||
		{ tail -n 5 "$ima/ascii_runtime_measurements" && false; }
}

# loads NAME: from files of its own, as what was measured is not measured again.
loads() {
	cp "$MK_KERNEL" "$scratch/kernel-$1" && cp "$MK_ROOTFS" "$scratch/initrd-$1" &&
		mkctl load ima --kernel "$scratch/kernel-$1" --initrd "$scratch/initrd-$1" \
			--cmdline mk.agent=0
}

grep -q /sys/kernel/security /proc/mounts || mount -t securityfs securityfs /sys/kernel/security
[ -e "$ima/policy" ] || skip_all "this kernel has no CONFIG_IMA"

check "an instance is made" create ima 1
check "a kernel is loaded" loads before
check "nobody measures it" not measured "$scratch/kernel-before"
check "there is a policy to" policy
check "a kernel is loaded again" loads after
check "it is measured" measured "$scratch/kernel-after"
check "so is its initrd" measured "$scratch/initrd-after"
check "it starts" start ima
check "its user space is up" up ima 1 "$RELEASE"
check "it is removed" remove ima
check "the host is unharmed" unharmed
finish
