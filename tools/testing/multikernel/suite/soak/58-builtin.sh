#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A host's kernel that has the module built in (CONFIG_MULTIKERNEL=y), which takes
# minutes to build: the interface, instances that end by themselves, and what kexec
# loads.
. "$(dirname "$0")/../lib.sh"

use_host builtin
status=0
lab interface --cpus 4,threads=2 --timeout 1500 -- bash -c '
	status=0
	for test in abi instance state load; do
		echo "# $test"
		"$0/$test" || status=1
	done
	exit $status' "$PROGRAMS" || status=1
lab instances --cpus 5 --memory 3G --timeout 1500 -- bash -c '
	status=0
	"$0/builtin.sh" || status=1
	"$0/ends.sh" || status=1
	exit $status' "$SELFTESTS" || status=1
exit "$status"
