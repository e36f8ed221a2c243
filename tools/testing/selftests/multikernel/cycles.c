// SPDX-License-Identifier: GPL-2.0
/*
 * Instances started and killed again and again, at three points of their
 * lives. Afterwards the host has all that it had.
 *
 *	cycles [OPTION...] [CYCLES]	so many (50)
 */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include "kselftest_harness.h"
#include "mk.h"

static int cycles = 50;

/* The harness has to know it when it is compiled. */
#define LONG	7200

/*
 * What a cycle may cost on average: the host's own use of memory goes up and
 * down by some hundred KiB meanwhile, with its caches dropped, which does not
 * count with 20 of them. A piece of an instance's memory has 2 MiB at least.
 */
#define LOSS_MAX	(40ULL << 10)
/*
 * The same where the kernel looks for leaks, as it does of all but whole pages.
 * With KASAN, it keeps an eighth of up to 96 MiB that vfree() was given.
 */
#define LOSS_MAX_LEAKS	(16 * MIB)
/* Cycles before it is measured: what is allocated once is allocated then. */
#define WARM_UP		3

FIXTURE(cycles)
{
	MK_FIXTURE;
	int tiny;
	int real;
	int rootfs;
	__u32 cpus[8];
	int count;
};

FIXTURE_SETUP(cycles)
{
	MK_SETUP;
	self->count = mk_lendable(self->device, self->cpus, ARRAY_LEN(self->cpus));
	if (!self->count)
		MK_SKIP("no CPU can be lent");
	self->tiny = mk_tiny_kernel(MK_TINY_STAY);
	ASSERT_OK(self->tiny);
	self->real = mk_real_kernel();
	self->rootfs = mk_real_rootfs();
}

FIXTURE_TEARDOWN(cycles)
{
	close(self->tiny);
	if (self->real >= 0)
		close(self->real);
	if (self->rootfs >= 0)
		close(self->rootfs);
	MK_TEARDOWN;
}

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return result;
}

/*
 * Waits until its user space has loaded the agent. Its memory is not looked at
 * meanwhile: that takes the processors which emulate it.
 */
static bool await_agent(int fd, time_t deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLPRI };
	struct mk_info info;

	while (!mk_info(fd, &info) && info.state == MK_STATE_RUNNING) {
		if (info.agent == MK_AGENT_STATE_READY)
			return true;
		if (time(NULL) > deadline || poll(&poll_fd, 1, 1000) < 0)
			break;
	}
	return false;
}

/* One life: whole CPUs' worth of a few instructions, or of Linux. */
static void run_cycle(struct __test_metadata *_metadata, FIXTURE_DATA(cycles) * const self, int cycle)
{
	const bool linux_too = self->real >= 0 && self->rootfs >= 0;
	const bool real = linux_too && cycle % 5 > 1;
	/* Its user space is up, with all of its CPUs. */
	const bool up = linux_too && cycle % 5 == 4;
	/* Otherwise it begins to unpack itself, which the host does if mem= is not there. */
	const char *line = !real ? NULL : up ? MK_SOON : "mem=64T";
	int fd = mk_create(self->device, "cycle", 0);
	const void *map;
	__u64 bytes;

	ASSERT_OK(fd);
	ASSERT_OK(mk_prepare(fd, self->cpus, 1 + cycle % self->count, real ? MEMORY_REAL : MEMORY,
			     real ? self->real : self->tiny, real ? self->rootfs : -1, line));
	map = mk_map(fd, &bytes);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_OK(mk_start(fd));
	if (up) {
		EXPECT_TRUE(await_agent(fd, time(NULL) + TIMEOUT))
			TH_LOG("it does not come up");
	}
	while (!real && !mk_tiny_has_run(map, bytes))
		sched_yield();
	EXPECT_EQ(MK_STATE_RUNNING, mk_state(fd));
	ASSERT_OK(mk_kill(fd));
	ASSERT_EQ(0, munmap((void *)map, bytes));
	ASSERT_OK(mk_destroy(fd, 0));
	close(fd);
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

/* Only kernels that look for leaks have it. */
static bool finds_leaks(void)
{
	if (access("/sys/kernel/debug/tracing", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	return !access(KMEMLEAK, W_OK);
}

/* Memory that is free once all caches are, in bytes: the most of a few looks. */
static __u64 really_free(int device)
{
	const bool leaks = finds_leaks();
	__u64 most = 0;

	for (int n = 0; n < 5; n++) {
		struct mk_host host;

		sync();
		write_to("/proc/sys/vm/drop_caches", "3");
		mk_host(device, &host);
		/* KASAN keeps for long what was freed. */
		if (leaks)
			host.memory += mk_meminfo("Slab");
		if (host.memory > most)
			most = host.memory;
	}
	return most;
}

static void expect_no_leaks(struct __test_metadata *_metadata)
{
	char line[256];

	/* What is young is not looked at; the second scan sees all. */
	sleep(6);
	ASSERT_OK(write_to(KMEMLEAK, "scan"));
	ASSERT_OK(write_to(KMEMLEAK, "scan"));
	EXPECT_EQ(0, mk_read_line(KMEMLEAK, line, sizeof(line)))
		TH_LOG("%s", line);
}

TEST_F_TIMEOUT(cycles, give_all_back, LONG)
{
	__u64 before, after;
	bool leaks;

	for (int cycle = 0; cycle < WARM_UP; cycle++)
		run_cycle(_metadata, self, cycle + 2);
	leaks = finds_leaks();
	if (leaks)
		ASSERT_OK(write_to(KMEMLEAK, "clear"));
	before = really_free(self->device);
	for (int cycle = 0; cycle < cycles; cycle++) {
		run_cycle(_metadata, self, cycle);
		EXPECT_UNCHANGED(&self->before);
		ASSERT_FALSE(_metadata->exit_code)
			TH_LOG("cycle %d of %d", cycle, cycles);
	}
	after = really_free(self->device);
	ksft_print_msg("%d cycles: %lld KiB less are free\n", cycles,
		       (long long)(before - after) / 1024);
	EXPECT_GE(after + (leaks ? LOSS_MAX_LEAKS : cycles * LOSS_MAX), before);
	if (leaks)
		expect_no_leaks(_metadata);
	else
		ksft_print_msg("this kernel does not look for leaks\n");
	/* The CPUs are whole: each one computes, and its clock goes on. */
	for (int n = 0; n < self->count; n++) {
		struct timespec one, two;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(self->cpus[n], &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		clock_gettime(CLOCK_MONOTONIC, &one);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		clock_gettime(CLOCK_MONOTONIC, &two);
		EXPECT_EQ(self->cpus[n], sched_getcpu());
		EXPECT_TRUE(two.tv_sec > one.tv_sec || two.tv_nsec > one.tv_nsec);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && isdigit(*argv[argc - 1]))
		cycles = atoi(argv[--argc]);
	return test_harness_run(argc, argv);
}
