#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the host must not do while there are instances, on Debian's kernel for
# real machines; and kexec.
. "$(dirname "$0")/../lib.sh"

lab guard --cpus 4 -- "$SELFTESTS/guard.sh"
