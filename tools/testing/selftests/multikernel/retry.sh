#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# CPUs that are sent INIT once more just when they answer: what they do then is not
# taken for what they are to do next.
#
#	retry.sh MODULE
#
# MODULE is what this kernel has loaded.
MODULE=$1
. "$(dirname "$0")/lib.sh"

changes_hands() { load often && mkctl start often && mkctl kill often; }

check "CPUs have less time to answer than an emulated one needs" anew init_retry_us=20
check "created" create often 1-2
for round in {1..8}; do
	check "its CPUs go and come back, round $round" changes_hands
done
check "it boots" load often
check "with both" start often
check "they work" up often 2 "$RELEASE"
check "it is removed" remove often
check "the host is unharmed" unharmed
check "the module is as it was" anew
finish
