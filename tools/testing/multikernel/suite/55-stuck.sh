#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A CPU that does not take INIT.
. "$(dirname "$0")/lib.sh"

lab_held held --cpus 4 --timeout 600 -- "$SELFTESTS/stuck.sh"
