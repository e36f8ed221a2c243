#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that hang are known to, and others are not taken for such.
#
#	heartbeat.sh ROOTFS
#
# As agent.sh. There must be two CPUs to lend.
MK_ROOTFS=$1
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

# silent NAME TIME: it does not count as hung for so long.
silent() { fails 'did not come within' mkctl wait "$1" --agent hung --timeout "$2"; }

# How long it had not beaten when it was found to hang, in tenths of a second.
tenths() {
	dmesg | sed -nE "s/.*multikernel: $1: its agent is hung: no beat for ([0-9]+)\.([0-9]) s/\1\2/p" |
		head -n 1
}

# took NAME MIN MAX
took() {
	local tenths
	tenths=$(tenths "$1")
	if [ "${tenths:-0}" -lt "$2" ] || [ "$tenths" -gt "$3" ]; then
		echo "found after ${tenths:-?} tenths of a second, not $2 to $3"
		return 1
	fi
}

# loaded COMMAND...: while all CPUs of this kernel have something better to do.
loaded() {
	local cpu status=0 pids=()
	for cpu in $(cpus "$(</sys/devices/system/cpu/online)"); do
		taskset -c "$cpu" bash -c 'while :; do :; done' &
		pids+=($!)
	done
	"$@" || status=$?
	kill "${pids[@]}"
	wait "${pids[@]}"
	return "$status"
}

# quiet SECONDS MAX: so often at most this kernel is rung meanwhile.
quiet() {
	local before
	before=$(rings)
	# The time is what is asked about.
	sleep "$1"
	before=$(($(rings) - before))
	echo "rung $before times"
	[ "$before" -le "$2" ]
}

# ---- what is no reason ------------------------------------------------------

check "an instance boots" begin blue 1-2 load,accepted
check "its agent is ready" ready blue
check "the default is told" shows blue .hung_ns 10000000000
check "its heart does not ring" quiet 10 0
check "it is not hung while the host is loaded" loaded silent blue 30s
check "it is ready" agent_is blue ready null
check "the host's log has no word of it" not grep -q 'is hung' <(dmesg)
check "it is removed" remove blue
check "the host is unharmed" unharmed

check "an instance boots whose agent goes" begin blue 1-2 load,accepted,unload "" --hung-after 2s
check "it goes" agent blue gone
check "nobody is missed" silent blue 10s
check "it is removed" remove blue

check "an instance boots that need not beat" begin blue 1-2 load,accepted,spin "" --hung-after 0
check "its agent is ready" ready blue
check "that is told" shows blue .hung_ns null
check "it hangs" said blue 'spins with interrupts off'
check "nobody notices" silent blue 15s
check "it is removed" remove blue
check "the host is unharmed" unharmed

# ---- what is ----------------------------------------------------------------

check "an instance boots" begin blue 1-2 load,accepted,spin "" --hung-after 4s
check "its agent is ready" ready blue
check "it hangs" said blue 'spins with interrupts off'
check "that is found" timeout 60 mkctl wait blue --agent hung --timeout 50s
check "within the time" took blue 40 56
check "it is shown" agent_is blue hung null
check "in the list, too" listed blue hung
check "it still runs" state blue running none
check "it does not answer" fails 'does not answer' mkctl ping blue --timeout 1s
check "it is killed" mkctl kill blue
check "the host knows" state blue stopped killed
check "it is not hung any more" agent_is blue gone ended
check "the host is unharmed" unharmed
check "it boots again, and stalls for a while" again blue load,accepted,stall
check "that is found" agent blue hung
check "it goes on" agent blue ready
check "it answers" answers blue 10
check "the host has seen it all" host_said 'agent is ready' 'agent is hung: no beat for' 'agent is ready'
check "it is removed" remove blue
check "the host is unharmed" unharmed
finish
