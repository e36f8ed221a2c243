#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An instance in memory that the host's kernel has set aside at boot, and what the
# commands tell of it. For a host that was booted with these on its command line:
#
#	multikernel=322M multikernel=512M,cma multikernel=3M multikernel=1T
#	multikernel=64M,wrong
. "$(dirname "$0")/lib.sh"

# pool KIND JQ-EXPRESSION VALUE
pool() {
	is "$2 of the pool" "$3" \
		"$(mkctl pool --json | jq -r --arg kind "$1" "[.pools[] | select(.kind == \$kind)] | $2")"
}

booted() { grep -F -e "$1" "$scratch/boot" || { grep multikernel "$scratch/boot" && false; }; }

named() { grep -qE "^ *[0-9a-f-]+ : Multikernel pool\$" /proc/iomem; }

# within NAME KIND: all of its memory is in a pool of that kind.
within() {
	mkctl pool --json | jq -e --arg kind "$2" --argjson ranges "$(mkctl show --json "$1" | jq .ranges)" '
		[.pools[] | select(.kind == $kind)] as $pools |
		all($ranges[]; . as $range | any($pools[];
			$range.start >= .start and
			$range.start + $range.bytes <= .start + .bytes))'
}

check "the boot tells of a reserved pool" booted 'multikernel: pool of 322 MiB at'
check "and of one that the host uses" booted 'multikernel: pool of 512 MiB at'
check "of a size that cannot be" booted 'no pool "3M": sizes and addresses are multiples of 2M'
check "of one that is more than there is" booted 'no pool of 1048576 MiB: error -12'
check "of a word that is not known" booted 'no pool of 64M: "wrong" is not known'
check "/proc/iomem has them" named
check "there is one reserved pool" pool reserved length 1
check "all of it is free" pool reserved '.[0] | "\(.bytes) \(.free) \(.largest)"' \
	"$((322 << 20)) $((322 << 20)) $((322 << 20))"
check "there is one that the host uses" pool cma length 1
check "all of it can be had" pool cma '.[0].largest' "$((512 << 20))"
check "run-time memory is told as well" pool run-time '.[0].free > 0' true
check "people are told" tells '^reserved +0 +0x[0-9a-f]+ +322 MiB +322 MiB +322 MiB$' mkctl pool

MEMORY=322M
check "an instance boots in all of a pool" boot inside 1
check "that is its memory" within inside reserved
check "nothing of the pool is free" pool reserved '.[0] | "\(.free) \(.largest)"' "0 0"
check "it was told of so much" tells 'memory=2[0-9]{5}$' up inside 1 "$RELEASE"
MEMORY=512M
check "another one boots in the one that the host uses" boot moved 2
check "that is its memory" within moved cma
check "nothing of that pool is free" pool cma '.[0] | "\(.free) \(.largest)"' "0 0"
MEMORY=128M
check "a third one has what the host has" create outside 3
check "that is in no pool" not within outside reserved
check "nor in the other" not within outside cma
check "the host is unharmed" unharmed
check "the first is killed" mkctl kill inside
check "it is loaded again, in the same memory" load inside
check "and boots" start inside
check "they are removed" remove inside moved outside
check "the reserved pool is free again" pool reserved '.[0].largest' "$((322 << 20))"
check "so is the other one" pool cma '.[0].largest' "$((512 << 20))"
check "the host is unharmed" unharmed
finish
