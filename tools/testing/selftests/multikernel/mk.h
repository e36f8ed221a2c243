/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of /dev/multikernel have in common: calls, kernels made for
 * the purpose, and what the host has.
 */
#ifndef SELFTEST_MULTIKERNEL_H
#define SELFTEST_MULTIKERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <linux/multikernel.h>

#define MIB		(1ULL << 20)
#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* Enough for the kernels that are made here. */
#define MEMORY		(64 * MIB)
/* Enough for $MK_KERNEL with $MK_ROOTFS. */
#define MEMORY_REAL	(192 * MIB)
/* Emulated machines that share their processors are slow. */
#define TIMEOUT		300
#define TIMEOUT_MS	(TIMEOUT * 1000)

#define DEVICE		"/dev/multikernel"

/* ---- calls: they return what ioctl() does, or -errno ---------------------- */

/* The text of the last call that failed, of this thread; empty: none. */
extern __thread char mk_text[512];

/* @argument begins with a struct mk_header; its size and flags are set. */
int mk_call(int fd, unsigned long command, void *argument);

int mk_device(void);
int mk_query(int device, struct mk_query *query);
int mk_create(int device, const char *name, __u32 flags);
int mk_open(int device, const char *name);
int mk_set_cpus(int fd, const __u32 *cpus, __u32 nr_cpus);
int mk_set_memory(int fd, __u64 bytes);

/* A command line: ciphers are not tested, which emulators take long for. */
#define MK_SOON	"cryptomgr.notests=1"

/* @cmdline: a string, or NULL */
int mk_load(int fd, int kernel, int initrd, const char *cmdline);
int mk_start(int fd);
int mk_kill(int fd);
int mk_destroy(int fd, __u32 flags);
/* MK_PING or MK_STOP */
int mk_ask(int fd, unsigned long command, __u32 timeout_ms);
int mk_set_heartbeat(int fd, __u32 hung_ms);
/* Returns its descriptor. */
int mk_console(int fd, __u32 flags);
int mk_info(int fd, struct mk_info *info);
/* The state, or -errno. */
int mk_state(int fd);
/* More entries than that are not there: pools, and nodes. */
#define MK_POOLS_ROOM	64

/* Where memory comes from; returns how many entries there are, or -errno. */
int mk_pools(int device, struct mk_pool_entry *entries, __u32 room);
/* MK_SET_MEMORY in full; @largest may be NULL. */
int mk_set_memory_of(int fd, __u64 bytes, __s32 node, __u64 *largest);
/* Its ranges; returns how many, or -errno. */
int mk_ranges(int fd, struct mk_range *ranges, __u32 room);
/* Its CPUs, memory and a kernel. */
int mk_prepare(int fd, const __u32 *cpus, __u32 nr_cpus, __u64 bytes, int kernel, int initrd,
	       const char *cmdline);

/* Waits until the state is not @state; returns the new one, or -errno. */
int mk_wait_while(int fd, int state);
/* All of its memory, read-only; MAP_FAILED. */
const void *mk_map(int fd, __u64 *bytes);
bool mk_is_zero(const void *memory, __u64 bytes);

/* ---- files --------------------------------------------------------------- */

/* A file without a name, open for reading; @size may be more than @length. */
int mk_file(const void *data, size_t length, off_t size);
/* An initrd that an instance has room for in one piece, and whose load takes long. */
int mk_large_initrd(int fd);
/* $MK_KERNEL, $MK_ROOTFS; -1: they are not set. */
int mk_real_kernel(void);
int mk_real_rootfs(void);

/* ---- a kernel that is a few instructions ---------------------------------- */

enum mk_tiny {
	/* Its CPU sleeps, with interrupts off. */
	MK_TINY_STAY,
	/* As Linux does it, through the tboot page. */
	MK_TINY_RESTART,
	MK_TINY_POWER_OFF,
	MK_TINY_HALT,
};

/* Size of its file, and where its protected-mode part starts. */
#define MK_TINY_BYTES	5120
#define MK_TINY_SETUP	1024
/* Memory that it asks for. */
#define MK_TINY_INIT	(2 * MIB)

/* Writes MK_TINY_BYTES. */
void mk_tiny_image(unsigned char *image, enum mk_tiny what);
int mk_tiny_kernel(enum mk_tiny what);
/* Whether it is in the memory of an instance, and has run. */
bool mk_tiny_is_loaded(const void *map, __u64 bytes);
bool mk_tiny_has_run(const void *map, __u64 bytes);

/* ---- the host ------------------------------------------------------------ */

/* What must be the same before and after. */
struct mk_host {
	__u32 slots_free;
	__u32 instances;
	char online[256];
	/* Lines of /proc/iomem that are ours. */
	int ranges;
	/* Lines of /proc/interrupts. */
	int interrupts;
	/* What is available, in bytes. */
	__u64 memory;
};

/*
 * Less memory than this is no loss: the host uses memory, too. It is half of
 * the least that an instance can have.
 */
#define MK_MEMORY_NOISE	(32 * MIB)

void mk_host(int device, struct mk_host *host);
/* What is not as before, for a person; NULL: all is. */
const char *mk_host_differs(const struct mk_host *before, const struct mk_host *now);

/* CPUs that can be lent; returns how many, at most @room. */
int mk_lendable(int device, __u32 *cpus, int room);
int mk_cpu_set_online(unsigned int cpu, bool online);
/* The first line of a file; returns its length, or -errno. */
int mk_read_line(const char *path, char *line, size_t size);
/* Whether a line of /proc/iomem says that this range has that name. */
bool mk_is_in_iomem(__u64 start, __u64 bytes, const char *name);
/* A field of such a file as /proc/meminfo, in bytes. */
__u64 mk_proc(const char *path, const char *field);

static inline __u64 mk_meminfo(const char *field)
{
	return mk_proc("/proc/meminfo", field);
}

/* The kernel's log from now on. */
int mk_log_open(void);
/* Reads what was logged since; copies the first line that tells of a bug. */
bool mk_log_has_bug(int log, char *line, size_t size);
/* The same for a line that has @text. */
bool mk_log_has(int log, const char *text);

/* ---- expectations, for the tests ------------------------------------------ */

/* @call fails with @error, says @fragment, and changes nothing since @before. */
#define EXPECT_REFUSED(before, error, fragment, call)					\
do {											\
	int __result = (call);								\
	EXPECT_EQ(-(error), __result)							\
		TH_LOG("%s: %s", #call, mk_text);					\
	if (__result == -(error)) {							\
		EXPECT_NE(NULL, strstr(mk_text, fragment))				\
			TH_LOG("%s says \"%s\", not \"%s\"", #call, mk_text, fragment);	\
	}										\
	EXPECT_UNCHANGED(before);							\
} while (0)

#define EXPECT_UNCHANGED(before)							\
do {											\
	struct mk_host __now;								\
	const char *__what;								\
	mk_host(self->device, &__now);							\
	__what = mk_host_differs(before, &__now);					\
	EXPECT_EQ(NULL, __what)								\
		TH_LOG("the host is not as before: %s", __what);			\
} while (0)

#define ASSERT_OK(call)									\
do {											\
	int __result = (call);								\
	ASSERT_LE(0, __result)								\
		TH_LOG("%s: %s: %s", #call, strerror(-__result), mk_text);		\
} while (0)

#define EXPECT_OK(call)									\
do {											\
	int __result = (call);								\
	EXPECT_LE(0, __result)								\
		TH_LOG("%s: %s: %s", #call, strerror(-__result), mk_text);		\
} while (0)

/* This test cannot be done here; where $MK_ALL is set nothing has to be missing. */
#define MK_SKIP(why)									\
do {											\
	ASSERT_EQ(NULL, getenv("MK_ALL"))						\
		TH_LOG("it would be skipped: %s", why);					\
	SKIP(return, "%s", why);							\
} while (0)

/*
 * Every fixture has a device, and the host as it was; MK_SETUP begins its
 * setup and MK_TEARDOWN ends its teardown.
 */
#define MK_FIXTURE									\
	int device;									\
	int log;									\
	struct mk_host before

#define MK_SETUP									\
do {											\
	self->device = mk_device();							\
	if (self->device == -ENOENT)							\
		MK_SKIP("no " DEVICE ": insert the module first");			\
	ASSERT_OK(self->device);							\
	self->log = mk_log_open();							\
	ASSERT_OK(self->log);								\
	mk_host(self->device, &self->before);						\
} while (0)

#define MK_TEARDOWN									\
do {											\
	char __line[512];								\
											\
	/* An assertion that failed leaves it, and then the next one says so, too. */	\
	_metadata->trigger = 0;								\
	EXPECT_UNCHANGED(&self->before);						\
	EXPECT_FALSE(mk_log_has_bug(self->log, __line, sizeof(__line)))			\
		TH_LOG("the host's kernel says: %s", __line);				\
	close(self->log);								\
	close(self->device);								\
} while (0)

#endif
