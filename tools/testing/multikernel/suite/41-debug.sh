#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The interface in a host's kernel that looks for faults, with KASAN, UBSAN, lockdep
# and kmemleak.
. "$(dirname "$0")/lib.sh"

use_host "${MK_HOST:-debug}"

interface 15 10
