#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels between host and instances, and between two instances.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab channel --cpus 4 --memory 2G --timeout 1200 -- \
	"$SELFTESTS/channel.sh" "$BUILD/agent.cpio" "$BUILD/talk/talk"
