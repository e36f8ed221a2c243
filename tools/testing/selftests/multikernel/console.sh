#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Consoles of instances: what they show, and what is typed there.
#
#	console.sh ROOTFS
#
# ROOTFS is entered with rdinit=/agent-init and does what agent.act= says
# (tools/testing/multikernel/guest). There must be three CPUs to lend.
MK_ROOTFS=$1
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

CMDLINE='console=tty0 console=hvc0'
# What a shell there writes before it reads.
PROMPT='# (\x1b\[6n)?$'

# terminal COMMAND...: sit at one; standard input says what to do there.
terminal() { "$(dirname "${BASH_SOURCE[0]}")/terminal.py" "$@"; }

# at NAME LINE...: the same, at the console of an instance; each LINE says what to do.
at() {
	local name=$1
	shift
	printf '%s\n' "$@" | terminal mkctl console "$name" --no-scrollback
}

# watch NAME REGEX [OPTION...]: write what its console shows, up to a line like that.
watch() {
	local name=$1 regex=$2 shown pid status=0
	shift 2
	shown=$(mktemp -p "$scratch")
	timeout "$BOOT" mkctl console "$name" --read-only "$@" </dev/null >"$shown" 2>&1 &
	pid=$!
	until tr -d '\r' <"$shown" | grep -aqE -e "$regex"; do
		kill -0 "$pid" 2>/dev/null || { status=1 && break; }
		sleep 0.2
	done
	kill "$pid" 2>/dev/null
	wait "$pid"
	tr -d '\r' <"$shown" | sed -E "/$regex/q"
	return "$status"
}

# shows_up NAME REGEX: wait until it is there.
shows_up() { watch "$1" "$2" >"$scratch/shown" || { tail -n 30 "$scratch/shown" && false; }; }

# type_to NAME LINE...: without a terminal; it goes on until end_typing.
type_to() {
	local name=$1
	shift
	printf '%s\n' "$@" | timeout "$BOOT" mkctl console "$name" --no-scrollback >"$scratch/typed" 2>&1 &
	typist=$!
}

end_typing() { kill "$typist" && ended "$typist" 143; }

# types NAME REGEX LINE...: LINEs are typed, and a line like REGEX is shown.
types() {
	local name=$1 regex=$2
	shift 2
	type_to "$name" "$@" && shows_up "$name" "$regex" && end_typing
}

# ended PROCESS STATUS
ended() {
	local status=0
	wait "$1" || status=$?
	is "the status" "$2" "$status"
}

# attached COUNT: wait until so many descriptors of consoles are open.
attached() {
	until [ "$(find /proc/[0-9]*/fd -lname '*multikernel-console*' 2>/dev/null | wc -l)" -ge "$1" ]; do
		sleep 0.1
	done
}

# grows FILE BYTES: wait until it has more.
grows() { until [ "$(stat -c %s "$1")" -gt "$2" ]; do sleep 0.1; done; }

# whole FIRST LAST: the numbers in standard input are these, in order.
whole() { grep -xE '[0-9]+' | cmp - <(seq "$1" "$2"); }

# in_order FILE REGEX...: each in a line after that of the one before.
in_order() {
	local file=$1 from=1 regex line
	shift
	for regex; do
		line=$(tail -n "+$from" "$file" | grep -anE -m 1 -e "$regex" | cut -d: -f1)
		[ -n "$line" ] || { echo "not there, or not in this order: $regex" && return 1; }
		from=$((from + line))
	done
}

# is_over NAME REGEX: it does not run, and its console tells so.
is_over() {
	mkctl console "$1" </dev/null >"$scratch/over" 2>&1 || return
	tail -n 1 "$scratch/over"
	tail -n 1 "$scratch/over" | grep -qE -e "$2"
}

# ---- what is shown ----------------------------------------------------------

# All that it has of the log is in the log, in the same order.
is_the_log() {
	grep -E '^\[ *[0-9]+\.[0-9]+\] ' "$scratch/shown" >"$scratch/lines"
	[ "$(wc -l <"$scratch/lines")" -gt 100 ] || return
	mkctl dmesg blue >"$scratch/log" && not grep -a '^>' <(diff -a "$scratch/log" "$scratch/lines")
}

only_new() {
	at blue 'type echo new-$((1+1))' 'expect new-2' 'keys \x1d' 'end 0' >"$scratch/new" &&
		not grep 'Linux version' "$scratch/new"
}

check "an instance has a shell on its terminal" begin blue 1-2 load,accepted,sh
check "its agent is ready" ready blue
check "the kernel's log is shown" shows_up blue 'done sh: 0'
check "from its beginning, in order" in_order "$scratch/shown" \
	'Linux version' 'Command line: .*console=hvc0' 'Run /agent-init' 'console \[hvc0\] enabled'
check "and what its agent did meanwhile" in_order "$scratch/shown" \
	'Run /agent-init' 'multikernel-agent: act load' 'multikernel-agent: act sh'
check "as the log has it" is_the_log
check "a shell answers at a terminal" at blue 'keys \r' "expect $PROMPT" \
	'type echo it-is-$((6*7))' 'expect it-is-42' \
	'type tty' 'expect /dev/hvc0' \
	'type echo begin-$((6*7)); cat' 'expect begin-42' \
	'type is-it-read' 'expect is-it-read\s+is-it-read' 'keys \x03' "expect $PROMPT" \
	'type echo still-$((40+2))' 'expect still-42' \
	'keys \x1d' 'expect left the console' 'end 0'
check "what the kernel writes comes there, too" at blue 'keys \r' "expect $PROMPT" \
	'type echo "<1>to-the-log" >/dev/kmsg' 'expect \] to-the-log' 'keys \x1d' 'end 0'
check "the key to leave can be another" terminal mkctl console blue --escape '^a' <<-'END'
	expect \^A leaves
	keys \x1d\r
	type echo not-$((2*4))
	expect not-8
	keys \x01
	end 0
END
check "or none; a signal ends it" terminal mkctl console blue --no-scrollback --escape none <<-'END'
	keys \x1d\x01\x03\r
	type echo none-$((2*4))
	expect none-8
	signal TERM
	end 143
END
check "who does not want what was shown before does not get it" only_new

# ---- without a terminal -----------------------------------------------------

refused() {
	fails 'process [0-9]+ \(mkctl\) types there' mkctl console blue >"$scratch/refused" &&
		grep -e '-> `--read-only` watches it' "$scratch/refused"
}

check "a pipe types" types blue '^piped-2$' 'echo piped-$((1+1))'
check "another one types" type_to blue 'echo busy-$((1+1))'
check "which can be watched" shows_up blue '^busy-2$'
check "but no second one types" refused
check "until it ends" end_typing
check "then it can" at blue 'type echo next-$((1+1))' 'expect next-2' 'keys \x1d' 'end 0'

# ---- several who watch, and much to see -------------------------------------

two_watch() {
	local one two
	watch blue '^many-2$' --no-scrollback >"$scratch/one" &
	one=$!
	watch blue '^many-2$' --no-scrollback >"$scratch/two" &
	two=$!
	attached 2
	types blue '^many-2$' 'seq 1 3000; echo many-$((1+1))' && ended "$one" 0 && ended "$two" 0
}

is_kept() {
	local bytes first
	watch blue '^kept-2$' >"$scratch/kept" || return
	# As they were shown.
	bytes=$(sed 's/$/\r/' "$scratch/kept" | wc -c)
	echo "$bytes bytes"
	[ "$bytes" -le 65536 ] && [ "$bytes" -gt 65000 ] || return
	# The first line may have lost its beginning.
	sed -i 1d "$scratch/kept"
	first=$(head -n 1 "$scratch/kept")
	whole "$first" 120000 <"$scratch/kept"
}

check "two watch while much is shown" two_watch
check "nothing is missing" whole 1 3000 <"$scratch/one"
check "both see the same" cmp <(sed -n '/^1$/,$p' "$scratch/one") <(sed -n '/^1$/,$p' "$scratch/two")
check "more than is kept is shown" types blue '^kept-2$' 'seq 100000 120000; echo kept-$((1+1))'
check "the last 64 KiB are kept" is_kept
check "the host is unharmed" unharmed

# ---- a flood ----------------------------------------------------------------

leaves_a_flood() {
	local watcher
	mkctl console blue --read-only >"$scratch/flood" 2>&1 &
	watcher=$!
	grows "$scratch/flood" 200000
	# A shell lets what it starts so ignore the other one.
	kill -TERM "$watcher" && ended "$watcher" 143
}

killed_while_watched() {
	local watcher
	mkctl console blue --read-only --no-scrollback >"$scratch/killed" 2>&1 &
	watcher=$!
	grows "$scratch/killed" 0
	mkctl kill blue && ended "$watcher" 0 && grep -a 'mkctl: `blue` stopped (killed)$' "$scratch/killed"
}

check "another instance has a console" begin green 3 load,accepted,sh
check "its agent is ready" ready green
check "the first one shows all that it can" types blue it-never-ends \
	'yes it-never-ends & yes it-never-ends & while echo so-does-this >/dev/kmsg; do :; done'
check "it answers meanwhile" mkctl ping blue --count 20 --timeout 60s
check "so does the other" mkctl ping green --count 20 --timeout 60s
check "whose console works" at green 'keys \r' "expect $PROMPT" 'type echo dry-$((6*7))' \
	'expect dry-42' 'keys \x1d' 'end 0'
check "and so does the CPU that is rung" timeout 60 taskset -c 0 \
	bash -c 'for ((n = 0; n < 20000; n++)); do :; done'
check "one who watches can leave" leaves_a_flood
check "it is killed while it is watched" killed_while_watched
check "it is over" is_over blue 'does not run: stopped \(killed\)'
check "what it has shown can be read" grep -aq it-never-ends "$scratch/over"
check "the host is unharmed" unharmed

# ---- last words -------------------------------------------------------------

kept_for_the_next_run() {
	watch blue 'done sh: 0' >"$scratch/shown" && in_order "$scratch/shown" it-never-ends 'act sh'
}

stopped_while_watched() {
	local watcher
	mkctl console blue --read-only --no-scrollback >"$scratch/stopped" 2>&1 &
	watcher=$!
	attached 1
	mkctl stop blue --timeout "$BOOT" && ended "$watcher" 0
}

check "it runs again" again blue load,accepted,sh
check "its agent is ready" ready blue
check "what it has shown before is kept" kept_for_the_next_run
check "who is attached when it panics is told" at blue 'keys \r' "expect $PROMPT" \
	'type echo last-$((6*7)); echo c >/proc/sysrq-trigger' \
	'expect last-42' 'expect Kernel panic - not syncing: sysrq triggered crash' \
	'expect crashed \(panic\): sysrq triggered crash' 'end 6'
check "it is so" state blue crashed panic
check "it is over" is_over blue 'does not run: crashed \(panic\): sysrq triggered crash'
check "its last words can be read" in_order "$scratch/over" \
	'^last-42' 'Kernel panic - not syncing: sysrq triggered crash' 'Call Trace'
check "it runs once more" again blue load,accepted,sh
check "its agent is ready" ready blue
check "it is stopped while it is watched" stopped_while_watched
check "to the last line" in_order "$scratch/stopped" \
	'reboot: Power' 'mkctl: `blue` stopped \(halt\)'
check "the host is unharmed" unharmed

# ---- one that reads nothing -------------------------------------------------

type_in_vain() {
	{ seq 1 100000 && : >"$scratch/taken"; } |
		timeout "$BOOT" mkctl console blue --no-scrollback >"$scratch/typed" 2>&1 &
	typist=$!
	attached 1
}

still_types() { kill -0 "$typist" && not [ -e "$scratch/taken" ]; }

check "an instance without a shell runs" again blue load,accepted
check "its agent is ready" ready blue
check "much is typed there" type_in_vain
check "it answers all the same" mkctl ping blue --count 20 --timeout 60s
check "who types still waits" still_types
check "and can be ended" end_typing
check "a person can leave" at blue 'expect leaves the console' \
	'flood 30000' 'keys \x1d' 'end 0'
check "it is removed" remove blue
check "the host is unharmed" unharmed

# ---- the module comes and goes ----------------------------------------------

check "an instance loads the module twice" begin blue 1-2 load,accepted,unload,load,accepted,sh
check "its terminal works" shows_up blue 'done sh: 0'
check "as long as it is open the module stays" at blue 'keys \r' "expect $PROMPT" \
	'type busybox rmmod multikernel; echo status-$?' 'expect status-1' \
	'type echo there-$((6*7))' 'expect there-42' 'keys \x1d' 'end 0'
check "it is removed" remove blue

# ---- without console=, and with a login ----------------------------------------

check "an instance prints nowhere" begin blue 1-2 load,accepted,login ''
check "its terminal works" shows_up blue login:
check "nothing else is there" not grep 'Run /agent-init' "$scratch/shown"
check "one can log in" at blue 'keys \r' 'expect login: ' 'type root' "expect $PROMPT" \
	'type id -un' 'expect root' 'type tty' 'expect /dev/hvc0' 'type exit' 'expect login: ' \
	'keys \x1d' 'end 0'
check "all are removed" remove blue green
check "the host is unharmed" unharmed

# ---- mkctl run --console ----------------------------------------------------

# awaiting: an instance is run, until its log has a line.
awaiting() {
	TERM=vt100 "$@" mkctl run red --cpus 1 --memory "$MEMORY" --kernel "$MK_KERNEL" \
		--wait 'Linux version' --timeout "$BOOT"
}

# Where nobody looks no progress is drawn.
undrawn() {
	awaiting env >"$scratch/out" 2>"$scratch/err" || return
	is "output" "red: running on CPUs 1 with ${MEMORY%M} MiB" "$(<"$scratch/out")" &&
		is "errors" "" "$(<"$scratch/err")"
}

check "an instance is run at a terminal" terminal mkctl run red --cpus 1 --memory "$MEMORY" \
	--kernel "$MK_KERNEL" --initrd "$MK_ROOTFS" --console \
	--cmdline 'rdinit=/agent-init agent.act=load,accepted,sh' <<-'END'
	expect nothing is shown before the module is loaded
	expect Command line: .*console=tty0 console=hvc0
	expect done sh: 0
	keys \r
	expect #[ ]
	type busybox poweroff -f
	expect reboot: Power
	expect `red` stopped \(halt\)
	end 0
END
check "it is there afterwards" state red stopped halt
check "it is removed" remove red
check "it is told what is waited for" awaiting terminal <<-'END'
	expect waiting for `Linux version` in the log of red \(.*s\)
	end 0
END
check "it is removed" remove red
check "nothing is drawn without a terminal" undrawn
check "it is removed" remove red
check "the host is unharmed" unharmed
finish
