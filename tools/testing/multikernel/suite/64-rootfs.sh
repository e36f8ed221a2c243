#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The sample user space, in all stock kernels.
. "$(dirname "$0")/lib.sh"

# An agent that is older than its source is left out.
for name in cloud amd64 rt; do KVER=$name "$TOP/scripts/module" build; done
lab rootfs --cpus 3 --memory 2G --timeout 900 -- "$SELFTESTS/rootfs.sh" \
	with "$(kernel cloud)" "$(kernel amd64)" "$(kernel rt)" \
	without "$(kernel 6.12-cloud)" "$(kernel 6.1-cloud)"
