#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many kernels at once that know what they are (CONFIG_MULTIKERNEL_GUEST), on a CPU
# each: all of them together take one slot below 1 MiB.
#
#	many.sh COUNT
#
# $MK_KERNEL is one. There must be COUNT CPUs to lend.
. "$(dirname "$0")/lib.sh"

count=$1
names=()
for ((n = 1; n <= count; n++)); do names+=("guest-$n"); done

# prepare NUMBER
prepare() { create "guest-$1" "$1" && load "guest-$1" mk.act=beat; }

runs() { state "$1" running none; }

# is_right NAME: all that it has is a CPU, and memory above 1 MiB.
is_right() {
	up "$1" 1 "$RELEASE" || return
	not grep -E 'BIOS-e820: \[mem 0x0{11}' "$scratch/log"
}

slots=$(checked slots)
check "no slot is taken" free_slots "$slots"
for ((n = 1; n <= count; n++)); do
	check "guest $n is loaded" prepare "$n"
	# Each has the machine for itself while it finds out how fast its timer is.
	check "guest $n is up" start "guest-$n"
done
check "they take one slot of $slots, and use none" free_slots $((slots - 1))
for name in "${names[@]}"; do check "$name has nothing below 1 MiB" is_right "$name"; done
check "all run at once" together runs "${names[@]}"
for name in "${names[@]}"; do check "$name goes on" beats "$name"; done
check "the host is unharmed" unharmed
check "one of them is killed" mkctl kill guest-1
check "the slot is still the others'" free_slots $((slots - 1))
check "all are killed" mkctl kill "${names[@]:1}"
check "the slot is free" free_slots "$slots"
check "the host is unharmed" unharmed
check "they are removed" mkctl rm "${names[@]}"
finish
