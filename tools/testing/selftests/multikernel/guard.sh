#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# While there are instances, the host does not do what would hurt them or
# itself: unload the module, sleep, take a lent CPU back by hand.
. "$(dirname "$0")/lib.sh"

cpu=/sys/devices/system/cpu/cpu2
again() { load guarded && mkctl start guarded; }
unload() { rmmod multikernel; }
write() { echo "$1" >"$2"; }
# It ends by the signal.
let_go() { kill "$holder" && { wait "$holder" || is "the status" 143 $?; }; }

check "boots" boot guarded 1-2
check "the module cannot be unloaded while it runs" fails 'in use' unload
check "a lent CPU cannot be brought online" fails 'error|argument|permitted|busy' write 1 $cpu/online
check "the host's log says whose it is" \
	tells 'CPU 2 .*lent to the instance guarded' dmesg
check "it is still lent" is "cpu2/online" 0 "$(<$cpu/online)"
for state in $(</sys/power/state); do
	check "no sleep ($state) while it runs" fails 'busy' write "$state" /sys/power/state
	check "the host's log says why" tells 'no suspend while the instance guarded runs' dmesg
	dmesg -C
done
check "the instance does not notice" state guarded running none
check "it is killed" mkctl kill guarded
if grep -qw disk /sys/power/state; then
	check "no hibernation while it has memory" fails 'busy' write disk /sys/power/state
	check "the host's log says why" \
		tells 'no hibernation while the instance guarded has memory' dmesg
	dmesg -C
fi
check "the module cannot be unloaded while it exists" fails 'in use' unload
check "it may be started again" again
exec {held}< <(exec "$PROGRAMS/peek" guarded hold)
holder=$!
check "somebody maps its memory" read -r -t "$BOOT" -u "$held" _
check "it is removed" remove guarded
if grep -qw disk /sys/power/state; then
	check "no hibernation while its memory is mapped" fails 'busy' write disk /sys/power/state
	check "the host's log says why" tells 'no hibernation while memory of an instance that is gone' dmesg
	dmesg -C
fi
check "it is not mapped any more" let_go
check "the host is unharmed" unharmed
check "nothing of it is left in the memory map" not grep guarded /proc/iomem
check "now the module can be unloaded" unload
finish
