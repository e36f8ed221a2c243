// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPUs an instance can have, and that they come back.
 */
#include <sched.h>
#include <stdio.h>
#include "kselftest_harness.h"
#include "mk.h"

FIXTURE(cpus)
{
	MK_FIXTURE;
	int instance;
	int other;
	int kernel;
	__u32 cpus[8];
	int count;
	/* The host with both instances. */
	struct mk_host with;
};

FIXTURE_SETUP(cpus)
{
	MK_SETUP;
	self->count = mk_lendable(self->device, self->cpus, ARRAY_LEN(self->cpus));
	if (self->count < 2)
		MK_SKIP("fewer than two CPUs can be lent");
	self->kernel = mk_tiny_kernel(MK_TINY_STAY);
	ASSERT_OK(self->kernel);
	self->instance = mk_create(self->device, "first", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->instance);
	self->other = mk_create(self->device, "second", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->other);
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(cpus)
{
	close(self->instance);
	close(self->other);
	close(self->kernel);
	MK_TEARDOWN;
}

/* MK_SET_CPUS of up to two. */
#define SET_CPUS(fd, ...)								\
	mk_set_cpus(fd, (const __u32[]){ __VA_ARGS__ },					\
		    ARRAY_LEN(((const __u32[]){ __VA_ARGS__ })))

/* The CPUs that an instance says it has. */
static int told(int fd, __u32 *cpus, __u32 room)
{
	struct mk_info info = {
		.header = { .size = sizeof(info) },
		.cpus = (uintptr_t)cpus,
		.nr_cpus = room,
	};
	int result = mk_call(fd, MK_INFO, &info);

	return result < 0 ? result : (int)info.nr_cpus;
}

TEST_F_TIMEOUT(cpus, lists_that_are_refused, TIMEOUT)
{
	static const __u32 MISSING[] = { 4095, 8191, 0x10000, 0x7fffffff, 0xffffffff };
	__u32 many[MK_MAX_CPUS + 1], cpus[2];
	const __u32 mine = self->cpus[0];
	struct mk_query query;
	char text[64];

	ASSERT_OK(mk_query(self->device, &query));
	/* What it has already stays its own through all of this. */
	ASSERT_OK(SET_CPUS(self->instance, mine));

	for (int n = 0; n < ARRAY_LEN(MISSING); n++) {
		snprintf(text, sizeof(text), "CPU %u does not exist", MISSING[n]);
		EXPECT_REFUSED(&self->with, ENXIO, text, SET_CPUS(self->instance, MISSING[n]));
		EXPECT_REFUSED(&self->with, ENXIO, text,
			       SET_CPUS(self->instance, mine, MISSING[n]));
	}
	EXPECT_REFUSED(&self->with, EPERM, "booted on", SET_CPUS(self->instance, query.boot_cpu));
	EXPECT_REFUSED(&self->with, EPERM, "booted on",
		       SET_CPUS(self->instance, mine, query.boot_cpu));
	snprintf(text, sizeof(text), "CPU %u is given twice", mine);
	EXPECT_REFUSED(&self->with, EINVAL, text, SET_CPUS(self->instance, mine, mine));
	EXPECT_REFUSED(&self->with, EINVAL, "no CPUs", mk_set_cpus(self->instance, NULL, 0));
	EXPECT_REFUSED(&self->with, EINVAL, "no CPUs", mk_set_cpus(self->instance, many, 0));
	for (int n = 0; n < ARRAY_LEN(many); n++)
		many[n] = mine;
	EXPECT_REFUSED(&self->with, E2BIG, "255",
		       mk_set_cpus(self->instance, many, ARRAY_LEN(many)));
	EXPECT_REFUSED(&self->with, E2BIG, "4294967295",
		       mk_set_cpus(self->instance, many, UINT32_MAX));

	EXPECT_EQ(1, told(self->instance, cpus, 2));
	EXPECT_EQ(mine, cpus[0]);
}

TEST_F_TIMEOUT(cpus, of_another_instance, TIMEOUT)
{
	const __u32 one = self->cpus[0], two = self->cpus[1];

	ASSERT_OK(SET_CPUS(self->instance, one));
	EXPECT_REFUSED(&self->with, EBUSY, "first", SET_CPUS(self->other, one));
	EXPECT_REFUSED(&self->with, EBUSY, "first", SET_CPUS(self->other, two, one));
	EXPECT_EQ(0, told(self->other, NULL, 0));
	/* Nor while it is lent, when the host does not have it either. */
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	ASSERT_OK(mk_load(self->instance, self->kernel, -1, NULL));
	ASSERT_OK(mk_start(self->instance));
	EXPECT_EQ(-EBUSY, SET_CPUS(self->other, one));
	EXPECT_NE(NULL, strstr(mk_text, "first"));
	/* It is reserved until it is given another, or goes. */
	ASSERT_OK(mk_kill(self->instance));
	EXPECT_EQ(-EBUSY, SET_CPUS(self->other, one));
	ASSERT_OK(SET_CPUS(self->instance, two));
	EXPECT_OK(SET_CPUS(self->other, one));
	EXPECT_EQ(-EBUSY, SET_CPUS(self->other, two));
	ASSERT_OK(mk_destroy(self->instance, 0));
	EXPECT_OK(SET_CPUS(self->other, two, one));
}

TEST_F_TIMEOUT(cpus, that_are_offline, TIMEOUT)
{
	const __u32 one = self->cpus[0], two = self->cpus[1];
	struct mk_host host;

	ASSERT_OK(mk_cpu_set_online(one, false));
	mk_host(self->device, &host);
	EXPECT_REFUSED(&host, ENODEV, "offline", SET_CPUS(self->instance, one));
	EXPECT_REFUSED(&host, ENODEV, "offline", SET_CPUS(self->instance, two, one));
	ASSERT_OK(mk_cpu_set_online(one, true));
	EXPECT_UNCHANGED(&self->with);
}

/* They are the host's until the start, which may find that they are not there any more. */
TEST_F_TIMEOUT(cpus, that_went_offline, TIMEOUT)
{
	const __u32 one = self->cpus[0], two = self->cpus[1];
	struct mk_info info;
	struct mk_host host;

	ASSERT_OK(SET_CPUS(self->instance, two, one));
	EXPECT_UNCHANGED(&self->with);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	ASSERT_OK(mk_load(self->instance, self->kernel, -1, NULL));
	ASSERT_OK(mk_cpu_set_online(one, false));
	mk_host(self->device, &host);
	EXPECT_REFUSED(&host, ENODEV, "offline", mk_start(self->instance));
	ASSERT_OK(mk_info(self->instance, &info));
	EXPECT_EQ(MK_STATE_LOADED, info.state);
	EXPECT_EQ(0, info.runs);
	ASSERT_OK(mk_cpu_set_online(one, true));

	/* Nothing else was in the way. */
	EXPECT_OK(mk_start(self->instance));
	ASSERT_OK(mk_kill(self->instance));
}

/* Lent CPUs have left the host: nobody can bring them online. */
TEST_F_TIMEOUT(cpus, that_are_lent, TIMEOUT)
{
	struct mk_host host;

	ASSERT_OK(mk_prepare(self->instance, self->cpus, self->count, MEMORY, self->kernel, -1,
			     NULL));
	ASSERT_OK(mk_start(self->instance));
	mk_host(self->device, &host);
	for (int n = 0; n < self->count; n++) {
		__u32 now[8];

		EXPECT_EQ(-EINVAL, mk_cpu_set_online(self->cpus[n], true));
		EXPECT_UNCHANGED(&host);
		ASSERT_GE(ARRAY_LEN(now), mk_lendable(self->device, now, ARRAY_LEN(now)));
		EXPECT_NE(self->cpus[n], now[0]);
	}
	ASSERT_OK(mk_kill(self->instance));
	/* All of them work again. */
	for (int n = 0; n < self->count; n++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(self->cpus[n], &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		EXPECT_EQ(self->cpus[n], sched_getcpu());
	}
}

TEST_F_TIMEOUT(cpus, in_any_order, TIMEOUT)
{
	__u32 reversed[8], now[8];

	for (int n = 0; n < self->count; n++)
		reversed[n] = self->cpus[self->count - 1 - n];
	ASSERT_OK(mk_prepare(self->instance, reversed, self->count, MEMORY, self->kernel, -1,
			     NULL));
	for (int n = 0; n < 3; n++) {
		ASSERT_OK(mk_start(self->instance));
		EXPECT_EQ(self->count, told(self->instance, now, ARRAY_LEN(now)));
		EXPECT_EQ(0, memcmp(reversed, now, self->count * sizeof(*now)));
		ASSERT_OK(mk_kill(self->instance));
		ASSERT_OK(mk_load(self->instance, self->kernel, -1, NULL));
	}
}

/* The other CPU of its core; -1: it has none. */
static int sibling(__u32 cpu)
{
	char path[96], list[64], *at = list;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
		 cpu);
	if (mk_read_line(path, list, sizeof(list)) < 0)
		return -1;
	while (*at) {
		unsigned long other = strtoul(at, &at, 10);

		if (other != cpu)
			return other;
		at += strspn(at, ",-");
	}
	return -1;
}

TEST_F_TIMEOUT(cpus, halves_of_cores, TIMEOUT)
{
	struct mk_cpus half = { .header = { .size = sizeof(half) } };
	struct mk_query query;
	__u32 core[2];
	int other = -1;

	ASSERT_OK(mk_query(self->device, &query));
	for (int n = 0; n < self->count; n++) {
		other = sibling(self->cpus[n]);
		if (other >= 0 && other != query.boot_cpu) {
			core[0] = self->cpus[n];
			core[1] = other;
			break;
		}
	}
	if (other < 0)
		MK_SKIP("no core has two CPUs");

	half.cpus = (uintptr_t)core;
	half.nr_cpus = 1;
	EXPECT_REFUSED(&self->with, EINVAL, "core", mk_call(self->instance, MK_SET_CPUS, &half));
	half.nr_cpus = 2;
	EXPECT_OK(mk_call(self->instance, MK_SET_CPUS, &half));
	/* One half, because it is said so; the other half of what is lent already. */
	half.nr_cpus = 1;
	half.header.flags = MK_CPUS_SPLIT_CORES;
	EXPECT_OK(mk_call(self->instance, MK_SET_CPUS, &half));
	half.header.flags = 0;
	half.cpus = (uintptr_t)&core[1];
	EXPECT_REFUSED(&self->with, EINVAL, "core", mk_call(self->other, MK_SET_CPUS, &half));
	half.header.flags = MK_CPUS_SPLIT_CORES;
	EXPECT_OK(mk_call(self->other, MK_SET_CPUS, &half));

	/* The siblings of a lent CPU are known though the host has forgotten it. */
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	ASSERT_OK(mk_load(self->instance, self->kernel, -1, NULL));
	ASSERT_OK(mk_start(self->instance));
	half.header.flags = 0;
	EXPECT_EQ(-EINVAL, mk_call(self->other, MK_SET_CPUS, &half));
	EXPECT_NE(NULL, strstr(mk_text, "core"));
	ASSERT_OK(mk_kill(self->instance));
}

TEST_HARNESS_MAIN
