# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the tests here that boot instances: TAP, and what is asked of all
# of them. They run as root, with the module loaded and mkctl in PATH;
# $MK_KERNEL is a bzImage and $MK_ROOTFS a user space, an initrd whose init
# tells "multikernel-init: up" and does what mk.act= says (scripts/rootfs.d).
# $MK_PROGRAMS is where the Makefile here has built its programs, if that is elsewhere.
# $MK_WORDS are more words for each instance's command line.
# $MK_AUDIT is the UART that the audit listens to, if there is one
# (tools/testing/multikernel/audit).
# Where they are named, scripts/, and audit/ and guest/ of tools/testing/multikernel,
# are of the repository that all of this comes from: a kernel tree does not have them.
#
# A test is a list of "check WHAT COMMAND..." and ends with "finish".

# An emulated machine that shares its processors may need minutes.
BOOT=${MK_BOOT_TIMEOUT:-240}
MEMORY=${MK_MEMORY:-256M}
# Whether the user space loads the agent by itself. Kernels need nothing from us.
AGENT=0
# What command lines begin with.
WORDS=${MK_WORDS:+$MK_WORDS }
PROGRAMS=${MK_PROGRAMS:-$(dirname "${BASH_SOURCE[0]}")}

test=$(basename "$0" .sh)
scratch=$(mktemp -d)
tests=0 failed=0 finished=

echo "TAP version 13"

# skip_all WHY: unless MK_ALL says that nothing has to be missing here.
skip_all() {
	finished=yes
	if [ -n "${MK_ALL:-}" ]; then
		echo "not ok 1 - $test: $*"
		exit 1
	fi
	echo "1..0 # SKIP $*"
	exit 4
}

# check WHAT COMMAND...: a test. Its output is shown when it fails, and so are
# the logs of all instances.
check() {
	local what=$1 status=0
	shift
	tests=$((tests + 1))
	"$@" >"$scratch/output" 2>&1 || status=$?
	if [ "$status" = 0 ]; then
		echo "ok $tests - $test: $what"
		return 0
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $test: $what"
	{
		echo "status $status of: $*"
		tail -n 60 "$scratch/output"
		logs
	} | sed 's/^/# /'
	return 0
}

# skip WHAT WHY: a test that cannot be done here, unless MK_ALL says that it can.
skip() {
	tests=$((tests + 1))
	if [ -n "${MK_ALL:-}" ]; then
		failed=$((failed + 1))
		echo "not ok $tests - $test: $1: $2"
	else
		echo "ok $tests - $test: $1 # SKIP $2"
	fi
}

# What the instances there are have to say.
logs() {
	local name
	for name in $(names); do
		mkctl show "$name" 2>&1
		echo "--- the end of the log of $name:"
		mkctl dmesg "$name" 2>&1 | tail -n 25
		! timerless "$name" 2>/dev/null ||
			echo "--- $name has no timer: the emulator was kept from running. Is the machine busy?"
	done
	echo "--- the end of the host's log:"
	dmesg | tail -n 25
}

# Of what is asked all the time jq is spared: where processors are emulated it takes longer to
# start than mkctl and grep together.
names() {
	local name rest
	{
		read -r
		while read -r name rest; do echo "$name"; done
	} < <(mkctl ls)
}

finish() {
	[ ! -e "$scratch/timerless" ] || sed 's/^/# /' "$scratch/timerless"
	finished=yes
	echo "1..$tests"
	echo "# $test: $((tests - failed)) passed, $failed failed, ${SECONDS} s"
	[ "$failed" = 0 ]
	exit
}

cleanup() {
	local name
	[ -n "$finished" ] || echo "not ok $((tests + 1)) - $test: it ended early"
	for name in $(names 2>/dev/null); do mkctl rm --force "$name"; done
	rm -rf "$scratch"
}

# What a test must leave as it was.
online=$(</sys/devices/system/cpu/online)
[ "$(id -u)" = 0 ] || skip_all "only root can start instances"
[ -c /dev/multikernel ] || skip_all "the module is not loaded"
for file in "${MK_KERNEL:-}" "${MK_ROOTFS:-}"; do
	[ -f "$file" ] || skip_all "MK_KERNEL and MK_ROOTFS have to name files"
done
for file in online peek room; do
	[ -x "$PROGRAMS/$file" ] || skip_all "$PROGRAMS/$file is not built: see the Makefile"
done
trap cleanup EXIT
# What uname -r says in that kernel: its header tells where it is.
RELEASE=$(dd if="$MK_KERNEL" bs=1 skip=$(($(od -An -tu2 -j526 -N2 "$MK_KERNEL") + 512)) count=100 \
	status=none | sed -z 's/ .*//;q' | tr -d '\0')
dmesg >"$scratch/boot"
dmesg -C

# ---- what is done -----------------------------------------------------------

# create NAME CPUS [OPTION...]
create() {
	local name=$1 cpus=$2
	shift 2
	mkctl create "$name" --cpus "$cpus" --memory "$MEMORY" "$@"
}

# load_with NAME OPTION...: and know how, to do so again if need be.
load_with() { mkctl load "$@" && printf '%s\0' "$@" >"$scratch/load-$1"; }

# load NAME [CMDLINE [KERNEL]]
load() {
	load_with "$1" --kernel "${3:-$MK_KERNEL}" --initrd "$MK_ROOTFS" \
		--cmdline "${WORDS}mk.agent=$AGENT ${2:-}"
}

# load_again NAME: as the last time.
load_again() {
	local arguments
	mapfile -d '' arguments <"$scratch/load-$1" && mkctl load "${arguments[@]}"
}

# timerless NAME: it measured its timer, which takes 0.1 s, while the emulator was kept from running
# for as long, and took it for too slow. It waits for it for ever, too early for mkctl to read its
# log. No machine of metal stands still for that long.
timerless() { fast "$1" find "APIC frequency too slow, disabling apic timer"; }

# Such a one is started anew, which this kernel's log and the end of the test tell.
anew_with_timer() {
	timerless "$1" || return
	echo "$1 has found no timer: it is started anew" | tee -a "$scratch/timerless" >/dev/kmsg
	mkctl kill "$1" && load_again "$1" && mkctl start "$1"
}

# started NAME...: start them, and wait until they log, with their timers.
started() {
	local name try
	mkctl start "$@" || return
	for name; do
		for try in {1..12}; do
			! BOOT=20 said "$name" . >/dev/null || continue 2
			anew_with_timer "$name" 2>/dev/null || echo "no log yet, try $try"
		done
		return 1
	done
}

# start NAME: start it, and wait until its user space is up.
start() {
	local up='^multikernel-init: up'
	mkctl start "$1" --wait "$up" --timeout "$BOOT" && return
	anew_with_timer "$1" && said "$1" "$up"
}

# boot NAME CPUS: all of that.
boot() { create "$1" "$2" && load "$1" && start "$1"; }

# fast NAME COMMAND...: what mkctl is too slow for, or does not do.
fast() { "$PROGRAMS/peek" "$@"; }

# lacks NAME TEXT: its memory has no such text.
lacks() {
	local status=0
	fast "$1" find "$2" || status=$?
	is "the status" 1 "$status"
}

# together COMMAND NAME...: COMMAND for all of them at once. It fails if one does.
together() {
	local command=$1 name status=0 pids=()
	shift
	for name; do
		"$command" "$name" &
		pids+=($!)
	done
	for name in "${pids[@]}"; do wait "$name" || status=1; done
	return "$status"
}

remove() { mkctl rm --force "$@"; }

# awaits NAME STATE
awaits() { mkctl wait "$1" --state "$2" --timeout "$BOOT"; }

# said NAME REGEX: wait until the log of an instance has such a line.
said() {
	local log pid status=0
	exec {log}< <(exec timeout "$BOOT" mkctl dmesg --follow "$1")
	pid=$!
	grep -m 1 -E -e "$2" <&"$log" || status=$?
	kill "$pid" 2>/dev/null
	exec {log}<&-
	wait "$pid"
	[ "$status" = 0 ] || echo "no line in the log of $1 is like: $2"
	return "$status"
}

# announce NAME RELEASE [BEYOND]: to the audit, if there is one.
announce() {
	[ -n "${MK_AUDIT:-}" ] || return 0
	mkctl show --json "$1" |
		jq -r --arg release "$2" --arg beyond "${3:-}" \
			'"audit: \(.name) \($release) \(.slot) \(.slot_bytes) \(.cpus | join(",")) \($beyond)"' \
			>"$MK_AUDIT"
}

# ranges NAME: where those of its memory start, and their sizes.
ranges() { mkctl show --json "$1" | jq -r '.ranges[] | "\(.start) \(.bytes)"'; }

# checked FIELD: what mkctl check says of this host. Without a slot it is not content.
checked() { { mkctl check --json || true; } | jq ".$1"; }

# ask DIRECTORY WORD...: somebody outside of the machine, with whom that is shared. Prints what
# they answer.
ask() {
	local shared=$1 tenth
	shift
	echo "$*" >"$shared/ask.new"
	mv "$shared/ask.new" "$shared/ask"
	for ((tenth = 0; tenth < 10 * BOOT; tenth++)); do
		if [ -e "$shared/answer" ]; then
			cat "$shared/answer"
			rm "$shared/answer"
			return
		fi
		sleep 0.1
	done
	echo "nobody answers in $shared"
	false
}

# ---- what is asked ----------------------------------------------------------

# is WHAT WANTED ACTUAL
is() { [ "$2" = "$3" ] || { echo "$1 is \"$3\", not \"$2\"" && false; }; }

# shows NAME JQ-EXPRESSION VALUE
shows() { is "$2 of $1" "$3" "$(mkctl show --json "$1" | jq -r "$2")"; }

# state NAME STATE REASON
state() {
	local json line
	json=$(mkctl show --json "$1") || return
	for line in "\"state\": \"$2\"" "\"reason\": \"$3\""; do
		[[ $json == *$'\n  '"$line"* ]] || { echo "no $line: $json" && return 1; }
	done
}

# logged NAME REGEX: such a line is in the log of an instance.
logged() {
	mkctl dmesg "$1" >"$scratch/log" || return
	grep -E -e "$2" "$scratch/log" || { echo "no line in the log of $1 is like: $2" && false; }
}

# up NAME CPUS RELEASE: the line that its init writes is right.
up() {
	logged "$1" "multikernel-init: up kernel=${3//+/\\+} cpus=$2 memory=[1-9][0-9]*\$"
}

# beats NAME: its user space, which was told mk.act=beat, goes on from now.
beats() {
	local second lines=0 before=
	for ((second = 0; second < BOOT; second++)); do
		logged "$1" 'multikernel-init: up' >/dev/null || return
		lines=$(grep -c 'multikernel-init: alive' "$scratch/log")
		[ "$lines" -le "${before:=$lines}" ] || return 0
		sleep 1
	done
	echo "$1 has written $lines lines, as before"
	false
}

# overlap FILE FILE: these ranges.
overlap() {
	awk 'NR == FNR { start[NR] = $1; end[NR] = $1 + $2; next }
		{ for (i in start) if ($1 < end[i] && start[i] < $1 + $2) found = 1 }
		END { exit !found }' "$1" "$2"
}

free_slots() { is "the number of free slots" "$1" "$(checked slots_free)"; }

# fails REGEX COMMAND...: COMMAND fails, and says so.
fails() {
	local regex=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	echo "status $status: $output"
	[ "$status" != 0 ] && grep -qE -e "$regex" <<<"$output"
}

# exits STATUS REGEX COMMAND...: COMMAND ends with that, and says so.
exits() {
	local wanted=$1 regex=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	echo "status $status: $output"
	is "status" "$wanted" "$status" && grep -qE -e "$regex" <<<"$output"
}

# host_said REGEX...: in the host's log, in this order.
host_said() {
	local line
	dmesg >"$scratch/dmesg"
	while [ $# -gt 0 ] && IFS= read -r line; do
		if [[ $line =~ $1 ]]; then shift; fi
	done <"$scratch/dmesg"
	[ $# = 0 ] || { echo "not in the host's log, or not in this order: $1" && return 1; }
}

# tells REGEX COMMAND...: COMMAND succeeds, and says so.
tells() {
	local regex=$1 output
	shift
	output=$("$@") || return
	grep -E -e "$regex" <<<"$output" || { echo "$output" && false; }
}

not() { ! "$@"; }

# Where a kernel that looks for lost memory is asked for it.
LEAKS=/sys/kernel/debug/kmemleak

# lost_nothing: since LEAKS was cleared, if it was.
lost_nothing() {
	# What is younger is not looked at. The second scan sees all.
	sleep 6
	echo scan >"$LEAKS" && echo scan >"$LEAKS" && not grep . "$LEAKS"
}

# What the host's kernel writes when something goes wrong, except that it was
# asked for backtraces.
HARM='WARNING:|BUG:|Oops|general protection|INFO: rcu|INFO: task|soft lockup|hard LOCKUP'
HARM+='|UBSAN|KASAN|KCSAN|kmemleak: [1-9]|DEADLOCK|stays offline|does not stop'
HARM+='|stuck in the trampoline|registers could not be|NMI received for unknown reason'

# msr CPU[,CPU...] REGISTER[=VALUE]...: show those registers, writing those with a value.
msr() { "$(dirname "${BASH_SOURCE[0]}")/msr.py" "$@"; }

# has_cpus LIST [CPU...]: this kernel has the CPUs of the list but those, and they work.
has_cpus() { "$PROGRAMS/online" "$@"; }

# The host has all of its CPUs but those that are lent, they work, and its log
# has nothing bad.
unharmed() {
	local lent status=0
	mapfile -t lent < <(lent)
	has_cpus "$online" "${lent[@]}" || status=1
	# At once: what is logged between two calls would be lost.
	dmesg --syslog --read-clear >"$scratch/dmesg"
	if grep -E "$HARM" "$scratch/dmesg"; then status=1; fi
	[ "$status" = 0 ] || tail -n 40 "$scratch/dmesg"
	return "$status"
}

# The CPUs of all instances that run, one a line.
lent() {
	local name json cpu
	for name in $(names); do
		json=$(mkctl show --json "$name") || continue
		[[ $json == *$'\n  "state": "running"'* && $json =~ '"cpus": ['([^]]*)']' ]] || continue
		for cpu in ${BASH_REMATCH[1]//,/ }; do echo "$cpu"; done
	done
}

# anew PARAMETER...: the module $MODULE, which is loaded, is loaded with these.
anew() { rmmod multikernel && insmod "$MODULE" "$@"; }

# How often this kernel was rung, by all instances.
rings() { awk '/ multikernel$/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts; }

# The CPUs of a list such as 0-2,4, one a line.
cpus() {
	local part
	for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}
