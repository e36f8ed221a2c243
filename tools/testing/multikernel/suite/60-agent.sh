#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances with an agent.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab agent --cpus 4 --memory 2G --timeout 900 -- "$SELFTESTS/agent.sh" "$BUILD/agent.cpio"
