#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The pure logic of the module, the library and mkctl, in user space.
set -euo pipefail
. "$(dirname "$0")/../../../../scripts/lib.sh"

status=0
for manifest in tools/testing/multikernel/pure tools/testing/multikernel/log \
	tools/testing/multikernel/loom tools/testing/multikernel/bench tools/multikernel; do
	in_env env CARGO_TARGET_DIR="$BUILD/cargo" cargo test --quiet --locked --no-fail-fast \
		--manifest-path "$TOP/$manifest/Cargo.toml" || status=1
done
exit "$status"
