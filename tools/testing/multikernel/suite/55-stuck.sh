#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A CPU that does not take INIT, and a host that cannot send it.
. "$(dirname "$0")/lib.sh"

status=0
lab_held held --cpus 5 --timeout 600 -- "$SELFTESTS/stuck.sh" || status=1
lab blocked --append nolapic --timeout 120 -- "$SELFTESTS/blocked.sh" || status=1
exit "$status"
