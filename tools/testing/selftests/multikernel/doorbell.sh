#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Doorbells both ways, also where they move.
#
#	doorbell.sh ROOTFS
#
# As agent.sh. There must be two CPUs to lend.
MK_ROOTFS=$1
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

check "an instance boots" begin wander 1-2 load,accepted,wander
check "its agent is ready" ready wander
check "its doorbell moves" said wander 'the doorbell is on CPU 1$'
check "it leaves a CPU that goes offline" said wander 'CPU 1 is offline, the doorbell on CPU 0$'
check "it answers meanwhile" answers wander 300
check "it has moved all the time" said wander 'the doorbell is back on CPU 0$'
check "it is removed" remove wander
check "the host is unharmed" unharmed

check "an instance boots" begin wander 2 load,accepted,rung,reboot
check "its agent is ready" ready wander
check "it is rung" rouse wander
check "it has restarted" awaits wander stopped
check "its agent has told" agent_is wander gone restart
check "it is removed" remove wander
check "nothing is shared any more" not grep 'multikernel: ' /proc/iomem
check "the host is unharmed" unharmed
finish
