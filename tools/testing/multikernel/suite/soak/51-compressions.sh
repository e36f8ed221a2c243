#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances whose kernels are compressed in each way that Linux knows, which takes minutes to
# build.
. "$(dirname "$0")/../lib.sh"

kernels=()
for how in gzip bzip2 lzma xz lzo zstd; do kernels+=("$(kernel "own-$how")"); done
# lz4
kernels+=("$(kernel own)")

lab kernels --cpus 7 --memory 3G --timeout 1500 -- "$SELFTESTS/kernels.sh" "${kernels[@]}"
