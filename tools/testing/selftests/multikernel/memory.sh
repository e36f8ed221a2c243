#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How much memory an instance can have, and what is in it before and after.
#
#	memory.sh [DIRECTORY]
#
# DIRECTORY is shared with somebody who can look into all of the machine's memory:
# asked by a file "ask", with an address, a number of bytes and a text, it answers
# in "answer" with how often the text is there.
. "$(dirname "$0")/lib.sh"
shared=${1:-}

# What the host writes and forgets: in all that is free some of it will be found.
fill() {
	mkdir "$scratch/fill" && mount -t tmpfs tmpfs "$scratch/fill" || return
	yes 'the host wrote this' | head -c 4M >"$scratch/pattern"
	for _ in {1..64}; do cat "$scratch/pattern"; done >"$scratch/fill/file" &&
		umount "$scratch/fill"
}

# As a number of MiB, what an instance can have.
largest() {
	mkctl create huge --cpus 1 --memory 1T 2>&1 |
		grep -oE '[0-9]+ MiB can' | grep -oE '[0-9]+'
}

free_mib() { awk '$1 == "MemFree:" { print int($2 / 1024) }' /proc/meminfo; }

# ---- what is in it --------------------------------------------------------------

runs() { load "$1" && start "$1" && up "$1" 1 "$RELEASE"; }

# found TEXT in the memory that the file $scratch/used tells.
found() {
	local start bytes answer sum=0
	while read -r start bytes; do
		answer=$(ask "$shared" "$start $bytes $1") || return
		echo "$bytes bytes at $start: $answer times"
		sum=$((sum + answer))
	done <"$scratch/used"
	[ "$sum" -gt 0 ]
}

check "an instance takes memory" create mem 1
check "all that it gets is zero" fast mem zero
check "it boots" runs mem
check "it is killed" mkctl kill mem
check "its memory is not zero any more" not fast mem zero
ranges mem >"$scratch/used"
if [ -n "$shared" ]; then
	check "what it wrote is there" found 'Run /init as init process'
	check "it is removed" mkctl rm mem
	check "what it wrote is not there any more" not found 'Run /init as init process'
else
	skip "what it wrote goes with it" "nobody looks into the machine's memory"
	mkctl rm mem
fi
# It may be in use by now where that was. It leaves less than that of what there is.
MEMORY=$(($(largest) - 64))M
check "another one takes it" create next 1
ranges next >"$scratch/next"
check "that is the same memory" overlap "$scratch/used" "$scratch/next"
check "all that it gets is zero" fast next zero
check "it is removed" mkctl rm next
check "the host is unharmed" unharmed

# ---- how much -------------------------------------------------------------------

# Into the least a kernel fits, and nothing more.
least() { mkctl create least --cpus 1 --memory 64M && mkctl load least --kernel "$MK_KERNEL"; }
too_much() { mkctl load least --kernel "$MK_KERNEL" --initrd "$MK_KERNEL"; }

check "the least is taken, and a kernel fits" least
check "what does not fit tells what it needs" \
	fails 'needs [0-9]+ bytes of contiguous memory, and [0-9]+ are there' too_much
check "it is removed" mkctl rm least
MEMORY=96M
check "a little more is enough to boot" boot small 1
check "and to tell its size" tells 'memory=[1-9][0-9]{4}$' up small 1 "$RELEASE"
check "it is removed" remove small

check "the host writes to its free memory" fill
before=$(free_mib)
largest=$(largest)
check "people are told where memory comes from" \
	tells '^run-time +0 +- +[0-9]+ [MG]iB +[0-9]+ [MG]iB +-$' mkctl pool
check "too much is refused, and the largest told: ${largest:-no} MiB of $before free" [ "${largest:-0}" -gt 0 ]
check "that is most of what is free" [ "${largest:-0}" -gt $((before * 7 / 10)) ]
MEMORY=${largest:-0}M
check "so much can be had" create huge 1
check "in several ranges" shows huge '.ranges | length > 1' true
check "all of it is zero" fast huge zero
check "it boots" runs huge
memory=$(mkctl dmesg huge | sed -nE 's/.*multikernel-init: up .* memory=([0-9]+)$/\1/p')
check "it has found nearly all of it: $((${memory:-0} >> 10)) MiB" \
	[ "$((${memory:-0} >> 10))" -gt $((${largest:-0} * 9 / 10)) ]
check "the host lives" unharmed
check "it is removed" remove huge
after=$(free_mib)
check "it is all free again: $before MiB before, $after after" [ "$after" -gt $((before - 32)) ]
check "the host is unharmed" unharmed
finish
