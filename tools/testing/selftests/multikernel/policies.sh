#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instances that are looked after: what is done when they end, and what is told of
# them.
#
#	policies.sh ROOTFS
#
# ROOTFS as for agent.sh. There must be two CPUs to lend.
ROOTFS=$1
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/agents.sh"

declare -A supervisor

# supervised NAME CMDLINE OPTION...: begin to look after an instance.
supervised() {
	local name=$1 cmdline=$2
	shift 2
	mkctl run "$name" --ncpus 1 --memory "$MEMORY" --kernel "$MK_KERNEL" --initrd "$initrd" \
		--cmdline "$WORDS$cmdline" "$@" >"$scratch/$name.out" 2>&1 &
	supervisor[$name]=$!
	echo "${supervisor[$name]}"
}

# ends NAME STATUS: whoever looks after it does, too.
ends() {
	local status=0
	timeout "$BOOT" tail --pid="${supervisor[$1]}" -f /dev/null
	wait "${supervisor[$1]}" || status=$?
	cat "$scratch/$1.out"
	is "status" "$2" "$status"
}

told() { grep -E -e "$2" "$scratch/$1.out" || { cat "$scratch/$1.out" && false; }; }

# happens NAME TIMES REGEX: wait until so many of its events are so.
happens() {
	local events pid
	exec {events}< <(exec timeout "$BOOT" mkctl events --follow --json "$1")
	pid=$!
	grep -E -m "$2" -e "$3" <&"$events" >"$scratch/happened"
	kill "$pid" 2>/dev/null
	exec {events}<&-
	wait "$pid"
	is "times that $3 happened to $1" "$2" "$(wc -l <"$scratch/happened")"
}

state_of() { printf '"event":"state","state":"%s"' "$1"; }

gone() { fails 'no instance' mkctl show "$1"; }

signal() { kill "-$2" "${supervisor[$1]}"; }

# life NAME WORD...: all that has happened to it.
life() {
	local name=$1
	shift
	is "life of $name" "$*" "$(jq -rs --arg name "$name" '
		[.[] | select(.name == $name) |
			[.event, .state, .reason] - ["state", "none", null] | join("/")] | join(" ")' "$scratch/events")"
}

# For each crash that another load came after, in ns: how long it had run, and how long the pause was.
pauses() {
	jq -cs --arg name "$1" '
		[.[] | select(.name == $name and .event == "state")] as $all |
		[range(2; $all | length) as $n | select($all[$n - 1].state == "crashed") |
			{ran: ($all[$n - 1].time_ns - $all[$n - 2].time_ns),
			 pause: ($all[$n].time_ns - $all[$n - 1].time_ns)}]' "$scratch/events"
}

# grow NAME: as told, they are 1, 2, 4 s, and what it takes to load. After a run of a minute, which
# takes a busy emulator, they begin anew.
grow() {
	local pauses told
	pauses=$(pauses "$1")
	told=$(sed -n 's/.*is started again in \([0-9]*\)\.0 s$/\1/p' "$scratch/$1.out" | jq -cs .)
	echo "told $told: $pauses"
	jq -en --argjson told "$told" --argjson pauses "$pauses" '
		($pauses | length >= 3) and all($pauses | keys[];
			(if . == 0 or $pauses[.].ran >= 60e9 then 1 else 2 * $told[. - 1] end) as $due |
			$told[.] == $due and ($pauses[.].pause / 1e9 - $due | 0 <= . and . < 30))'
}

numbered() { jq -es '[.[].seq] == [range(.[0].seq; .[0].seq + length)] and all(.[]; .lost == 0)' "$scratch/events"; }

initrd=$MK_ROOTFS
mkctl events --follow --json >"$scratch/events" 2>&1 &
follower=$!

# ---- crashes ----------------------------------------------------------------

cp "$MK_ROOTFS" "$scratch/rootfs"
initrd=$scratch/rootfs
check "one that panics is looked after" supervised panics 'mk.agent=0 mk.act=panic' --on-crash restart --on-exit remove
check "it panics" happens panics 1 "$(state_of crashed)"
echo "no initrd" >"$scratch/other"
mv "$scratch/other" "$scratch/rootfs"
check "it comes again, and panics, though its initrd has another name now" \
	happens panics 4 "$(state_of crashed)"
check "a signal comes" signal panics TERM
check "that is a good end" ends panics 0
check "it was told" told panics 'crashed \(panic\): sysrq triggered crash'
check "it is removed" gone panics
check "the pauses grow" grow panics
initrd=$MK_ROOTFS
check "one that panics is not to come again" supervised once mk.act=panic --on-crash remove
check "that is told" ends once 6
check "it is removed" gone once
check "one that panics is to be left" supervised left mk.act=panic --supervise
check "that is told" ends left 6
check "it is" state left crashed panic
check "its log can be read" logged left 'Kernel panic - not syncing: sysrq triggered crash'
check "it is removed" remove left
initrd=$ROOTFS
check "one that hangs" supervised hangs "mk.agent=0 rdinit=/agent-init agent.act=load,accepted,spin" \
	--hung-after 3s --on-crash remove --on-exit leave
check "has crashed" ends hangs 6
check "that is told" told hangs 'it hangs: killed'
check "it is removed" gone hangs
initrd=$MK_ROOTFS
check "the host is unharmed" unharmed

# ---- good ends --------------------------------------------------------------

check "one that powers off" supervised goes 'mk.agent=0 mk.act=poweroff' --on-exit remove --on-crash restart
check "has come to a good end" ends goes 0
check "it is removed" gone goes
check "one that restarts" supervised again mk.act=reboot --on-exit restart
check "comes again" happens again 2 "$(state_of running)"
check "and again" happens again 3 "$(state_of running)"
check "it is killed by somebody else" mkctl kill again
check "that is an end, too" ends again 0
check "it is left" state again stopped killed
check "it is removed" remove again
check "the host is unharmed" unharmed

# ---- signals ----------------------------------------------------------------

check "one that stays" supervised stays '' --on-exit restart --on-crash restart
check "its agent is ready" happens stays 1 '"event":"agent","state":"ready"'
check "a signal comes" signal stays TERM
check "that is a good end" ends stays 0
check "it was stopped in good order" told stays 'stopped \(halt\)'
check "it is removed" gone stays
check "one without an agent" supervised plain mk.agent=0 --on-exit leave
check "runs" happens plain 1 "$(state_of running)"
check "a signal comes" signal plain INT
check "that is a good end" ends plain 0
check "it was killed" told plain 'it has no agent: killed'
check "it is left" state plain stopped killed
check "it is removed" remove plain
check "one whose supervisor is killed" supervised orphan '' --on-exit restart --on-crash restart
check "runs" happens orphan 1 '"event":"agent","state":"ready"'
check "its supervisor is killed" signal orphan KILL
check "that is seen" ends orphan 137
check "it still runs" state orphan running none
check "it answers" answers orphan 1
check "it is removed" remove orphan
check "somebody removes one" supervised taken '' --on-exit restart
check "that runs" happens taken 1 "$(state_of running)"
check "while it is looked after" remove taken
check "that is an end, too" ends taken 0
check "that is told" told taken 'somebody has removed it|stopped \(killed\)'
check "the host is unharmed" unharmed

# ---- exit codes -------------------------------------------------------------

# runs NAME OPTION...: run a kernel that is not looked after.
runs() {
	local name=$1
	shift
	mkctl run "$name" --ncpus 1 --memory "$MEMORY" --kernel "$MK_KERNEL" --initrd "$initrd" "$@"
}

# awaiting NAME STATE: wait for that aside, for the check that ends it.
awaiting() {
	mkctl wait "$1" --state "$2" --timeout "$BOOT" >"$scratch/awaiting.out" 2>&1 &
	supervisor[awaiting]=$!
}

without_privilege() { setpriv --bounding-set=-sys_boot --inh-caps=-sys_boot "$@"; }
able() { exits 0 '"able": true' mkctl check --json; }

check "0: a line comes that is waited for" exits 0 'line: running on CPUs' \
	runs line --cmdline mk.agent=0 --wait 'Linux version' --timeout "$BOOT"
check "it runs" state line running none
check "4: a state does not come in time" exits 4 '`line`: the state stopped did not come within 100.0 ms' \
	mkctl wait line --state stopped --timeout 100ms
check "0: one is there already" mkctl wait line --state running --timeout 100ms
check "it is removed" remove line
check "3: there is no such instance" exits 3 'no instance' mkctl wait line --state stopped
check "there is one" mkctl create late --ncpus 1 --memory 64M
check "1: another one cannot have its name" exits 1 'cannot create `late`: ' runs late
check "it is left as it was" state late created none
check "it is waited for" awaiting late running
check "while it is removed" mkctl rm late
check "3: that is told" ends awaiting 3
check "4: a line does not come in time" exits 4 'matches `no such line` did not come within 500.0 ms' \
	runs late --wait 'no such line' --timeout 500ms
check "it is left as it is" state late running none
check "it is removed" remove late
check "one powers off while a line is waited for" supervised off 'mk.agent=0 mk.act=poweroff' \
	--wait 'no such line' --timeout "$BOOT"
check "it runs" happens off 1 "$(state_of running)"
check "and another state" awaiting off crashed
check "6: that is told" ends off 6
check "with its last words" told off 'reboot: Power off'
check "6: and to who waits for the state" ends awaiting 6
check "it is left" state off stopped halt
check "it is removed" mkctl rm off
check "0: the host can do it" able
check "5: who has not the privilege is told" exits 5 'run it as root \(it takes CAP_SYS_BOOT\)' \
	without_privilege mkctl ls
check "5: and by check" exits 5 'FAIL  privileges  no CAP_SYS_BOOT' without_privilege mkctl check
check "the host is unharmed" unharmed

# ---- run is interrupted -----------------------------------------------------

# interrupted SIGNAL STATUS DELAY: a signal comes before an instance is made, while it is, or
# while it runs. What is told of it is what is left; of KILL nothing is told.
interrupted() {
	local signal=$1 wanted=$2 delay=$3 pid status=0
	echo "after $delay s"
	# A shell lets what it starts aside ignore INT.
	env --default-signal=INT mkctl run cut --ncpus 1 --memory 192M --kernel "$MK_KERNEL" \
		--initrd "$MK_ROOTFS" --cmdline mk.agent=0 --wait 'no such line' >"$scratch/cut" 2>&1 &
	pid=$!
	until [ "$(<"/proc/$pid/comm")" = mkctl ]; do kill -0 "$pid" || return; done
	sleep "$delay"
	kill "-$signal" "$pid"
	wait "$pid" || status=$?
	cat "$scratch/cut"
	is "status" "$wanted" "$status" || return
	if grep -q "interrupted by signal $((wanted - 128)): the instance is left as it is" "$scratch/cut"; then
		state cut running none && remove cut
	elif [ "$signal" = KILL ]; then
		is "what is told" "" "$(<"$scratch/cut")" || return
		# Wherever it was.
		mkctl show cut || { gone cut && return; }
		remove cut
	else
		[ ! -s "$scratch/cut" ] ||
			grep "interrupted by signal $((wanted - 128)): what was made is removed again" \
				"$scratch/cut" || return
		gone cut
	fi
}

for try in 1 2 3; do
	for signal in INT TERM KILL; do
		delay=$((RANDOM % 2)).$(printf '%03d' $((RANDOM % 1000)))
		check "$signal after $delay s, try $try" interrupted "$signal" \
			$((128 + $(kill -l "$signal"))) "$delay"
	done
done
check "nothing is left" is "instances" "" "$(names)"
check "the host is unharmed" unharmed

# ---- what is told -----------------------------------------------------------

kill "$follower"
wait "$follower"
check "no event was lost, and none came twice" numbered
run=(loaded running crashed/panic)
check "all is told of one that panics" life panics created "${run[@]}" "${run[@]}" "${run[@]}" "${run[@]}" \
	destroyed
start=(loaded running agent/ready)
check "of one that hangs" life hangs created "${start[@]}" agent/hung agent/gone/ended stopped/killed destroyed
check "of one that goes" life goes created loaded running stopped/halt destroyed
check "of one that is stopped" life stays created "${start[@]}" agent/gone/halt stopped/halt destroyed
check "of one without an agent" life plain created loaded running stopped/killed destroyed
check "of one that was killed" life orphan created "${start[@]}" agent/gone/ended stopped/killed destroyed
finish
