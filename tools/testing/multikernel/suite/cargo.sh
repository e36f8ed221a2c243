# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the steps that test in user space.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../../../scripts/lib.sh"

# Compiling and linking is most of the work, and nobody looks at these with a debugger. What is
# compiled is seldom compiled again.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only RUSTFLAGS=-Clink-arg=-fuse-ld=lld
export CARGO_INCREMENTAL=0
export CARGO_BUILD_JOBS=$JOBS RUST_TEST_THREADS=$JOBS

# What cargo has compiled here.
COMPILED=$LOGS/$(basename "$0" .sh)-compiled.log
mkdir -p "$LOGS"
: >"$COMPILED"

# cargo_test DIRECTORY [OPTION...]
cargo_test() {
	local directory=$1
	shift
	"$TOP/scripts/crates" get
	set -- --locked --manifest-path "$TOP/$directory/Cargo.toml" "$@"
	in_cargo --no-run "$@" 2>&1 | tee -a "$COMPILED" && in_cargo --quiet --no-fail-fast "$@"
}

in_cargo() { in_env env CARGO_TARGET_DIR="$BUILD/cargo" cargo test "$@"; }
