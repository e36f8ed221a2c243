/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ioctl interface of /dev/multikernel: starting Linux kernels beside this one.
 *
 * Every structure begins with a struct mk_header. Its size says how much of
 * the structure the caller knows: the kernel takes missing tail fields as
 * zero, and refuses (-E2BIG) tail fields that it does not know and that are
 * not zero. Unknown flags and reserved fields that are not zero are -EINVAL.
 * On failure a text that says what was wrong, with which value, is put where
 * header.message points. Documentation/multikernel/uapi.rst has every errno.
 */
#ifndef _UAPI_LINUX_MULTIKERNEL_H
#define _UAPI_LINUX_MULTIKERNEL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MK_ABI_VERSION		1

#define MK_NAME_SIZE		32	/* with the terminating NUL */
#define MK_TEXT_SIZE		128	/* with the terminating NUL */
#define MK_MAX_CPUS		254	/* CPUs of one instance */
#define MK_MEMORY_ALIGN		(2ULL << 20)
#define MK_MEMORY_MIN		(64ULL << 20)
#define MK_NODE_ANY		(-1)

#define MK_IOC			0xBC

/**
 * struct mk_header - what every structure begins with
 * @size: size of the whole structure, as the caller knows it, in bytes
 * @flags: MK_..., for each call its own; unknown ones are refused
 * @message: address of a buffer for the text of an error, or 0
 * @message_size: size of that buffer in bytes; the text is cut to fit, and
 *	always ends with a NUL
 * @reserved: 0
 */
struct mk_header {
	__u32 size;
	__u32 flags;
	__aligned_u64 message;
	__u32 message_size;
	__u32 reserved;
};

/* ---- on /dev/multikernel ------------------------------------------------ */

#define MK_QUERY		_IO(MK_IOC, 0x00)
#define MK_CREATE		_IO(MK_IOC, 0x01)
#define MK_OPEN			_IO(MK_IOC, 0x02)
#define MK_LIST			_IO(MK_IOC, 0x03)
#define MK_EVENTS		_IO(MK_IOC, 0x04)
#define MK_POOLS		_IO(MK_IOC, 0x05)

/* mk_query.features */
#define MK_FEATURE_MMAP		(1ULL << 0)	/* memory can be mapped, read-only */
#define MK_FEATURE_STOP_REASON	(1ULL << 1)	/* a stop without an agent is seen */
#define MK_FEATURE_AGENT	(1ULL << 2)	/* an agent is seen, and can be asked */
#define MK_FEATURE_CHANNELS	(1ULL << 3)	/* there are channels */
#define MK_FEATURE_CONSOLE	(1ULL << 4)	/* instances with an agent have a console */
#define MK_FEATURE_EVENTS	(1ULL << 5)	/* events can be read */
#define MK_FEATURE_POOLS	(1ULL << 6)	/* where memory comes from can be read */
#define MK_FEATURE_KEXEC	(1ULL << 7)	/* kexec_file_load() loads, too */

/* mk_query.blockers: why this host cannot start an instance */
#define MK_BLOCKED_LOCKDOWN	(1ULL << 0)	/* lockdown; never with MK_FEATURE_KEXEC */
#define MK_BLOCKED_ENCRYPTION	(1ULL << 1)	/* SME, SEV or TDX is active */
#define MK_BLOCKED_APIC		(1ULL << 2)	/* INIT and SIPI cannot be sent */
#define MK_BLOCKED_REAL_MODE	(1ULL << 3)	/* the kernel's own blob not found */
#define MK_BLOCKED_NO_SLOT	(1ULL << 4)	/* no memory below 1 MiB left */
#define MK_BLOCKED_APIC_ID	(1ULL << 5)	/* no APIC ID is unused */
#define MK_BLOCKED_TSC		(1ULL << 6)	/* the TSC's frequency is unknown */

/* mk_query.role */
#define MK_ROLE_HOST		0
#define MK_ROLE_INSTANCE	1	/* which has channels, and no instances */

/* mk_query.apic_mode */
#define MK_APIC_XAPIC		1
#define MK_APIC_X2APIC		2

/**
 * struct mk_query - MK_QUERY: what the module and this host can do
 * @header: no flags
 * @abi_version: out: MK_ABI_VERSION of the module
 * @nr_slots: out: how many slots below 1 MiB there are; a kernel takes one when it
 *	is loaded, until it has ended; those that need none take one together
 * @nr_slots_free: out: and how many of them are free
 * @nr_instances: out: instances that exist
 * @features: out: MK_FEATURE_...
 * @blockers: out: MK_BLOCKED_...; 0: this host can start instances
 * @tsc_khz: out: frequency of the time stamp counter, in kHz
 * @apic_mode: out: MK_APIC_...
 * @boot_cpu: out: the CPU that can never be lent
 * @spare_apic_id: out: an APIC ID that no CPU of this machine has; all ones:
 *	there is none
 * @role: out: MK_ROLE_...
 * @reserved: 0
 */
struct mk_query {
	struct mk_header header;
	__u32 abi_version;
	__u32 nr_slots;
	__u32 nr_slots_free;
	__u32 nr_instances;
	__aligned_u64 features;
	__aligned_u64 blockers;
	__u32 tsc_khz;
	__u32 apic_mode;
	__u32 boot_cpu;
	__u32 spare_apic_id;
	__u32 role;
	__u32 reserved;
};

/* MK_CREATE: the instance goes when the last copy of this descriptor does */
#define MK_CREATE_AUTO_DESTROY	(1U << 0)

/**
 * struct mk_name - MK_CREATE, MK_OPEN: return a descriptor of an instance
 * @header: MK_CREATE: MK_CREATE_AUTO_DESTROY; MK_OPEN: no flags
 * @name: 1 to 31 printable ASCII characters without '/' or space, then NULs
 */
struct mk_name {
	struct mk_header header;
	char name[MK_NAME_SIZE];
};

/**
 * struct mk_list_entry - one instance, as MK_LIST tells it
 * @name: its name
 * @state: MK_STATE_...
 * @reason: MK_REASON_...
 * @nr_cpus: CPUs that it has or will have
 * @agent: MK_AGENT_STATE_...
 * @memory: bytes of memory that it has
 */
struct mk_list_entry {
	char name[MK_NAME_SIZE];
	__u32 state;
	__u32 reason;
	__u32 nr_cpus;
	__u32 agent;
	__aligned_u64 memory;
};

/**
 * struct mk_list - MK_LIST: the instances, in the order of their creation
 * @header: no flags
 * @entries: address of an array of struct mk_list_entry
 * @nr_entries: in: room in the array; out: instances there are, which may be
 *	more than were written
 * @entry_size: in: sizeof(struct mk_list_entry) as the caller knows it
 */
struct mk_list {
	struct mk_header header;
	__aligned_u64 entries;
	__u32 nr_entries;
	__u32 entry_size;
};

/* mk_pool_entry.kind; later versions may know more */
#define MK_POOL_RESERVED	1	/* set aside at boot: the host leaves it alone */
#define MK_POOL_CMA		2	/* set aside at boot: used for movable pages */
#define MK_POOL_RUN_TIME	3	/* no pool, but what the page allocator has */

/**
 * struct mk_pool_entry - where the memory of instances comes from, as MK_POOLS tells it
 * @start: physical address of the pool; 0 for MK_POOL_RUN_TIME
 * @bytes: size of the pool; for MK_POOL_RUN_TIME, all that the page allocator
 *	of @node looks after
 * @free: bytes that no instance has; for MK_POOL_RUN_TIME, those that could be
 *	had now, at most: some of it may not be found in pieces that are large
 *	enough, and all nodes together may have less
 * @largest: the largest piece of @free; 0 for MK_POOL_RUN_TIME, as only trying
 *	tells it
 * @node: NUMA node of the memory
 * @kind: MK_POOL_...
 *
 * MK_POOLS takes a struct mk_list. The pools come first, in the order in which
 * memory is taken from those of a node, then the page allocator of each node
 * that has memory.
 */
struct mk_pool_entry {
	__aligned_u64 start;
	__aligned_u64 bytes;
	__aligned_u64 free;
	__aligned_u64 largest;
	__s32 node;
	__u32 kind;
};

/**
 * struct mk_events - MK_EVENTS: returns a descriptor that events are read from
 * @header: no flags
 * @event_size: sizeof(struct mk_event) as the caller knows it: every read()
 *	gives as many events as fit, each in so many bytes
 * @reserved: 0
 */
struct mk_events {
	struct mk_header header;
	__u32 event_size;
	__u32 reserved;
};

/* mk_event.what; later versions may know more */
#define MK_EVENT_CREATED	1	/* the instance exists */
#define MK_EVENT_STATE		2	/* it is in @state now, for @reason */
#define MK_EVENT_AGENT		3	/* its agent is in @state now, for @reason */
#define MK_EVENT_DESTROYED	4	/* it exists no more */

/**
 * struct mk_event - what has happened to an instance
 * @seq: its number: that of the event before it, of any instance, plus 1
 * @lost: so many events before it were forgotten before this reader came to them
 * @boottime: CLOCK_BOOTTIME, in nanoseconds
 * @realtime: CLOCK_REALTIME at the same moment, in nanoseconds since 1970
 * @instance: a number that tells instances of the same name apart
 * @run: how often it had been started
 * @what: MK_EVENT_...
 * @state: MK_EVENT_STATE: MK_STATE_...; MK_EVENT_AGENT: MK_AGENT_STATE_...
 * @reason: MK_EVENT_STATE: MK_REASON_...; MK_EVENT_AGENT: MK_AGENT_GONE_...
 * @reserved: 0
 * @name: of the instance
 * @text: why it stopped, for a person: an instance's panic message, say
 */
struct mk_event {
	__aligned_u64 seq;
	__aligned_u64 lost;
	__aligned_u64 boottime;
	__aligned_u64 realtime;
	__aligned_u64 instance;
	__aligned_u64 run;
	__u32 what;
	__u32 state;
	__u32 reason;
	__u32 reserved;
	char name[MK_NAME_SIZE];
	char text[MK_TEXT_SIZE];
};

/* ---- on the descriptor of an instance ----------------------------------- */

#define MK_SET_CPUS		_IO(MK_IOC, 0x20)
#define MK_SET_MEMORY		_IO(MK_IOC, 0x21)
#define MK_LOAD			_IO(MK_IOC, 0x22)
#define MK_START		_IO(MK_IOC, 0x23)
#define MK_KILL			_IO(MK_IOC, 0x24)
#define MK_INFO			_IO(MK_IOC, 0x25)
#define MK_DESTROY		_IO(MK_IOC, 0x26)
#define MK_PING			_IO(MK_IOC, 0x27)
#define MK_STOP			_IO(MK_IOC, 0x28)
#define MK_SET_HEARTBEAT	_IO(MK_IOC, 0x2c)
#define MK_CONSOLE		_IO(MK_IOC, 0x30)
#define MK_CHANNEL_CREATE	_IO(MK_IOC, 0x40)
#define MK_CHANNEL_REMOVE	_IO(MK_IOC, 0x41)
#define MK_CHANNEL_LIST		_IO(MK_IOC, 0x42)

/* mk_info.state */
#define MK_STATE_CREATED	0
#define MK_STATE_LOADED		1
#define MK_STATE_RUNNING	2
#define MK_STATE_STOPPED	3
#define MK_STATE_CRASHED	4

/* mk_info.reason: why it is stopped or crashed; later versions may know more */
#define MK_REASON_NONE		0
#define MK_REASON_KILLED	1	/* MK_KILL */
#define MK_REASON_RESTART	2	/* the instance restarted itself */
#define MK_REASON_HALT		3	/* the instance halted or powered off */
#define MK_REASON_PANIC		4	/* the instance panicked */
#define MK_REASON_HOST_DOWN	5	/* the host goes down */
#define MK_REASON_START_FAILED	6	/* its boot CPU did not start */
#define MK_REASON_STUCK		7	/* a CPU could not be stopped: destroy it */
#define MK_REASON_MISBEHAVED	8	/* it rang the host without end */

/* mk_info.agent: this module, in the instance; of the last run if it has ended */
#define MK_AGENT_STATE_NONE	0	/* was never there */
#define MK_AGENT_STATE_READY	1
#define MK_AGENT_STATE_GONE	2
#define MK_AGENT_STATE_HUNG	3	/* does not beat any more; it may again */

/* mk_info.agent_reason: why it is gone; later versions may know more */
#define MK_AGENT_GONE_UNKNOWN	0	/* it does not say, or is not gone */
#define MK_AGENT_GONE_UNLOADED	1	/* the instance goes on without it */
#define MK_AGENT_GONE_RESTART	2	/* the instance restarts */
#define MK_AGENT_GONE_HALT	3	/* the instance halts */
#define MK_AGENT_GONE_POWER_OFF	4	/* the instance powers off */
#define MK_AGENT_GONE_PANIC	5	/* the instance panicked */
#define MK_AGENT_GONE_KEXEC	6	/* the instance starts another kernel */
#define MK_AGENT_GONE_ENDED	7	/* the instance ended without a word */
#define MK_AGENT_GONE_MISBEHAVED 8	/* it did what it must not do */
#define MK_AGENT_GONE_VERSION	9	/* the two modules have no version in common */

/* mk_info.agent_features: what agent and host both know; MK_PROTOCOL_... of
 * include/linux/multikernel_abi.h
 */
#define MK_AGENT_FEATURE_HEARTBEAT (1ULL << 0)	/* it beats */
#define MK_AGENT_FEATURE_CLOCK	(1ULL << 1)	/* it is told the time */
#define MK_AGENT_FEATURE_PEERS	(1ULL << 2)	/* channels with other instances */
#define MK_AGENT_FEATURE_CREATE	(1ULL << 3)	/* it may ask for channels */

/* MK_SET_CPUS: a core may be split between two kernels */
#define MK_CPUS_SPLIT_CORES	(1U << 0)

/**
 * struct mk_cpus - MK_SET_CPUS: reserve CPUs, in place of those it had
 * @header: MK_CPUS_SPLIT_CORES
 * @cpus: address of an array of __u32, the host's CPU numbers; the instance
 *	boots on the first
 * @nr_cpus: length of the array, 1 to MK_MAX_CPUS
 * @reserved: 0
 *
 * The CPUs stay with the host until MK_START, and come back to it when the
 * instance stops, however it does. The reservation keeps other instances off.
 */
struct mk_cpus {
	struct mk_header header;
	__aligned_u64 cpus;
	__u32 nr_cpus;
	__u32 reserved;
};

/**
 * struct mk_memory - MK_SET_MEMORY: take memory, in place of what it had
 * @header: no flags
 * @bytes: a multiple of MK_MEMORY_ALIGN, at least MK_MEMORY_MIN
 * @largest: out, with -ENOMEM: the number of bytes that could be had, at most
 * @node: NUMA node; MK_NODE_ANY: that of its CPUs first, then any
 * @reserved: 0
 *
 * What was loaded is lost: the instance is MK_STATE_CREATED afterwards.
 */
struct mk_memory {
	struct mk_header header;
	__aligned_u64 bytes;
	__aligned_u64 largest;
	__s32 node;
	__u32 reserved;
};

/* MK_LOAD: the command line may name a UART that the host does not use */
#define MK_LOAD_UART		(1U << 0)

/**
 * struct mk_load - MK_LOAD: put a kernel and an initrd into the memory
 * @header: MK_LOAD_UART
 * @cmdline: address of the command line
 * @cmdline_size: its length in bytes, without a NUL
 * @kernel_fd: a bzImage, boot protocol 2.12 or later, 64-bit, relocatable
 * @initrd_fd: an initrd; -1: none
 * @reserved: 0
 *
 * All files were read when it returns. To unpack the kernel goes on after that;
 * MK_START waits for it.
 */
struct mk_load {
	struct mk_header header;
	__aligned_u64 cmdline;
	__u32 cmdline_size;
	__s32 kernel_fd;
	__s32 initrd_fd;
	__u32 reserved;
};

/**
 * struct mk_command - MK_START, MK_KILL, MK_DESTROY, MK_CONSOLE
 * @header: MK_DESTROY: MK_DESTROY_FORCE; MK_CONSOLE: MK_CONSOLE_...; others:
 *	no flags
 *
 * MK_CONSOLE returns a descriptor, to be read, written and polled.
 */
struct mk_command {
	struct mk_header header;
};

/* MK_DESTROY: kill it first, if it runs */
#define MK_DESTROY_FORCE	(1U << 0)

/* MK_CONSOLE: what is written is typed there; one descriptor at a time */
#define MK_CONSOLE_WRITE	(1U << 0)
/* MK_CONSOLE: begin with what is shown from now on */
#define MK_CONSOLE_NEW		(1U << 1)

/* How much of what a console has shown can still be read */
#define MK_CONSOLE_BYTES	(64U << 10)

/**
 * struct mk_range - physical memory
 * @start: physical address of its first byte
 * @bytes: its size
 */
struct mk_range {
	__aligned_u64 start;
	__aligned_u64 bytes;
};

/**
 * struct mk_info - MK_INFO: all about an instance
 * @header: no flags
 * @name: its name
 * @state: MK_STATE_...
 * @reason: MK_REASON_...
 * @text: why it stopped, for a person: an instance's panic message, say
 * @generation: counts changes of @state and @agent; poll() reports a change until
 *	MK_INFO on the same descriptor has told it
 * @memory: bytes of memory that it has
 * @slot: physical address of its slot below 1 MiB, which others may share; 0: nothing
 *	is loaded, nor runs
 * @slot_bytes: size of that slot, or 0
 * @node: NUMA node that was asked for, or MK_NODE_ANY
 * @runs: how often it was started
 * @started: CLOCK_BOOTTIME of the last start, also of one that failed, in
 *	nanoseconds; 0: never
 * @ended: CLOCK_BOOTTIME of the last end, in nanoseconds; 0: never
 * @take_ns: what taking its CPUs took at the last start, in nanoseconds
 * @give_ns: what giving them back took at the last end, in nanoseconds
 * @load_ns: what the last MK_LOAD took, in nanoseconds
 * @cpus: in: address of an array of __u32 for its CPU numbers, or 0
 * @ranges: in: address of an array of struct mk_range, or 0; mmap() sees
 *	these ranges one after the other, in this order, from offset 0
 * @nr_cpus: in: room in @cpus; out: CPUs that it has or will have
 * @nr_ranges: in: room in @ranges; out: ranges that it has
 * @agent: MK_AGENT_STATE_...
 * @agent_reason: MK_AGENT_GONE_...
 * @hung_ms: as struct mk_heartbeat has it
 * @agent_version: version of the protocol that the last agent has chosen; one
 *	that is gone for MK_AGENT_GONE_VERSION: the highest that it speaks; 0: none
 *	was there in this run, or the last
 * @agent_features: MK_AGENT_FEATURE_..., those of the last agent
 * @id: a number that no other instance has had since the module was loaded, less
 *	than 2^48; with MK_FEATURE_KEXEC it is in the flags of kexec_file_load(),
 *	KEXEC_FILE_MULTIKERNEL | id << KEXEC_FILE_MULTIKERNEL_SHIFT
 * @ready_ns: from the begin of the last MK_LOAD until the kernel could be started: it
 *	may be unpacked after that call; in nanoseconds; 0: not yet, or nothing was loaded
 */
struct mk_info {
	struct mk_header header;
	char name[MK_NAME_SIZE];
	__u32 state;
	__u32 reason;
	char text[MK_TEXT_SIZE];
	__aligned_u64 generation;
	__aligned_u64 memory;
	__aligned_u64 slot;
	__u32 slot_bytes;
	__s32 node;
	__aligned_u64 runs;
	__aligned_u64 started;
	__aligned_u64 ended;
	__aligned_u64 take_ns;
	__aligned_u64 give_ns;
	__aligned_u64 load_ns;
	__aligned_u64 cpus;
	__aligned_u64 ranges;
	__u32 nr_cpus;
	__u32 nr_ranges;
	__u32 agent;
	__u32 agent_reason;
	__u32 hung_ms;
	__u32 agent_version;
	__aligned_u64 agent_features;
	__aligned_u64 id;
	__aligned_u64 ready_ns;
};

/**
 * struct mk_ask - MK_PING, MK_STOP: ask the agent, and wait for its answer
 * @header: no flags
 * @timeout_ms: how long to wait, in milliseconds
 * @reserved: 0
 * @answer_ns: out: how long it took, in nanoseconds
 *
 * MK_STOP is answered before the instance begins to go down, as it would by
 * orders of its own user; that it has ended is to be waited for.
 */
struct mk_ask {
	struct mk_header header;
	__u32 timeout_ms;
	__u32 reserved;
	__aligned_u64 answer_ns;
};

#define MK_INSTANCE_CHANNELS	48	/* channels of one instance */
#define MK_CHANNEL_RING_BYTES	(256U << 10)	/* of a ring, if nothing else is said */
#define MK_CHANNEL_RING_MIN	(4U << 10)
#define MK_CHANNEL_RING_MAX	(16U << 20)
#define MK_CHANNEL_MESSAGE_MAX	(64U << 10)	/* or a little less than the ring */

/**
 * struct mk_channel_call - MK_CHANNEL_CREATE, MK_CHANNEL_REMOVE
 * @header: no flags
 * @name: as that of an instance, without '!'
 * @from_bytes: size of the ring that this instance sends with, a power of two
 *	from MK_CHANNEL_RING_MIN to MK_CHANNEL_RING_MAX; 0: a usual one. Not
 *	looked at by MK_CHANNEL_REMOVE
 * @to_bytes: size of the ring that the peer sends with; as @from_bytes
 * @peer_fd: descriptor of the instance at the other end; -1: the host. In an
 *	instance, which has none: -1
 * @reserved: 0
 * @peer: in an instance, the name of the one at the other end; empty: the host.
 *	On the host: empty
 *
 * On the host these are calls on the descriptor of an instance. In an instance
 * they are calls on /dev/multikernel, by which its host is asked; both rings
 * have one size then.
 *
 * The ends are the devices /dev/mk/PEER/NAME. An end is for root alone until
 * its mode or owner is changed; whoever may open it needs no other right.
 */
struct mk_channel_call {
	struct mk_header header;
	char name[MK_NAME_SIZE];
	__u32 from_bytes;
	__u32 to_bytes;
	__s32 peer_fd;
	__u32 reserved;
	char peer[MK_NAME_SIZE];
};

/* mk_channel_entry.state; later versions may know more */
#define MK_CHANNEL_AWAY		0	/* an end has nobody who could use it */
#define MK_CHANNEL_READY	1	/* both ends can be opened, or are open */
#define MK_CHANNEL_OPEN		2	/* the end in this kernel is open */
#define MK_CHANNEL_ENDING	3	/* one end was closed, the other not yet */

/**
 * struct mk_channel_entry - one channel, as MK_CHANNEL_LIST tells it
 * @name: its name
 * @peer: the instance at the other end; empty: the host
 * @state: MK_CHANNEL_...
 * @broken: how often the host has found that its peer did what it must not do
 * @from_bytes: size of the ring that this instance sends with
 * @to_bytes: size of the ring that the peer sends with
 * @conversations: how often both ends could be opened
 *
 * MK_CHANNEL_LIST takes a struct mk_list.
 */
struct mk_channel_entry {
	char name[MK_NAME_SIZE];
	char peer[MK_NAME_SIZE];
	__u32 state;
	__u32 broken;
	__u32 from_bytes;
	__u32 to_bytes;
	__aligned_u64 conversations;
};

/* ---- on the end of a channel, /dev/mk/PEER/NAME --------------------------- */

#define MK_END_INFO		_IO(MK_IOC, 0x60)
#define MK_END_RING		_IO(MK_IOC, 0x61)	/* no argument: ring the peer */

/*
 * Where mmap() finds the two halves of the channel: struct mk_half of
 * include/linux/multikernel_abi.h, and the data behind it. The peer's can only
 * be read. Once one is mapped its user moves the messages, as
 * Documentation/multikernel/protocol.rst says: read() and write() give -EBUSY,
 * and poll() tells whether there is what the words @want_data and @want_room
 * of the own half wait for.
 */
#define MK_END_OWN		0ULL
#define MK_END_PEER		(1ULL << 40)

/**
 * struct mk_end - MK_END_INFO: how large the rings are
 * @header: no flags
 * @own_bytes: out: size of the data in the half that this end writes
 * @peer_bytes: out: of the one that the peer writes
 */
struct mk_end {
	struct mk_header header;
	__u32 own_bytes;
	__u32 peer_bytes;
};

/* mk_heartbeat.hung_ms of a new instance */
#define MK_HUNG_MS		10000
#define MK_HUNG_MS_MIN		1000
#define MK_HUNG_MS_MAX		3600000

/**
 * struct mk_heartbeat - MK_SET_HEARTBEAT: when an instance counts as hung
 * @header: no flags
 * @hung_ms: after so many milliseconds without a beat of its agent, from the
 *	next start on, MK_HUNG_MS_MIN to MK_HUNG_MS_MAX; 0: never, and the
 *	agent need not beat
 * @reserved: 0
 */
struct mk_heartbeat {
	struct mk_header header;
	__u32 hung_ms;
	__u32 reserved;
};

#endif /* _UAPI_LINUX_MULTIKERNEL_H */
