#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances whose agents do what they must not do: the host goes on with its work, and others with
# theirs.
#
#	hostile.sh ROOTFS MODULE
#
# As agent.sh; MODULE is what this kernel has loaded. There must be three CPUs to lend.
# $MK_HOSTILE_SECONDS is how long memory is written to at random.
MK_ROOTFS=$1
MODULE=$2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

# Rings for nothing in 20 ms: those of an emulated machine take a millisecond each.
STORM=8
SECONDS_RANDOM=${MK_HOSTILE_SECONDS:-20}

# How often this kernel was rung, by all instances.
rings() { awk '/multikernel/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts; }

# When the host's log has a line like that first, in milliseconds.
when() { dmesg | sed -nE "/$1/{s/^\[ *([0-9]+)\.([0-9]{3}).*/\1\2/p;q}"; }

# apart REGEX REGEX MS: no more than that is between two lines of the log.
apart() {
	local first last
	first=$(when "$1") last=$(when "$2")
	echo "from ${first:-?} to ${last:-?} ms"
	[ -n "$first" ] && [ -n "$last" ] && [ $((last - first)) -le "$3" ]
}

# few RINGS: no more since $before.
few() {
	local rings=$(($(rings) - before))
	echo "rung $rings times"
	[ "$rings" -le "$1" ]
}

# goes_on NAME SECONDS: it answers all the time.
goes_on() {
	local end=$((SECONDS + $2))
	while [ "$SECONDS" -lt "$end" ]; do answers "$1" 20 || return; done
}

anew() { rmmod multikernel && insmod "$MODULE" "$@"; }

check "a storm is less than usual" anew storm_rings=$STORM
check "an instance with a good agent boots" begin good 1 load,accepted
check "it is ready" ready good

# ---- storms -----------------------------------------------------------------

before=$(rings)
check "an instance boots whose agent storms" begin storm 2 load,accepted,storm
check "it is stopped" awaits storm crashed
check "the host knows why" state storm crashed misbehaved
check "its agent was told before" host_said 'storm: its agent is refused: it rings without end' \
	'storm: its agent is gone: it did what it must not do' 'storm: it goes on ringing: stopped'
check "that took no time" apart 'storm: its agent is refused' 'storm: it goes on ringing' 100
# Twice what is noticed, and all that was good.
check "it did not ring often" few 1000
check "the good one goes on" answers good 100
check "the host is unharmed" unharmed

before=$(rings)
check "it boots again, and rings as long as it may" again storm load,accepted,fault
check "it is noticed" agent storm gone
check "the host knows why" agent_is storm gone misbehaved
check "it does not ring any more" said storm 'is not to ring any more'
check "it goes on without" state storm running none
check "it did not ring often" few 1000
check "it is not asked" fails 'did what it must not do' mkctl ping storm
check "the good one goes on" answers good 100
check "it is removed" remove storm
check "the host is unharmed" unharmed

# ---- anything ---------------------------------------------------------------

check "an instance boots that writes anything" begin random 2 load,accepted,random
check "it writes" said random 'hostile: writes'
check "another instance comes and goes" begin other 3 load,accepted
check "it is ready" ready other
check "the good one goes on" goes_on good "$SECONDS_RANDOM"
check "so does the other" answers other 100
check "it is stopped in good order" mkctl stop other --timeout "$BOOT"
check "the bad one is shown" mkctl show random
check "it is killed" mkctl kill random
check "and boots again, for the better" again random load,accepted
check "its agent is ready" ready random
check "it answers" answers random 10
check "all are removed" remove random other good
check "the host is unharmed" unharmed
finish
