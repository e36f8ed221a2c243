# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced, after lib.sh, by the tests here in which the instance blue has channels:
# $MK_ROOTFS is entered with rdinit=/agent-init and does what agent.act= says; it
# has the program $TALK as /talk (tools/testing/multikernel/guest).

# again NAME ACTS: start it, with an agent that does ACTS then.
again() { load "$1" "rdinit=/agent-init agent.act=load,$2" && start "$1"; }

ready() { mkctl wait "$1" --agent ready --timeout "$BOOT"; }

# talk ACT CHANNEL ARGUMENT...: at the end of a channel of blue that the host has.
talk() {
	local act=$1 channel=$2
	shift 2
	timeout "$BOOT" "$TALK" "$act" "/dev/mk/blue/$channel" "$@"
}

# ran NAME STATUS WORDS: wait until its agent has run that, and how it went.
ran() { said "$1" "multikernel-agent: ran $3: $2\$"; }

# begin TAG COMMAND...: beside what comes next. end TAG: wait for it, and tell how it went.
begin() {
	local tag=$1
	shift
	"$@" >"$scratch/$tag" 2>&1 &
	echo $! >"$scratch/$tag.pid"
}

end() {
	local status=0
	wait "$(<"$scratch/$1.pid")" || status=$?
	cat "$scratch/$1"
	return "$status"
}

# has TAG REGEX: wait until what was begun says so.
has() {
	local end=$((SECONDS + BOOT))
	until grep -qE "$2" "$scratch/$1"; do
		[ "$SECONDS" -lt "$end" ] || { cat "$scratch/$1" && return 1; }
	done
}

make() { mkctl channel create blue "$@"; }
unmake() { mkctl channel rm blue "$@"; }
