#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How far the host's kernel keeps its hands off the memory of instances: with our
# series a stray write faults; without, it is only left out by who reads all pages.
#
#	foreign.sh DIRECTORY MODULE
#
# DIRECTORY is that of stray.ko and shown.ko (tools/testing/multikernel/stray). MODULE
# is this module, which is loaded anew.
. "$(dirname "$0")/lib.sh"
directory=$1
MODULE=$2

pages() { "$(dirname "$0")/pages.py" "$@"; }

# stray ADDRESS TEXT: a write by the host's kernel, which it should not do.
stray() { insmod "$directory/stray.ko" address="$1" text="$2" && rmmod stray; }

# at NAME OFFSET: the physical address of that in its memory.
at() {
	local start bytes offset=$2
	while read -r start bytes; do
		if [ "$offset" -lt "$bytes" ]; then
			echo $((start + offset))
			return 0
		fi
		offset=$((offset - bytes))
	done < <(ranges "$1")
	return 1
}

# strays NAME [ADDRESS]: stray writes to its memory, and there, fault, and nothing of
# them lands.
strays() {
	local name=$1 start bytes address
	while read -r start bytes; do
		for address in "$start" "${2:-$start}" $((start + bytes / 2)) $((start + bytes - 8)); do
			fails 'Bad address' stray "$address" 'strayed!' || return
		done
	done < <(ranges "$name")
	lacks "$name" 'strayed!'
}

# Once its kernel is unpacked.
unpacked() {
	local tenth
	for ((tenth = 0; tenth < 10 * BOOT; tenth++)); do
		[ "$(mkctl show --json "$1" | jq .ready_ns)" = null ] || return 0
		sleep 0.1
	done
	echo "$1 is still not unpacked"
	false
}

# in_kcore FILE: /proc/kcore has something of the ranges in that file.
in_kcore() {
	local start bytes status
	while read -r start bytes; do
		status=0
		pages kcore "$start" "$bytes" || status=$?
		[ "$status" = 1 ] || return "$status"
	done <"$1"
	return 1
}

not_in_kcore() {
	local status=0
	in_kcore "$1" || status=$?
	is "the status" 1 "$status"
}

# offline FILE all|none: so many of the pages in that file are.
offline() {
	local start bytes wanted=0
	while read -r start bytes; do
		[ "$2" = none ] || wanted=$((bytes / 4096))
		is "the number of pages" "$wanted" "$(pages offline "$start" "$bytes")" || return
	done <"$1"
}

hides=
! grep -qw foreign_memory_hide /proc/kallsyms || hides=yes
echo "# this kernel $([ -n "$hides" ] && echo hides || echo "cannot hide") what is an instance's"

# ---- one that does not run -------------------------------------------------------

check "an instance has memory" create still 1
ranges still >"$scratch/still"
address=$(at still $((5 << 20)))
if [ -n "$hides" ]; then
	check "stray writes fault" strays still "$address"
	check "all of its memory is zero" fast still zero
	check "what is no kernel is not loaded" fails 'kernel' load still '' "$MK_ROOTFS"
	check "stray writes fault then" strays still "$address"
	check "a kernel is" load still
	check "it is unpacked" unpacked still
	check "stray writes fault before it is started" strays still "$address"
else
	check "a stray write lands" stray "$address" 'strayed!'
	check "there" is "the place" $((5 << 20)) "$(fast still find 'strayed!')"
fi
check "it is removed" remove still

# ---- one that runs ----------------------------------------------------------------

check "an instance boots" boot foreign 1
ranges foreign >"$scratch/foreign"
offset=$(fast foreign find 'Run /init as init process' | cut -d' ' -f1)
check "its log is in its memory" [ -n "$offset" ]
page=$(($(at foreign "${offset:-0}") & -4096))
if [ -n "$hides" ]; then
	check "stray writes to it fault" strays foreign "$page"
	check "the host reads its log all the same" logged foreign 'Run /init as init process'
	check "it does not notice" state foreign running none
fi
if [ -r /proc/kcore ]; then
	code=$((16#$(sed -n 's/^ *\([0-9a-f]*\)-.* : Kernel code$/\1/p' /proc/iomem)))
	check "/proc/kcore has this kernel" pages kcore "$code" 4096
	check "and nothing of the instance" not_in_kcore "$scratch/foreign"
else
	echo "# this kernel has no /proc/kcore, which could show it"
fi
check "its pages are offline" offline "$scratch/foreign" all
check "it is killed" mkctl kill foreign
[ -z "$hides" ] || check "stray writes to what is left of it fault" strays foreign "$page"
check "it is loaded again" load foreign
check "and boots" start foreign
[ -z "$hides" ] || check "stray writes to it fault" strays foreign "$page"
check "it is removed" remove foreign
check "no page is offline any more" offline "$scratch/foreign" none
check "the host is unharmed" unharmed

# ---- one that cannot be hidden ----------------------------------------------------

if [ -n "$hides" ]; then
	check "an instance has memory" create shown 1
	check "nothing can be hidden now" insmod "$directory/shown.ko"
	check "no other one gets memory" fails 'cannot be kept from the host' create other 2
	check "nor is it left behind" tells '^shown$' names
	check "where a kernel cannot be hidden" load shown
	check "it is not started" fails 'cannot be kept from the host' start shown
	check "things can be hidden again" rmmod shown
	check "what was shown once is not started" fails 'cannot be kept' mkctl start shown
	check "it is loaded again" load shown
	check "it is unpacked" unpacked shown
	check "nothing can be hidden now" insmod "$directory/shown.ko"
	check "where it cannot be hidden again it is not started" \
		fails 'cannot be kept from the host' start shown
	check "its kernel is still there" state shown loaded none
	check "things can be hidden again" rmmod shown
	check "its CPU is the host's" unharmed
	check "it boots" start shown
	check "stray writes to it fault" strays shown
	check "it is removed" remove shown
	check "the host is unharmed" unharmed
fi

# ---- memory that fails --------------------------------------------------------------

broken=/sys/devices/system/memory/hard_offline_page
if [ -w "$broken" ]; then
	check "an instance has memory" create broken 1
	at broken $((16 << 20)) >"$scratch/broken"
	# It tells that it could not make sure that nobody reads it.
	cat "$scratch/broken" >"$broken" 2>/dev/null
	check "a page of it fails" tells 'Memory failure: ' dmesg
	check "no kernel gets there" fails 'hardware error' load broken
	check "it is removed" remove broken
	check "the host is unharmed" unharmed
else
	echo "# this kernel does not know memory that fails: there is no $broken"
fi

# ---- where it is asked for ----------------------------------------------------------

loaded() { create asked 1 && load asked && unpacked asked; }
check "the module is loaded anew" anew dump_instances=1
check "an instance has a kernel in its memory" loaded
ranges asked >"$scratch/asked"
check "no page of it is offline" offline "$scratch/asked" none
if [ -r /proc/kcore ]; then
	if [ -n "$hides" ]; then
		check "/proc/kcore has nothing of it" not_in_kcore "$scratch/asked"
	else
		check "/proc/kcore has it" in_kcore "$scratch/asked"
	fi
fi
check "it is removed" remove asked
check "the host is unharmed" unharmed
check "the module is loaded as before" anew
finish
