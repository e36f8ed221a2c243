#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that panic, hang and are killed at any time.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build"
lab faults --cpus 7 --memory 2G --timeout 900 -- "$SELFTESTS/faults.sh" "$BUILD/trouble.cpio"
