#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels between host and instances, and between two instances.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab channel --cpus 4 --memory 2G --timeout 1200 -- bash -c '
	status=0
	"$0/channel.sh" "$1" "$2" || status=1
	"$0/spin.sh" "$@" || status=1
	exit $status' "$SELFTESTS" "$BUILD/agent.cpio" "$BUILD/talk/talk" \
	"$(KVER=$HOST "$TOP/scripts/module" path)"
