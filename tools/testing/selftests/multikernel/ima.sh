#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Integrity measurement sees the kernels and initrds that are loaded, as those of a
# kexec of the host itself.
#
#	ima.sh [DIRECTORY]
#
# With DIRECTORY kexec_file_load() loads them, signed by DIRECTORY/key.pem, of which
# DIRECTORY/cert.pem is the certificate. The machine has a policy afterwards.
. "$(dirname "$0")/lib.sh"
keys=${1:-}

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

make_image() {
	if [ -n "$keys" ]; then
		"$(dirname "$0")/sign-image.py" "$MK_KERNEL" "$scratch/image" "$keys/key.pem" "$keys/cert.pem"
	else
		cp "$MK_KERNEL" "$scratch/image"
	fi
}

# loads NAME: from files of its own, as what was measured is not measured again.
loads() {
	cp "$scratch/image" "$scratch/kernel-$1" && cp "$MK_ROOTFS" "$scratch/initrd-$1" &&
		mkctl load ima ${keys:+--kexec} --kernel "$scratch/kernel-$1" \
			--initrd "$scratch/initrd-$1" --cmdline mk.agent=0
}

grep -q /sys/kernel/security /proc/mounts || mount -t securityfs securityfs /sys/kernel/security
[ -e "$ima/policy" ] || skip_all "this kernel has no CONFIG_IMA"

check "an image is made" make_image
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
