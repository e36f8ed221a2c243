#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host with its local APICs in x2APIC mode. An instance has no interrupt
# remapping, so it leaves that mode; its CPUs come back to it.
. "$(dirname "$0")/lib.sh"

grep -q 'x2apic mode' "$scratch/boot" || skip_all "the host is not in x2APIC mode"
modprobe msr 2>/dev/null || [ -e /dev/cpu/0/msr ] || skip_all "the module msr is not there"

apic_base() { msr "$(cpus "$online" | paste -sd,)" 0x1b; }

# Bits 10 and 11 of IA32_APIC_BASE: x2APIC mode, and on.
x2apic_mode() {
	local line
	apic_base >"$scratch/bases" || return
	while read -r line; do
		echo "$line"
		[ $((${line##* } & 0xc00)) = $((0xc00)) ] || return
	done <"$scratch/bases"
}

restarts() { load x2 mk.act=reboot && mkctl start x2; }

check "the host's CPUs are in x2APIC mode" x2apic_mode
apic_base >"$scratch/before"
check "an instance boots" boot x2 1-2
check "on both of its CPUs" up x2 2 "$RELEASE"
check "it is killed" mkctl kill x2
check "its CPUs are in x2APIC mode again" x2apic_mode
apic_base >"$scratch/after"
check "nothing else of it has changed" diff "$scratch/before" "$scratch/after"
check "the host is unharmed" unharmed
check "the instance restarts" restarts
check "that rings the host, in the other mode" awaits x2 stopped
check "the host knows why" state x2 stopped restart
check "the host is unharmed" unharmed
check "the CPUs are in x2APIC mode again" x2apic_mode
finish
