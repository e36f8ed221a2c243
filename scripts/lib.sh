# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Sourced by every script here: where things are, how steps are told, and the
# way into the environment.

# A failure inside $(...) counts too.
shopt -s inherit_errexit

# The make that called is not the one that is called from here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Where a user who became root may not look.
PATH=$PATH:/usr/sbin:/sbin

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
LOGS=$BUILD/log
CACHE=${MK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/multikernel}
JOBS=${JOBS:-$(nproc)}

# What every script uses by default. `make KVER=...` overrides it.
# The pinned kernel: Debian's package version of Linux and its flavour.
PIN_RELEASE=7.3.4+deb13
PIN_SERIES=7.3
PIN_FLAVOUR=cloud

# What QEMU emulates without KVM: one processor, whichever version of it does so. 5.2 does not know
# BMI2 as kernels use it to unpack themselves, and without that nobody expects AVX2. The counters of
# its CPUs are one, though it does not tell.
TCG_CPU=max,check=off,x-force-features=on,invtsc=on,-erms,-fsrm,-avx2,-bmi2,family=6,model=6,stepping=3
# And on a kernel's command line: instructions for ciphers are slow there, and to test them all takes
# up to two fifths of a boot.
TCG_WORDS=cryptomgr.notests=1

say() { printf '%s\n' "$*" >&2; }

# The last words of a script: what was wrong, then what to do about it.
die() {
	printf 'error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '       %s\n' "$@" >&2
	exit 1
}

# step LOG "what it does" COMMAND...
# Runs COMMAND with its output in build/log/LOG.log. On a terminal the time
# passes by; in a pipe there are a line at the start and one at the end. On
# failure the end of the log is printed and the script ends.
step() {
	local log=$LOGS/$1.log what=$2 start=$SECONDS status=0 clock=
	shift 2
	mkdir -p "$LOGS"
	if [ -t 2 ]; then
		clock "$what" &
		clock=$!
	else
		printf '  %-8s %s\n' "..." "$what" >&2
	fi
	# No "||" here: it would switch off "set -e" inside.
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [ -n "$clock" ]; then
		kill "$clock" 2>/dev/null || true
		wait "$clock" 2>/dev/null || true
		printf '\r\033[K' >&2
	fi
	if [ "$status" -ne 0 ]; then
		say "--- the end of $log:"
		tail -n 40 "$log" >&2
		die "could not $what (status $status)" "The whole log is $log."
	fi
	printf '  %-8s %s (%d s)\n' "done" "$what" $((SECONDS - start)) >&2
}

# The time that a step takes, on a terminal, while this shell lives.
clock() {
	local start=$SECONDS
	while kill -0 $$ 2>/dev/null; do
		printf '\r  %-8s %s (%d s) ' "..." "$1" $((SECONDS - start)) >&2
		sleep 1
	done
}

# key FILE-OR-WORD...: a short name for a cache entry, from all that it
# depends on.
key() {
	local word
	for word in "$@"; do
		if [ -f "$word" ]; then cat "$word"; else printf '%s\n' "$word"; fi
	done | sha256sum | cut -c1-12
}

# Which compiler a kernel configuration was made with, as words for make:
# kbuild compares it.
toolchain() {
	if grep -qx CONFIG_CC_IS_CLANG=y "$1"; then
		echo LLVM=1
	else
		sed -nE 's/^CONFIG_CC_VERSION_TEXT="([^ ]+) .*/CC=\1/p' "$1"
	fi
}

need_root() {
	[ "$(id -u)" = 0 ] ||
		die "this needs root: it makes and enters a Debian root file system" \
			"Run it again as: sudo make $*"
}

# What uses the environment calls this first, so that it is not made unseen in
# the middle of another step.
need_env() {
	need_root "${MK_GOAL:-demo}"
	[ -e "$ENV_ROOT/.complete" ] || "$TOP/scripts/env" make
}

# locked NAME COMMAND...: one such command at a time, over all clones.
locked() {
	local name=$1
	shift
	mkdir -p "$CACHE"
	(
		flock 9
		"$@"
	) 9>"$CACHE/.lock-$name"
}

# keep_newest NUMBER DIRECTORY: remove the others of what is in it.
keep_newest() {
	local old
	find "$2" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn |
		tail -n +$(($1 + 1)) | while read -r _ old; do rm -r "$old"; done
}

# The environment depends on its packages, and on what scripts/env makes of
# them: raise this when that changes.
ENV_FORMAT=3
ENV_PACKAGES=$TOP/scripts/env-packages
ENV_ROOT=$CACHE/env-$(key "$(grep -v '^#' "$ENV_PACKAGES")" "format $ENV_FORMAT")
# The versions of the tools in it that kernels and modules depend on.
TOOLCHAIN=$ENV_ROOT/.toolchain

# in_env COMMAND...: run COMMAND in the environment, in the current directory.
# $MK_BIND (words) names more directories that it can see under their names.
in_env() { "$TOP/scripts/env" run "$@"; }
