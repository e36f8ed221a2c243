#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory that the host sets aside at boot, and how it keeps its hands off what
# instances have: on a kernel with our series, which takes minutes to build.
. "$(dirname "$0")/../lib.sh"

use_host patched
status=0
KVER=$HOST "$TOP/scripts/module" beside "$TOP/tools/testing/multikernel/stray"
lab foreign --cpus 3 --memory 1536M --timeout 900 -- "$SELFTESTS/foreign.sh" \
	"$BUILD/beside/$(release "$HOST")/tools/testing/multikernel/stray" \
	"$(KVER=$HOST "$TOP/scripts/module" path)" || status=1
pools='multikernel=322M multikernel=512M,cma multikernel=3M multikernel=1T multikernel=64M,wrong'
lab pools --cpus 4 --memory 3G --timeout 1800 --append "$pools" -- bash -c '
	status=0
	"$1/pool.sh" || status=1
	"$0/pool" || status=1
	exit $status' "$PROGRAMS" "$SELFTESTS" || status=1
# At an address, and none where there cannot be one. The kernel lies elsewhere.
addresses='nokaslr multikernel=256M@1G multikernel=64M@1536M,cma multikernel=66M@1152M'
addresses+=' multikernel=68M@1536M,cma multikernel=70M@3G multikernel=72M@1792M,node=1'
addresses+=' multikernel=74M,node=1 multikernel=2M@1M multikernel=1T multikernel=6M'
lab addresses --cpus 2 --timeout 600 --append "$addresses" -- "$SELFTESTS/address.sh" || status=1
# Of the second node.
lab nodes --cpus 4 --memory 3G --timeout 1200 \
	--numa 2G,cpus=0-1 --numa 1G,cpus=2-3 \
	--append 'multikernel=322M,node=1 multikernel=256M,node=1,cma' -- \
	"$PROGRAMS/pool" || status=1
exit "$status"
