#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Channels: programs of host and instances, and of two instances, exchange
# messages by device files.
#
#	channel.sh ROOTFS TALK
#
# ROOTFS is entered with rdinit=/agent-init and does what agent.act= says; it
# has the program TALK as /talk (tools/testing/multikernel/guest). There must be
# three CPUs to lend. MK_CYCLES says how often a channel is opened and closed.
MK_ROOTFS=$1
TALK=$2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/talks.sh"
CYCLES=${MK_CYCLES:-10000}

channels() { mkctl channel ls blue --json; }

# channel_is CHANNEL JQ-EXPRESSION VALUE
channel_is() { is "$2 of $1" "$3" "$(channels | jq -r ".channels[] | select(.name == \"$1\") | $2")"; }

# channel_gets CHANNEL STATE: wait for it.
channel_gets() {
	local end=$((SECONDS + BOOT))
	until channel_is "$1" .state "$2" >/dev/null; do
		[ "$SECONDS" -lt "$end" ] || { channel_is "$1" .state "$2" && return; }
	done
}

lines_of() { grep -c "multikernel: $1" /proc/iomem; }

# ---- what is made, and what is refused --------------------------------------

check "an instance is made" create blue 1-2
for name in echo small up down cycle hold chat mine own; do
	case $name in
	small) check "a channel with small rings is made" make small --ring 4K ;;
	*) check "the channel $name is made" make $name ;;
	esac
done
check "there is no second one of that name" fails 'is a channel "echo" between' make echo
check "nor one with rings of another size" fails 'cannot have 2048 bytes' make ring --from 2K
check "nor with larger ones" fails 'cannot have 33554432 bytes' make ring --to 32M
check "nor one whose name would be a path" fails 'has a !' make 'a!b'
check "nor one with itself" fails 'with itself' make loop --peer blue
check "one that does not exist is not removed" fails 'is no channel "nothing"' unmake nothing
check "its end is there, for root alone" is "the device" "600 root character special file" \
	"$(stat -c '%a %U %F' /dev/mk/blue/echo)"
check "its memory is in the memory map" is "lines" 1 "$(lines_of 'blue (channel echo)')"
check "nobody is at the other end" channel_is echo .state away
check "who does not wait is told" fails 'Resource temporarily unavailable' \
	dd if=/dev/mk/blue/echo iflag=nonblock of=/dev/null

# ---- host and instance ------------------------------------------------------

acts=exists:/dev/mk/host/own
acts+=,also:/talk+echo+/dev/mk/host/echo+100000
acts+=,also:/talk+echo+/dev/mk/host/small+100000
acts+=,also:/talk+stream+/dev/mk/host/up+2000+7
acts+=,also:/talk+check+/dev/mk/host/down+2000+9
acts+=,also:/talk+answer+/dev/mk/host/cycle+$CYCLES
acts+=,also:/talk+hold+/dev/mk/host/hold
acts+=,also:/talk+echo+/dev/mk/host/chat+100000
acts+=,do:/talk+rules+/dev/mk/host/mine,do:/talk+device+instance
# Who waits for somebody at the other end does so before it is there.
aside early talk ask echo 10
check "it starts" again blue "load,$acts"
check "its agent is ready" ready blue
check "who has waited for it talks" ended early
check "messages of all sizes go there and back" talk ask echo 500
check "and again" talk ask echo 200 65536
check "small ones" talk ask echo 3000 64
check "as long as the ring lets them be" talk ask small 300 4024
check "longer ones are refused" fails 'Message too long' talk ask small 1 4025
check "nothing is lost of many" talk check up 2000 7
check "in the other direction" talk stream down 2000 9
check "neither" ran blue 0 '/talk check /dev/mk/host/down 2000 9'
check "edge-triggered epoll sees every edge" talk edge echo 300
check "io_uring waits for messages" talk uring echo 500
check "rings can be mapped" talk map echo 500
check "and then be read and written again" talk ask echo 10
check "what calls must not do they do not" talk rules own
check "nor in the instance" ran blue 0 '/talk rules /dev/mk/host/mine'
check "nor when somebody answers" talk refused echo
check "nor on the device in the instance" ran blue 0 '/talk device instance'
check "others are not let in" fails 'Permission denied' \
	setpriv --reuid nobody --clear-groups "$TALK" ask /dev/mk/blue/echo 1
check "unless they are" chown nobody /dev/mk/blue/echo
check "who then need no other right" timeout "$BOOT" \
	setpriv --reuid nobody --clear-groups "$TALK" ask /dev/mk/blue/echo 10

allocated() {
	awk '/^Slab|^VmallocUsed/ { n += $2 } END { print n }' /proc/meminfo
}

# Less than 1 KiB each time. KASAN keeps what was freed: a kernel that finds leaks is asked for them.
nothing_left() {
	local kib
	if [ -w "$LEAKS" ]; then
		lost_nothing
	else
		kib=$(($(allocated) - before))
		echo "$kib KiB more are allocated"
		[ "$kib" -lt $((CYCLES / 2 + 4096)) ]
	fi
}

[ ! -w "$LEAKS" ] || echo clear >"$LEAKS"
before=$(allocated)
check "a channel is opened and closed $CYCLES times" talk cycle cycle "$CYCLES"
check "by both" ran blue 0 "/talk answer /dev/mk/host/cycle $CYCLES"
check "nothing is left behind" nothing_left
check "the host is unharmed" unharmed

# ---- while CPUs come and go -------------------------------------------------

wander() {
	local times
	for times in 1 2 3; do
		echo 0 >/sys/devices/system/cpu/cpu3/online || return
		echo 1 >/sys/devices/system/cpu/cpu3/online || return
	done
	echo "wandered $times times"
}
aside wander wander
check "messages come while the host's CPUs go" talk ask echo 500
check "which they did" ended wander

# ---- ends -------------------------------------------------------------------

aside hold talk hold hold
check "a channel is open" has hold open
check "a second file is not" fails 'Device or resource busy' talk hold hold
check "it is removed meanwhile" unmake hold
check "who has it open comes to its end" ended hold
check "in the instance, too" ran blue 0 '/talk hold /dev/mk/host/hold'
check "it is nowhere any more" not test -e /dev/mk/blue/hold
check "its memory is the host's" is "lines" 0 "$(lines_of 'blue (channel hold)')"
aside chat talk chatter chat
check "both talk" has chat talking
check "the instance is killed" mkctl kill blue
check "who talks with it comes to an end" ended chat
check "the channel is left" channel_is chat .state away
acts=exists:/dev/mk/host/echo,also:/talk+echo+/dev/mk/host/echo+100000
acts+=,do:/talk+make+echo,do:/talk+make+asked,exists:/dev/mk/host/asked,also:/talk+echo+/dev/mk/host/asked
acts+=,do:/talk+make+big+.+16777216,do:/talk+make+lost+nobody,do:/talk+unmake+chat,do:/talk+unmake+chat,wander
check "it starts again" again blue "load,$acts"
check "its channels are there again" talk ask echo 100
check "the instance makes no second one of a name" ran blue 1 '/talk make echo'
check "but makes another one" ran blue 0 '/talk make asked'
check "both talk over it" talk ask asked 100
check "it gets no more memory than is good" ran blue 1 '/talk make big \. 16777216'
check "nor one with nobody" ran blue 1 '/talk make lost nobody'
check "it removes one" ran blue 0 '/talk unmake chat'
check "once" ran blue 1 '/talk unmake chat'
check "which is nowhere any more" not test -e /dev/mk/blue/chat
check "messages come while its CPUs go" talk ask echo 500
check "which they did" said blue 'the doorbell is back on CPU 0$'
check "it is unloaded with the instance" mkctl kill blue
check "the host is unharmed" unharmed

# ---- two instances ----------------------------------------------------------

check "another one is made" create green 3
check "a channel between both" make pair --peer green
check "it is listed with both" is "the peer" blue "$(mkctl channel ls green --json | jq -r '.channels[0].peer')"
check "no end is on the host" not test -e /dev/mk/blue/pair
acts=exists:/dev/mk/green/pair,also:/talk+echo+/dev/mk/green/pair+100000
check "the first starts" again blue "load,$acts"
acts=exists:/dev/mk/blue/pair,do:/talk+ask+/dev/mk/blue/pair+10
acts+=,do:/talk+ask+/dev/mk/blue/pair+1000+64,do:/talk+edge+/dev/mk/blue/pair+200,do:/talk+map+/dev/mk/blue/pair+200,do:/talk+chatter+/dev/mk/blue/pair
check "and the second" again green "load,$acts"
check "they talk" ran green 0 '/talk ask /dev/mk/blue/pair 10'
rings=$(rings)
check "much" ran green 0 '/talk ask /dev/mk/blue/pair 1000 64'
check "without the host" [ $(($(rings) - rings)) -lt 100 ]
check "with edges" ran green 0 '/talk edge /dev/mk/blue/pair 200'
check "with mapped rings" ran green 0 '/talk map /dev/mk/blue/pair 200'
check "and more" said green 'talking'
check "one is killed meanwhile" mkctl kill blue
check "the other one notices" ran green 0 '/talk chatter /dev/mk/blue/pair'
check "both are removed" remove blue green
check "nothing is shared any more" not grep 'multikernel: ' /proc/iomem
check "no end is left" not test -e /dev/mk
check "the host is unharmed" unharmed
finish
