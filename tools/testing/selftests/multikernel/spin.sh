#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Who waits for a message looks for it before it sleeps, and is not rung then.
#
#	spin.sh ROOTFS TALK MODULE
#
# As channel.sh; MODULE is what this kernel has loaded.
MK_ROOTFS=$1
TALK=$2
MODULE=$3
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/talks.sh"
QUESTIONS=300

# asks TAG: how often this kernel is rung for as many answers is in TAG.
asks() {
	local before
	before=$(rings)
	talk ask echo "$QUESTIONS" 64 || return
	echo $(($(rings) - before)) >"$scratch/$1"
}

# rung MIN MAX TAG
rung() {
	local rings
	rings=$(<"$scratch/$3")
	echo "rung $rings times"
	[ "$rings" -ge "$1" ] && [ "$rings" -le "$2" ]
}

# converse TAG PARAMETER: with the module anew.
converse() {
	check "the module is loaded with $2" anew "$2"
	check "an instance is made" create blue 1
	check "a channel is made" make echo
	check "it answers" again blue load,also:/talk+echo+/dev/mk/host/echo
	check "its agent is ready" ready blue
	check "all answers come" asks "$1"
	check "it is removed" remove blue
}

converse asleep spin_us=0
check "they ring" rung $((QUESTIONS / 2)) $((QUESTIONS * 2)) asleep
# Longer than an emulated CPU does not run. The first waits are those that it learns from.
converse awake spin_us=100000
check "they do not" rung 0 $((QUESTIONS / 4)) awake
check "the module is as it was" anew
check "the host is unharmed" unharmed
finish
