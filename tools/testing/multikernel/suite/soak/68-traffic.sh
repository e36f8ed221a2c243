#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The channels of two instances for an hour or more, with few pauses.
. "$(dirname "$0")/../lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab traffic --cpus 5 --memory 2G --timeout 14400 -- \
	env MK_TRAFFIC_KILLS=100 MK_TRAFFIC_PAUSE=300 \
	"$SELFTESTS/traffic.sh" "$BUILD/agent.cpio" "$BUILD/talk/traffic"
