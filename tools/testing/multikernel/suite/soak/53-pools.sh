#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory that the host sets aside at boot, and how it keeps its hands off what
# instances have: on a kernel with our series, which takes minutes to build.
. "$(dirname "$0")/../lib.sh"

use_host patched
status=0
build_selftests
KVER=$HOST "$TOP/scripts/module" beside "$TOP/tools/testing/multikernel/stray"
lab foreign --cpus 3 --memory 1536M --timeout 900 -- "$SELFTESTS/foreign.sh" \
	"$BUILD/beside/$(release "$HOST")/tools/testing/multikernel/stray" \
	"$(KVER=$HOST "$TOP/scripts/module" path)" || status=1
pools='multikernel=322M multikernel=512M,cma multikernel=3M multikernel=1T multikernel=64M,wrong'
lab pools --cpus 4 --memory 3G --timeout 1800 --append "$pools" -- bash -c '
	status=0
	"$1/pool.sh" || status=1
	"$0/pool" || status=1
	exit $status' "$BUILD/selftests" "$SELFTESTS" || status=1
# Of the second node, and at an address.
lab nodes --cpus 4 --memory 3G --timeout 1200 \
	--numa 2G,cpus=0-1 --numa 1G,cpus=2-3 \
	--append 'multikernel=322M,node=1 multikernel=256M,node=1,cma' -- \
	"$BUILD/selftests/pool" || status=1
exit "$status"
