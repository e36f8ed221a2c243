#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that load this module, too: the host knows of it, asks, and is told.
#
#	agent.sh ROOTFS
#
# ROOTFS is entered with rdinit=/agent-init and does what agent.act= says
# (tools/testing/multikernel/guest). There must be three CPUs to lend.
MK_ROOTFS=$1
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

# comes NAME TIMES: wait until its agent was accepted so often.
comes() {
	local log pid
	exec {log}< <(exec timeout "$BOOT" mkctl dmesg --follow "$1")
	pid=$!
	grep -m "$2" 'the host has accepted this agent' <&"$log" >"$scratch/comes"
	kill "$pid" 2>/dev/null
	exec {log}<&-
	wait "$pid"
	is "times that the agent of $1 came" "$2" "$(wc -l <"$scratch/comes")"
}

# Also what COMMAND says aside.
both() { "$@" 2>&1; }

lines_of() { grep -c "multikernel: $1" /proc/iomem; }

# ---- one that is asked, and stops -------------------------------------------

check "an instance with an agent boots" begin blue 1-2 load,do:/talk+role+instance
check "one without boots" boot plain 3
check "the agent is ready" ready blue
check "the host's log tells" host_said 'blue: its agent is ready'
check "the list, too" listed blue ready
check "it tells why it is gone only then" agent_is blue ready null
check "the instance has no device for hosts" said blue 'multikernel-agent: ran /talk role instance: 0$'
check "it answers" answers blue 100
check "the one without has no agent" agent_is plain none null
check "and is not asked" fails 'agent is not there' mkctl ping plain
check "nor stopped" fails 'agent is not there' mkctl stop plain
check "which runs all the same" state plain running none
check "what both share is in the memory map" is "lines of blue" 2 "$(lines_of blue)"
check "it is stopped" mkctl stop blue --timeout "$BOOT"
check "by its own user space" logged blue 'multikernel-agent: asked to power off'
check "the host knows how" state blue stopped halt
check "and so did the agent" agent_is blue gone halt
check "nothing is shared any more" is "lines of blue" 1 "$(lines_of blue)"
check "one that does not run is not asked" fails 'does not run' mkctl ping blue
check "nor stopped" fails 'does not run' mkctl stop blue
check "the host is unharmed" unharmed

# ---- the same instance, again -----------------------------------------------

check "it boots again" again blue load
check "its agent is ready" ready blue
check "it answers" answers blue 10
check "it is killed" mkctl kill blue
check "the host knows" state blue stopped killed
check "its agent is gone with it" agent_is blue gone ended
check "the host is unharmed" unharmed

# ---- the module comes and goes ----------------------------------------------

check "an instance boots" again blue load,accepted,rung,unload
check "its agent is ready" ready blue
check "it is rung" rouse blue
check "it is unloaded" agent blue gone
check "the host knows" agent_is blue gone unloaded
check "it is not asked any more" fails 'gone: it was unloaded' mkctl ping blue
check "the instance goes on" state blue running none
check "it is killed" mkctl kill blue
check "it is as gone as it was" agent_is blue gone unloaded
check "the host is unharmed" unharmed
check "an instance boots" again blue load,accepted,unload,load,accepted,unload,load,accepted
check "its agent comes for the third time" comes blue 3
check "it answers" answers blue 10
check "the host has seen it come and go" host_said \
	'agent is ready' 'agent is gone: it was unloaded' \
	'agent is ready' 'agent is gone: it was unloaded' 'agent is ready'
check "it is removed" remove blue
check "the host is unharmed" unharmed

# ---- ends -------------------------------------------------------------------

check "an instance boots" begin panic 1-2 load,accepted,rung,panic
check "its agent is ready" ready panic
check "it is rung" rouse panic
check "it panics" awaits panic crashed
check "the host knows" state panic crashed panic
check "and what it said" shows panic .text 'sysrq triggered crash'
check "its agent has told" agent_is panic gone panic
check "it restarts" again panic load,accepted,rung,reboot
check "its agent is ready" ready panic
check "it is rung" rouse panic
check "it has restarted" awaits panic stopped
check "the host knows" state panic stopped restart
check "and so did the agent" agent_is panic gone restart
check "it boots" again panic load,stubborn
check "its agent is ready" ready panic
check "it is told to be stubborn" said panic 'multikernel-agent: done stubborn'
check "it does not stop in time" tells 'did not go down within 3.0 s: killed' \
	both mkctl stop panic --timeout 3
check "so it was killed" state panic stopped killed
check "all are removed" remove panic plain
check "nothing is shared any more" not grep 'multikernel: ' /proc/iomem
check "the host is unharmed" unharmed
finish
