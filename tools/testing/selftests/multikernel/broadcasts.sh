#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host sends interrupts to all of its CPUs, as often as it can, while
# instances boot, and while their CPUs come back: those of them reach no CPU that is
# lent. One of the instances does what it must not, for the audit to find it.
#
#	broadcasts.sh KERNEL RELEASE
#
# A KERNEL with /dev/port. The host keeps three CPUs, or one would be
# interrupted by itself instead of all.
. "$(dirname "$0")/lib.sh"
kernel=$1 release=$2

tracing=/sys/kernel/tracing
[ -d $tracing/events/sched ] || skip_all "there are no trace events"
before=$(</proc/sys/kernel/printk)

# Each change of code, to trace or not to, lets all CPUs synchronize; so does
# taking memory from a process that runs on several.
storm() {
	while [ -e "$scratch/storm" ]; do
		echo 1 >$tracing/events/sched/sched_switch/enable
		echo 0 >$tracing/events/sched/sched_switch/enable
		echo l >/proc/sysrq-trigger
	done
}

begin_storm() {
	touch "$scratch/storm"
	storm &
}

end_storm() {
	rm "$scratch/storm"
	wait
}

# How many interrupts of a kind the CPUs of the host had.
count() { awk -v kind="$1:" '$1 == kind { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts; }

more() {
	local now
	now=$(count "$1")
	echo "$1: $2 before, $now now"
	[ "$now" -ge $(($2 + $3)) ]
}

prepare() {
	create quiet 1-2 && load quiet && announce quiet "$RELEASE" &&
		create loud 3 && load loud "mk.act=port mk.port=0x60" "$kernel" &&
		announce loud "$release" i8042-data:0x60
}

kill_it() { mkctl kill "$1"; }

calls=$(count CAL) backtraces=$(count NMI)
# The backtraces of the storm are for the log, not for the console.
echo 1 >/proc/sys/kernel/printk
begin_storm
check "two instances are loaded in the storm" prepare
check "they are started" started quiet loud
check "quiet reaches its user space" said quiet '^.*multikernel-init: up'
check "loud reaches its user space, and a port" said loud 'multikernel-init: port 0x60 value=..'
end_storm
check "there was a storm of function calls" more CAL "$calls" 500
check "and of NMIs" more NMI "$backtraces" 10
check "quiet runs" state quiet running none
check "loud runs" state loud running none
check "quiet has all of its CPUs" up quiet 2 "$RELEASE"
check "no NMI reached quiet" not logged quiet 'NMI (received|backtrace)'
check "nor loud" not logged loud 'NMI (received|backtrace)'
begin_storm
check "they are killed at once in another storm" together kill_it quiet loud
end_storm
echo "$before" >/proc/sys/kernel/printk
check "the host is unharmed" unharmed
finish
