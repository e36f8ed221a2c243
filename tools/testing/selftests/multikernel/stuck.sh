#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A CPU that does not take INIT: it, its slot, its memory and its doorbell are lost, and
# nothing else is.
#
#	stuck.sh DIRECTORY
#
# DIRECTORY is shared with somebody who can hold a CPU of the machine: asked by a file
# "ask" to "hold N" or to "release N", they answer by a file "answer". There must be four
# CPUs to lend.
. "$(dirname "$0")/lib.sh"
shared=$1

prepare() { create "$1" "$2" && load "$1" mk.act=beat; }
begin() { prepare "$1" "$2" && start "$1"; }

# What this kernel says of it, which is all that it may complain of.
loss='INIT does not stop CPU 3: it, and the memory that it may write to, are lost'

calm() {
	dmesg --syslog --read-clear | tee -a "$scratch/all" |
		grep -vE "$loss|CPU 3 is stuck in the trampoline" >"$scratch/dmesg"
	not grep -E "$HARM" "$scratch/dmesg"
}

apart() {
	ranges anew >"$scratch/anew" || return
	if overlap "$scratch/lost" "$scratch/anew"; then
		cat "$scratch/lost" "$scratch/anew"
		return 1
	fi
}

# room_for N: there can be so many instances, each of which takes a doorbell.
room_for() { is "the number of doorbells" "$1" "$("$PROGRAMS/room")"; }

online_by_hand() { echo 1 >/sys/devices/system/cpu/cpu3/online; }

slots=$(checked slots)
doorbells=$("$PROGRAMS/room")
check "an instance runs on two CPUs" begin lost 2-3
check "and another beside it" begin other 1
check "one more is loaded" prepare late 4
# That of kernels that need none is shared.
[ "$(checked slots_free)" = $((slots - 1)) ] && shared_slot=1 || shared_slot=0
ranges lost >"$scratch/lost"
taken=$((slots - $(checked slots_free)))

check "the machine holds CPU 3" ask "$shared" hold 3
check "its instance is killed" mkctl kill lost
check "it is told why that did not go well" state lost crashed stuck
check "and so is the host" tells "$loss" dmesg
check "the host has its other CPU back, and works" has_cpus 0,2,4
check "it does not try CPU 3" fails . online_by_hand
check "what is left of the instance is not started" fails "could not be stopped" load lost
check "nor started" fails . mkctl start lost
check "the other one goes on" beats other
check "nothing else is complained of" calm

check "it is removed" mkctl rm lost
check "its slot does not come back" free_slots $((slots - taken))
check "what was loaded before starts" start late
check "where that CPU cannot come by" free_slots $((slots - taken - shared_slot))
check "one more instance boots" begin anew 2
check "in other memory" apart
check "CPU 3 cannot be lent" fails "CPU 3" create none 3

check "the machine lets CPU 3 go on" ask "$shared" release 3
check "what runs goes on: the new one" beats anew
check "and the other one" beats other
check "and what was started since" beats late
check "they are killed" mkctl kill anew other late
check "as anybody else" state anew stopped killed
check "and so is the other" state other stopped killed
check "the host has all but CPU 3" has_cpus 0-2,4
check "they are removed" mkctl rm anew other late
check "one slot is lost" free_slots $((slots - 1))
check "and one doorbell, by which it may still ring" room_for $((doorbells - 1))
check "the module stays" fails "in use" rmmod multikernel
check "nothing else is complained of" calm
finish
