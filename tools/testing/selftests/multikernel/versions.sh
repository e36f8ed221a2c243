#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules of different ages in host and instance work with what both know.
#
#	versions.sh ROOTFS TALK MODULES
#
# As agent.sh; ROOTFS has the modules of other ages, too (guest/build ages), and the program TALK as
# /talk. MODULES is where they are here: MODULES/module is the one that is loaded,
# MODULES/module-older one that knows no feature, MODULES/module-newer one that knows a version and a
# feature more and has larger structures, and MODULES/module-future one that knows no version that the
# others know but the newer one. There must be three CPUs to lend.
MK_ROOTFS=$1
TALK=$2
MODULES=$3
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

ALL=heartbeat,clock,peers,create

# host AGE: this kernel has that module from now on; "": the usual one.
host() {
	rmmod multikernel && insmod "$MODULES/module${1:+-$1}/$(uname -r)/multikernel.ko"
}

# silent NAME TIME: it does not count as hung for so long.
silent() { fails 'did not come within' mkctl wait "$1" --agent hung --timeout "$2"; }

# knows NAME VERSION FEATURES: what its agent and the host have agreed on.
knows() {
	shows "$1" .agent_version "$2" && shows "$1" '.agent_features | join(",")' "$3"
}

accepted() { said "$1" "the host has accepted this agent \\(version $2, features $3\\)"; }

# talk NAME CHANNEL COUNT
talk() { timeout "$BOOT" "$TALK" ask "/dev/mk/$1/$2" "$3"; }

# channel_gets NAME CHANNEL STATE: wait for it.
channel_gets() {
	local end=$((SECONDS + BOOT)) now
	while :; do
		now=$(mkctl channel ls "$1" --json | jq -r ".channels[] | select(.name == \"$2\").state")
		[ "$now" != "$3" ] || return 0
		[ "$SECONDS" -lt "$end" ] || { is "state of $2" "$3" "$now" && return; }
	done
}

# works NAME MORE: what needs no feature. The instance echoes on the channel "old", for the second
# time after it was closed.
works() {
	check "$1: it answers" answers "$1" 50
	check "$1: messages go there and back" talk "$1" old 200
	check "$1: also in the next conversation" talk "$1" old 20
}

# ends NAME: in good order.
ends() {
	check "$1: it is stopped" mkctl stop "$1" --timeout "$BOOT"
	check "$1: by its own user space" state "$1" stopped halt
	check "$1: as its agent has told" agent_is "$1" gone halt
	check "$1: its console has shown it" tells 'multikernel-agent: asked to power off' \
		timeout "$BOOT" mkctl console "$1" --read-only
}

# Its kernel shows its log on the terminal, too.
CONSOLE="console=tty0 console=hvc0"
ECHO=exists:/dev/mk/host/old,also:/talk+echo+/dev/mk/host/old+2

# ---- an older agent, or a newer one -----------------------------------------

check "an instance is made" create older 1 --hung-after 1s
check "it has a channel" mkctl channel create older old
check "an instance is made" create newer 2
check "it has a channel" mkctl channel create newer old
check "both have one" mkctl channel create older both --peer newer
check "an older agent comes" again older "load:older,$ECHO,do:/talk+make+more" "$CONSOLE"
check "it is ready" ready older
check "without any feature" accepted older 1 0x0
check "the host knows" knows older 1 ""
check "and tells" tells 'agent +ready, without heartbeat, clock, peers, create' mkctl show older
check "a newer agent comes" again newer "load:newer,$ECHO,do:/talk+make+more,exists:/dev/mk/host/more,also:/talk+echo+/dev/mk/host/more" "$CONSOLE"
check "it is ready" ready newer
check "with the features of the older host" accepted newer 1 0xf
check "the host knows" knows newer 1 $ALL
check "and has nothing to tell" tells 'agent +ready$' mkctl show newer
works older
check "older: it may not ask for channels" said older 'more: Operation not supported: .*too old'
check "older: nor does it" said older 'ran /talk make more: 1$'
check "older: its clock is its own" not logged older "this kernel's clock was"
works newer
check "newer: it asks for channels" said newer 'ran /talk make more: 0$'
check "newer: which are used" talk newer more 50
check "newer: its clock is the host's" said newer "this kernel's clock was"
check "the channel of both has nobody at one end" channel_gets newer both away
check "who need not beat is not hung" silent older 3
check "nor is who beats" agent_is newer ready null
ends older
ends newer
check "the host is unharmed" unharmed

# ---- no version in common ---------------------------------------------------

check "an agent of the future comes" again newer "load:future,load,accepted,exists:/dev/mk/host/old,also:/talk+echo+/dev/mk/host/old+2" "$CONSOLE"
check "it says why it does not stay" said newer \
	'this module speaks versions 2 to 2 of the protocol, the other kernel.s 1 to 1'
check "it is not loaded" said newer 'could not insert future'
check "the host says so, too" host_said 'newer: its agent is refused: this module speaks versions 1 to 1 of the protocol, the agent none of them, and 2 at most'
check "one that is as old as the host comes in its place" ready newer
works newer
ends newer
check "it comes alone" again newer load:future
check "the host learns of it" agent newer gone
check "and why" agent_is newer gone version
check "and what it speaks" shows newer .agent_version 2
check "and tells" tells 'agent +gone \(version\), which speaks version 2 of the protocol at most' \
	mkctl show newer
check "it is not asked" fails 'knows no version that this module knows' mkctl ping newer
check "the instance goes on" said newer 'multikernel-agent: done load:future'
check "without it" state newer running none
check "all are removed" remove older newer
check "the host is unharmed" unharmed

# ---- the other way round ----------------------------------------------------

for age in newer older; do
	check "the host gets a module that is $age" host $age
	case $age in
	newer) features=0xf names=$ALL ;;
	older) features=0x0 names="" ;;
	esac
	check "an instance is made" create usual 1-2
	check "it has a channel" mkctl channel create usual old
	check "it starts" again usual "load,$ECHO,do:/talk+make+more" "$CONSOLE"
	check "its agent is ready" ready usual
	check "with what both know" accepted usual 1 "$features"
	check "the $age host knows" knows usual 1 "$names"
	works usual
	case $age in
	newer)
		check "it asks for channels" said usual 'ran /talk make more: 0$'
		check "its clock is the host's" said usual "this kernel's clock was"
		;;
	older)
		check "it may not ask for channels" said usual \
			'more: Operation not supported: .*too old'
		check "its clock is its own" not logged usual "this kernel's clock was"
		;;
	esac
	ends usual
	check "it is removed" remove usual
	check "the host is unharmed" unharmed
done
check "two newer ones meet" host newer
check "an instance starts" begin newer 1-2 load:newer
check "its agent is ready" ready newer
check "with all that they know" knows newer 2 $ALL
check "it answers" answers newer 10
check "it is removed" remove newer
check "the host gets a module of the future" host future
check "an instance starts" begin usual 1-2 load
check "its agent does not come" agent usual gone
check "the host knows why" agent_is usual gone version
check "the host says so" host_said 'usual: its agent is refused: this module speaks versions 2 to 2 of the protocol, the agent none of them, and 1 at most'
check "the agent says so" said usual \
	'this module speaks versions 1 to 1 of the protocol, the other kernel.s 2 to 2'
check "the instance goes on" state usual running none
check "it is removed" remove usual
check "the host has its own module again" host ""
check "the host is unharmed" unharmed
finish
