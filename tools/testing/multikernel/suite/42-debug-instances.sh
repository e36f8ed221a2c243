#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that run, end, fail and are killed, and bad agents, in a host's kernel that
# looks for faults.
. "$(dirname "$0")/lib.sh"

use_host "${MK_HOST:-debug}"

status=0 leaks=''
# With $MK_HOST it may be one that does not look for lost memory.
[ "$HOST" != debug ] || leaks=leaks.sh
"$TOP/tools/testing/multikernel/guest/build" trouble
"$TOP/tools/testing/multikernel/guest/build" agent
# One machine does all: it takes half a minute to boot. Without the module ends what guard.sh does.
# With mem= kernels unpack themselves, which this host takes 4 s for; 41-debug has it do that.
lab instances --cpus 5 --memory 3G --timeout 3000 -- env "MK_WORDS=$WORDS mem=64T" bash -c '
	status=0
	"$0/ends.sh" || status=1
	"$0/faults.sh" "$1" || status=1
	"$0/hostile.sh" "$2" "$3" || status=1
	[ -z "$4" ] || "$0/$4" || status=1
	"$0/guard.sh" || status=1
	exit $status' "$SELFTESTS" "$BUILD/trouble.cpio" "$BUILD/agent.cpio" \
	"$(KVER=$HOST "$TOP/scripts/module" path)" "$leaks" || status=1
exit "$status"
