// SPDX-License-Identifier: GPL-2.0
/*
 * Pools of memory that the host's kernel has set aside at boot: for a host that was
 * booted with multikernel=. It needs a reserved one and one with "cma", on one
 * node; with MK_ALL in the environment nothing may be missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "mk.h"

#define RANGES_MAX	64
#define PAGE		4096ULL

FIXTURE(pool)
{
	MK_FIXTURE;
	/* The host has them already, so that nothing of them changes its memory. */
	int fds[3];
	struct mk_pool_entry entries[MK_POOLS_ROOM];
	int count;
	/* The first of each kind. */
	int reserved;
	int cma;
};

static int first_of(const struct mk_pool_entry *entries, int count, __u32 kind)
{
	for (int n = 0; n < count; n++) {
		if (entries[n].kind == kind)
			return n;
	}
	return -1;
}

FIXTURE_SETUP(pool)
{
	static const char *const NAMES[] = { "one", "two", "three" };

	MK_SETUP;
	self->count = mk_pools(self->device, self->entries, ARRAY_LEN(self->entries));
	ASSERT_OK(self->count);
	ASSERT_GE(ARRAY_LEN(self->entries), self->count);
	self->reserved = first_of(self->entries, self->count, MK_POOL_RESERVED);
	self->cma = first_of(self->entries, self->count, MK_POOL_CMA);
	if (self->reserved < 0 || self->cma < 0)
		MK_SKIP("no pools: boot with multikernel=256M and multikernel=512M,cma");
	for (int n = 0; n < ARRAY_LEN(NAMES); n++) {
		self->fds[n] = mk_create(self->device, NAMES[n], MK_CREATE_AUTO_DESTROY);
		ASSERT_OK(self->fds[n]);
	}
}

FIXTURE_TEARDOWN(pool)
{
	struct mk_pool_entry now[MK_POOLS_ROOM];

	for (int n = 0; n < ARRAY_LEN(self->fds); n++)
		close(self->fds[n]);
	/* All of it is free again, and in one piece. */
	_metadata->trigger = 0;
	EXPECT_EQ(self->count, mk_pools(self->device, now, ARRAY_LEN(now)));
	for (int n = 0; n < self->count && now[n].kind != MK_POOL_RUN_TIME; n++) {
		EXPECT_EQ(now[n].bytes, now[n].free);
		EXPECT_EQ(now[n].bytes, now[n].largest);
	}
	MK_TEARDOWN;
}

/* How much of an instance's memory is in a pool. */
static __u64 bytes_in(int fd, const struct mk_pool_entry *pool)
{
	struct mk_range ranges[RANGES_MAX];
	int count = mk_ranges(fd, ranges, ARRAY_LEN(ranges));
	__u64 bytes = 0;

	for (int n = 0; n < count && n < RANGES_MAX; n++) {
		if (ranges[n].start >= pool->start &&
		    ranges[n].start + ranges[n].bytes <= pool->start + pool->bytes)
			bytes += ranges[n].bytes;
	}
	return bytes;
}

static void look_at(int device, int index, struct mk_pool_entry *entry)
{
	struct mk_pool_entry entries[MK_POOLS_ROOM];

	if (mk_pools(device, entries, ARRAY_LEN(entries)) > index)
		*entry = entries[index];
	else
		memset(entry, 0, sizeof(*entry));
}

TEST_F_TIMEOUT(pool, what_is_told, TIMEOUT)
{
	__u32 last = 0;

	for (int n = 0; n < self->count; n++) {
		const struct mk_pool_entry *entry = &self->entries[n];

		/* Reserved ones, then those with "cma", then nodes. */
		EXPECT_LE(last, entry->kind);
		last = entry->kind;
		if (entry->kind == MK_POOL_RUN_TIME)
			continue;
		EXPECT_LT(0, entry->start);
		EXPECT_EQ(0, (entry->start | entry->bytes) % MK_MEMORY_ALIGN);
		EXPECT_EQ(entry->bytes, entry->free);
		EXPECT_EQ(entry->bytes, entry->largest);
		EXPECT_TRUE(mk_is_in_iomem(entry->start, entry->bytes, "Multikernel pool"))
			TH_LOG("the pool at %#llx is not in /proc/iomem", entry->start);
	}
	EXPECT_EQ(MK_POOL_RUN_TIME, last);
	/* The host has what is in such a pool, and not what is in the other. */
	EXPECT_EQ(self->entries[self->cma].bytes, mk_meminfo("CmaTotal"));
}

TEST_F_TIMEOUT(pool, comes_first, TIMEOUT)
{
	struct mk_pool_entry *pool = &self->entries[self->reserved], now;
	__u64 available = mk_meminfo("MemAvailable"), bytes;
	const void *map;

	ASSERT_OK(mk_set_memory(self->fds[0], 2 * MEMORY));
	EXPECT_EQ(2 * MEMORY, bytes_in(self->fds[0], pool));
	look_at(self->device, self->reserved, &now);
	EXPECT_EQ(pool->bytes - 2 * MEMORY, now.free);
	EXPECT_EQ(pool->bytes - 2 * MEMORY, now.largest);
	/* The host has not lost any. */
	EXPECT_GE(mk_meminfo("MemAvailable") + MK_MEMORY_NOISE, available);
	map = mk_map(self->fds[0], &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(mk_is_zero(map, bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
}

/* What the one before has left is not seen. */
TEST_F_TIMEOUT(pool, is_zero, TIMEOUT)
{
	struct mk_pool_entry *pool = &self->entries[self->reserved];
	int kernel = mk_tiny_kernel(MK_TINY_STAY);
	struct mk_range before, after;
	const void *map;
	__u64 bytes;

	ASSERT_OK(kernel);
	ASSERT_OK(mk_set_memory(self->fds[0], MEMORY));
	ASSERT_OK(mk_load(self->fds[0], kernel, -1, NULL));
	map = mk_map(self->fds[0], &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(mk_tiny_is_loaded(map, bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	ASSERT_EQ(1, mk_ranges(self->fds[0], &before, 1));
	ASSERT_OK(mk_destroy(self->fds[0], 0));

	ASSERT_OK(mk_set_memory(self->fds[1], pool->bytes));
	ASSERT_EQ(1, mk_ranges(self->fds[1], &after, 1));
	EXPECT_LE(after.start, before.start);
	EXPECT_GE(after.start + after.bytes, before.start + before.bytes);
	map = mk_map(self->fds[1], &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(mk_is_zero(map, bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	close(kernel);
}

/* Of any size, in one piece. */
TEST_F_TIMEOUT(pool, is_had_whole, TIMEOUT)
{
	for (int n = 0; n < self->count && self->entries[n].kind != MK_POOL_RUN_TIME; n++) {
		struct mk_pool_entry *pool = &self->entries[n], now;
		struct mk_range range;

		/* It is first taken from those before it. */
		ASSERT_OK(mk_set_memory(self->fds[n], pool->bytes));
		ASSERT_EQ(1, mk_ranges(self->fds[n], &range, 1));
		EXPECT_EQ(pool->start, range.start);
		EXPECT_EQ(pool->bytes, range.bytes);
		look_at(self->device, n, &now);
		EXPECT_EQ(0, now.free);
		EXPECT_EQ(0, now.largest);
		if (n + 1 == ARRAY_LEN(self->fds))
			break;
	}
}

/* What comes back grows together, and the smallest place that fits is used. */
TEST_F_TIMEOUT(pool, pieces, TIMEOUT)
{
	struct mk_pool_entry *pool = &self->entries[self->reserved], now;
	struct mk_range ranges[3], again;

	ASSERT_LE(4 * MEMORY, pool->bytes);
	ASSERT_OK(mk_set_memory(self->fds[0], MEMORY));
	ASSERT_OK(mk_set_memory(self->fds[1], MEMORY + 2 * MIB));
	ASSERT_OK(mk_set_memory(self->fds[2], MEMORY));
	for (int n = 0; n < ARRAY_LEN(ranges); n++) {
		ASSERT_EQ(1, mk_ranges(self->fds[n], &ranges[n], 1));
		EXPECT_LE(pool->start, ranges[n].start);
		if (n)
			EXPECT_LE(ranges[n - 1].start + ranges[n - 1].bytes, ranges[n].start);
	}
	/* The one in the middle gives way to a smaller one. */
	ASSERT_OK(mk_set_memory(self->fds[1], MEMORY));
	ASSERT_EQ(1, mk_ranges(self->fds[1], &again, 1));
	EXPECT_EQ(ranges[1].start, again.start);
	look_at(self->device, self->reserved, &now);
	EXPECT_EQ(pool->bytes - 3 * MEMORY, now.free);
	EXPECT_EQ(pool->bytes - 3 * MEMORY - 2 * MIB, now.largest);
	/* With the last of them goes the rest. */
	ASSERT_OK(mk_destroy(self->fds[2], 0));
	look_at(self->device, self->reserved, &now);
	EXPECT_EQ(pool->bytes - 2 * MEMORY, now.largest);
}

/* One that is not enough is used up, and the rest comes from the next one, and then the host. */
TEST_F_TIMEOUT(pool, is_not_all, TIMEOUT)
{
	struct mk_pool_entry *reserved = &self->entries[self->reserved];
	struct mk_pool_entry *cma = &self->entries[self->cma], now;
	__u64 pools = 0, bytes;

	for (int n = 0; n < self->count && self->entries[n].kind != MK_POOL_RUN_TIME; n++)
		pools += self->entries[n].bytes;
	bytes = pools + MEMORY;
	ASSERT_OK(mk_set_memory(self->fds[0], bytes));
	EXPECT_EQ(reserved->bytes, bytes_in(self->fds[0], reserved));
	EXPECT_EQ(cma->bytes, bytes_in(self->fds[0], cma));
	look_at(self->device, self->cma, &now);
	EXPECT_EQ(0, now.free);
}

/* What could be had counts the pools, too. */
TEST_F_TIMEOUT(pool, more_than_there_is, TIMEOUT)
{
	__u64 pools = 0, largest;

	for (int n = 0; n < self->count && self->entries[n].kind != MK_POOL_RUN_TIME; n++)
		pools += self->entries[n].bytes;
	EXPECT_EQ(-ENOMEM, mk_set_memory_of(self->fds[0], 1ULL << 40, MK_NODE_ANY, &largest));
	EXPECT_LT(pools, largest);
	EXPECT_OK(mk_set_memory(self->fds[0], largest));
}

/* Only the pools of the node that is asked for. */
TEST_F_TIMEOUT(pool, of_a_node, TIMEOUT)
{
	struct mk_pool_entry *pool = &self->entries[self->reserved];
	bool has_other = false;

	ASSERT_OK(mk_set_memory_of(self->fds[0], MEMORY, pool->node, NULL));
	EXPECT_EQ(MEMORY, bytes_in(self->fds[0], pool));
	for (int n = 0; n < self->count; n++) {
		const struct mk_pool_entry *other = &self->entries[n];

		if (other->kind != MK_POOL_RUN_TIME || other->node == pool->node)
			continue;
		has_other = true;
		ASSERT_OK(mk_set_memory_of(self->fds[1], MEMORY, other->node, NULL));
		EXPECT_EQ(0, bytes_in(self->fds[1], pool));
		EXPECT_EQ(0, bytes_in(self->fds[1], &self->entries[self->cma]));
	}
	if (!has_other)
		TH_LOG("there is one node only");
}

/* ---- when memory is in pieces ---------------------------------------------- */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* What is free in blocks of 2 MiB or more, of which instances' memory is made. */
static __u64 free_in_blocks(void)
{
	FILE *file = fopen("/proc/buddyinfo", "re");
	__u64 bytes = 0, count;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "zone");
		int order = 0;

		/* The zone's name, and then a number for each order. */
		at = at ? at + strcspn(at, " ") : line;
		at += strspn(at, " ");
		at += strcspn(at, " ");
		for (char *end; count = strtoull(at, &end, 10), end != at; at = end, order++)
			bytes += order < 9 ? 0 : count * (PAGE << order);
	}
	if (file)
		fclose(file);
	return bytes;
}

struct pieces {
	int file;
	__u64 *map;
	__u64 pages;
	/* Its page tables are in between. */
	char *sparse;
	__u64 tables;
};

/*
 * Fills what is free with pages of a file, and makes holes in it. Page tables, which
 * cannot be moved, go into some of them.
 */
static bool make_pieces(struct pieces *pieces)
{
	/* For the page tables, and for what others want meanwhile. */
	const __u64 rest = 64 * MIB;
	const __u64 bytes = (mk_meminfo("MemAvailable") - rest) / PAGE * PAGE;

	pieces->pages = bytes / PAGE;
	pieces->file = memfd_create("pieces", MFD_CLOEXEC);
	if (pieces->file < 0 || ftruncate(pieces->file, bytes))
		return false;
	pieces->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pieces->file, 0);
	if (pieces->map == MAP_FAILED)
		return false;
	for (__u64 n = 0; n < pieces->pages; n++)
		pieces->map[n * PAGE / 8] = ~n;
	for (__u64 n = 0; n < pieces->pages; n += 2) {
		if (fallocate(pieces->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, n * PAGE,
			      PAGE))
			return false;
	}
	/* A table for each of these. */
	pieces->tables = pieces->pages / 16;
	pieces->sparse = mmap(NULL, pieces->tables * MK_MEMORY_ALIGN, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pieces->sparse == MAP_FAILED ||
	    madvise(pieces->sparse, pieces->tables * MK_MEMORY_ALIGN, MADV_NOHUGEPAGE))
		return false;
	for (__u64 n = 0; n < pieces->tables; n++)
		pieces->sparse[n * MK_MEMORY_ALIGN] = n;
	return true;
}

/* Whether what was written is there, wherever it is now. */
static bool are_whole(const struct pieces *pieces)
{
	for (__u64 n = 1; n < pieces->pages; n += 2) {
		if (pieces->map[n * PAGE / 8] != ~n)
			return false;
	}
	for (__u64 n = 0; n < pieces->tables; n++) {
		if (pieces->sparse[n * MK_MEMORY_ALIGN] != (char)n)
			return false;
	}
	return true;
}

static void free_pieces(struct pieces *pieces)
{
	munmap(pieces->map, pieces->pages * PAGE);
	munmap(pieces->sparse, pieces->tables * MK_MEMORY_ALIGN);
	close(pieces->file);
}

TEST_F_TIMEOUT(pool, is_had_when_memory_is_in_pieces, 4 * TIMEOUT)
{
	struct mk_pool_entry *pool = &self->entries[self->cma];
	const __u64 reserved = self->entries[self->reserved].bytes;
	struct pieces pieces;
	struct mk_range range;
	__u64 bytes;
	const void *map;
	double start;

	ASSERT_OK(mk_set_memory(self->fds[0], reserved));
	ASSERT_TRUE(make_pieces(&pieces));
	/* The host does use it, and has no such memory at hand. */
	EXPECT_GT(pool->bytes * 3 / 4, mk_meminfo("CmaFree"));
	EXPECT_GT(pool->bytes, free_in_blocks());
	start = seconds();
	ASSERT_OK(mk_set_memory(self->fds[1], pool->bytes));
	printf("# %llu MiB of a pool that the host used: %.2f s\n", pool->bytes / MIB,
	       seconds() - start);
	ASSERT_EQ(1, mk_ranges(self->fds[1], &range, 1));
	EXPECT_EQ(pool->start, range.start);
	EXPECT_EQ(pool->bytes, range.bytes);
	map = mk_map(self->fds[1], &bytes);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(mk_is_zero(map, bytes));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	EXPECT_TRUE(are_whole(&pieces));
	free_pieces(&pieces);
}

TEST_HARNESS_MAIN
