#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The interface of the module, in the kernel that the lab has by default.
. "$(dirname "$0")/lib.sh"

interface 60 50
