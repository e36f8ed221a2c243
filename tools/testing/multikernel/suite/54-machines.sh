#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Other machines, and Debian's kernel for real ones as the host. Each but the last ends
# while an instance runs.
. "$(dirname "$0")/lib.sh"

use_host "${MK_HOST:-amd64}"

# QEMU's emulation of interrupt remapping does not bear several threads.
QEMU=newer lab_down x2apic reboot --cpus 4 --timeout 900 --append intel_iommu=on \
	--qemu-opts "-accel tcg,thread=single -device intel-iommu,intremap=on,eim=on" -- \
	bash -c '"$0/x2apic.sh"; exec "$0/down.sh" reboot' "$SELFTESTS"

lab_down topology poweroff --cpus 4,sockets=2,cores=1,threads=2 --timeout 900 \
	--memory 3G --numa 2G,cpus=0-1 --numa 1G,cpus=2-3 -- \
	bash -c '"$0/topology.sh"; exec "$0/down.sh" poweroff' "$SELFTESTS"

lab_down kexec kexec --cpus 4 --timeout 300 -- "$SELFTESTS/down.sh" kexec

# Memory that is free is not zero here. The debug host needs a minute more to poison all of it.
lab poisoned --cpus 4 --timeout 600 --append page_poison=1 -- "$PROGRAMS/memory" -t ranges
