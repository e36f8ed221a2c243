#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The reader of logs against the memory of stock kernels, saved by QEMU.
set -euo pipefail
. "$(dirname "$0")/../../../../scripts/lib.sh"

LOG=$TOP/tools/testing/multikernel/log
DUMPS=$BUILD/log-dumps

step log-dumps "boot stock kernels and save their memory" "$LOG/dump" "$DUMPS"
in_env env CARGO_TARGET_DIR="$BUILD/cargo" MK_LOG_DUMPS="$DUMPS" \
	cargo test --quiet --locked --manifest-path "$LOG/Cargo.toml" --test dump
rm -f "$DUMPS"/*.memory
