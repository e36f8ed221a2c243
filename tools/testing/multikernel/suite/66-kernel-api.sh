#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels for other modules, and the samples that use them.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
for directory in samples/multikernel tools/testing/multikernel/kapi; do
	KVER=$HOST "$TOP/scripts/module" beside "$TOP/$directory"
done
release=$(basename "$(dirname "$(KVER=$HOST "$TOP/scripts/module" path)")")
lab kapi --cpus 3 --memory 2G --timeout 1200 -- "$SELFTESTS/kapi.sh" "$BUILD/agent.cpio" \
	"$BUILD/talk/talk" "$BUILD/beside/$release/samples/multikernel" \
	"$BUILD/beside/$release/tools/testing/multikernel/kapi"
