#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Every way down, of unmodified instances of three series.
. "$(dirname "$0")/lib.sh"

lab ends --cpus 7 --memory 3G --timeout 900 -- \
	"$SELFTESTS/ends.sh" "$(kernel 6.12-cloud)" "$(kernel 6.1-cloud)"
