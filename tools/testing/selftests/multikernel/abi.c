// SPDX-License-Identifier: GPL-2.0
/*
 * What all ioctls have in common: structures of any size, flags, addresses
 * that are wrong, messages, descriptors, privileges; and the lists that are
 * told.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include "kselftest_harness.h"
#include "mk.h"

#define ALL_BYTES	0xa5

/* Large enough for every structure, and more. */
union argument {
	struct mk_header header;
	struct mk_query query;
	struct mk_name name;
	struct mk_list list;
	struct mk_cpus cpus;
	struct mk_memory memory;
	struct mk_load load;
	struct mk_command command;
	struct mk_info info;
	unsigned char bytes[8192];
};

/* An ioctl, and how it answers to a structure that is all zeros but for its header. */
struct call {
	const char *name;
	unsigned long command;
	bool on_device;
	__u32 size;
	__u32 flags;
	/* Offset of its reserved field; 0: it has none but that of the header. */
	__u32 reserved;
	int zeroed;
};

/* In this order: the last one ends the instance. */
static const struct call CALLS[] = {
	{ "MK_QUERY", MK_QUERY, true, sizeof(struct mk_query) },
	{ "MK_CREATE", MK_CREATE, true, sizeof(struct mk_name), MK_CREATE_AUTO_DESTROY,
	  .zeroed = EINVAL },
	{ "MK_OPEN", MK_OPEN, true, sizeof(struct mk_name), .zeroed = EINVAL },
	{ "MK_LIST", MK_LIST, true, sizeof(struct mk_list) },
	{ "MK_POOLS", MK_POOLS, true, sizeof(struct mk_list) },
	{ "MK_EVENTS", MK_EVENTS, true, sizeof(struct mk_events),
	  .reserved = offsetof(struct mk_events, reserved), .zeroed = EINVAL },
	{ "MK_SET_CPUS", MK_SET_CPUS, false, sizeof(struct mk_cpus), MK_CPUS_SPLIT_CORES,
	  offsetof(struct mk_cpus, reserved), EINVAL },
	{ "MK_SET_MEMORY", MK_SET_MEMORY, false, sizeof(struct mk_memory),
	  .reserved = offsetof(struct mk_memory, reserved), .zeroed = EINVAL },
	{ "MK_LOAD", MK_LOAD, false, sizeof(struct mk_load), MK_LOAD_UART,
	  offsetof(struct mk_load, reserved), EBADFD },
	{ "MK_START", MK_START, false, sizeof(struct mk_command), .zeroed = EBADFD },
	{ "MK_KILL", MK_KILL, false, sizeof(struct mk_command), .zeroed = EBADFD },
	{ "MK_INFO", MK_INFO, false, sizeof(struct mk_info) },
	{ "MK_PING", MK_PING, false, sizeof(struct mk_ask),
	  .reserved = offsetof(struct mk_ask, reserved), .zeroed = EBADFD },
	{ "MK_STOP", MK_STOP, false, sizeof(struct mk_ask),
	  .reserved = offsetof(struct mk_ask, reserved), .zeroed = EBADFD },
	{ "MK_SET_HEARTBEAT", MK_SET_HEARTBEAT, false, sizeof(struct mk_heartbeat),
	  .reserved = offsetof(struct mk_heartbeat, reserved) },
	{ "MK_CONSOLE", MK_CONSOLE, false, sizeof(struct mk_command),
	  MK_CONSOLE_WRITE | MK_CONSOLE_NEW },
	{ "MK_CHANNEL_CREATE", MK_CHANNEL_CREATE, false, sizeof(struct mk_channel_call),
	  .reserved = offsetof(struct mk_channel_call, reserved), .zeroed = EINVAL },
	{ "MK_CHANNEL_REMOVE", MK_CHANNEL_REMOVE, false, sizeof(struct mk_channel_call),
	  .reserved = offsetof(struct mk_channel_call, reserved), .zeroed = EINVAL },
	{ "MK_CHANNEL_LIST", MK_CHANNEL_LIST, false, sizeof(struct mk_list) },
	{ "MK_DESTROY", MK_DESTROY, false, sizeof(struct mk_command), MK_DESTROY_FORCE },
};

FIXTURE(abi)
{
	MK_FIXTURE;
	int instance;
	/* The host with the instance. */
	struct mk_host with;
	union argument argument;
};

FIXTURE_SETUP(abi)
{
	MK_SETUP;
	self->instance = mk_create(self->device, "abi", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->instance);
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(abi)
{
	close(self->instance);
	MK_TEARDOWN;
}

/* A descriptor for a call. */
#define FD(call) ((call)->on_device ? self->device : self->instance)

#define FOR_EACH_CALL(call)								\
	for (const struct call *call = CALLS; call < CALLS + ARRAY_LEN(CALLS); call++)

/* Zeros, and a header that says @size. */
static union argument *zeroed(union argument *argument, __u32 size)
{
	memset(argument, 0, sizeof(*argument));
	argument->header.size = size;
	return argument;
}

/* Makes a call; a descriptor that it returns is of no use here. */
static int try_call(int fd, const struct call *call, void *argument)
{
	int result = mk_call(fd, call->command, argument);

	if (result <= 0)
		return result;
	close(result);
	return 0;
}

/* Whether @bytes bytes at @start are all ALL_BYTES. */
static bool untouched(const void *start, size_t bytes)
{
	const unsigned char *at = start;

	while (bytes--) {
		if (*at++ != ALL_BYTES)
			return false;
	}
	return true;
}

/* Makes an end of the instance undone. */
#define RENEW_AFTER(call)								\
do {											\
	if ((call)->command == MK_DESTROY && mk_state(self->instance) == -ENODEV) {	\
		close(self->instance);							\
		self->instance = mk_create(self->device, "abi", MK_CREATE_AUTO_DESTROY);\
		ASSERT_OK(self->instance);						\
	}										\
} while (0)

/* ---- structures ---------------------------------------------------------- */

TEST_F_TIMEOUT(abi, zeroed_structures, TIMEOUT)
{
	FOR_EACH_CALL(call) {
		int result = try_call(FD(call), call, zeroed(&self->argument, call->size));

		EXPECT_EQ(-call->zeroed, result)
			TH_LOG("%s: %s", call->name, mk_text);
		/* Whoever fails says why, and nobody else says anything. */
		EXPECT_EQ(!!call->zeroed, !!*mk_text)
			TH_LOG("%s: \"%s\"", call->name, mk_text);
		RENEW_AFTER(call);
		EXPECT_UNCHANGED(&self->with);
	}
}

TEST_F_TIMEOUT(abi, shorter_than_its_header, TIMEOUT)
{
	static const __u32 SIZES[] = { 0, 1, 4, 8, 16, 20, 23 };

	FOR_EACH_CALL(call) {
		for (int n = 0; n < ARRAY_LEN(SIZES); n++)
			EXPECT_REFUSED(&self->with, EINVAL, "",
				       mk_call(FD(call), call->command,
					       zeroed(&self->argument, SIZES[n])));
	}
}

/* What is missing counts as zero, and what is behind is neither read nor written. */
TEST_F_TIMEOUT(abi, shorter_than_known, TIMEOUT)
{
	FOR_EACH_CALL(call) {
		for (__u32 size = sizeof(struct mk_header); size < call->size; size += 4) {
			union argument *argument = zeroed(&self->argument, size);
			int result;

			memset(argument->bytes + size, ALL_BYTES, sizeof(*argument) - size);
			result = try_call(FD(call), call, argument);
			EXPECT_EQ(-call->zeroed, result)
				TH_LOG("%s with %u bytes: %s", call->name, size, mk_text);
			EXPECT_EQ(size, argument->header.size);
			EXPECT_TRUE(untouched(argument->bytes + size, sizeof(*argument) - size))
				TH_LOG("%s wrote behind its %u bytes", call->name, size);
			RENEW_AFTER(call);
			EXPECT_UNCHANGED(&self->with);
		}
	}
}

TEST_F_TIMEOUT(abi, longer_with_zeros, TIMEOUT)
{
	static const __u32 MORE[] = { 1, 8, 1000 };

	FOR_EACH_CALL(call) {
		for (int n = 0; n < ARRAY_LEN(MORE); n++) {
			__u32 size = call->size + MORE[n];
			union argument *argument = zeroed(&self->argument, size);
			int result;

			memset(argument->bytes + size, ALL_BYTES, sizeof(*argument) - size);
			result = try_call(FD(call), call, argument);
			EXPECT_EQ(-call->zeroed, result)
				TH_LOG("%s with %u bytes: %s", call->name, size, mk_text);
			EXPECT_EQ(size, argument->header.size);
			EXPECT_TRUE(untouched(argument->bytes + size, sizeof(*argument) - size));
			RENEW_AFTER(call);
			EXPECT_UNCHANGED(&self->with);
		}
	}
}

TEST_F_TIMEOUT(abi, longer_with_what_is_not_known, TIMEOUT)
{
	FOR_EACH_CALL(call) {
		const __u32 ends[] = { call->size + 1, call->size + 8, 4096 };

		for (int n = 0; n < ARRAY_LEN(ends); n++) {
			zeroed(&self->argument, ends[n])->bytes[ends[n] - 1] = 1;
			EXPECT_REFUSED(&self->with, E2BIG, "not known",
				       mk_call(FD(call), call->command, &self->argument));
		}
	}
}

TEST_F_TIMEOUT(abi, longer_than_any, TIMEOUT)
{
	static const __u32 SIZES[] = { 4097, 8192, 1U << 31, UINT32_MAX };

	FOR_EACH_CALL(call) {
		for (int n = 0; n < ARRAY_LEN(SIZES); n++)
			EXPECT_REFUSED(&self->with, E2BIG, "4096",
				       mk_call(FD(call), call->command,
					       zeroed(&self->argument, SIZES[n])));
	}
}

TEST_F_TIMEOUT(abi, unknown_flags, TIMEOUT)
{
	FOR_EACH_CALL(call) {
		for (int bit = 0; bit < 32; bit++) {
			char flag[32];

			if (call->flags & 1U << bit)
				continue;
			snprintf(flag, sizeof(flag), "flags %#x ", 1U << bit);
			zeroed(&self->argument, call->size)->header.flags = 1U << bit | call->flags;
			EXPECT_REFUSED(&self->with, EINVAL, flag,
				       mk_call(FD(call), call->command, &self->argument));
		}
	}
}

TEST_F_TIMEOUT(abi, reserved_fields, TIMEOUT)
{
	FOR_EACH_CALL(call) {
		for (int bit = 0; bit < 32; bit += 31) {
			char value[32];
			__u32 reserved = 1U << bit;

			snprintf(value, sizeof(value), "reserved is %#x", reserved);
			zeroed(&self->argument, call->size)->header.reserved = reserved;
			EXPECT_REFUSED(&self->with, EINVAL, value,
				       mk_call(FD(call), call->command, &self->argument));
			if (!call->reserved)
				continue;
			memcpy(zeroed(&self->argument, call->size)->bytes + call->reserved,
			       &reserved, sizeof(reserved));
			EXPECT_REFUSED(&self->with, EINVAL, value,
				       mk_call(FD(call), call->command, &self->argument));
		}
	}
}

/* ---- addresses ----------------------------------------------------------- */

/* A page that can be used, between two that cannot. */
static char *page_between(void)
{
	char *pages = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE))
		return NULL;
	return pages + 4096;
}

TEST_F_TIMEOUT(abi, arguments_that_cannot_be_read, TIMEOUT)
{
	char *page = page_between();
	const uintptr_t wrong[] = { 0, 1, (uintptr_t)page - 4096, (uintptr_t)page + 4096,
				    1ULL << 47, 0xffff888000000000, UINTPTR_MAX - 8 };

	ASSERT_NE(NULL, page);
	FOR_EACH_CALL(call) {
		for (int n = 0; n < ARRAY_LEN(wrong); n++) {
			EXPECT_EQ(-1, ioctl(FD(call), call->command, wrong[n]));
			EXPECT_EQ(EFAULT, errno);
		}
		/* It begins where memory is, and goes on where none is. */
		for (__u32 known = 4; known < call->size; known += 4) {
			union argument *argument = (void *)(page + 4096 - known);

			memset(argument, 0, known);
			argument->header.size = call->size;
			EXPECT_EQ(-1, ioctl(FD(call), call->command, argument));
			EXPECT_EQ(EFAULT, errno)
				TH_LOG("%s of which %u bytes are there", call->name, known);
		}
	}
	EXPECT_UNCHANGED(&self->with);
}

/*
 * What a call does not write to may be read-only. In particular it must not
 * do all it is asked for, and then tell that it failed.
 */
TEST_F_TIMEOUT(abi, arguments_that_cannot_be_written, TIMEOUT)
{
	union argument *argument = (void *)page_between();
	int fd;

	ASSERT_NE(NULL, argument);
	argument->name = (struct mk_name){
		.header = { .size = sizeof(struct mk_name), .flags = MK_CREATE_AUTO_DESTROY },
		.name = "read-only",
	};
	ASSERT_EQ(0, mprotect(argument, 4096, PROT_READ));
	fd = ioctl(self->device, MK_CREATE, argument);
	ASSERT_LE(0, fd)
		TH_LOG("MK_CREATE: %m");

	ASSERT_EQ(0, mprotect(argument, 4096, PROT_READ | PROT_WRITE));
	argument->memory = (struct mk_memory){
		.header = { .size = sizeof(struct mk_memory) },
		.bytes = MEMORY,
		.node = MK_NODE_ANY,
	};
	ASSERT_EQ(0, mprotect(argument, 4096, PROT_READ));
	EXPECT_EQ(0, ioctl(fd, MK_SET_MEMORY, argument));

	/* These tell something. */
	EXPECT_EQ(-1, ioctl(self->device, MK_QUERY, argument));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
	EXPECT_UNCHANGED(&self->with);
}

TEST_F_TIMEOUT(abi, arrays_that_cannot_be_read, TIMEOUT)
{
	char *page = page_between();
	const uintptr_t wrong[] = { 0, 1, (uintptr_t)page + 4096, (uintptr_t)page + 4092,
				    0xffff888000000000 };
	int kernel = mk_tiny_kernel(MK_TINY_STAY);

	ASSERT_NE(NULL, page);
	ASSERT_OK(kernel);
	for (int n = 0; n < ARRAY_LEN(wrong); n++) {
		EXPECT_REFUSED(&self->with, EFAULT, "",
			       mk_set_cpus(self->instance, (const void *)wrong[n], 2));
		zeroed(&self->argument, sizeof(struct mk_load));
		self->argument.load.kernel_fd = kernel;
		self->argument.load.initrd_fd = -1;
		self->argument.load.cmdline = wrong[n];
		self->argument.load.cmdline_size = 8;
		EXPECT_REFUSED(&self->with, EFAULT, "",
			       mk_call(self->instance, MK_LOAD, &self->argument));
	}
	close(kernel);
}

TEST_F_TIMEOUT(abi, arrays_that_cannot_be_written, TIMEOUT)
{
	char *page = page_between();
	const uintptr_t wrong[] = { 1, (uintptr_t)page + 4096, (uintptr_t)page + 4092,
				    0xffff888000000000 };
	__u32 cpu[1];
	struct mk_host host;

	ASSERT_NE(NULL, page);
	if (!mk_lendable(self->device, cpu, 1))
		MK_SKIP("no CPU can be lent");
	ASSERT_OK(mk_set_cpus(self->instance, cpu, 1));
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	mk_host(self->device, &host);
	for (int n = 0; n < ARRAY_LEN(wrong); n++) {
		zeroed(&self->argument, sizeof(struct mk_list));
		self->argument.list.entries = wrong[n];
		self->argument.list.nr_entries = 1;
		self->argument.list.entry_size = sizeof(struct mk_list_entry);
		EXPECT_REFUSED(&host, EFAULT, "",
			       mk_call(self->device, MK_LIST, &self->argument));
		zeroed(&self->argument, sizeof(struct mk_list));
		self->argument.list.entries = wrong[n];
		self->argument.list.nr_entries = 1;
		self->argument.list.entry_size = sizeof(struct mk_pool_entry);
		EXPECT_REFUSED(&host, EFAULT, "",
			       mk_call(self->device, MK_POOLS, &self->argument));
		zeroed(&self->argument, sizeof(struct mk_info));
		self->argument.info.ranges = wrong[n];
		self->argument.info.nr_ranges = 1;
		EXPECT_REFUSED(&host, EFAULT, "",
			       mk_call(self->instance, MK_INFO, &self->argument));
		/* A CPU's number fits into the last four bytes of the page. */
		if (wrong[n] == (uintptr_t)page + 4092)
			continue;
		zeroed(&self->argument, sizeof(struct mk_info));
		self->argument.info.cpus = wrong[n];
		self->argument.info.nr_cpus = 1;
		EXPECT_REFUSED(&host, EFAULT, "",
			       mk_call(self->instance, MK_INFO, &self->argument));
	}
}

/* ---- messages ------------------------------------------------------------ */

TEST_F_TIMEOUT(abi, messages_are_cut, TIMEOUT)
{
	static const char NAME[] = "a-name-that-none-has";
	char whole[512], room[512];
	size_t length;

	EXPECT_REFUSED(&self->with, ENOENT, NAME, mk_open(self->device, NAME));
	strcpy(whole, mk_text);
	length = strlen(whole);
	ASSERT_LT(strlen(NAME), length);
	for (__u32 size = 0; size <= length + 2; size++) {
		size_t cut = size <= length ? size - 1 : length;

		zeroed(&self->argument, sizeof(struct mk_name));
		strcpy(self->argument.name.name, NAME);
		memset(room, ALL_BYTES, sizeof(room));
		self->argument.header.message = (uintptr_t)room;
		self->argument.header.message_size = size;
		EXPECT_EQ(-1, ioctl(self->device, MK_OPEN, &self->argument));
		EXPECT_EQ(ENOENT, errno);
		if (!size) {
			EXPECT_TRUE(untouched(room, sizeof(room)));
			continue;
		}
		EXPECT_EQ(0, memcmp(room, whole, cut))
			TH_LOG("%u bytes of room: %.*s", size, size, room);
		EXPECT_EQ(0, room[cut]);
		EXPECT_TRUE(untouched(room + cut + 1, sizeof(room) - cut - 1))
			TH_LOG("%u bytes of room: %.40s", size, room);
	}
}

TEST_F_TIMEOUT(abi, messages_that_cannot_be_written, TIMEOUT)
{
	char *page = page_between();
	const uintptr_t wrong[] = { 0, 1, (uintptr_t)page + 4096, (uintptr_t)page + 4090,
				    0xffff888000000000, UINTPTR_MAX - 2 };
	static const __u32 SIZES[] = { 0, 1, 512, UINT32_MAX };

	ASSERT_NE(NULL, page);
	for (int n = 0; n < ARRAY_LEN(wrong) * ARRAY_LEN(SIZES); n++) {
		zeroed(&self->argument, sizeof(struct mk_name));
		strcpy(self->argument.name.name, "missing");
		self->argument.header.message = wrong[n / ARRAY_LEN(SIZES)];
		self->argument.header.message_size = SIZES[n % ARRAY_LEN(SIZES)];
		/* What went wrong is told all the same. */
		EXPECT_EQ(-1, ioctl(self->device, MK_OPEN, &self->argument));
		EXPECT_EQ(ENOENT, errno);
	}
	EXPECT_UNCHANGED(&self->with);
}

TEST_F_TIMEOUT(abi, no_message_on_success, TIMEOUT)
{
	char room[64];
	int fd;

	FOR_EACH_CALL(call) {
		if (call->zeroed)
			continue;
		zeroed(&self->argument, call->size);
		memset(room, ALL_BYTES, sizeof(room));
		self->argument.header.message = (uintptr_t)room;
		self->argument.header.message_size = sizeof(room);
		fd = ioctl(FD(call), call->command, &self->argument);
		EXPECT_LE(0, fd);
		if (fd > 0)
			close(fd);
		EXPECT_TRUE(untouched(room, sizeof(room)))
			TH_LOG("%s", call->name);
	}
}

/* ---- descriptors --------------------------------------------------------- */

TEST_F_TIMEOUT(abi, descriptors_of_another_kind, TIMEOUT)
{
	struct mk_command console = { .header.size = sizeof(console) };
	struct mk_events events = {
		.header.size = sizeof(events), .event_size = sizeof(struct mk_event),
	};
	const int others[] = {
		open("/dev/null", O_RDWR), eventfd(0, 0), open("/", O_RDONLY),
		mk_call(self->instance, MK_CONSOLE, &console),
		mk_call(self->device, MK_EVENTS, &events),
	};

	FOR_EACH_CALL(call) {
		zeroed(&self->argument, call->size);
		EXPECT_EQ(-ENOTTY, mk_call(call->on_device ? self->instance : self->device,
					   call->command, &self->argument))
			TH_LOG("%s", call->name);
		for (int n = 0; n < ARRAY_LEN(others); n++) {
			ASSERT_LE(0, others[n]);
			EXPECT_EQ(-ENOTTY, mk_call(others[n], call->command, &self->argument));
		}
		EXPECT_EQ(-EBADF, mk_call(-1, call->command, &self->argument));
		EXPECT_UNCHANGED(&self->with);
	}
	for (int n = 0; n < ARRAY_LEN(others); n++)
		close(others[n]);
}

TEST_F_TIMEOUT(abi, unknown_commands, TIMEOUT)
{
	const int fds[] = { self->device, self->instance };

	for (int n = 0; n < ARRAY_LEN(fds); n++) {
		for (unsigned int number = 0; number < 256; number++) {
			bool known = false;

			FOR_EACH_CALL(call)
				known |= _IOC_NR(call->command) == number &&
					 FD(call) == fds[n];
			zeroed(&self->argument, sizeof(struct mk_header));
			/* Neither with another direction and size, nor of another driver. */
			EXPECT_EQ(-ENOTTY, mk_call(fds[n], _IOWR(MK_IOC, number, struct mk_header),
						   &self->argument));
			EXPECT_EQ(-ENOTTY, mk_call(fds[n], _IO(MK_IOC ^ 1, number),
						   &self->argument));
			if (known)
				continue;
			EXPECT_EQ(-ENOTTY, mk_call(fds[n], _IO(MK_IOC, number), &self->argument))
				TH_LOG("number %#x", number);
		}
	}
	EXPECT_UNCHANGED(&self->with);
}

TEST_F_TIMEOUT(abi, neither_read_nor_write, TIMEOUT)
{
	const int fds[] = { self->device, self->instance };
	char byte = 0;

	for (int n = 0; n < ARRAY_LEN(fds); n++) {
		EXPECT_EQ(-1, read(fds[n], &byte, 1));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, write(fds[n], &byte, 1));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fds[n], F_GETFD));
	}
}

/* ---- privileges ---------------------------------------------------------- */

/* Drops one capability in this thread, for good. */
static int drop_capability(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[capability / 32].effective &= ~(1U << capability % 32);
	data[capability / 32].permitted &= ~(1U << capability % 32);
	data[capability / 32].inheritable &= ~(1U << capability % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* What @call fails with in a child without the capability, or as another user. */
#define CALL_WITHOUT(capability, uid, call)						\
({											\
	int __status;									\
	pid_t __child = fork();								\
											\
	if (!__child) {									\
		if (!(capability) && drop_capability(CAP_SYS_BOOT))			\
			_exit(255);							\
		if ((uid) && setresuid(uid, uid, uid))					\
			_exit(255);							\
		__status = (call);							\
		_exit(__status < 0 ? -__status : 0);					\
	}										\
	ASSERT_EQ(__child, waitpid(__child, &__status, 0));				\
	WIFEXITED(__status) ? WEXITSTATUS(__status) : -1;				\
})

TEST_F_TIMEOUT(abi, privileges, TIMEOUT)
{
	struct stat status;

	EXPECT_EQ(0, CALL_WITHOUT(true, 0, mk_device()));
	EXPECT_EQ(EPERM, CALL_WITHOUT(false, 0, mk_device()));
	/* The file's own mode keeps others out. */
	EXPECT_EQ(EACCES, CALL_WITHOUT(true, 65534, mk_device()));
	/* Whoever was given an instance needs nothing else. */
	EXPECT_EQ(0, CALL_WITHOUT(false, 65534, mk_set_memory(self->instance, MEMORY)));
	ASSERT_EQ(0, stat(DEVICE, &status));
	EXPECT_EQ(S_IFCHR | 0600, status.st_mode);
	EXPECT_EQ(0, status.st_uid);
}

/* ---- what the module tells ------------------------------------------------ */

TEST_F_TIMEOUT(abi, query, TIMEOUT)
{
	struct mk_query query;

	ASSERT_OK(mk_query(self->device, &query));
	EXPECT_EQ(MK_ABI_VERSION, query.abi_version);
	/* The least that is promised. */
	EXPECT_LE(8, query.nr_slots);
	/* Nothing is loaded. */
	EXPECT_EQ(query.nr_slots, query.nr_slots_free);
	/* Only the kernel proper can give the last one. */
	EXPECT_EQ(MK_FEATURE_MMAP | MK_FEATURE_STOP_REASON | MK_FEATURE_AGENT |
		  MK_FEATURE_CHANNELS | MK_FEATURE_CONSOLE | MK_FEATURE_EVENTS |
		  MK_FEATURE_POOLS, query.features & ~MK_FEATURE_KEXEC);
	EXPECT_EQ(0, query.blockers);
	EXPECT_LT(0, query.tsc_khz);
	EXPECT_TRUE(query.apic_mode == MK_APIC_XAPIC || query.apic_mode == MK_APIC_X2APIC);
	EXPECT_EQ(0, query.boot_cpu);
	EXPECT_GE(0xfe, query.spare_apic_id);
}

TEST_F_TIMEOUT(abi, info, TIMEOUT)
{
	struct mk_info info;

	ASSERT_OK(mk_info(self->instance, &info));
	EXPECT_STREQ("abi", info.name);
	EXPECT_EQ(MK_STATE_CREATED, info.state);
	EXPECT_EQ(MK_REASON_NONE, info.reason);
	EXPECT_STREQ("", info.text);
	EXPECT_EQ(0, info.memory);
	EXPECT_EQ(MK_NODE_ANY, info.node);
	EXPECT_EQ(0, info.runs);
	EXPECT_EQ(0, info.started);
	EXPECT_EQ(0, info.ended);
	EXPECT_EQ(0, info.nr_cpus);
	EXPECT_EQ(0, info.nr_ranges);
	EXPECT_EQ(0, info.slot);
	EXPECT_EQ(0, info.slot_bytes);
}

TEST_F_TIMEOUT(abi, arrays_with_little_room, TIMEOUT)
{
	__u32 lendable[3], told[4];
	struct mk_range ranges[65];
	struct mk_info info;
	int count = mk_lendable(self->device, lendable, ARRAY_LEN(lendable));

	if (count < 2)
		MK_SKIP("fewer than two CPUs can be lent");
	ASSERT_OK(mk_set_cpus(self->instance, lendable, count));
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	for (int room = 0; room <= count + 1; room++) {
		memset(told, ALL_BYTES, sizeof(told));
		info = (struct mk_info){
			.header = { .size = sizeof(info) },
			.cpus = (uintptr_t)told,
			.nr_cpus = room,
		};
		ASSERT_OK(mk_call(self->instance, MK_INFO, &info));
		EXPECT_EQ(count, info.nr_cpus);
		EXPECT_LE(1, info.nr_ranges);
		for (int n = 0; n < ARRAY_LEN(told); n++) {
			EXPECT_TRUE(n < room && n < count ? told[n] == lendable[n] :
				    untouched(&told[n], sizeof(*told)))
				TH_LOG("CPU %d of %d is %u", n, room, told[n]);
		}
	}
	for (int room = 0; room <= ARRAY_LEN(ranges); room++) {
		__u64 bytes = 0;
		int written;

		memset(ranges, ALL_BYTES, sizeof(ranges));
		info = (struct mk_info){
			.header = { .size = sizeof(info) },
			.ranges = (uintptr_t)ranges,
			.nr_ranges = room,
		};
		ASSERT_OK(mk_call(self->instance, MK_INFO, &info));
		ASSERT_GE(ARRAY_LEN(ranges), info.nr_ranges);
		written = room < info.nr_ranges ? room : (int)info.nr_ranges;
		for (int n = 0; n < written; n++)
			bytes += ranges[n].bytes;
		EXPECT_EQ(written == info.nr_ranges, bytes == MEMORY);
		EXPECT_TRUE(untouched(&ranges[written], sizeof(ranges) - written * sizeof(*ranges)))
			TH_LOG("with room for %d", room);
	}
}

FIXTURE(list)
{
	MK_FIXTURE;
	int fds[3];
	/* Instances that are none of these come first. */
	__u32 first;
	char room[16][512];
};

static const char *const NAMES[] = { "zeta", "alpha", "middle" };

FIXTURE_SETUP(list)
{
	MK_SETUP;
	self->first = self->before.instances;
	for (int n = 0; n < ARRAY_LEN(NAMES); n++) {
		self->fds[n] = mk_create(self->device, NAMES[n], MK_CREATE_AUTO_DESTROY);
		ASSERT_OK(self->fds[n]);
	}
	ASSERT_OK(mk_set_memory(self->fds[1], MEMORY));
}

FIXTURE_TEARDOWN(list)
{
	for (int n = 0; n < ARRAY_LEN(NAMES); n++)
		close(self->fds[n]);
	MK_TEARDOWN;
}

#define LIST(room_for, stride)								\
({											\
	struct mk_list __list = {							\
		.header = { .size = sizeof(__list) },					\
		.entries = (uintptr_t)self->room,					\
		.nr_entries = room_for,							\
		.entry_size = stride,							\
	};										\
	memset(self->room, ALL_BYTES, sizeof(self->room));				\
	ASSERT_OK(mk_call(self->device, MK_LIST, &__list));				\
	EXPECT_EQ(self->first + ARRAY_LEN(NAMES), __list.nr_entries);			\
})

TEST_F_TIMEOUT(list, in_the_order_of_creation, TIMEOUT)
{
	const struct mk_list_entry *entries = (void *)self->room;

	LIST(16, sizeof(*entries));
	for (int n = 0; n < ARRAY_LEN(NAMES); n++) {
		const struct mk_list_entry *entry = &entries[self->first + n];

		EXPECT_STREQ(NAMES[n], entry->name);
		EXPECT_EQ(MK_STATE_CREATED, entry->state);
		EXPECT_EQ(MK_REASON_NONE, entry->reason);
		EXPECT_EQ(0, entry->nr_cpus);
		EXPECT_EQ(MK_AGENT_STATE_NONE, entry->agent);
		EXPECT_EQ(n == 1 ? MEMORY : 0, entry->memory);
	}
	EXPECT_TRUE(untouched(&entries[self->first + ARRAY_LEN(NAMES)], sizeof(*entries)));
}

TEST_F_TIMEOUT(list, with_little_room, TIMEOUT)
{
	const struct mk_list_entry *entries = (void *)self->room;

	for (int room = 0; room <= self->first + ARRAY_LEN(NAMES); room++) {
		LIST(room, sizeof(*entries));
		EXPECT_TRUE(untouched(&entries[room], sizeof(*entries)));
		for (int n = self->first; n < room; n++)
			ASSERT_STREQ(NAMES[n - self->first], entries[n].name);
	}
	/* Nothing at all is asked for but their number. */
	LIST(0, 0);
	EXPECT_TRUE(untouched(self->room, sizeof(self->room)));
}

TEST_F_TIMEOUT(list, entries_of_another_size, TIMEOUT)
{
	static const int SIZES[] = { 1, 31, 32, 36, 55, 57, 64, 128, 512 };

	for (int n = 0; n < ARRAY_LEN(SIZES); n++) {
		const int size = SIZES[n];
		const int known = size < sizeof(struct mk_list_entry) ? size :
				  (int)sizeof(struct mk_list_entry);
		const char *bytes = (const char *)self->room;

		LIST(16, size);
		for (int entry = 0; entry < ARRAY_LEN(NAMES); entry++) {
			const char *at = bytes + (self->first + entry) * size;

			EXPECT_EQ(0, memcmp(at, NAMES[entry], known < 5 ? known : 5));
			/* What this kernel does not know is zero. */
			for (int byte = known; byte < size; byte++) {
				EXPECT_EQ(0, at[byte])
					TH_LOG("byte %d of %d", byte, size);
			}
		}
		EXPECT_TRUE(untouched(bytes + (self->first + ARRAY_LEN(NAMES)) * size, 64))
			TH_LOG("entries of %d bytes", size);
	}
}

TEST_F_TIMEOUT(list, entries_without_a_size, TIMEOUT)
{
	struct mk_list list = {
		.header = { .size = sizeof(list) },
		.entries = (uintptr_t)self->room,
		.nr_entries = 1,
	};
	struct mk_host host;

	mk_host(self->device, &host);
	EXPECT_REFUSED(&host, EINVAL, "entry_size", mk_call(self->device, MK_LIST, &list));
	EXPECT_REFUSED(&host, EINVAL, "entry_size", mk_call(self->device, MK_POOLS, &list));
	/* Larger than any structure, as above. */
	list.entry_size = 4097;
	EXPECT_REFUSED(&host, E2BIG, "entry_size", mk_call(self->device, MK_LIST, &list));
	EXPECT_REFUSED(&host, E2BIG, "entry_size", mk_call(self->device, MK_POOLS, &list));
}

TEST_HARNESS_MAIN
