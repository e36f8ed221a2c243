#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels, of programs and of modules, in a host's kernel that looks for faults: what
# 41-debug has no time for.
set -euo pipefail

status=0
for step in 61-channel 66-kernel-api 68-traffic; do
	MK_HOST=debug "$(dirname "$0")/../$step.sh" || status=1
done
exit "$status"
