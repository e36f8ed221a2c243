#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Every call of the interface, every error of it, and what is left of a machine
# after many cycles, under eight threads, and when processes are killed.
. "$(dirname "$0")/lib.sh"

source=$("$TOP/scripts/kernel" source)
out=$BUILD/selftests
step selftests "build the kselftests" \
	in_env make -C "$SELFTESTS" KSRC="$source" OUTPUT="$out"

status=0
# Cores of two CPUs, which may not be split; and pages that nobody else fills
# with zeros.
lab interface --cpus 4,threads=2 --append init_on_alloc=0 --timeout 3000 -- bash -c '
	status=0
	for test in abi instance cpus memory load state cycles stress; do
		echo "# $test"
		"$0/$test" || status=1
	done
	exit $status' "$out" || status=1
# It locks the machine down for good.
lab lockdown --cpus 4 --timeout 300 -- "$out/lockdown" || status=1
exit "$status"
