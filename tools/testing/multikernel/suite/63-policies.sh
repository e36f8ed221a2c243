#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that are looked after.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab policies --cpus 3 --memory 2G --timeout 1200 -- "$SELFTESTS/policies.sh" "$BUILD/agent.cpio"
