#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Commands and files in an instance, by what runs in the sample user space.
. "$(dirname "$0")/lib.sh"

lab exec --cpus 2 --memory 1536M --timeout 900 -- "$SELFTESTS/exec.sh"
