#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Consoles of instances.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab console --cpus 4 --memory 2G --timeout 1500 -- "$SELFTESTS/console.sh" "$BUILD/agent.cpio"
