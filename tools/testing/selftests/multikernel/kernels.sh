#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unmodified kernels as instances, three and two at once, each on two CPUs,
# from the first instruction to a restart.
#
#	kernels.sh DIRECTORY...
#
# A DIRECTORY holds vmlinuz, and release: what uname -r says there. There must
# be six CPUs to lend for three of them.
. "$(dirname "$0")/lib.sh"

begin() {
	local name=$1 cpus=$2 directory=$3
	create "$name" "$cpus" && load "$name" mk.act=reboot "$directory/vmlinuz" &&
		announce "$name" "$name"
}

stopped() { awaits "$1" stopped; }

# ran_together NAME...: each started before the first of them ended.
ran_together() {
	local times
	times=$(for name; do mkctl show --json "$name"; done)
	jq -s '{last_start: (map(.started_ns) | max), first_end: (map(.ended_ns) | min)}' <<<"$times"
	jq -se '(map(.started_ns) | max) < (map(.ended_ns) | min)' <<<"$times"
}

# How many were started anew, as they had no timer.
restarts() { touch "$scratch/timerless" && wc -l <"$scratch/timerless"; }

# at_once NAME...: if one was started anew, and later than the others, they all are.
at_once() {
	local try name now
	for try in 1 2 3; do
		ran_together "$@" && return
		now=$(restarts)
		[ "$now" -gt "$known" ] || return
		known=$now
		echo "try $try: one had no timer"
		for name; do load_again "$name" || return; done
		started "$@" && together stopped "$@" || return
	done
	ran_together "$@"
}

batch() {
	local name cpu=1 names=() known
	known=$(restarts)
	for directory; do
		name=$(<"$directory/release")
		names+=("$name")
		check "$name is loaded" begin "$name" "$cpu-$((cpu + 1))" "$directory"
		cpu=$((cpu + 2))
	done
	check "${#names[@]} instances are started" started "${names[@]}"
	check "all of them end" together stopped "${names[@]}"
	check "they ran at once" at_once "${names[@]}"
	for name in "${names[@]}"; do
		check "$name: user space on two CPUs" up "$name" 2 "$name"
		check "$name: no CPU fails to start" \
			not logged "$name" 'do_boot_cpu|smpboot:.*(fail|not respond)|Not responding'
		check "$name: it has restarted, and the machine has not" state "$name" stopped restart
	done
	check "the host is unharmed" unharmed
	check "they are removed" mkctl rm "${names[@]}"
}

while [ $# -gt 0 ]; do
	batch "${@:1:3}"
	shift "$(($# < 3 ? $# : 3))"
done
finish
