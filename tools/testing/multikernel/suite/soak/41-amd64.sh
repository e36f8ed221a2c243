#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The interface in Debian's kernel for real machines.
. "$(dirname "$0")/../lib.sh"

use_host "${MK_HOST:-amd64}"

interface 60 50
