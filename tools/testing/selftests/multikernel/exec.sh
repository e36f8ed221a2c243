#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Commands and files in an instance whose user space ($MK_ROOTFS) runs mkexecd.
# There must be a CPU to lend.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"
AGENT=1

# prints TEXT COMMAND...: that, and nothing else, at its output.
prints() {
	local text=$1
	shift
	is "output of $*" "$text" "$("$@")"
}

# ends STATUS COMMAND...
ends() {
	local wanted=$1 status=0
	shift
	"$@" || status=$?
	is "status of $*" "$wanted" "$status"
}

inside() { mkctl exec box -- "$@"; }

# Its errors are at the standard error, and not at the output.
errors() {
	inside sh -c 'echo out; echo err >&2' >"$scratch/out" 2>"$scratch/err" || return
	is output out "$(<"$scratch/out")" && is errors err "$(<"$scratch/err")"
}

# Much goes in and comes out as it was.
much() {
	dd if=/dev/urandom of="$scratch/much" bs=64k count=16 status=none
	inside busybox cat <"$scratch/much" >"$scratch/back.much" && cmp "$scratch/much" "$scratch/back.much"
}

# A signal to mkctl is one to the command, when that says that it is ready for it.
signalled() {
	local pid status=0
	mkfifo "$scratch/said"
	mkctl exec box -- sh -c 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 1; done' >"$scratch/said" &
	pid=$!
	exec 3<"$scratch/said"
	read -r -u 3 line && is "first line" ready "$line" && kill -TERM "$pid" || status=1
	read -r -u 3 line && is "second line" caught "$line" || status=1
	exec 3<&-
	rm "$scratch/said"
	ends 3 wait "$pid" && return "$status"
}

# Many at once, each with its own streams.
many() {
	local n pids=() status=0
	for n in {1..12}; do
		inside sh -c "echo $n; read line; echo \$line; exit $n" <<<"in $n" >"$scratch/many.$n" &
		pids+=($!)
	done
	for n in {1..12}; do
		ends "$n" wait "${pids[n - 1]}" || status=1
		is "output $n" "$n in $n" "$(tr '\n' ' ' <"$scratch/many.$n" | sed 's/ $//')" || status=1
	done
	return "$status"
}

# A terminal: script(1) gives one to mkctl.
terminal() {
	local said
	said=$(TERM=vt100 script -qec "stty rows 33 cols 44; mkctl exec --tty box -- sh -c 'busybox stty size; busybox tty; test -t 1 && echo is-one'" /dev/null </dev/null)
	grep -q '33 44' <<<"$said" && grep -q /dev/pts/ <<<"$said" && grep -q is-one <<<"$said" && return
	echo "$said"
	return 1
}

copies() {
	mkdir -p "$scratch/from/deep"
	dd if=/dev/urandom of="$scratch/from/deep/file" bs=64k count=8 status=none
	ln -s deep/file "$scratch/from/link"
	chmod 750 "$scratch/from/deep"
	mkctl cp "$scratch/from" box:/tmp || return
	prints 'deep/file 750' inside sh -c 'echo $(busybox readlink /tmp/from/link) $(busybox stat -c %a /tmp/from/deep)' || return
	mkctl cp box:/tmp/from "$scratch/back" || return
	diff -r --no-dereference "$scratch/from" "$scratch/back"
}

no_channels() { is channels 0 "$(mkctl channel ls box --json | jq '.channels | length')"; }

# Who asks is killed: so is the command, and its channel goes with the next request.
killed() {
	local pid
	mkctl exec box -- sh -c 'echo $$ >/tmp/pid; echo up; exec sleep 1000' >"$scratch/up" &
	pid=$!
	until [ -s "$scratch/up" ]; do [ -d "/proc/$pid" ] || return; done
	kill -9 "$pid"
	wait "$pid"
	# It is gone when the helper has noticed.
	inside sh -c 'while [ -d /proc/$(cat /tmp/pid) ]; do usleep 10000; done' && no_channels
}

# The instance goes while a command runs there.
goes() {
	local pid
	mkctl exec box -- sh -c 'echo up; exec sleep 1000' >"$scratch/up2" 2>"$scratch/err2" &
	pid=$!
	until [ -s "$scratch/up2" ]; do [ -d "/proc/$pid" ] || return; done
	mkctl kill box || return
	ends 1 wait "$pid" && grep -q 'left before the end' "$scratch/err2"
}

# mkctl itself, in the instance.
there() { inside /tmp/mkctl "$@"; }

# The channels that the instance lists with somebody, but for those of commands.
its_channels() {
	there channel ls "$@" --json |
		jq -r '[.channels[].name | select(startswith("exec.") | not)] | join(" ")'
}

# pinged COUNT BYTES COMMAND...: COMMAND, a ping of a channel, tells so much of it.
pinged() {
	local count=$1 bytes=$2
	shift 2
	"$@" --count "$count" --size "$bytes" --json >"$scratch/pinged" || return
	jq -e ".bytes == $bytes and (.times_ns | length == $count and all(. > 0))" "$scratch/pinged"
}

# echoes PINGED: while the instance sends back what comes; which ends with that.
echoes() {
	local pid
	there channel echo host talk --timeout "$BOOT" </dev/null &
	pid=$!
	"$@" mkctl channel ping box talk --timeout "$BOOT" && ends 0 wait "$pid"
}

# The other way round.
echoes_here() {
	local pid
	mkctl channel echo box talk --timeout "$BOOT" </dev/null &
	pid=$!
	"$@" there channel ping host talk --timeout "$BOOT" && ends 0 wait "$pid"
}

check "an instance boots" boot box 1
check "its agent is ready" ready box
check "a command runs there" prints "$RELEASE" inside busybox uname -r
check "its exit code comes back" ends 7 inside sh -c 'exit 7'
check "and the signal that ends it" ends 143 inside sh -c 'kill -TERM $$'
check "its errors are errors" errors
check "much goes there and back" much
check "what is typed before its end is read" prints 'a b' inside sh -c 'read x; echo $x' <<<'a b'
check "variables and the directory are as told" prints '/tmp v' mkctl exec -C /tmp -e A=v box -- sh -c 'echo $PWD $A'
check "a signal gets there" signalled
check "many run at once" many
check "a terminal is one" terminal
check "what is not there is told" fails 'no-such-program: No such file' mkctl exec box -- no-such-program
check "files are copied there and back" copies
check "what cannot be copied is told" fails 'No such file' mkctl cp box:/no/such "$scratch/x"
check "nor is anything from here to here" fails 'NAME:PATH' mkctl cp "$scratch/from" "$scratch/x"
check "no channel is left" no_channels

check "mkctl comes there" mkctl cp "$(command -v mkctl)" box:/tmp/mkctl
check "it makes channels" there channel create host talk other --ring 64K
check "and lists them" is "channels" "talk other" "$(its_channels)"
check "those with the host" is "channels" "talk other" "$(its_channels host)"
check "and with nobody else" is "channels" "" "$(its_channels nobody)"
check "the host has them" is "sizes" "65536 65536" \
	"$(mkctl channel ls box --json | jq -r '.channels | map(.from_bytes) | join(" ")')"
check "it removes one" there channel rm host other
check "once" fails 'no such channel' there channel rm host other
check "messages go there and back" echoes pinged 200 64
check "long ones" echoes pinged 20 65000
check "and from there" echoes_here pinged 200 1
check "nobody at the other end is told" fails 'talk.*did not come within' \
	mkctl channel ping box talk --timeout 500ms
check "and what is no channel" fails '/dev/mk/box/none.*No such file' \
	mkctl channel ping box none --timeout 100ms
check "nor makes it one that the host's rights are needed for" fails 'is for the host' \
	there channel create host talk --peer box
for command in ls "show box" events "kill box" "start box" "exec box -- true"; do
	# shellcheck disable=SC2086
	check "what only a host can do it says so: $command" \
		fails 'this kernel is an instance' there $command
done
check "it is no host" fails 'this kernel is an instance itself' there check
check "on the host a channel is somebody's" fails 'whose channels' mkctl channel ls
check "the channel is removed" mkctl channel rm box talk
check "no channel is left" no_channels
check "a command ends with who has asked for it" killed
check "who waits hears that the instance is gone" goes
check "nothing runs in one that is gone" fails 'has no agent' mkctl exec box -- true
check "it is removed" remove box
check "the host is unharmed" unharmed
finish
