#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host with two threads a core and two NUMA nodes: CPUs 0 and 1 are the core of
# node 0, below 4 GiB, CPUs 2 and 3 that of node 1, above.
. "$(dirname "$0")/lib.sh"

system=/sys/devices/system
core=$(cat $system/cpu/cpu2/topology/thread_siblings_list)
node=$(cat $system/node/node1/cpulist 2>/dev/null)
[ "$core $node" = "2-3 2-3" ] || skip_all "the machine has another topology"

GIB=$((1 << 30))

smt() { echo "$1" >"$system"/cpu/smt/control; }

# within NAME FIRST LAST: all of its memory is there, in GiB.
within() {
	mkctl show --json "$1" | jq -e --argjson first $(($2 * GIB)) --argjson last $(($3 * GIB)) \
		'(.ranges | length > 0) and all(.ranges[]; .start >= $first and .start + .bytes <= $last)'
}

# takes_from NODE CPUS [OPTION...]: an instance with such CPUs takes its memory there.
takes_from() {
	local node=$1 before after
	shift
	before=$(free_on "$node")
	create near "$@" || return
	after=$(free_on "$node")
	echo "node $node had $before KiB free, and has $after"
	# Half of it: meanwhile others free some, or take it.
	[ $((before - after)) -gt $((128 << 10)) ]
}

boots() { load "$1" && start "$1"; }
split() { create "$1" "$2" --split-cores && load "$1"; }

free_on() { awk '$3 == "MemFree:" { print $4 }' "$system/node/node$1/meminfo"; }

check "half a core is refused" fails 'core|thread|sibling' create split 3
check "so is the other half of the boot CPU's" fails 'core|thread|sibling' create split 1
check "nothing was made of it" is "the list of instances" "" "$(names)"
check "the boot CPU is refused, with its core too" fails 'boot' create split 0-1

check "memory is taken from the node of the CPUs" takes_from 1 2-3
check "that is above 4 GiB" within near 4 6
check "it boots" boots near
check "on both threads" up near 2 "$RELEASE"
check "the host has the other core" is "the set of online CPUs" 0-1 "$(<$system/cpu/online)"
check "it is removed" remove near
check "the host is unharmed" unharmed

check "memory is taken from another node on demand" takes_from 0 2-3 --node 0
check "that is below 4 GiB" within near 0 4
check "it boots" boots near
check "it is removed" remove near
check "a node that is not there is refused" fails 'node 7' create near 2-3 --node 7

check "a whole core is chosen" mkctl create chosen --ncpus 2 --memory 64M
check "it is that which can be had" shows chosen '.cpus | sort | tostring' '[2,3]'
check "it is removed" mkctl rm chosen

check "cores may be split: one thread" split one 3
check "and one beside the boot CPU" split two 1
check "both boot" together start one two
check "on one CPU: one" up one 1 "$RELEASE"
check "on one CPU: two" up two 1 "$RELEASE"
check "the host is unharmed" unharmed
check "they are removed" remove one two
check "the host is unharmed" unharmed

# Its CPU waits in there still, so that must not be another's.
check "an instance boots on a core" boot whole 2-3
free=$(checked slots_free)
check "the host is to have one thread a core" smt off
check "it is killed" mkctl kill whole
check "the host has those threads" is "the set of online CPUs" 0,2 "$(<$system/cpu/online)"
check "that one is not, is told" tells 'CPU 3 stays offline' dmesg
check "it is removed" mkctl rm whole
check "its slot does not come back" free_slots "$free"
check "the host is to have all threads" smt on
check "it has" is "the set of online CPUs" 0-3 "$(<$system/cpu/online)"
check "another instance boots on that core" boot whole 2-3
check "it is removed" remove whole
finish
