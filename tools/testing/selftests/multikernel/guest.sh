#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that knows what it is: CONFIG_MULTIKERNEL_GUEST.
#
#	guest.sh
#
# $MK_KERNEL is one, and has nothing else that keeps it from resetting the machine.
. "$(dirname "$0")/lib.sh"

# tells_time NAME: it is started, and tells a time between two of this kernel.
tells_time() {
	local name=$1 before after told
	before=$(date +%s)
	start "$name" && said "$name" 'multikernel-init: time=' >"$scratch/time" || return
	after=$(date +%s)
	told=$(sed 's/.*time=//' "$scratch/time")
	echo "$before <= $told <= $after"
	[ "$before" -le "$told" ] && [ "$told" -le "$after" ]
}

# own NAME: what its /proc/iomem has its loader has told it of, but for the local APIC.
own() {
	local from to what start end lines=0 status=0 told
	mkctl dmesg "$1" >"$scratch/log" || return
	sed -nE 's/.*BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\].*/\1 \2/p' "$scratch/log" \
		>"$scratch/told"
	while read -r from to what; do
		lines=$((lines + 1))
		[ "$from $what" != "fee00000 Local APIC" ] || continue
		told=
		while read -r start end; do
			((16#$start > 16#$from || 16#$to > 16#$end)) || told=yes
		done <"$scratch/told"
		[ -n "$told" ] || { echo "$from-$to: $what" && status=1; }
	done < <(sed -nE 's/.*multikernel-init: iomem ([0-9a-f]+)-([0-9a-f]+) : (.*)$/\1 \2 \3/p' \
		"$scratch/log")
	[ "$lines" -gt 1 ] || { echo "it has told of $lines lines" && status=1; }
	return "$status"
}

# panics NAME CMDLINE: it is loaded and started, and the host is told.
panics() { load "$1" "$2" && mkctl start "$1" && awaits "$1" crashed; }

# shows_early NAME REGEX: its console, as it is, has such a line.
shows_early() {
	mkctl console "$1" --read-only </dev/null >"$scratch/early"
	grep -aE -e "$2" "$scratch/early" || { tail -n 20 "$scratch/early" && false; }
}

check "an instance is made" create guest 1-2
check "it is loaded" load guest mk.act=iomem,time
check "it has this kernel's time" tells_time guest
check "it runs on both CPUs" up guest 2 "$RELEASE"
check "it knows what it is" logged guest 'multikernel: started beside another kernel'
check "it was told how fast its counter is" logged guest 'tsc: Detected [0-9.]+ MHz processor'
check "nothing else has measured that" not logged guest 'Refined TSC|using PIT|using (HPET|PMTIMER)'
check "no other way down is there" not logged guest 'tboot: '
check "it has read no tables of firmware" not logged guest 'DMI: |MP-table|MPTABLE'
check "it has looked for no clock" not logged guest 'rtc_cmos'
check "nor for what else a machine has" own guest
check "it is killed" mkctl kill guest

# Nothing of it is there yet when it panics: its memory ends below where it is.
check "it panics before it has any memory" panics guest "earlycon=mk mem=32M"
check "the host is told so" state guest crashed panic
check "and why, in its own words" tells '[a-z]' jq -re '.text' <(mkctl show --json guest)
check "it was seen to begin" shows_early guest 'Linux version'
check "and to end" shows_early guest 'Kernel panic - not syncing'
check "the host is unharmed" unharmed
# At its very end: there is nothing to start, and nothing that waits.
check "it panics without an init" panics guest "earlycon=mk keep_bootcon rdinit=/none"
check "the host is told so" state guest crashed panic
check "not before all was logged that is to be" logged guest 'Kernel Offset: '
check "and shown" shows_early guest 'Kernel Offset: '
check "nothing of that is missing" not shows_early guest 'bytes are missing'
check "panic=0, as it was given, did not hold it" logged guest 'panic=0 '
check "the host is unharmed" unharmed
check "it is removed" mkctl rm guest
finish
