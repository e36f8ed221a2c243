#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# How scripts/lab tells what became of a command: it ended, took too long, the machine went
# down under it, or it was not begun, as the module did not load.
. "$(dirname "$0")/../lib.sh"

tests=0 failed=0

# ends STATUS WHAT OPTION... -- COMMAND...
ends() {
	local want=$1 what=$2 status=0
	shift 2
	"$TOP/scripts/lab" --name "$STEP" --cpus 2 --memory 1G --kernel "$HOST" "$@" \
		>"$LOGS/$STEP.log" 2>&1 || status=$?
	tests=$((tests + 1))
	if [ "$status" = "$want" ]; then
		echo "ok $tests - $what: status $want"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $what: status $status, not $want"
	tail -n 20 "$LOGS/$STEP.log" | sed 's/^/# /'
	console "$STEP"
}

echo "TAP version 13"
ends 0 "a command succeeds" -- test -c /dev/multikernel
ends 7 "a command fails" -- sh -c 'exit 7'
ends 124 "a command takes too long" --timeout 40 -- sleep 1000
ends 125 "the machine goes down" -- sh -c 'echo b >/proc/sysrq-trigger; sleep 1000'
ends 126 "the module does not load" --append module_blacklist=multikernel -- true
echo "1..$tests"
[ "$failed" = 0 ]
