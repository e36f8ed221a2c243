#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Many channels at once, both ways, every byte looked at, while one of two
# instances is killed and started again, and CPUs come and go on both sides.
#
#	traffic.sh ROOTFS TRAFFIC
#
# ROOTFS is entered with rdinit=/agent-init; it has the program TRAFFIC as
# /traffic (tools/testing/multikernel/guest). There must be five CPUs, the last of
# them for the host. MK_TRAFFIC_KILLS says how often the instance is killed (3),
# MK_TRAFFIC_PAUSE how long a pause is at most, in milliseconds (1000): each sender
# makes one after 8 messages or so.
MK_ROOTFS=$1
TRAFFIC=$2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/talks.sh"
KILLS=${MK_TRAFFIC_KILLS:-3}
PAUSE=${MK_TRAFFIC_PAUSE:-1000}
CHANNELS=16 PAIRS=4
SPARE=4

traffic() { timeout "$BOOT" "$TRAFFIC" "$@"; }

# all_along OPTION...: as long as the test takes, with all laps.
all_along() { exec timeout $((BOOT * (KILLS + 1))) "$TRAFFIC" -p "$PAUSE" -l "$@"; }

count() { grep -c "^lap" "$scratch/$1"; }

# laps TAG N: wait until so many more laps have passed there.
laps() {
	local end=$((SECONDS + BOOT)) wanted
	wanted=$(($(count "$1") + $2))
	until [ "$(count "$1")" -ge "$wanted" ]; do
		if [ "$SECONDS" -ge "$end" ] || ! kill -0 "$(<"$scratch/$1.pid")"; then
			tail -n 5 "$scratch/$1"
			echo "$(count "$1") of $wanted laps of $1 have passed"
			return 1
		fi
		sleep 0.1
	done
}

# shellcheck disable=SC2046
make_channels() {
	mkctl channel create blue $(seq -f t%g "$CHANNELS") whole flipped missing ended &&
		mkctl channel create green $(seq -f t%g "$CHANNELS") &&
		mkctl channel create blue $(seq -f p%g "$PAIRS") --peer green
}

# A CPU of the host comes and goes, with what programs do there. Doorbells of the
# host stay on its boot CPU; the one of green moves with its CPUs.
wander() {
	local cpu=/sys/devices/system/cpu/cpu$SPARE/online times=0
	until [ -e "$scratch/enough" ]; do
		echo 0 >"$cpu" && laps steady 1 || return
		echo 1 >"$cpu" && laps steady 1 || return
		times=$((times + 1))
	done
	echo "wandered $times times"
	[ "$times" -gt 0 ]
}

# It is blue that may be killed.
busy="also:/traffic+-p+$PAUSE+/dev/mk/host/t:$CHANNELS"
of_blue="$busy+/dev/mk/green/p:$PAIRS"
of_green="$busy+--+/dev/mk/blue/p:$PAIRS"

check "an instance is made" create blue 1
check "and another one" create green 2-3
check "they have channels" make_channels

# ---- what is wrong is noticed -------------------------------------------------

acts=load,also:/traffic+/dev/mk/host/ended,do:/traffic+-m+300+/dev/mk/host/whole
acts+=,do:/traffic+-x+40+/dev/mk/host/flipped,do:/traffic+-d+40+/dev/mk/host/missing
check "blue starts" again blue "$acts,$of_blue"
check "all that is sent comes" tells '^[0-9]+ messages' traffic /dev/mk/blue/whole
check "so says blue" ran blue 0 '/traffic -m 300 /dev/mk/host/whole'
check "a bit that is wrong is noticed" \
	fails 'flipped: (byte [0-9]+ of .*message 40 is|message 40 has|message [0-9]+ came in place of 40)' \
	traffic /dev/mk/blue/flipped
check "and blue notices that it went" ran blue 1 '/traffic -x 40 /dev/mk/host/flipped'
check "a message that is missing is noticed" \
	fails 'missing: message (41 came in place of 40|40 has)' traffic /dev/mk/blue/missing

# ---- all at once ----------------------------------------------------------------

check "green starts" again green "load,$of_green,wander"
aside ended all_along /dev/mk/blue/ended
aside steady all_along "/dev/mk/green/t:$CHANNELS"
aside frail all_along -- "/dev/mk/blue/t:$CHANNELS"
check "all channels with green are busy" laps steady 1
aside wander wander
for ((kill = 1; kill <= KILLS; kill++)); do
	check "all channels with blue are busy ($kill)" laps frail 2
	check "blue is killed ($kill)" mkctl kill blue
	check "those with green stay busy ($kill)" laps steady 2
	check "blue starts again ($kill)" again blue "load,$of_blue"
	[ "$kill" -gt 1 ] ||
		check "a channel that ends, and should not, is noticed" ended ended 1
done
check "all channels with blue are busy again" laps frail 2
check "those with green still are" laps steady 2
touch "$scratch/enough"
check "the host's CPU came and went" ended wander
check "so did that of green" said green 'the doorbell is back on CPU 0$'
check "the host has enough" kill -TERM "$(<"$scratch/steady.pid")"
check "nothing of green's was lost" ended steady
check "nor for green" ran green 0 '/traffic .*'
check "what came of blue's was right, and in order" ended frail
check "in a conversation for each time" is "the number" $((CHANNELS * (KILLS + 1))) \
	"$(sed -n 's/.* in \([0-9]*\) conversations.*/\1/p' "$scratch/frail")"
check "nothing was lost since" ran blue 0 '/traffic .*'
sed -n 's/^[0-9]* messages.*/# &/p' "$scratch/steady" "$scratch/frail"
check "both are removed" remove blue green
check "the host is unharmed" unharmed
finish
