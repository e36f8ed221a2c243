/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What two kernels share in memory. Documentation/multikernel/protocol.rst
 * says who writes what, when, and in which order; this says where it is.
 *
 * All fields are little-endian. Whatever is not mentioned is zero, and is not
 * looked at by who does not know it. Each structure is written by one side
 * only, and has pages of its own.
 */
#ifndef _LINUX_MULTIKERNEL_ABI_H
#define _LINUX_MULTIKERNEL_ABI_H

#include <linux/types.h>

/* Highest and lowest version that this header describes. */
#define MK_PROTOCOL_VERSION		1
#define MK_PROTOCOL_VERSION_MIN		1

/* mk_host_page.features, mk_agent_page.features */
#define MK_PROTOCOL_HEARTBEAT		(1ULL << 0)	/* the agent beats */
#define MK_PROTOCOL_CLOCK		(1ULL << 1)	/* there is a struct mk_clock */
#define MK_PROTOCOL_PEERS		(1ULL << 2)	/* channels between instances */
#define MK_PROTOCOL_CREATE		(1ULL << 3)	/* agents may ask for channels */

#define MK_PROTOCOL_PAGE		4096

/* ---- the ACPI table ------------------------------------------------------ */

#define MK_ACPI_SIGNATURE		"MKRN"

/**
 * struct mk_acpi - the table that tells an instance of its shared area
 * @header: that of every ACPI table
 * @reserved: 0
 * @area: physical address of struct mk_host_page, on a page
 * @area_bytes: size of all that follows from there, whole pages
 */
struct mk_acpi {
	__u8 header[36];
	__le32 reserved;
	__le64 area;
	__le64 area_bytes;
};

/* ---- kernels that know what they are --------------------------------------- */

#define MK_GUEST_MAGIC			"MKGU"
#define MK_GUEST_VERSION		1

#define MK_GUEST_CONSOLE_MAX		65536

/* mk_guest_info.features */
#define MK_GUEST_DOCK			(1U << 0)	/* it knows mk_guest.dock */

/* mk_berth.command */
#define MK_BERTH_NONE			0	/* nobody waits here, or waits on */
#define MK_BERTH_GO			1	/* the kernel: be ready to go */
#define MK_BERTH_READY			2	/* the processor: it is */
#define MK_BERTH_RUN			3	/* the kernel: go, no NMI comes any more */

/**
 * struct mk_guest_info - in the kernel_info of the image of a kernel that takes a
 *	struct mk_guest, among what has variable length there
 * @magic: MK_GUEST_MAGIC
 * @bytes: size of this structure
 * @version: MK_GUEST_VERSION, what @setup_type leads to
 * @setup_type: type of the struct setup_data with a struct mk_guest that the kernel
 *	looks for in its boot parameters
 * @features: MK_GUEST_...; where it is missing there are none
 */
struct mk_guest_info {
	__u8 magic[4];
	__le32 bytes;
	__le32 version;
	__le32 setup_type;
	__le32 features;
};

/**
 * struct mk_guest - what the host tells such a kernel in its boot parameters; later
 *	ones have more at the end
 * @down: physical address of a struct mk_agent_page of its own, on a page: the kernel
 *	writes @state and @text there when it ends, and nothing else
 * @doorbell: MK_DOORBELL_..., where the host is rung afterwards
 * @tsc: a value of the time stamp counter
 * @realtime_ns: CLOCK_REALTIME at that value, in nanoseconds; 0: it is not known
 * @tsc_khz: how fast the counter is
 * @console_bytes: how many bytes of data are in the kernel's half of its early console:
 *	a power of two, 4096 to MK_GUEST_CONSOLE_MAX; 0: there is none
 * @console: physical address of its early console, on a page: a struct mk_half that the
 *	host writes, without data, then one that the kernel writes, with its data
 * @dock: physical address of the code with which its further processors wait, for
 *	the rest of what is here; 0: there is none, and they are started by INIT and
 *	SIPI, in memory below 1 MiB that is the kernel's
 * @dock_root: physical address of a top-level page table. Its lower half maps all of
 *	the kernel's memory to itself, its upper half is the kernel's
 * @berths: physical address of an array of struct mk_berth
 * @nr_berths: its length
 * @reserved: 0
 */
struct mk_guest {
	__le64 down;
	__le64 doorbell;
	__le64 tsc;
	__le64 realtime_ns;
	__le32 tsc_khz;
	__le32 console_bytes;
	__le64 console;
	__le64 dock;
	__le64 dock_root;
	__le64 berths;
	__le32 nr_berths;
	__le32 reserved;
};

/**
 * struct mk_berth - where a processor of a kernel with mk_guest.dock waits, on the page
 *	tables of mk_guest.dock_root
 * @apic_id: whose it is
 * @command: MK_BERTH_...; whoever has written MK_BERTH_GO sends the processor an NMI,
 *	and may take it back as long as it is there
 * @entry: virtual address where the processor goes
 * @efer: what its EFER is then
 * @stack: its stack then, and while it waits
 */
struct mk_berth {
	__le32 apic_id;
	__le32 command;
	__le64 entry;
	__le64 efer;
	__u8 stack[232];
};

/* ---- the area: the host's part ------------------------------------------- */

#define MK_HOST_MAGIC			0x54534f484e524b4dULL	/* "MKRNHOST" */

/* mk_host_page.verdict: on what the agent has chosen */
#define MK_VERDICT_NONE			0	/* not looked at yet */
#define MK_VERDICT_ACCEPTED		1
#define MK_VERDICT_REFUSED		2	/* not what was offered */
#define MK_VERDICT_MISBEHAVED		3	/* it did what it must not do */

/**
 * struct mk_host_page - the host, to one instance
 * @magic: MK_HOST_MAGIC; what follows up to @verdict stays as it is from here
 *	on, for as long as the instance runs
 * @version_min: lowest version that the host speaks
 * @version_max: highest version that the host speaks
 * @features: MK_PROTOCOL_..., what the host can do
 * @run: how often the instance was started
 * @heartbeat_ns: the agent beats once in that time
 * @clock_at: offset in the area of struct mk_clock
 * @channels_at: offset in the area of an array of struct mk_channel
 * @nr_channels: its length, 1 to MK_CHANNELS_MAX
 * @channel_bytes: size of one of its entries, a multiple of 8
 * @agent_at: offset in the area of struct mk_agent_page; the agent writes from
 *	there to the end of the area, and nowhere else
 * @verdict: MK_VERDICT_..., and in the high half the low half of the number
 *	in @attach of struct mk_agent_page that it is on
 * @doorbell: MK_DOORBELL_..., where the host is rung
 * @calls: how often the agent was to look at more than at channels of programs
 * @reserved_1: 0
 * @reserved_2: 0
 * @reserved_3: 0
 * @reserved_4: 0
 */
struct mk_host_page {
	__le64 magic;
	__le32 version_min;
	__le32 version_max;
	__le64 features;
	__le64 run;
	__le64 heartbeat_ns;
	__le64 clock_at;
	__le64 channels_at;
	__le32 nr_channels;
	__le32 channel_bytes;
	__le64 agent_at;
	__u8 reserved_1[128 - 72];
	__le64 verdict;
	__u8 reserved_2[256 - 136];
	__le64 doorbell;
	__u8 reserved_3[320 - 264];
	__le64 calls;
	__u8 reserved_4[MK_PROTOCOL_PAGE - 328];
};

/* A doorbell: 0, nobody is to ring; or VALID and the rest. */
#define MK_DOORBELL_APIC_ID		0x00000000ffffffffULL
#define MK_DOORBELL_VECTOR		0x000000ff00000000ULL
#define MK_DOORBELL_MOVES		0x00ffff0000000000ULL	/* counts changes */
#define MK_DOORBELL_VALID		0x8000000000000000ULL

/* mk_clock.flags */
#define MK_CLOCK_VALID			(1ULL << 0)	/* there is a time */
#define MK_CLOCK_SYNCHRONIZED		(1ULL << 1)	/* by something better */

/**
 * struct mk_clock - the wall clock, by the time stamp counter
 * @sequence: odd while the rest is written
 * @flags: MK_CLOCK_...
 * @tsc: a value of the counter
 * @realtime_ns: CLOCK_REALTIME at that value, in nanoseconds
 * @multiplier: a difference of the counter, times this,
 * @shift: divided by two to the power of this, 0 to 63, is nanoseconds
 * @tai_offset: seconds that TAI is ahead of UTC, with a sign
 * @reserved: 0
 */
struct mk_clock {
	__le64 sequence;
	__le64 flags;
	__le64 tsc;
	__le64 realtime_ns;
	__le64 multiplier;
	__le32 shift;
	__le32 tai_offset;
	__u8 reserved[MK_PROTOCOL_PAGE - 48];
};

/* ---- the area: the directory --------------------------------------------- */

#define MK_CHANNELS_MAX			64
#define MK_CHANNEL_NAME			32	/* with the NUL, as all names */

/* mk_channel.state, the low half */
#define MK_CHANNEL_FREE			0	/* nothing is here */
#define MK_CHANNEL_OFFERED		1	/* to be used */
#define MK_CHANNEL_WITHDRAWN		2	/* to be left, and answered */

/* mk_channel.kind */
#define MK_CHANNEL_DATA			0	/* for programs and modules */
#define MK_CHANNEL_CONTROL		1	/* struct mk_message; always entry 0 */
#define MK_CHANNEL_CONSOLE		2	/* what a terminal shows and is typed */

/* mk_channel.peer, if it is no instance */
#define MK_PEER_HOST			0

/**
 * struct mk_channel - one channel, as one of its sides sees it
 * @state: MK_CHANNEL_..., and in the high half a number that no earlier
 *	channel in this entry had: its generation
 * @kind: MK_CHANNEL_...
 * @peer: MK_PEER_HOST, or the number of an instance
 * @own: physical address of the half that this side writes, on a page
 * @other: physical address of the half that the peer writes, on a page
 * @own_bytes: how many bytes of data are in @own, a power of two
 * @other_bytes: how many bytes of data are in @other, a power of two
 * @doorbell: MK_DOORBELL_..., where the peer is rung; it may change at any time
 * @name: of the channel
 * @peer_name: of the peer, if it is an instance
 * @reserved: 0
 */
struct mk_channel {
	__le64 state;
	__le32 kind;
	__le32 peer;
	__le64 own;
	__le64 other;
	__le32 own_bytes;
	__le32 other_bytes;
	__le64 doorbell;
	__u8 reserved[64 - 48];
	__u8 name[MK_CHANNEL_NAME];
	__u8 peer_name[MK_CHANNEL_NAME];
};

/* ---- the area: the agent's part ------------------------------------------ */

#define MK_AGENT_MAGIC			0x544e47414e524b4dULL	/* "MKRNAGNT" */

/* mk_agent_page.state, the low half */
#define MK_AGENT_NONE			0
#define MK_AGENT_READY			1
#define MK_AGENT_GONE			2

/* mk_agent_page.state, the high half: why it is gone */
#define MK_GONE_NONE			0
#define MK_GONE_UNLOADED		1	/* the module; the instance goes on */
#define MK_GONE_RESTART			2
#define MK_GONE_HALT			3
#define MK_GONE_POWER_OFF		4
#define MK_GONE_PANIC			5	/* @text has the message */
#define MK_GONE_KEXEC			6
#define MK_GONE_VERSION			7	/* no version is known to both kernels */

#define MK_AGENT_TEXT			256

/* mk_agent_page.answers, the low half */
#define MK_ANSWER_NONE			0
#define MK_ANSWER_ATTACHED		1	/* in use */
#define MK_ANSWER_RELEASED		2	/* will not be touched any more */
#define MK_ANSWER_REFUSED		3	/* the same, and never was */

/**
 * struct mk_agent_page - the agent, to the host
 * @magic: MK_AGENT_MAGIC
 * @version: the version that the agent has chosen; if it is gone for
 *	MK_GONE_VERSION the highest that it speaks
 * @reserved: 0
 * @features: MK_PROTOCOL_..., those of the host that it uses
 * @run: @run of struct mk_host_page, to tell that this is no leftover
 * @attach: another number for each agent of this run
 * @state: MK_AGENT_..., and in the high half MK_GONE_...
 * @doorbell: MK_DOORBELL_..., where the agent is rung
 * @calls: how often the host was to look at more than at channels of programs
 * @heartbeat: counts beats
 * @answers: for each entry of the directory MK_ANSWER_..., and in the high half
 *	the generation that is answered
 * @text: why it is gone, for a person: printable ASCII, then NULs
 * @reserved_1: 0
 * @reserved_2: 0
 * @reserved_3: 0
 * @reserved_6: 0
 * @reserved_4: 0
 * @reserved_5: 0
 */
struct mk_agent_page {
	__le64 magic;
	__le32 version;
	__le32 reserved;
	__le64 features;
	__le64 run;
	__le64 attach;
	__u8 reserved_1[128 - 40];
	__le64 state;
	__u8 reserved_2[256 - 136];
	__le64 doorbell;
	__u8 reserved_3[320 - 264];
	__le64 calls;
	__u8 reserved_6[384 - 328];
	__le64 heartbeat;
	__u8 reserved_4[512 - 392];
	__le64 answers[MK_CHANNELS_MAX];
	__u8 text[MK_AGENT_TEXT];
	__u8 reserved_5[MK_PROTOCOL_PAGE - 1280];
};

/* ---- a channel ----------------------------------------------------------- */

/* mk_half.state */
#define MK_HALF_NEW			0
#define MK_HALF_OPEN			1
#define MK_HALF_CLOSED			2
#define MK_HALF_BROKEN			3	/* the peer's half has what cannot be */
#define MK_HALF_GONE			4	/* dead; the host says so */

/**
 * struct mk_half - what one side writes of a channel
 * @state: MK_HALF_...
 * @head: how far this side has read what the peer sent: a position
 * @want_data: ring when there is something at this position or beyond
 * @want_room: ring when the peer's @head has come this far
 *
 * The data follow: what this side sends. Position p is at offset p modulo their
 * size. Each message begins at a multiple of MK_RING_LINE with a __le64: its
 * length in the low half; in the high half the position, divided by
 * MK_RING_LINE. 0: there is none yet.
 * @reserved_1: 0
 * @reserved_2: 0
 * @reserved_3: 0
 * @reserved_4: 0
 */
struct mk_half {
	__le64 state;
	__u8 reserved_1[128 - 8];
	__le64 head;
	__u8 reserved_2[128 - 8];
	__le64 want_data;
	__u8 reserved_3[128 - 8];
	__le64 want_room;
	__u8 reserved_4[MK_PROTOCOL_PAGE - 392];
};

#define MK_RING_LINE			64
#define MK_RING_HEADER			8
#define MK_RING_BYTES_MIN		4096
#define MK_RING_BYTES_MAX		(1U << 30)
#define MK_RING_MESSAGE_MAX		65536

/* ---- the control channel ------------------------------------------------- */

/* mk_message.type; who gets one that it does not know answers MK_ERROR_UNKNOWN */
#define MK_MESSAGE_PING			1	/* both ways; the answer has its body */
#define MK_MESSAGE_ANSWER		2	/* both ways */
#define MK_MESSAGE_SHUTDOWN		3	/* to the agent: struct mk_shutdown */
#define MK_MESSAGE_CREATE		4	/* to the host: struct mk_create */
#define MK_MESSAGE_REMOVE		5	/* to the host: struct mk_create */

/* mk_message.error, in answers */
#define MK_ERROR_NONE			0
#define MK_ERROR_UNKNOWN		1	/* no such type */
#define MK_ERROR_INVALID		2	/* a field is wrong */
#define MK_ERROR_EXISTS			3	/* that name is in use for this peer */
#define MK_ERROR_NO_PEER		4	/* no such instance, or it has no agent */
#define MK_ERROR_NO_ROOM		5	/* no entry or no memory left */
#define MK_ERROR_FORBIDDEN		6

/**
 * struct mk_message - what every message begins with
 * @type: MK_MESSAGE_...
 * @error: MK_ERROR_...; 0 if it is no answer
 * @cookie: chosen by who asks; its answer has the same
 */
struct mk_message {
	__le32 type;
	__le32 error;
	__le64 cookie;
};

#define MK_PING_BYTES_MAX		2048	/* of the body */

/* mk_shutdown.how */
#define MK_SHUTDOWN_POWER_OFF		1
#define MK_SHUTDOWN_RESTART		2
#define MK_SHUTDOWN_HALT		3

/**
 * struct mk_shutdown - MK_MESSAGE_SHUTDOWN: end in good order; answered before
 * @message: header
 * @how: MK_SHUTDOWN_...
 * @reserved: 0
 */
struct mk_shutdown {
	struct mk_message message;
	__le32 how;
	__le32 reserved;
};

/**
 * struct mk_create - MK_MESSAGE_CREATE: make a channel of kind MK_CHANNEL_DATA;
 *	MK_MESSAGE_REMOVE: remove it
 * @message: header; the answer is a struct mk_created; to MK_MESSAGE_REMOVE it
 *	has no body
 * @ring_bytes: size of each ring's data; 0: as the host likes
 * @reserved: 0
 * @name: of the channel
 * @peer: name of an instance; all NULs: the host
 */
struct mk_create {
	struct mk_message message;
	__le32 ring_bytes;
	__le32 reserved;
	__u8 name[MK_CHANNEL_NAME];
	__u8 peer[MK_CHANNEL_NAME];
};

/**
 * struct mk_created - answer to MK_MESSAGE_CREATE
 * @message: header
 * @channel: which entry of the directory it is; 0: it is offered later
 * @generation: and its generation
 */
struct mk_created {
	struct mk_message message;
	__le32 channel;
	__le32 generation;
};

_Static_assert(sizeof(struct mk_acpi) == 56, "struct mk_acpi");
_Static_assert(sizeof(struct mk_guest_info) == 20, "struct mk_guest_info");
_Static_assert(sizeof(struct mk_guest) == 80, "struct mk_guest");
_Static_assert(sizeof(struct mk_berth) == 256, "struct mk_berth");
_Static_assert(sizeof(struct mk_host_page) == MK_PROTOCOL_PAGE, "struct mk_host_page");
_Static_assert(sizeof(struct mk_clock) == MK_PROTOCOL_PAGE, "struct mk_clock");
_Static_assert(sizeof(struct mk_channel) == 128, "struct mk_channel");
_Static_assert(sizeof(struct mk_agent_page) == MK_PROTOCOL_PAGE, "struct mk_agent_page");
_Static_assert(sizeof(struct mk_half) == MK_PROTOCOL_PAGE, "struct mk_half");
_Static_assert(sizeof(struct mk_message) == 16, "struct mk_message");
_Static_assert(sizeof(struct mk_shutdown) == 24, "struct mk_shutdown");
_Static_assert(sizeof(struct mk_create) == 88, "struct mk_create");
_Static_assert(sizeof(struct mk_created) == 24, "struct mk_created");

#endif /* _LINUX_MULTIKERNEL_ABI_H */
