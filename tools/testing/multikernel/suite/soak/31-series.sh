#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Each patch of the series, applied after those before it, builds and boots.
set -euo pipefail
. "$(dirname "$0")/../../../../../scripts/lib.sh"

echo "TAP version 13"
if "$TOP/scripts/series-check"; then
	echo "ok 1 - each patch of the series builds and boots by itself"
else
	echo "not ok 1 - each patch of the series builds and boots by itself"
fi
echo "1..1"
