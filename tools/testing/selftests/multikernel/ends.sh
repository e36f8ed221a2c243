#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every way in which an unmodified instance goes down by itself: the machine
# stays up, the host learns what it was, and gets its CPUs back.
#
#	ends.sh [DIRECTORY...]
#
# A DIRECTORY holds vmlinuz and release of one more kernel, of which some of the
# ways are taken. There must be four CPUs to lend.
. "$(dirname "$0")/lib.sh"

# What the host is to make of each way.
declare -A as=(
	[reboot]="stopped restart" [sysrq-b]="stopped restart"
	[poweroff]="stopped halt" [halt]="stopped halt"
	[panic]="crashed panic"
)

# And what its log says of that.
declare -A told=(
	[restart]="restarted itself" [halt]="halted or powered off" [panic]="panicked"
)

# What the user says of panic= has no effect: the loader has its own way.
prepare() {
	local name=$1 cpus=$2 kernel=$3 release=$4
	create "$name" "$cpus" && load "$name" "panic=-1 mk.act=$name" "$kernel" &&
		announce "$name" "$release"
}

# tells_all NAME STATE REASON: of each change.
tells_all() {
	local line="multikernel: $1:"
	host_said "$line created\$" "$line loaded\$" "$line running\$" "$line $2 \(${told[$3]}\)\$"
}

# removed NAME...: and that is told.
removed() { mkctl rm "$@" && host_said "${@/%/: destroyed\$}"; }

# awaits_end NAME STATE: its own end, not that of a kernel without a timer that is started anew.
awaits_end() {
	local status=0
	awaits "$1" "$2" || status=$?
	state "$1" stopped killed >/dev/null || return "$status"
	awaits "$1" running && awaits "$1" "$2"
}

# Whoever waits is woken up, and told the state that it wanted.
begin_waiting() {
	local way
	pids=()
	for way; do
		awaits_end "$way" "${as[$way]% *}" &
		pids+=($!)
	done
}

are_woken() {
	local pid status=0
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	return "$status"
}

# all_end KERNEL RELEASE WAY...: up to two at once.
all_end() {
	local kernel=$1 release=$2 way cpu=1 state reason text
	shift 2
	for way; do
		check "$release, $way: loaded" \
			prepare "$way" "$cpu-$((cpu + 1))" "$kernel" "$release"
		cpu=$((cpu + 2))
	done
	begin_waiting "$@"
	check "$release: started: $*" started "$@"
	check "$release: who waits for their ends is woken" are_woken
	for way; do
		read -r state reason <<<"${as[$way]}"
		text=''
		[ "$way" != panic ] || text='sysrq triggered crash'
		check "$release, $way: it was up before" up "$way" 2 "$release"
		check "$release, $way: it is $state ($reason)" state "$way" "$state" "$reason"
		check "$release, $way: the host's log tells all" tells_all "$way" "$state" "$reason"
		check "$release, $way: its last words are \"$text\"" shows "$way" .text "$text"
	done
	check "$release: the host is unharmed" unharmed
}

all_end "$MK_KERNEL" "$RELEASE" reboot poweroff
check "they are removed" removed reboot poweroff
all_end "$MK_KERNEL" "$RELEASE" sysrq-b panic
check "they are removed" removed sysrq-b panic

# A CPU that goes offline calls the same stub, and comes back.
check "offline: loaded" prepare offline 3-4 "$MK_KERNEL" "$RELEASE"
check "offline: started" started offline
all_end "$MK_KERNEL" "$RELEASE" halt
check "offline: the CPU is back" said offline 'multikernel-init: cpu1 online=1 cpus=2$'
check "offline: it was away" logged offline 'multikernel-init: cpu1 online=0 cpus=1$'
check "offline: it still runs" state offline running none
check "they are removed" remove halt offline
check "the host is unharmed" unharmed

for directory; do
	all_end "$directory/vmlinuz" "$(<"$directory/release")" panic sysrq-b
	check "they are removed" removed panic sysrq-b
done
finish
