# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced, after lib.sh, by the tests here in which the instance blue has channels:
# its user space has the program $TALK as /talk (tools/testing/multikernel/guest).
. "$(dirname "${BASH_SOURCE[0]}")/agents.sh"

# talk ACT CHANNEL ARGUMENT...: at the end of a channel of blue that the host has.
talk() {
	local act=$1 channel=$2
	shift 2
	timeout "$BOOT" "$TALK" "$act" "/dev/mk/blue/$channel" "$@"
}

# aside TAG COMMAND...: beside what comes next.
aside() {
	local tag=$1
	shift
	"$@" >"$scratch/$tag" 2>&1 &
	echo $! >"$scratch/$tag.pid"
}

# ended TAG [STATUS]: wait for it, and tell how it went.
ended() {
	local status=0
	wait "$(<"$scratch/$1.pid")" || status=$?
	tail -n 20 "$scratch/$1"
	is "the status of $1" "${2:-0}" "$status"
}

# has TAG REGEX: wait until what was begun says so.
has() {
	local end=$((SECONDS + BOOT))
	until grep -qE "$2" "$scratch/$1"; do
		[ "$SECONDS" -lt "$end" ] || { tail -n 20 "$scratch/$1" && return 1; }
	done
}

make() { mkctl channel create blue "$@"; }
unmake() { mkctl channel rm blue "$@"; }
