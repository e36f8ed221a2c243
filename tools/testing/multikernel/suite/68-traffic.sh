#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Many channels of two instances at once, one of which is killed again and again.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab traffic --cpus 5 --memory 2G --timeout 900 -- \
	"$SELFTESTS/traffic.sh" "$BUILD/agent.cpio" "$BUILD/talk/traffic"
