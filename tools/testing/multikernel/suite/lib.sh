# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the steps that boot a lab and run kselftests in it. $MK_HOST names
# the host's kernel as scripts/kernel does (cloud).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../../../scripts/lib.sh"

# shellcheck disable=SC2034
SELFTESTS=$TOP/tools/testing/selftests/multikernel
STEP=$(basename "$0" .sh)
PROGRAMS=$BUILD/selftests

# use_host NAME: the kernel of the hosts of this step, with the module in it (scripts/lab).
# Beside one of our own run instances of the pinned one.
use_host() {
	HOST=$1
	# shellcheck disable=SC2034
	case $HOST in
	own | debug | patched | builtin | signed | guest) INSIDE=$PIN_FLAVOUR ;;
	*) INSIDE=$HOST ;;
	esac
}

# For each instance's command line.
WORDS=$TCG_WORDS

# boot_lab LAB OPTION... -- COMMAND...: there nothing is missing that a test needs. QEMU=newer is
# that of the environment.
boot_lab() {
	local name=$STEP-$1 options=()
	shift
	[ "${QEMU:-}" = newer ] || options+=(--qemu "$("$TOP/scripts/env" qemu)/qemu")
	build_selftests
	# The faults that it looks for are neither in what keeps processors from telling secrets,
	# nor in what watches their clocks: of one thread's CPUs each waits for the others.
	[ "$HOST" != debug ] || options+=(--append "mitigations=off tsc=nowatchdog")
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	# What is in its own memory need not be asked for outside each time that it begins.
	"$TOP/scripts/lab" --name "$name" --kernel "$HOST" "${options[@]}" -- \
		env MK_ALL=yes "MK_WORDS=$WORDS" MK_PROGRAMS=/tmp/programs bash -euc '
		cp -a "$0" "$MK_PROGRAMS"
		PATH=$MK_PROGRAMS/applets:$PATH exec "$@"' "$PROGRAMS" "$@"
}

# lab LAB OPTION... -- COMMAND...: COMMAND prints TAP. When a test fails there,
# or the machine dies, the host's console is shown. Those of the instances are
# shown by COMMAND, as long as there is somebody to do it.
lab() {
	local status=0
	boot_lab "$@" || status=$?
	if [ "$status" != 0 ]; then console "$STEP-$1"; fi
	return "$status"
}

console() {
	echo "# the end of $BUILD/lab/$1/host.log:"
	tail -n 60 "$BUILD/lab/$1/host.log" | tr -d '\r' | sed 's/^/#   /'
}

# What scripts there call most, with options that busybox has, too. It is static: emulation takes
# three times as long to start what loads libraries. None starts others: busybox takes its own there.
APPLETS=(cat cut grep head mktemp mv rm sleep tee touch tr wc)

# The kselftests that are programs, and the programs of those that are scripts, if they have changed.
build_selftests() {
	local source complete=$PROGRAMS/.complete
	source=$("$TOP/scripts/kernel" source)
	if [ "$(cat "$complete" 2>/dev/null)" = "$source" ] &&
		[ -z "$(find "$SELFTESTS" "$TOP/include/uapi" "${BASH_SOURCE[0]}" -newer "$complete" -print -quit)" ]; then
		return
	fi
	mkdir -p "$PROGRAMS"
	step "$STEP-selftests" "build the kselftests" in_env flock "$PROGRAMS" bash -euc '
		echo "$2" >"$3/.begun"
		make -C "$1" KSRC="$2" OUTPUT="$3"
		rm -rf "$3/applets"
		mkdir "$3/applets"
		for applet in "${@:4}"; do ln -s /bin/busybox "$3/applets/$applet"; done
		mv "$3/.begun" "$3/.complete"' build "$SELFTESTS" "$source" "$PROGRAMS" "${APPLETS[@]}"
}

# interface SECONDS CYCLES OPTION...: every call of the interface, every error of it, and
# what is left of a machine after so many cycles, under eight threads for so many seconds,
# and when processes are killed.
interface() {
	local seconds=$1 cycles=$2 status=0
	local last=lockdown
	shift 2
	# These verify signatures, and have rules of their own: 55-kexec.
	case $HOST in patched | builtin | signed | guest) last='' ;; esac
	# Cores of two CPUs, which may not be split.
	lab interface --cpus 4,threads=2 --timeout 3000 "$@" -- bash -c '
		status=0
		for test in abi instance cpus memory load channels console state events cycles stress; do
			echo "# $test"
			words=()
			[ $test != stress ] || words=("$1")
			[ $test != cycles ] || words=("$2")
			"$0/$test" "${words[@]}" || status=1
		done
		# It locks the machine down for good.
		[ -z "$3" ] || "$0/$3" || status=1
		exit $status' "$PROGRAMS" "$seconds" "$cycles" "$last" || status=1
	return "$status"
}

# lab_down LAB WAY OPTION... -- COMMAND...: the same, but COMMAND ends with
# down.sh WAY: whether the instance was stopped before the machine, its console
# tells.
lab_down() {
	local lab=$1 way=$2 name=$STEP-$1 host=$BUILD/lab/$STEP-$1/host.log status=0 last
	local stopped='multikernel: down: stopped \(the host went down\)'
	shift 2
	case $way in
	reboot) last='reboot: Restarting system' ;;
	poweroff) last='reboot: Power down' ;;
	kexec) last='kexec_core: Starting new kernel' ;;
	esac
	boot_lab "$lab" "$@" 2>"$LOGS/$name.log" || status=$?
	echo "TAP version 13"
	# 125: the machine went down before the command ended.
	told 1 "$name" "$way: the machine goes down" [ "$status" = 125 ]
	told 2 "$name" "$way: the instance is stopped before" \
		in_order "$host" "$stopped" "$last"
	if [ "$way" = kexec ]; then
		told 3 "$name" "$way: the next kernel has all CPUs" \
			in_order "$host" "$last" 'multikernel-init: up .* cpus=4 ' 'reboot: Power down'
		echo "1..3"
	else
		echo "1..2"
	fi
}

# lab_held LAB OPTION... -- COMMAND...: a lab whose CPUs can be held. COMMAND gets the directory
# to ask in.
lab_held() {
	local lab=$1 shared=$BUILD/lab/$STEP-$1 holder status=0
	shift
	mkdir -p "$shared"
	rm -f "$shared"/{ask,answer}
	(cd "$shared" && exec "$TOP/tools/testing/multikernel/suite/hold.py" gdb .) &
	holder=$!
	# The older one stands still when a CPU does.
	QEMU=newer lab "$lab" --qemu-opts "-gdb unix:gdb,server,nowait" "$@" "$shared" || status=$?
	kill "$holder" 2>/dev/null || true
	return "$status"
}

told() {
	local number=$1 name=$2 what=$3
	shift 3
	if "$@"; then
		echo "ok $number - $name: $what"
	else
		echo "not ok $number - $name: $what"
		console "$name"
	fi
}

# in_order FILE REGEX...: each of them is in a line after that of the one before.
in_order() {
	local file=$1 from=1 regex line
	shift
	for regex; do
		line=$(tail -n "+$from" "$file" | grep -anE -m 1 -e "$regex" | cut -d: -f1)
		[ -n "$line" ] || return
		from=$((from + line))
	done
}

# The directory of a kernel, getting it first.
kernel() { "$TOP/scripts/kernel" dir "$1"; }

# What uname -r says in it.
release() { cat "$(kernel "$1")/release"; }

use_host "${MK_HOST:-$PIN_FLAVOUR}"
