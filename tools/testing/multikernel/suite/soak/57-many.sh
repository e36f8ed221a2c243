#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# More instances at once than memory below 1 MiB has room for: of kernels that need
# none there.
. "$(dirname "$0")/../lib.sh"

lab many --cpus 20 --memory 6G --timeout 3000 -- \
	env MK_KERNEL="$(kernel guest)/vmlinuz" MK_MEMORY=192M "$SELFTESTS/many.sh" 16
