#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels for modules: those of samples/multikernel talk with programs of another
# kernel, on either side, and are removed, left and killed while they do.
#
#	kapi.sh ROOTFS TALK SAMPLES TESTS INSIDE
#
# ROOTFS and TALK are as for channel.sh. SAMPLES is the directory of the samples,
# TESTS that of kapi.ko (tools/testing/multikernel/kapi), INSIDE that of the samples
# for the instance's kernel. There must be two CPUs to lend.
TALK=$2
SAMPLES=$3
TESTS=$4
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/talks.sh"

# The samples are in the instance, too.
MK_ROOTFS=$scratch/rootfs.cpio
{
	cat "$1"
	cd "$5" && printf '%s\n' ./*.ko | cpio --quiet -R 0:0 -H newc -o
} >"$MK_ROOTFS" || skip_all "$1 and $5 cannot be put together"

# sample c|rust CHANNEL [PARAMETER...]: it serves an end that the host has.
sample() {
	local name=$1 channel=$2
	shift 2
	insmod "$SAMPLES/channel_echo_$name.ko" peer=blue channel="$channel" "$@"
}

# sent_back c|rust COUNT
sent_back() { is "the number" "$2" "$(<"/sys/module/channel_echo_$1/parameters/messages")"; }

# tests ACT CHANNEL: what it says of failures is shown.
tests() {
	local status=0
	timeout "$BOOT" insmod "$TESTS/kapi.ko" peer=blue act="$1" channel="$2" || status=$?
	dmesg | grep "kapi: $1 on $2: "
	return "$status"
}

# host_says REGEX: wait until it does.
# Not every kernel knows the names of errors.
host_says() {
	local end=$((SECONDS + BOOT))
	until dmesg | grep -E -e "$1"; do
		[ "$SECONDS" -lt "$end" ] || { echo "not in the host's log: $1" && return 1; }
	done
}

references() { is "the number of users" "$1" "$(</sys/module/multikernel/refcnt)"; }
references=$(</sys/module/multikernel/refcnt)

# ---- nobody is there --------------------------------------------------------

check "an instance is made" create blue 1-2
for name in c rust back forth quiet ask end wait kept first second gone; do
	check "the channel $name is made" make $name
done
check "what cannot be opened is not" tests away ask
check "that is all" rmmod kapi
check "nor by a sample" fails 'Resource temporarily unavailable' sample rust rust
check "which says why" host_says 'channel_echo_rust: the channel rust with blue cannot be opened: (EAGAIN|Error.11.)'
check "nor what does not exist" not sample rust nothing
check "which it says, too" host_says 'the channel nothing with blue cannot be opened: (ENOENT|Error.2.)'
check "a sample waits for somebody" sample c c
check "and is removed while it does" rmmod channel_echo_c
check "it waits again" sample c c

# ---- host and instance ------------------------------------------------------

acts=exists:/dev/mk/host/gone
acts+=,do:/bin/busybox+insmod+/channel_echo_c.ko+peer=host+channel=back
acts+=,do:/bin/busybox+insmod+/channel_echo_rust.ko+peer=host+channel=forth
acts+=,also:/talk+echo+/dev/mk/host/ask+2,also:/talk+end+/dev/mk/host/kept
acts+=,also:/talk+hold+/dev/mk/host/gone
acts+=,do:/talk+ask+/dev/mk/host/c+300,do:/talk+ask+/dev/mk/host/rust+300
# It goes on when the host removes this channel.
acts+=,do:/talk+hold+/dev/mk/host/first
acts+=,also:/talk+chatter+/dev/mk/host/c,also:/talk+chatter+/dev/mk/host/rust
acts+=,do:/talk+hold+/dev/mk/host/second,do:/bin/busybox+rmmod+channel_echo_c
# It serves one conversation each time.
acts+=,do:/bin/busybox+rmmod+channel_echo_rust
acts+=,do:/bin/busybox+insmod+/channel_echo_rust.ko+peer=host+channel=forth+timeout_ms=240000
check "it starts" again blue "load,$acts"
check "the other sample opens its end as soon as somebody is there" sample rust rust timeout_ms=240000
check "a program of the instance talks with the C sample" ran blue 0 '/talk ask /dev/mk/host/c 300'
check "which has counted" sent_back c 300
check "and with the Rust sample" ran blue 0 '/talk ask /dev/mk/host/rust 300'
check "which has counted, too" sent_back rust 300
check "the Rust sample says that it is over" \
	host_says 'channel_echo_rust: the conversation has ended: (EPIPE|Error.32.)'
check "it is removed, and inserted again" rmmod channel_echo_rust
check "for another conversation" sample rust rust timeout_ms=240000
check "the same the other way round, C" talk ask back 300
check "and Rust" talk ask forth 300
check "calls give what they should" tests rules quiet
check "that is all" rmmod kapi
check "messages come back, by calls that wait, and by being called" tests ask ask
check "that is all" rmmod kapi

# ---- what keeps what --------------------------------------------------------

check "a module has a channel open" tests hold kept
check "no program opens it, too" fails 'Device or resource busy' talk hold kept
check "this module cannot be removed" fails 'in use' rmmod multikernel
held=$(</sys/module/multikernel/refcnt)
check "it is closed" rmmod kapi
# That it needs its functions, and the channel.
check "that was two reasons" references $((held - 2))
check "the peer comes to its end" ran blue 0 '/talk end /dev/mk/host/kept'

# ---- ends -------------------------------------------------------------------

check "the instance is let go on" unmake first
both_talk() {
	until [ "$(</sys/module/channel_echo_c/parameters/messages)" -gt 400 ] &&
		[ "$(</sys/module/channel_echo_rust/parameters/messages)" -gt 100 ]; do :; done
}
check "both samples talk" both_talk
check "one is removed meanwhile" rmmod channel_echo_c
check "the peer comes to its end" ran blue 0 '/talk chatter /dev/mk/host/c'
check "and the other one" rmmod channel_echo_rust
check "so does that peer" ran blue 0 '/talk chatter /dev/mk/host/rust'
check "they wait for others" sample c c
aside back talk chatter back
check "the sample of the instance talks" has back talking
check "it is removed meanwhile: its host" unmake second
check "lets it go" ran blue 0 '/talk hold /dev/mk/host/second'
check "and it goes" ran blue 0 '/bin/busybox rmmod channel_echo_c'
check "the program comes to its end" ended back

waiting() { aside "$1" tests "$1" "$2" && host_says "kapi: $1 on $2: open"; }
check "a module waits for a message" waiting wait wait
check "a signal comes" kill -INT "$(pgrep -x insmod)"
check "it stops to wait" host_says 'kapi: wait on wait: interrupted'
ended wait >"$scratch/output" || true
check "and is not inserted" not grep -q '^kapi ' /proc/modules
check "another one waits" waiting end gone
check "the channel is removed" unmake gone
check "the module comes to its end" ended end
check "that is all" rmmod kapi
aside forth talk chatter forth
check "the other sample of the instance talks" has forth talking
check "another module waits" waiting end end
check "the instance is killed" mkctl kill blue
check "the module comes to its end" ended end
check "the program, too" ended forth
check "that is all" rmmod kapi
check "the instance starts again" \
	again blue "load,exists:/dev/mk/host/c,do:/talk+ask+/dev/mk/host/c+100"
check "the sample that has waited all the time serves it" ran blue 0 '/talk ask /dev/mk/host/c 100'
check "the channel is removed" unmake c
check "it has nothing more to do" \
	host_says 'channel_echo_c: the channel c with blue cannot be opened: -(ENODEV|ENOENT|19|2)'
check "it is removed" rmmod channel_echo_c
check "the instance is removed" remove blue
check "nobody uses this module any more" references "$references"
check "the host is unharmed" unharmed
finish
