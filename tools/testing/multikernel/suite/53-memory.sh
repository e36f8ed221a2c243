#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The memory of instances, also as the machine has it; how far the host's kernel keeps
# off it; and what the host must not do while there are any.
. "$(dirname "$0")/lib.sh"

KVER=$HOST "$TOP/scripts/module" beside "$TOP/tools/testing/multikernel/stray"
shared=$BUILD/lab/$STEP-memory
mkdir -p "$shared"
rm -f "$shared"/{ask,answer,memory.dump}

# Answers memory.sh, from outside of the machine.
look() {
	local start bytes text
	cd "$shared"
	while sleep 0.2; do
		[ -e ask ] || continue
		read -r start bytes text <ask
		rm ask
		"$TOP/tools/testing/multikernel/suite/monitor.py" monitor \
			"pmemsave $start $bytes memory.dump"
		{ grep -aoF -e "$text" memory.dump || true; } | wc -l >answer.new
		rm memory.dump
		mv answer.new answer
	done
}

look &
looking=$!
trap 'kill $looking' EXIT
lab memory --cpus 4 --memory 1536M --timeout 900 -- bash -c '
	status=0
	"$0/memory.sh" "$1" || status=1
	"$0/foreign.sh" "$2" "$3" || status=1
	"$0/guard.sh" || status=1
	exit $status' "$SELFTESTS" "$shared" \
	"$BUILD/beside/$(release "$HOST")/tools/testing/multikernel/stray" \
	"$(KVER=$HOST "$TOP/scripts/module" path)"
