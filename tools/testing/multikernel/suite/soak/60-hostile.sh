#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A bad agent writes at random into what the host reads, for five minutes.
. "$(dirname "$0")/../lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
lab hostile --cpus 4 --memory 2G --timeout 1800 -- \
	env MK_HOSTILE_SECONDS=300 "$SELFTESTS/hostile.sh" "$BUILD/agent.cpio" \
	"$(KVER=$HOST "$TOP/scripts/module" path)"
