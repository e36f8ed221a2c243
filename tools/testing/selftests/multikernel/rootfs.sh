#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The sample user space ($MK_ROOTFS): with an agent in the kernels that it has one
# for, and without in the others.
#
#	rootfs.sh with DIRECTORY... without DIRECTORY...
#
# A DIRECTORY holds vmlinuz and release of a kernel. There must be two CPUs to lend.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

comes_up() { AGENT=$2 load box "quiet" "$1/vmlinuz" && start box; }

check "there is an instance" create box 1-2
kind=''
for directory; do
	case $directory in
	with | without)
		kind=$directory
		continue
		;;
	esac
	release=$(<"$directory/release")
	check "$release: it boots" comes_up "$directory" 1
	if [ "$kind" = without ]; then
		check "$release: its init says that there is no agent" \
			logged box 'multikernel-init: no agent for this kernel'
		check "$release: it has none" agent_is box none null
		check "$release: it is killed" mkctl kill box
		continue
	fi
	check "$release: its agent is ready" ready box
	check "$release: it answers" answers box 1
	check "$release: it is stopped" mkctl stop box --timeout "$BOOT"
	check "$release: by its user space" logged box 'multikernel-init: asked to poweroff'
	check "$release: the host knows" state box stopped halt
	check "$release: and from the agent, too" agent_is box gone halt
	check "$release: it boots without its agent" comes_up "$directory" 0
	check "$release: it has none" agent_is box none null
	check "$release: it is killed" mkctl kill box
done
check "it is removed" remove box
check "the host is unharmed" unharmed
finish
