#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules of different ages in host and instance.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" ages
for age in older newer future; do
	MK_AGE=$age KVER=$HOST "$TOP/scripts/module" build
done
lab versions --cpus 4 --memory 2G --timeout 1200 -- \
	"$SELFTESTS/versions.sh" "$BUILD/ages.cpio" "$BUILD/talk/talk" "$BUILD"
