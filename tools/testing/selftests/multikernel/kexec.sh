#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that kexec_file_load() loads into instances: which signatures it takes,
# and what lockdown makes of it.
#
#	kexec.sh DIRECTORY MODULE
#
# The host's kernel trusts DIRECTORY/cert.pem, the certificate of DIRECTORY/key.pem.
# MODULE is the module that is loaded. The machine is locked down afterwards.
. "$(dirname "$0")/lib.sh"

keys=$1
MODULE=$2
here=$(dirname "$0")

# What a signature is missing, in the words of the C library.
UNSIGNED='os error 61' FOREIGN='os error 126' TAMPERED='os error 129' NOT_PERMITTED='os error 1\)'

sign() { "$here/sign-image.py" "$MK_KERNEL" "$@"; }
make_images() {
	openssl req -x509 -newkey rsa:2048 -nodes -batch -subj /CN=foreign \
		-keyout "$scratch/key.pem" -out "$scratch/cert.pem" &&
		sign "$scratch/own" "$keys/key.pem" "$keys/cert.pem" &&
		sign "$scratch/foreign" "$scratch/key.pem" "$scratch/cert.pem" &&
		sign "$scratch/unsigned" &&
		cp "$scratch/own" "$scratch/tampered" &&
		printf 'x' | dd of="$scratch/tampered" bs=1 seek=3000000 conv=notrunc
}

# by_kexec NAME IMAGE [CMDLINE]
by_kexec() {
	load_with "$1" --kexec --kernel "$scratch/$2" --initrd "$MK_ROOTFS" \
		--cmdline "mk.agent=0 ${3:-}"
}
# raw ID IMAGE [FLAGS]: what mkctl does not do.
raw() { "$here/kexec.py" "$1" "$scratch/$2" quiet "${@:3}"; }
number() { mkctl show --json "$1" | jq .id; }
run() { by_kexec "$@" && start "$1"; }
lock_down() { echo "$1" >/sys/kernel/security/lockdown; }
enforces() { zcat /proc/config.gz | grep -qx CONFIG_KEXEC_SIG_FORCE=y; }

grep -q /sys/kernel/security /proc/mounts || mount -t securityfs securityfs /sys/kernel/security

check "images are made" make_images
check "an instance has an id" create one 1
id=$(number one)
check "which is told" tells "^ +id +$id\$" mkctl show one
check "a flag of a kexec is refused" fails 'os error 22' raw "$id" own 0x2
check "and what unloads" fails 'os error 22' raw "$id" own 0x1
check "and one that does not exist" fails 'os error 22' raw "$id" own 0x8000
check "there has to be such an instance" fails 'os error 2\)' raw 4711 own
check "no other has its id" not is "the id" "$id" "$(create two 2 && number two)"
check "another is removed" remove two
check "a file that is no kernel is none" fails 'os error 8\)' raw "$id" key.pem
check "nothing was changed by that" state one created none

if enforces; then
	check "an unsigned kernel is refused" fails "$UNSIGNED" by_kexec one unsigned
	check "and one that a foreign key signed" fails "$FOREIGN" by_kexec one foreign
	check "and one that was changed" fails "$TAMPERED" by_kexec one tampered
	check "the ioctl is refused: it verifies nothing" fails 'valid signature' load one
	check "nothing was changed by that, either" state one created none
else
	check "an unsigned kernel runs, as a kexec of it does" run one unsigned
	check "its user space is up" up one 1 "$RELEASE"
	check "it is killed" mkctl kill one
	check "a kernel that a foreign key signed is loaded" by_kexec one foreign
fi
check "a signed kernel is loaded" by_kexec one own
check "it is there" state one loaded none
if enforces; then
	check "a refused one leaves it there" fails "$TAMPERED" by_kexec one tampered
	check "as it was" state one loaded none
fi
check "it starts" start one
check "its user space is up" up one 1 "$RELEASE"
check "while it runs nothing can be loaded" fails 'os error 16' by_kexec one own
check "it is not told to lock itself down" not logged one 'lockdown='
check "it is killed, to be loaded again" mkctl kill one
check "an option that would reach the host is refused" fails 'os error 22' by_kexec one own acpi=off
check "and the host's log says why" tells 'one: not loaded: .*acpi=off' dmesg
check "it is removed" remove one
check "the module can be loaded anew" anew
rmmod multikernel
check "without the module nobody takes a kernel" fails 'os error 19' raw 1 own
check "and with it again" insmod "$MODULE"

# What was loaded before, and who may start it.
check "one instance is made before lockdown" create before 1
check "with a signed kernel" by_kexec before own
check "and one" create other 2
if enforces; then
	check "with another" by_kexec other own
else
	check "with an unsigned one" by_kexec other unsigned
fi
check "the host is locked down" lock_down integrity
check "this is told" tells 'lockdown +integrity: only signed' mkctl check
check "a kernel that does not know of it does not start" \
	fails 'locked down after the load' mkctl start before
enforces || check "nor does an unsigned one" fails 'no signature' mkctl start other
check "both are still there" state before loaded none
check "MK_LOAD is refused" fails 'locked down' load before
enforces || check "and an unsigned kernel" fails "$NOT_PERMITTED" by_kexec before unsigned
enforces || check "and a foreign one" fails "$NOT_PERMITTED" by_kexec before foreign
enforces || check "and one that was changed" fails "$NOT_PERMITTED" by_kexec before tampered
check "lockdown cannot be left out" fails 'os error 22' by_kexec before own lsm=capability
check "the host's log says so" tells 'it could leave lockdown out' dmesg
check "nor weakened" run before own lockdown=none
check "its user space is up" up before 1 "$RELEASE"
check "its kernel has locked itself down, too" logged before 'Kernel is locked down'
check "as it was told to" logged before 'Command line: .*lockdown=integrity'
check "another instance can be made" create after 3
check "and runs" run after own
check "all are removed" remove before other after

check "the host is locked down further" lock_down confidentiality
check "an instance is made" create secret 1
check "with a kernel that ends by itself" by_kexec secret own mk.act=poweroff
check "it starts" mkctl start secret
check "its memory cannot be read" fails 'os error 1\)|permitted' mkctl dmesg secret
check "it ends" awaits secret stopped
check "the host is unharmed" unharmed
echo 1 >/proc/sys/kernel/kexec_load_disabled
check "nothing is loaded any more once that is disabled" fails "$NOT_PERMITTED" by_kexec secret own
check "it is removed" remove secret
finish
