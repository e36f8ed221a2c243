#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels for other modules, and the samples that use them.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" agent
KVER=$INSIDE "$TOP/scripts/module" beside "$TOP/samples/multikernel"
for directory in samples/multikernel tools/testing/multikernel/kapi; do
	KVER=$HOST "$TOP/scripts/module" beside "$TOP/$directory"
done
host=$BUILD/beside/$(release "$HOST")
lab kapi --cpus 3 --memory 2G --timeout 1200 -- "$SELFTESTS/kapi.sh" "$BUILD/agent.cpio" \
	"$BUILD/talk/talk" "$host/samples/multikernel" "$host/tools/testing/multikernel/kapi" \
	"$BUILD/beside/$(release "$INSIDE")/samples/multikernel"
