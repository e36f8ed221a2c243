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

# rationed LINE: from its agent's being ready to that LINE in this kernel's log, storm rang no more
# since $before than a line may be rung in each 20 ms: $STORM times for nothing, and the one that is
# too many. That is so however slow the machine is. There are two storms at most, cut off anywhere,
# and the boot's rings.
rationed() {
	local rings=$(($(rings) - before)) ms most
	ms=$(dmesg | awk -F '[][]' -v line="storm: $1" '
		index($0, "storm: its agent is ready") { from = $2; to = from }
		index($0, line) { to = $2 }
		END { printf "%d", (to - from) * 1000 }')
	most=$(((ms / 20 + 4) * (STORM + 1) + 50))
	echo "rung $rings times in $ms ms, may be $most times"
	[ "$ms" -gt 0 ] && [ "$rings" -le "$most" ]
}

# lines REGEX MAX: the host's log has no more of them.
lines() {
	local lines
	lines=$(dmesg | grep -c "$1")
	echo "there are $lines"
	[ "$lines" -le "$2" ]
}

# How often the threads that look have slept.
looks() {
	grep -lsx 'irq/[0-9]*-multik.*' /proc/[0-9]*/comm | sed 's/comm$/status/' |
		xargs awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n + 0 }'
}

# seldom: less than every second of the rings since $before.
seldom() {
	local rings=$(($(rings) - before)) looks=$(($(looks) - before_looks))
	echo "rung $rings times, looked at $looks times"
	[ "$rings" -gt 500 ] && [ $((2 * looks)) -lt "$rings" ]
}

# goes_on NAME SECONDS: it answers all the time.
goes_on() {
	local end=$((SECONDS + $2))
	while [ "$SECONDS" -lt "$end" ]; do answers "$1" 20 || return; done
}

check "an instance with a good agent boots" begin good 1 load,accepted
check "it is ready" ready good

# ---- one that is refused ----------------------------------------------------

before=$(rings)
before_looks=$(looks)
check "an instance boots whose agent comes and goes without end" begin storm 2 load,accepted,flap
check "that is noticed" said storm 'is not to ring any more'
check "the host knows" agent_is storm gone misbehaved
check "and why" host_said 'storm: its agent is refused: it comes and goes without end'
# Two for each time that it may.
check "it did not say much of it" lines 'storm: its agent' 250
check "it rings on" said storm 'has rung 2000 times more'
check "which is looked at now and then" seldom
check "it goes on without" state storm running none
check "the good one goes on" answers good 100
check "the host is unharmed" unharmed
check "all are removed" remove storm good

# ---- storms -----------------------------------------------------------------

check "a storm is less than usual" anew storm_rings=$STORM
check "the good one boots again" begin good 1 load,accepted
check "it is ready" ready good

before=$(rings)
check "an instance boots whose agent storms" begin storm 2 load,accepted,storm
check "it is stopped" awaits storm crashed
check "the host knows why" state storm crashed misbehaved
check "its agent was told before" host_said 'storm: its agent is refused: it rings without end' \
	'storm: its agent is gone: it did what it must not do' 'storm: it goes on ringing: stopped'
check "it rang no more than it may" rationed 'it goes on ringing: stopped'
check "the good one goes on" answers good 100
check "the host is unharmed" unharmed

before=$(rings)
check "it boots again, and rings as long as it may" again storm load,accepted,fault
check "it is noticed" agent storm gone
check "the host knows why" agent_is storm gone misbehaved
check "it does not ring any more" said storm 'is not to ring any more'
check "it goes on without" state storm running none
check "it rang no more than it may" rationed 'its agent is refused: it rings without end'
check "it is not asked" fails 'did what it must not do' mkctl ping storm
check "the good one goes on" answers good 100
check "it is killed" mkctl kill storm
check "the host is unharmed" unharmed

check "it is removed" remove storm

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
