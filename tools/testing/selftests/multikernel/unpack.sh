#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that the host unpacks, and kernels that unpack themselves.
#
#	unpack.sh DIRECTORY... -- DIRECTORY...
#
# A DIRECTORY holds vmlinuz, and release: what uname -r says there. The kernels
# before "--" are compressed with zstd, those behind it are not.
. "$(dirname "$0")/lib.sh"

# What a kernel logs, and no packed one has.
text=' Bringing up secondary CPUs'
# What it tells of itself if its virtual addresses are those that it was linked to.
linked=$'\nKERNELOFFSET=0\n'

# The host goes on unpacking after a load.
put() {
	load unpack "${1:-}" "$directory/vmlinuz" || return
	until mkctl show --json unpack | jq -e .ready_ns; do sleep 0.1; done
}
place() { put "${1:-}" >&2 && fast unpack find "$text"; }
kills() { mkctl kill unpack && state unpack stopped killed; }
boots() { start unpack && up unpack 1 "$name"; }

# places CMDLINE TIMES: at how many places it is, loaded so often, or until that is more than one.
places() {
	local first='' now i
	for ((i = 0; i < $2; i++)); do
		now=$(place "$1") || return
		[ "$now" = "${first:=$now}" ] || break
	done
	echo $((1 + (i < $2)))
}

unpacked() { place; }
packed() { put "${1:-}" && lacks unpack "$text"; }

# One of hundreds of places is that which it was linked to.
moved() { lacks unpack "$linked" || { kills && put && boots && lacks unpack "$linked"; }; }

# One place in a million times.
scattered() {
	local n
	n=$(places '' 5) && is "the places" 2 "$n"
}

fixed() {
	local n
	n=$(places nokaslr 2) && is "the places" 1 "$n" && boots && fast unpack find "$linked"
}

check "created" create unpack 1
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	directory=$1 name=$(<"$1/release")
	check "$name: the host unpacks it" unpacked
	check "$name: it boots" boots
	check "$name: its virtual addresses are moved" moved
	check "$name: it is killed" kills
	check "$name: it is loaded at random places" scattered
	check "$name: nokaslr: always at the same, and not moved" fixed
	check "$name: nokaslr: it is killed" kills
	check "$name: mem=: it unpacks itself" packed mem=64T
	check "$name: mem=: it boots" boots
	check "$name: mem=: it is killed" kills
	shift
done
shift
for directory; do
	name=$(<"$directory/release")
	check "$name: it unpacks itself" packed
	check "$name: it boots" boots
	check "$name: it is killed" kills
done
check "it is removed" mkctl rm unpack
check "the host is unharmed" unharmed
finish
