#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that panic, hang and are killed at any time; who unpacks their kernels;
# and CPUs that answer late.
. "$(dirname "$0")/lib.sh"

"$TOP/tools/testing/multikernel/guest/build" trouble
lab faults --cpus 5 --memory 2G --timeout 1200 -- \
	bash -c "cd $SELFTESTS; status=0
		./faults.sh $BUILD/trouble.cpio || status=1
		./unpack.sh $(kernel cloud) $(kernel 6.12-cloud) -- $(kernel 6.1-cloud) || status=1
		./retry.sh $(KVER=$HOST "$TOP/scripts/module" path) || status=1
		exit \$status"
