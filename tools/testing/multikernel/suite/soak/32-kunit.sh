#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests that KUnit runs, by the kernel's own tool: in the pinned kernel with our
# series, in a module, and the examples of what our series adds to rust/kernel/. Each
# suite of theirs is a test here.
set -euo pipefail
. "$(dirname "$0")/../../../../../scripts/lib.sh"

count=0 failed=

told() {
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || failed=yes
}

# suites WHERE FILE: what kunit.py told of each, there.
suites() {
	local line where=$1 file=$2 ran=0
	while read -r line; do
		[[ $line =~ ^\[[0-9:]+\]\ =+\ \[([A-Z]+)\]\ ([^ ]+)\ =+$ ]] || continue
		# The kernel has others of its own.
		case ${BASH_REMATCH[2]} in multikernel_* | rust_doctests_kernel) ran=$((ran + 1)) ;; esac
		case ${BASH_REMATCH[1]} in
		PASSED) told ok "$where: ${BASH_REMATCH[2]}" ;;
		*) told "not ok" "$where: ${BASH_REMATCH[2]} (${BASH_REMATCH[1]})" ;;
		esac
	done <"$file"
	[ "$ran" -gt 0 ] || told "not ok" "$where: our suites are run"
}

mkdir -p "$LOGS"
echo "TAP version 13"
for where in kernel module examples; do
	log=$LOGS/kunit-told-$where.log status=0
	"$TOP/scripts/kunit" "$where" >"$log" || status=$?
	sed 's/^/# /' "$log"
	suites "$where" "$log"
	[ "$status" = 0 ] || told "not ok" "$where: kunit.py is content (status $status)"
done
echo "1..$count"
[ -z "$failed" ]
