#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A host's kernel of our own, built with .config.example: the interface, and
# instances that end by themselves.
. "$(dirname "$0")/../lib.sh"

use_host "${MK_HOST:-own}"

status=0
interface 60 50 || status=1
lab instances --cpus 5 --memory 3G --timeout 1500 -- bash -c '
	status=0
	"$0/ends.sh" || status=1
	"$0/guard.sh" || status=1
	exit $status' "$SELFTESTS" || status=1
exit "$status"
