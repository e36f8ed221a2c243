# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the steps that boot a lab and run kselftests in it. $MK_HOST names
# the host's kernel as scripts/kernel does (cloud).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../../../scripts/lib.sh"

HOST=${MK_HOST:-$PIN_FLAVOUR}
SELFTESTS=$TOP/tools/testing/selftests/multikernel
STEP=$(basename "$0" .sh)

# The module for the host, where it was not built yet.
[ -f "$(KVER=$HOST "$TOP/scripts/module" path)" ] || KVER=$HOST "$TOP/scripts/module" build

# lab LAB OPTION... -- COMMAND...: COMMAND prints TAP. When a test fails there,
# or the machine dies, the host's console is shown. Those of the instances are
# shown by COMMAND, as long as there is somebody to do it.
lab() {
	local name=$STEP-$1 status=0
	shift
	"$TOP/scripts/lab" --name "$name" --kernel "$HOST" "$@" || status=$?
	if [ "$status" != 0 ]; then
		echo "# status $status; the end of $BUILD/lab/$name/host.log:"
		tail -n 60 "$BUILD/lab/$name/host.log" | tr -d '\r' | sed 's/^/#   /'
	fi
	return "$status"
}

# The directory of a kernel, getting it first.
kernel() { "$TOP/scripts/kernel" dir "$1"; }
