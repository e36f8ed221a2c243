#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The interface in a host's kernel that looks for faults, with KASAN, UBSAN, lockdep
# and kmemleak.
. "$(dirname "$0")/lib.sh"

use_host "${MK_HOST:-debug}"

status=0
interface 20 50 || status=1
# Memory that is free is not zero here. To poison all of it takes most of the time.
lab poisoned --cpus 4 --timeout 600 --append page_poison=1 -- \
	"$BUILD/selftests/memory" -t ranges || status=1
exit "$status"
