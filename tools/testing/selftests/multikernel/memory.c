// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of an instance: how much, of which node, what is in it, and what
 * a mapping of it shows.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "mk.h"

#define RANGES_MAX	64

FIXTURE(memory)
{
	MK_FIXTURE;
	int instance;
	/* The host with it. */
	struct mk_host with;
};

FIXTURE_SETUP(memory)
{
	MK_SETUP;
	self->instance = mk_create(self->device, "memory", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->instance);
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->instance);
	MK_TEARDOWN;
}

static __u64 bytes_of(int fd)
{
	struct mk_info info;

	return mk_info(fd, &info) < 0 ? 0 : info.memory;
}

/* ---- sizes --------------------------------------------------------------- */

TEST_F_TIMEOUT(memory, sizes_that_are_refused, TIMEOUT)
{
	static const __u64 SIZES[] = {
		0, 1, 4096, 2 * MIB, MEMORY - 2 * MIB, MEMORY - 1, MEMORY + 1, MEMORY + 4096,
		MEMORY + MIB, 1ULL << 63 | 1, UINT64_MAX,
	};
	__u64 largest;

	/* What it has it keeps. */
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	mk_host(self->device, &self->with);
	for (int n = 0; n < ARRAY_LEN(SIZES); n++) {
		char text[64];

		snprintf(text, sizeof(text), "%llu bytes", SIZES[n]);
		EXPECT_REFUSED(&self->with, EINVAL, text,
			       mk_set_memory_of(self->instance, SIZES[n], MK_NODE_ANY, &largest));
		EXPECT_EQ(0, largest);
	}
	EXPECT_EQ(MEMORY, bytes_of(self->instance));
}

TEST_F_TIMEOUT(memory, nodes_that_are_refused, TIMEOUT)
{
	/* More nodes than a kernel can be configured for; and wrong ones. */
	static const __s32 NODES[] = { -2, -1024, INT32_MIN, 1024, 1 << 20, INT32_MAX };
	__u64 largest;

	for (int n = 0; n < ARRAY_LEN(NODES); n++) {
		char text[64];

		snprintf(text, sizeof(text), "node %d", NODES[n]);
		EXPECT_REFUSED(&self->with, EINVAL, text,
			       mk_set_memory_of(self->instance, MEMORY, NODES[n], &largest));
	}
	EXPECT_OK(mk_set_memory_of(self->instance, MEMORY, 0, &largest));
}

TEST_F_TIMEOUT(memory, more_than_there_is, TIMEOUT)
{
	const __u64 total = mk_meminfo("MemTotal") / MK_MEMORY_ALIGN * MK_MEMORY_ALIGN;
	const __u64 sizes[] = { total, 2 * total, 1ULL << 40, 1ULL << 62, -MK_MEMORY_ALIGN };
	__u64 largest, larger;

	for (int n = 0; n < ARRAY_LEN(sizes); n++) {
		char text[64];

		EXPECT_REFUSED(&self->with, ENOMEM, "cannot be had",
			       mk_set_memory_of(self->instance, sizes[n], MK_NODE_ANY, &largest));
		EXPECT_EQ(0, largest % MK_MEMORY_ALIGN);
		EXPECT_LE(MK_MEMORY_MIN, largest);
		EXPECT_GT(total, largest);
		snprintf(text, sizeof(text), "%llu MiB can", largest / MIB);
		EXPECT_NE(NULL, strstr(mk_text, text))
			TH_LOG("largest is %llu MiB: %s", largest / MIB, mk_text);
	}

	/* It is no empty promise, and most of what was free. */
	EXPECT_OK(mk_set_memory_of(self->instance, largest, MK_NODE_ANY, &larger));
	EXPECT_EQ(largest, bytes_of(self->instance));
	EXPECT_GE(largest + 256 * MIB, self->with.memory);
}

/* What is told of it is no less than what can be had, and goes with what is taken. */
TEST_F_TIMEOUT(memory, where_it_comes_from, TIMEOUT)
{
	struct mk_pool_entry entries[MK_POOLS_ROOM];
	__u64 free = 0, then = 0, largest;
	int count = mk_pools(self->device, entries, ARRAY_LEN(entries)), nodes = 0;

	ASSERT_LE(1, count);
	ASSERT_GE(ARRAY_LEN(entries), count);
	for (int n = 0; n < count; n++) {
		EXPECT_EQ(0, entries[n].free % MK_MEMORY_ALIGN);
		EXPECT_GE(entries[n].bytes, entries[n].free);
		EXPECT_GE(entries[n].free, entries[n].largest);
		EXPECT_LE(0, entries[n].node);
		free += entries[n].free;
		if (entries[n].kind != MK_POOL_RUN_TIME)
			continue;
		nodes++;
		EXPECT_EQ(0, entries[n].start);
		EXPECT_EQ(0, entries[n].largest);
	}
	EXPECT_LT(0, nodes);
	EXPECT_EQ(-ENOMEM, mk_set_memory_of(self->instance, 1ULL << 40, MK_NODE_ANY, &largest));
	EXPECT_GE(free + MK_MEMORY_NOISE, largest);
	/* Nor is it much more, while nothing has taken memory to pieces. */
	EXPECT_GE(largest + 256 * MIB, free);
	EXPECT_OK(mk_set_memory(self->instance, largest));

	ASSERT_OK(mk_set_memory(self->instance, 4 * MEMORY));
	ASSERT_EQ(count, mk_pools(self->device, entries, ARRAY_LEN(entries)));
	for (int n = 0; n < count; n++)
		then += entries[n].free;
	EXPECT_GE(free + MK_MEMORY_NOISE, then + 4 * MEMORY);
}

/* What it had goes first; so nothing is left when the call fails then. */
TEST_F_TIMEOUT(memory, lost_with_what_cannot_be_had, TIMEOUT)
{
	int kernel = mk_tiny_kernel(MK_TINY_STAY);
	__u64 largest;

	ASSERT_OK(kernel);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
	EXPECT_REFUSED(&self->with, ENOMEM, "cannot be had",
		       mk_set_memory_of(self->instance, 1ULL << 40, MK_NODE_ANY, &largest));
	EXPECT_EQ(MK_STATE_CREATED, mk_state(self->instance));
	EXPECT_EQ(0, bytes_of(self->instance));
	EXPECT_EQ(0, mk_ranges(self->instance, NULL, 0));
	EXPECT_REFUSED(&self->with, EBADFD, "set its memory",
		       mk_load(self->instance, kernel, -1, NULL));
	close(kernel);
}

/* ---- what is had --------------------------------------------------------- */

TEST_F_TIMEOUT(memory, ranges, TIMEOUT)
{
	static const __u64 SIZES[] = {
		MEMORY, MEMORY + 2 * MIB, 100 * MIB, 3 * MEMORY, 512 * MIB, 128 * MIB,
	};
	struct mk_range ranges[RANGES_MAX];
	struct mk_host host;

	for (int n = 0; n < ARRAY_LEN(SIZES); n++) {
		const void *map;
		__u64 bytes = 0;
		int count;

		ASSERT_OK(mk_set_memory(self->instance, SIZES[n]));
		count = mk_ranges(self->instance, ranges, ARRAY_LEN(ranges));
		ASSERT_LE(1, count);
		ASSERT_GE(RANGES_MAX, count);
		for (int range = 0; range < count; range++) {
			EXPECT_EQ(0, ranges[range].start % MK_MEMORY_ALIGN);
			EXPECT_EQ(0, ranges[range].bytes % MK_MEMORY_ALIGN);
			EXPECT_LT(0, ranges[range].bytes);
			EXPECT_TRUE(mk_is_in_iomem(ranges[range].start, ranges[range].bytes,
						   "multikernel: memory"))
				TH_LOG("%llx is not named", ranges[range].start);
			if (range) {
				EXPECT_LE(ranges[range - 1].start + ranges[range - 1].bytes,
					  ranges[range].start);
			}
			bytes += ranges[range].bytes;
		}
		EXPECT_EQ(SIZES[n], bytes);
		/* What it had before is the host's again. */
		mk_host(self->device, &host);
		EXPECT_EQ(self->with.ranges + count, host.ranges);
		EXPECT_GE(host.memory + SIZES[n] + MK_MEMORY_NOISE, self->with.memory);

		map = mk_map(self->instance, &bytes);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(SIZES[n], bytes);
		EXPECT_TRUE(mk_is_zero(map, bytes));
		ASSERT_EQ(0, munmap((void *)map, bytes));
	}
}

/* Neither what the host had there, nor what another instance left, is seen. */
TEST_F_TIMEOUT(memory, is_zero_at_first, TIMEOUT)
{
	const __u64 bytes = 512 * MIB;
	const void *map;
	char *dirt;
	__u64 mapped;

	for (int n = 0; n < 3; n++) {
		dirt = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		ASSERT_NE(MAP_FAILED, dirt);
		memset(dirt, 0x5a, bytes);
		ASSERT_EQ(0, munmap(dirt, bytes));
		ASSERT_OK(mk_set_memory(self->instance, bytes));
		map = mk_map(self->instance, &mapped);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(mk_is_zero(map, mapped));
		ASSERT_EQ(0, munmap((void *)map, mapped));
	}
}

/* ---- mappings ------------------------------------------------------------ */

TEST_F_TIMEOUT(memory, mapping_shows_what_is_loaded, TIMEOUT)
{
	static const char LINE[] = "a.command.line=of-this-test";
	int kernel = mk_tiny_kernel(MK_TINY_STAY), initrd;
	char content[8192];
	const char *map, *found;
	__u64 bytes;

	memset(content, 0x5a, sizeof(content));
	initrd = mk_file(content, sizeof(content), sizeof(content));
	ASSERT_OK(kernel);
	ASSERT_OK(initrd);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	map = mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FALSE(mk_tiny_is_loaded(map, bytes));

	ASSERT_OK(mk_load(self->instance, kernel, initrd, LINE));
	EXPECT_TRUE(mk_tiny_is_loaded(map, bytes));
	EXPECT_FALSE(mk_tiny_has_run(map, bytes));
	found = memmem(map, bytes, LINE, strlen(LINE));
	ASSERT_NE(NULL, found);
	/* The loader's own options come after it. */
	EXPECT_EQ(' ', found[strlen(LINE)]);
	EXPECT_NE(NULL, strstr(found, " pci=off "));
	EXPECT_NE(NULL, memmem(map, bytes, content, sizeof(content)));

	/* The next one begins with zeros again. */
	ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
	EXPECT_TRUE(mk_tiny_is_loaded(map, bytes));
	EXPECT_EQ(NULL, memmem(map, bytes, LINE, strlen(LINE)));
	EXPECT_EQ(NULL, memmem(map, bytes, content, 16));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	close(kernel);
	close(initrd);
}

TEST_F_TIMEOUT(memory, mappings_that_are_refused, TIMEOUT)
{
	static const struct {
		__u64 length;
		__u64 offset;
	} BEYOND[] = {
		{ MEMORY + 4096, 0 }, { 4096, MEMORY }, { MEMORY, 4096 }, { 8192, MEMORY - 4096 },
		{ 4096, 1ULL << 50 }, { 4096, INT64_MAX - 4095 }, { 1ULL << 45, 0 },
	};

	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->instance, 0));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	for (int n = 0; n < ARRAY_LEN(BEYOND); n++) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, BEYOND[n].length, PROT_READ, MAP_SHARED,
					   self->instance, BEYOND[n].offset));
		/* The second is the kernel's own, of what no file can have. */
		EXPECT_TRUE(errno == EINVAL || errno == EOVERFLOW)
			TH_LOG("%llu bytes at %llx: %m", BEYOND[n].length, BEYOND[n].offset);
	}
	for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, flags,
					   self->instance, 0));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, MEMORY, PROT_WRITE, flags, self->instance, 0));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, MEMORY, PROT_READ | PROT_EXEC, flags,
					   self->instance, 0));
		/* The kernel's own refusal, for all files of this kind. */
		EXPECT_EQ(EPERM, errno);
	}
	/* The device itself has no memory. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->device, 0));
	EXPECT_EQ(ENODEV, errno);
}

/* Who looks at a page gets its whole block, as far as the area goes: this one begins below 0. */
TEST_F_TIMEOUT(memory, mapping_low_in_the_process, TIMEOUT)
{
	const __u64 offset = 2 * MIB - 4096;
	void *map;

	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	map = mmap((void *)0x10000, 4096, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
		   self->instance, offset);
	ASSERT_EQ((void *)0x10000, map) TH_LOG("%m");
	EXPECT_TRUE(mk_is_zero(map, 4096));
	ASSERT_EQ(0, munmap(map, 4096));
}

/* Memory of which many pages in a row differ from each other: those of an initrd. */
#define NUMBERED	(8 * MIB)

static int load_numbers(int instance)
{
	int kernel = mk_tiny_kernel(MK_TINY_STAY), initrd, result;
	__u32 *numbers = malloc(NUMBERED);

	if (!numbers)
		return -ENOMEM;
	for (__u32 n = 0; n < NUMBERED / sizeof(*numbers); n++)
		numbers[n] = n;
	initrd = mk_file(numbers, NUMBERED, NUMBERED);
	free(numbers);
	result = kernel < 0 ? kernel : initrd < 0 ? initrd : mk_load(instance, kernel, initrd, NULL);
	close(kernel);
	close(initrd);
	return result;
}

/* Whole blocks of it are mapped at once, without a table for each. */
TEST_F_TIMEOUT(memory, mapping_has_few_tables, TIMEOUT)
{
	__u64 bytes, tables, now;
	const void *map;
	char *room, *odd;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		MK_SKIP("this kernel has no transparent huge pages");
	ASSERT_OK(mk_set_memory(self->instance, MEMORY_REAL));
	ASSERT_OK(load_numbers(self->instance));
	map = mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	tables = mk_proc("/proc/self/status", "VmPTE");
	EXPECT_FALSE(mk_is_zero(map, bytes));
	for (__u64 at = 0; at < bytes; at += 4096)
		(void)*((volatile const char *)map + at);
	now = mk_proc("/proc/self/status", "VmPTE");
	/* A page of them at each of its ends, and what maps these. */
	EXPECT_LT(0, now);
	EXPECT_GE(tables + 4 * 4096, now);

	/* Beside a block's place in the process there is no such way, and the same is seen. */
	room = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	odd = (char *)((uintptr_t)room | (MK_MEMORY_ALIGN - 1)) + 4097;
	ASSERT_EQ(odd, mmap(odd, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, self->instance, 0));
	EXPECT_EQ(0, memcmp(odd, map, bytes));
	EXPECT_LE(tables + bytes / 512, mk_proc("/proc/self/status", "VmPTE"));
	ASSERT_EQ(0, munmap(room, 2 * bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
}

/* What is beside a mapping that has but parts of blocks is another's. */
TEST_F_TIMEOUT(memory, mapping_of_parts_of_blocks, TIMEOUT)
{
	/* What is mapped, and then unmapped at its start and end before anybody looks. */
	static const struct {
		__u64 offset, bytes, cut;
	} PARTS[] = {
		{ .offset = 0, .bytes = 4096 },
		{ .offset = 0, .bytes = 3 * MIB },
		{ .offset = 1 * MIB, .bytes = 1 * MIB },
		{ .offset = 1 * MIB, .bytes = 4 * MIB },
		{ .offset = 2 * MIB - 4096, .bytes = 8192 },
		{ .offset = 0, .bytes = 6 * MIB, .cut = 4096 },
	};
	__u64 bytes, first;
	const char *map;
	char *copy, *room, *base;

	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	ASSERT_OK(load_numbers(self->instance));
	map = mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	copy = malloc(bytes);
	ASSERT_NE(NULL, copy);
	memcpy(copy, map, bytes);
	/* In the middle of the initrd: no block of it is as another. */
	for (first = 0; memcmp(map + first, (__u32[]){ 0, 1, 2, 3 }, 16); first += 4096)
		ASSERT_LT(first + NUMBERED, bytes);
	first = (first / MK_MEMORY_ALIGN + 1) * MK_MEMORY_ALIGN;
	room = mmap(NULL, 12 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	base = (char *)((uintptr_t)room | (MK_MEMORY_ALIGN - 1)) + 1;

	for (size_t n = 0; n < ARRAY_LEN(PARTS); n++) {
		const __u64 offset = first + PARTS[n].offset + PARTS[n].cut;
		char *at = base + MK_MEMORY_ALIGN + PARTS[n].offset, *end = at + PARTS[n].bytes;
		const __u64 before = at + PARTS[n].cut - base;
		const __u64 after = base + 10 * MIB - end + PARTS[n].cut;

		ASSERT_EQ(at, mmap(at, PARTS[n].bytes, PROT_READ, MAP_SHARED | MAP_FIXED,
				   self->instance, first + PARTS[n].offset));
		if (PARTS[n].cut) {
			ASSERT_EQ(0, munmap(at, PARTS[n].cut));
			ASSERT_EQ(0, munmap(end - PARTS[n].cut, PARTS[n].cut));
		}
		at += PARTS[n].cut;
		end -= PARTS[n].cut;
		EXPECT_EQ(0, memcmp(at, copy + offset, end - at));

		ASSERT_EQ(base, mmap(base, before, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(end, mmap(end, after, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_TRUE(mk_is_zero(base, before));
		EXPECT_TRUE(mk_is_zero(end, after));
		memset(base, 0x5a, before);
		memset(end, 0x5a, after);
		EXPECT_EQ(0, memcmp(at, copy + offset, end - at));
		ASSERT_EQ(0, munmap(base, 10 * MIB));
		EXPECT_EQ(0, memcmp(map, copy, bytes));
		ASSERT_FALSE(_metadata->exit_code)
			TH_LOG("part %zu", n);
	}
	ASSERT_EQ(0, munmap(room, 12 * MIB));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	free(copy);
}

TEST_F_TIMEOUT(memory, mapping_stays_read_only, TIMEOUT)
{
	__u64 bytes;
	void *map;

	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	map = (void *)mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(map, 4096, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	/* Nor does it grow beyond the end. */
	EXPECT_EQ(MAP_FAILED, mremap(map, bytes, bytes + 4096, MREMAP_MAYMOVE));
	EXPECT_TRUE(mk_is_zero(map, bytes));
	/* Parts of it can go. */
	ASSERT_EQ(0, munmap((char *)map + MEMORY / 2, 4096));
	EXPECT_TRUE(mk_is_zero(map, MEMORY / 2));
	ASSERT_EQ(0, munmap(map, MEMORY));
}

TEST_F_SIGNAL(memory, mapping_cannot_be_written, SIGSEGV)
{
	__u64 bytes;
	volatile char *map;

	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	map = (volatile char *)mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, (void *)map);
	map[0] = 1;
}

/* The memory stays away from the host as long as somebody looks at it. */
TEST_F_TIMEOUT(memory, mapping_keeps_the_memory, TIMEOUT)
{
	int kernel = mk_tiny_kernel(MK_TINY_STAY);
	struct mk_host host;
	const void *map;
	__u64 bytes;
	pid_t child;
	int sync[2];

	ASSERT_OK(kernel);
	ASSERT_OK(mk_set_memory(self->instance, 2 * MEMORY));
	ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
	map = mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);

	/* Given up for other memory, */
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	EXPECT_TRUE(mk_tiny_is_loaded(map, bytes));
	mk_host(self->device, &host);
	EXPECT_LT(self->with.ranges + 1, host.ranges);
	EXPECT_GT(self->with.memory, host.memory + 3 * MEMORY - MK_MEMORY_NOISE);

	/* with all of the instance, and its descriptor, */
	ASSERT_OK(mk_destroy(self->instance, 0));
	close(self->instance);
	EXPECT_TRUE(mk_tiny_is_loaded(map, bytes));
	mk_host(self->device, &host);
	EXPECT_LT(self->before.ranges, host.ranges);
	EXPECT_GT(self->before.memory, host.memory + 2 * MEMORY - MK_MEMORY_NOISE);
	/* though the slot is not held. */
	EXPECT_EQ(self->before.slots_free, host.slots_free);

	/* The mapping of a child counts, too. */
	ASSERT_EQ(0, pipe(sync));
	child = fork();
	if (!child) {
		char byte;

		close(sync[1]);
		_exit(read(sync[0], &byte, 1) == 0 && mk_tiny_is_loaded(map, bytes) ? 0 : 1);
	}
	ASSERT_LT(0, child);
	close(sync[0]);
	ASSERT_EQ(0, munmap((void *)map, bytes));
	mk_host(self->device, &host);
	EXPECT_LT(self->before.ranges, host.ranges);
	close(sync[1]);
	ASSERT_EQ(child, waitpid(child, &sync[0], 0));
	EXPECT_EQ(0, sync[0]);
	EXPECT_UNCHANGED(&self->before);

	self->instance = -1;
	close(kernel);
}

/* A mapping is of the memory that there was; the next one of what there is. */
TEST_F_TIMEOUT(memory, mapping_of_a_running_instance, TIMEOUT)
{
	int kernel = mk_tiny_kernel(MK_TINY_STAY);
	__u32 cpu[1];
	const void *map;
	__u64 bytes;

	ASSERT_OK(kernel);
	if (!mk_lendable(self->device, cpu, 1))
		MK_SKIP("no CPU can be lent");
	ASSERT_OK(mk_prepare(self->instance, cpu, 1, MEMORY, kernel, -1, NULL));
	map = mk_map(self->instance, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FALSE(mk_tiny_has_run(map, bytes));
	ASSERT_OK(mk_start(self->instance));
	/* The CPU has entered the kernel: it writes its mark at any moment. */
	while (!mk_tiny_has_run(map, bytes))
		sched_yield();
	/* For logs and dumps it stays as it is. */
	ASSERT_OK(mk_kill(self->instance));
	EXPECT_TRUE(mk_tiny_has_run(map, bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	close(kernel);
}

TEST_HARNESS_MAIN
