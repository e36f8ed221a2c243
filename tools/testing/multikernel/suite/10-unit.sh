#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The pure logic of the module, the library and mkctl, in user space.
#
# It boots nothing.
. "$(dirname "$0")/cargo.sh"

status=0
for directory in tools/testing/multikernel/pure tools/testing/multikernel/log \
	tools/testing/multikernel/loom tools/testing/multikernel/bench tools/multikernel; do
	cargo_test "$directory" || status=1
done
"$TOP/scripts/crates" told 1 "$COMPILED" || status=1
# Cargo's own lock: another step may be compiling there.
flock "$BUILD/cargo/debug/.cargo-lock" "$TOP/scripts/crates" put
exit "$status"
