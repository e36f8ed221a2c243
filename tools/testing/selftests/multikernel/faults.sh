#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that go wrong, or are killed where it hurts: all is given back.
#
#	faults.sh TROUBLE
#
# TROUBLE is an initrd that makes trouble in the kernel $MK_KERNEL
# (tools/testing/multikernel/guest). There must be four CPUs to lend.
. "$(dirname "$0")/lib.sh"
trouble=$1

# load_trouble NAME ACT
load_trouble() {
	load_with "$1" --kernel "$MK_KERNEL" --initrd "$trouble" \
		--cmdline "${WORDS}rdinit=/trouble-init trouble.act=$2 mk.agent=0"
}

kills() { mkctl kill "$1" && state "$1" stopped killed; }

# ---- panics and hangs, all at once -------------------------------------------

# Before the kernel can tell it stays there, and the host looks into its log. With a panic=
# that counted it would reset the machine.
rootless() {
	create rootless 1 &&
		mkctl load rootless --kernel "$MK_KERNEL" --cmdline "${WORDS}panic=-1 root=/dev/none"
}
# After that: its init ends at once.
initless() { create initless 2 && load initless rdinit=/bin/busybox; }

spin() { create spin 3-4 && load_trouble spin spin; }

spins() {
	said "$1" 'trouble: CPU 0 spins with interrupts off' &&
		said "$1" 'trouble: CPU 1 spins with interrupts off'
}

panic='Kernel panic - not syncing: '
check "early panic: loaded" rootless
check "init that ends: loaded" initless
check "interrupts off: loaded" spin
check "two of them are started" started initless spin
check "early panic: who waits for a line is told" \
	fails "VFS: Unable to mount root fs" \
	mkctl start rootless --wait 'multikernel-init: up' --timeout "$BOOT"
check "early panic: it runs, as far as one can tell" state rootless running none
check "early panic: its log tells" logged rootless "${panic}VFS: Unable to mount root fs"
check "early panic: and so does show" tells "VFS: Unable" mkctl show rootless
check "early panic: it is killed" kills rootless
check "init that ends: it crashes" awaits initless crashed
check "init that ends: for a panic" state initless crashed panic
check "init that ends: its last words are kept" \
	shows initless '.text | startswith("Attempted to kill init!")' true
check "interrupts off: all of its CPUs spin" spins spin
check "interrupts off: it never reaches its user space" not logged spin 'multikernel-init: up'
check "interrupts off: it is killed" kills spin
check "the host is unharmed" unharmed
check "they are removed" mkctl rm rootless initless spin

# ---- a start that fails half-way ----------------------------------------------

# claim: as many tasks as there are CPUs less two are promised 80 % of one each. That can be kept
# without two of them, and not without three if there are eight at most, whatever of each is kept
# for other tasks.
claim() {
	local n
	claims=()
	for ((n = 2; n < $(nproc); n++)); do
		chrt --deadline --sched-runtime 8000000 --sched-period 10000000 0 sleep infinity &
		claims+=($!)
	done
	for n in "${claims[@]}"; do
		until chrt --pid "$n" | grep -q SCHED_DEADLINE; do
			kill -0 "$n" || return
		done
	done
}

# Of those who have just died the promise still holds for a period.
unclaimed() {
	local output
	kill "${claims[@]}" && wait "${claims[@]}" 2>/dev/null
	until output=$(mkctl start half --wait '^multikernel-init: up' --timeout "$BOOT" 2>&1); do
		echo "$output"
		grep -q 'cannot be taken offline' <<<"$output" || return
	done
}

check "half a start: loaded with three CPUs" create half 1-3
check "half a start: and a kernel" load half
check "half a start: the third CPU is needed" claim
for try in 1 2; do
	check "half a start: that is told, try $try" exits 1 \
		'cannot start `half`: CPU 3 cannot be taken offline \(error -16\)' mkctl start half
	check "half a start: it is loaded as before" state half loaded none
	check "half a start: the host has all its CPUs" \
		is "online CPUs" "$online" "$(</sys/devices/system/cpu/online)"
	check "half a start: the last that was taken came first" \
		host_said 'Booting Node . Processor 2 ' 'Booting Node . Processor 1 '
done
check "half a start: the host is unharmed" unharmed
check "half a start: then it starts" unclaimed
check "half a start: with all three" up half 3 "$RELEASE"
check "half a start: it is removed" remove half
check "the host is unharmed" unharmed

# ---- registers, first part ----------------------------------------------------

# They survive INIT.
hsave=0xc0010117
msrs=(0x1a0 0x277 0x20e 0x20f "$hsave")

# What the host finds in those of CPUs 3 and 4.
registers() { msr 3,4 "${msrs[@]}"; }

# The host writes the last, which is cleared between owners.
leave() { msr 3,4 "$hsave=0x54321000" | grep -c "MSR $hsave is 0x54321000" | grep -x 2; }

# An instance has changed them all, and has found that one cleared.
changed() {
	local cpu msr
	said msr 'multikernel-init: up' && kills msr || return
	for cpu in 0 1; do
		logged msr "trouble: CPU $cpu: MSR $hsave was 0x0 and is " || return
		for msr in "${msrs[@]}"; do
			logged msr "trouble: CPU $cpu: MSR $msr was .* and is " || return
		done
	done
}

# Where it is built in there is no such module.
modprobe msr 2>/dev/null
registers=
[ ! -e /dev/cpu/0/msr ] || registers=yes
if [ "$registers" ]; then
	registers >"$scratch/before"
	check "registers: created" create msr 3-4
	check "registers: loaded" load_trouble msr msr
	check "registers: the host has changed one" leave
	check "registers: started" mkctl start msr
fi

# ---- kills in the wrong moment ------------------------------------------------

# The kernel is not even unpacked: it does not have the text that it logs later.
# With mem= it unpacks itself. Where its CPU gets more time than this test, as may
# happen in an emulator, it is tried once more.
killed_early() {
	local try
	for try in 1 2 3 4 5; do
		load early mem=64T && fast early kill-after "$1" && state early stopped killed || return
		if lacks early ' Bringing up secondary CPUs' && not logged early .; then return; fi
		echo "try $try was too late"
	done
	return 1
}

check "early kill: created" create early 1-2
for delay in 0 0.3; do
	check "early kill: in its decompressor, $delay s after the start" killed_early "$delay"
	check "early kill: the host is unharmed" unharmed
done

# ---- registers, second part ---------------------------------------------------

if [ "$registers" ]; then
	check "registers: an instance changes those that survive INIT" changed
	registers >"$scratch/after"
	check "registers: the host finds them as they were" diff "$scratch/before" "$scratch/after"
	check "registers: the host is unharmed" unharmed
	check "registers: it is removed" remove msr
else
	skip "registers" "there is no /dev/cpu/0/msr"
fi

# ---- kills while CPUs start ----------------------------------------------------

# A kernel that is always at the same place, and waits long between INIT and
# STARTUP. What it logs is seen in its memory: there is no log to be found yet.
where='nokaslr cpu_init_udelay=240000'
begun='smp: Bringing up secondary CPUs'
done='smp: Brought up'

find_log() {
	load early "$where" && start early && place=$(fast early find "$begun") && kills early
}

killed_at_smp() {
	load early "$where" && fast early kill-at "${place%% *}" "$begun" &&
		state early stopped killed && fast early find "$begun" && lacks early "$done"
}

boots() { load early && start early && up early 2 "$RELEASE"; }

check "kill at SMP: where its log will be" find_log
for try in 1 2; do
	check "kill at SMP: while its second CPU starts, try $try" killed_at_smp
	check "kill at SMP: the host is unharmed" unharmed
done
check "kill at SMP: after that it boots" boots
check "it is removed" remove early
check "the host is unharmed" unharmed
finish
