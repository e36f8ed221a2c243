# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the steps that test in user space.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../../../scripts/lib.sh"

# Compiling and linking is most of the work, and nobody looks at these with a debugger.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only RUSTFLAGS=-Clink-arg=-fuse-ld=lld
export CARGO_BUILD_JOBS=$JOBS RUST_TEST_THREADS=$JOBS

# cargo_test DIRECTORY [OPTION...]
cargo_test() {
	local directory=$1
	shift
	"$TOP/scripts/crates" get
	in_env env CARGO_TARGET_DIR="$BUILD/cargo" cargo test --quiet --locked --no-fail-fast \
		--manifest-path "$TOP/$directory/Cargo.toml" "$@"
}
