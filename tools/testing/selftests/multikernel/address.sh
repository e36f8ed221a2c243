#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pools at an address, and those that cannot be. For a host of one node with 2 GiB of
# memory that was booted with these on its command line:
#
#	nokaslr multikernel=256M@1G multikernel=64M@1536M,cma multikernel=66M@1152M
#	multikernel=68M@1536M,cma multikernel=70M@3G multikernel=72M@1792M,node=1
#	multikernel=74M,node=1 multikernel=2M@1M multikernel=1T multikernel=6M
. "$(dirname "$0")/lib.sh"

booted() { grep -F -e "$1" "$scratch/boot" || { grep multikernel "$scratch/boot" && false; }; }

check "the boot tells of a reserved pool at an address" \
	booted 'multikernel: pool of 256 MiB at 0x0000000040000000 on node 0, reserved'
check "and of one that the host uses" \
	booted 'multikernel: pool of 64 MiB at 0x0000000060000000 on node 0, used for movable pages'
check "/proc/iomem has the first" grep -E '^ *40000000-4fffffff : Multikernel pool$' /proc/iomem
check "and the second" grep -E '^ *60000000-63ffffff : Multikernel pool$' /proc/iomem
check "people are told of the first" \
	tells '^reserved +0 +0x40000000 +256 MiB +256 MiB +256 MiB$' mkctl pool
check "and of the second" tells '^cma +0 +0x60000000 +64 MiB +64 MiB +64 MiB$' mkctl pool
check "there are no others" is "their number" 2 \
	"$(mkctl pool --json | jq '[.pools[] | select(.kind != "run-time")] | length')"

# EBUSY, ENXIO, EXDEV, ENOMEM
check "none is where another one is" booted 'no pool of 66 MiB: error -16'
check "also none that the host uses" booted 'no pool of 68 MiB: error -16'
check "none is where there is no memory" booted 'no pool of 70 MiB: error -6'
check "none is on a node that has another address" booted 'no pool of 72 MiB: error -18'
check "none is on a node that is not there" booted 'no pool of 74 MiB: error -12'
check "none is at an odd address" \
	booted 'no pool "2M@1M": sizes and addresses are multiples of 2M'
check "none is after the eighth" booted 'no pool of 6M: 8 are the most'

MEMORY=256M
check "an instance boots in all of the first" boot there 1
check "that is where its memory is" shows there '.ranges[0] | "\(.start) \(.bytes)"' \
	"$((1 << 30)) $((256 << 20))"
check "its log tells so" logged there 'BIOS-e820: .*0x000000004[0-9a-f]{7}-0x000000004fffffff'
check "it is removed" remove there
MEMORY=320M
check "another one gets all of both" create both 1
check "that is where its memory is" shows both '[.ranges[] | .start] | join(" ")' \
	"$((1 << 30)) $((3 << 29))"
check "it is removed" remove both
check "the host is unharmed" unharmed
finish
