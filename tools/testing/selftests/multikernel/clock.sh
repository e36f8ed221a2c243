#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The clock of an instance with an agent is the host's, and the machine's RTC is left alone.
#
#	clock.sh ROOTFS CLOCK [KERNEL]
#
# As agent.sh. CLOCK is the program tools/testing/multikernel/guest/clock.c. KERNEL is the image of
# another kernel that ROOTFS has an agent for, one without ftrace. There must be two CPUs to lend.
MK_ROOTFS=$1
CLOCK=$2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

# So far may they be from each other, in microseconds. An emulated CPU that nobody runs for a second
# falls back by one for each ppm, so that is all that can be said of rates that no clock has.
LIMIT_US=100
FAST=500
# What an instance writes to its log is not thrown away.
SPEAK=printk.devkmsg=on
# A kernel goes on with the source of its clock that it has for its first second. It would begin anew
# with another one, and forget that it was synchronized.
EARLY=initcall_blacklist=init_tsc_clocksource
# A year that the RTC has only if it was set by this test.
YEAR=2001

# The counter's value of the last pair of the host.
mark() { sed -n 's/^clock: pair \([0-9]*\) .*/\1/p' "$scratch/host" | tail -n 1; }

# later COMMAND...: COMMAND, and a second for all to learn of it.
later() {
	"$@" && sleep 1 && from=$(mark)
}

# near NAME SECONDS COMMAND...: from COMMAND on, for so long, the clocks are near each other.
near() {
	local name=$1 seconds=$2 from
	shift 2
	from=$(mark)
	"$@" || return
	# The time is what is asked about.
	sleep "$seconds"
	mkctl dmesg "$name" >"$scratch/instance"
	"$(dirname "$0")/clock.py" "$scratch/host" "$scratch/instance" "$from" "$LIMIT_US" |
		tee -a "$scratch/told"
	[ "${PIPESTATUS[0]}" = 0 ]
}

year_is() { is "the RTC's year" "$1" "$("$CLOCK" rtc | sed -n 's/^clock: rtc //p')"; }

# within SECONDS COMMAND...: it succeeds at last.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return
		sleep 0.2
	done
}

"$CLOCK" pairs 50 >"$scratch/host" &
pairs=$!

# ---- near -------------------------------------------------------------------

check "this kernel's clock is made from the counter" \
	is "the clock source" tsc "$(</sys/devices/system/clocksource/clocksource0/current_clocksource)"
check "it goes as it likes" "$CLOCK" rate 0
check "an instance boots" begin blue 1-2 load,accepted,ptp,pairs "$SPEAK"
check "its agent is ready" ready blue
check "its clock was set" said blue "this kernel's clock was -?[0-9]+ ms ahead of the host's: set"
check "its PTP clock is read" said blue 'clock: ptp ahead'
check "and precisely" said blue 'clock: ptp precisely ahead'
check "it tells its time" said blue 'clock: pair'
check "its clock is the host's" near blue 20 true
check "also when that goes faster" near blue 20 "$CLOCK" rate 50
check "or slower" near blue 20 "$CLOCK" rate -50
LIMIT_US=$FAST
check "much faster, a second later" near blue 20 later "$CLOCK" rate $FAST
check "much slower" near blue 20 later "$CLOCK" rate -$FAST
LIMIT_US=100
check "as before" near blue 5 later "$CLOCK" rate 0
check "also when that is set, a second later" near blue 10 "$CLOCK" step 3000
check "backwards" near blue 10 "$CLOCK" step -7000
check "it is removed" remove blue

# So an agent has it that is there within the first second.
check "an instance boots that never knows the counter's rate better" \
	begin blue 1-2 load,accepted,ptp,pairs "$SPEAK $EARLY"
check "its agent is ready" ready blue
check "its clock was set all the same" said blue "this kernel's clock was -?[0-9]+ ms ahead of the host's: set"
check "its PTP clock is read precisely" said blue 'clock: ptp precisely ahead'
check "it tells its time" said blue 'clock: pair'
check "its clock is the host's" near blue 10 true
check "its clock source is still the first" not logged blue 'clocksource: Switched to clocksource tsc$'
check "it is removed" remove blue
check "the host is unharmed" unharmed
sed 's/^/# /' "$scratch/told"

# ---- the RTC ----------------------------------------------------------------

# The kernel does so at once, and then every 11 minutes: so it is set before that.
check "the RTC is set" "$CLOCK" rtc $YEAR
check "an instance boots without an agent" begin blue 1-2 future,synchronized "$SPEAK $EARLY"
check "it is synchronized" said blue 'done synchronized: 0'
check "a synchronized kernel sets it" within 120 not year_is $YEAR
check "it is removed" remove blue

# It is by the function that sets it that the agent tells so, in place of setting it.
# left_alone KERNEL IMAGE
left_alone() {
	check "$1: the RTC is set" "$CLOCK" rtc $YEAR
	MK_KERNEL=$2 check "$1: an instance boots with an agent" \
		begin blue 1-2 load,accepted,synchronized "$SPEAK $EARLY"
	check "$1: it is synchronized" said blue 'done synchronized: 0'
	check "$1: it comes to set the RTC, and does not" \
		said blue "the machine's RTC is left to the host"
	check "$1: which is as it was" year_is $YEAR
	check "$1: it is removed" remove blue
}

left_alone stock "$MK_KERNEL"
# Probes of functions are of another kind there.
MEMORY=512M
[ -z "${3:-}" ] || left_alone own "$3"
check "the RTC is right again" "$CLOCK" rtc "$(date +%Y)"
check "the host is unharmed" unharmed
kill "$pairs"
finish
