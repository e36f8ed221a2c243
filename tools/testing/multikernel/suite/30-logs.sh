#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The reader of logs against the memory of stock kernels, saved by QEMU.
. "$(dirname "$0")/cargo.sh"

LOG=tools/testing/multikernel/log
DUMPS=$BUILD/log-dumps

step log-dumps "boot stock kernels and save their memory" "$TOP/$LOG/dump" "$DUMPS"
MK_LOG_DUMPS=$DUMPS cargo_test "$LOG" --test dump
rm -f "$DUMPS"/*.memory
