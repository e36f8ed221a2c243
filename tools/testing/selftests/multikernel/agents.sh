# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced, after lib.sh, by the tests here whose instances have an agent: $MK_ROOTFS
# is entered with rdinit=/agent-init and does what agent.act= says
# (tools/testing/multikernel/guest).

# What else instances have on their command lines, if nobody says otherwise.
CMDLINE=

# begin NAME CPUS ACTS [CMDLINE [OPTION...]]
begin() { create "$1" "$2" "${@:5}" && again "$1" "$3" "${4-$CMDLINE}"; }

# again NAME ACTS [CMDLINE]: the same instance, anew.
again() { load "$1" "rdinit=/agent-init agent.act=$2 ${3-$CMDLINE}" && start "$1"; }

# ran NAME STATUS WORDS: wait until its agent has run that, and how it went.
ran() { said "$1" "multikernel-agent: ran $3: $2\$"; }

# agent NAME STATE: wait until its agent has it.
agent() { mkctl wait "$1" --agent "$2" --timeout "$BOOT"; }

ready() { agent "$1" ready; }

# agent_is NAME STATE WHY
agent_is() { shows "$1" '"\(.agent) (\(.agent_gone))"' "$2 ($3)"; }

# listed NAME STATE
listed() { is "agent of $1" "$2" "$(mkctl ls --json | jq -r ".instances[] | select(.name == \"$1\").agent")"; }

# answers NAME COUNT: so many pings are answered.
answers() {
	mkctl ping "$1" --count "$2" --timeout 60s --json >"$scratch/answers" || return
	jq -e "(.answers_ns | length) == $2 and all(.answers_ns[]; . > 0)" "$scratch/answers"
}

# rouse NAME: it is rung when it waits for that (agent.act=rung).
rouse() { said "$1" 'waits to be rung$' && answers "$1" 1; }
