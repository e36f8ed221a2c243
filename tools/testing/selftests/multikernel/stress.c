// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once from many threads; and processes that are killed at any
 * point. Afterwards all is as before.
 *
 *	stress [OPTION...] [SECONDS]	so long the threads (60), and half of it each of the others
 */
#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "mk.h"

static int seconds = 60;

/* The harness has to know it when it is compiled. */
#define LONG	7200

/* ---- parallel ------------------------------------------------------------ */

#define THREADS		8
/* Fewer than threads, and than slots: they get into each other's way. */
#define INSTANCES	4
#define CPUS		3

enum operation {
	CREATE, OPEN, SET_CPUS, SET_MEMORY, LOAD, LOAD_REAL, START, RUN, KILL, DESTROY, INFO, LIST,
	MAP, OPERATIONS
};

/* How often each one is tried, of all; there must be something to start. */
static const int OFTEN[OPERATIONS] = {
	[CREATE] = 10, [OPEN] = 10, [SET_CPUS] = 14, [SET_MEMORY] = 10, [LOAD] = 12, [LOAD_REAL] = 4,
	[START] = 10, [RUN] = 12, [KILL] = 6, [DESTROY] = 4, [INFO] = 4, [LIST] = 2, [MAP] = 2,
};

static const char *const NAMES[OPERATIONS] = {
	"create", "open", "set CPUs", "set memory", "load", "load real", "start", "run", "kill",
	"destroy", "info", "list", "map",
};

/*
 * What may come of each: others change what it works on. EBUSY: somebody does
 * something with it, or it runs, or has the CPUs; EBADFD: it is in another
 * state; ENODEV: it is gone; EFBIG: a real kernel may be too large for it.
 */
static const int EXPECTED[OPERATIONS][4] = {
	[CREATE] = { EEXIST },
	[OPEN] = { ENOENT },
	[SET_CPUS] = { EBUSY, ENODEV },
	[SET_MEMORY] = { EBUSY, ENODEV },
	[LOAD] = { EBUSY, ENODEV, EBADFD },
	[LOAD_REAL] = { EBUSY, ENODEV, EBADFD, EFBIG },
	[START] = { EBUSY, ENODEV, EBADFD },
	[RUN] = { EBUSY, ENODEV, EBADFD },
	[KILL] = { EBUSY, ENODEV, EBADFD },
	[DESTROY] = { EBUSY, ENODEV },
	[INFO] = { ENODEV },
	[LIST] = { 0 },
	/* It has less memory now than when it was asked. */
	[MAP] = { ENODEV, EINVAL },
};

struct shared {
	int device;
	int tiny[MK_TINY_HALT + 1];
	int real;
	int rootfs;
	__u32 cpus[CPUS];
	int count;
	struct timespec end;
	bool failed;
	/* How often each operation did what it should. */
	unsigned long done[OPERATIONS];
	unsigned long tried[OPERATIONS];
	char failure[768];
	pthread_mutex_t lock;
};

struct worker {
	struct shared *shared;
	unsigned int seed;
	/* A descriptor of each instance, or -1. */
	int fds[INSTANCES];
};

static int below(struct worker *worker, int end)
{
	return rand_r(&worker->seed) % end;
}

static bool is_over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static struct timespec after(int s)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += s;
	return end;
}

static enum operation choose(struct worker *worker)
{
	int number = below(worker, 100);
	enum operation operation = 0;

	while (number >= OFTEN[operation])
		number -= OFTEN[operation++];
	return operation;
}

static int list(int device)
{
	struct mk_list_entry entries[INSTANCES];
	struct mk_list argument = {
		.header = { .size = sizeof(argument) },
		.entries = (uintptr_t)entries,
		.nr_entries = INSTANCES,
		.entry_size = sizeof(*entries),
	};

	return mk_call(device, MK_LIST, &argument);
}

static int map(int fd)
{
	__u64 bytes = 0;
	const void *memory;

	errno = ENODEV;
	memory = mk_map(fd, &bytes);
	if (memory == MAP_FAILED)
		return -errno;
	mk_tiny_has_run(memory, bytes);
	munmap((void *)memory, bytes);
	return 0;
}

/* Any CPUs, and mostly one: all instances want some. */
static int choose_cpus(struct worker *worker, __u32 *cpus)
{
	const struct shared *shared = worker->shared;
	int count = below(worker, 4) ? 1 : 1 + below(worker, shared->count);
	int first = below(worker, shared->count);

	for (int n = 0; n < count; n++)
		cpus[n] = shared->cpus[(first + n) % shared->count];
	return count;
}

static __u64 choose_memory(struct worker *worker)
{
	return MEMORY + below(worker, 32) * 2 * MIB;
}

/* A new descriptor takes the place of the one that was there. */
static int replace(struct worker *worker, int which, int fd)
{
	if (fd < 0)
		return fd;
	if (worker->fds[which] >= 0)
		close(worker->fds[which]);
	worker->fds[which] = fd;
	return 0;
}

static int operate(struct worker *worker, enum operation operation, int which)
{
	struct shared *shared = worker->shared;
	int fd = worker->fds[which], tiny = shared->tiny[below(worker, ARRAY_LEN(shared->tiny))];
	__u32 cpus[CPUS], nr_cpus = choose_cpus(worker, cpus);
	char name[16];
	int result;

	snprintf(name, sizeof(name), "stress-%d", which);
	switch (operation) {
	case CREATE:
		return replace(worker, which,
			       mk_create(shared->device, name,
					 below(worker, 4) ? 0 : MK_CREATE_AUTO_DESTROY));
	case OPEN:
		return replace(worker, which, mk_open(shared->device, name));
	case SET_CPUS:
		return mk_set_cpus(fd, cpus, nr_cpus);
	case SET_MEMORY:
		return mk_set_memory(fd, choose_memory(worker));
	case LOAD:
		return mk_load(fd, tiny, -1, NULL);
	case LOAD_REAL:
		if (shared->real < 0 || shared->rootfs < 0)
			return 0;
		return mk_load(fd, shared->real, shared->rootfs, "quiet");
	case START:
		return mk_start(fd);
	case RUN:
		result = mk_prepare(fd, cpus, nr_cpus, choose_memory(worker), tiny, -1, NULL);
		return result ? result : mk_start(fd);
	case KILL:
		return mk_kill(fd);
	case DESTROY:
		return mk_destroy(fd, below(worker, 2) ? MK_DESTROY_FORCE : 0);
	case INFO:
		result = mk_state(fd);
		return result < 0 ? result : 0;
	case LIST:
		return list(shared->device);
	default:
		return map(fd);
	}
}

static bool is_expected(enum operation operation, int result)
{
	/* These errors have a second meaning, which nobody gave them reason for. */
	if (result == -ENODEV && operation != MAP && !strstr(mk_text, "destroyed"))
		return false;
	if (result == -EBUSY && !strstr(mk_text, "under way") && !strstr(mk_text, "kill it first") &&
	    !strstr(mk_text, "is reserved by"))
		return false;
	for (int n = 0; n < ARRAY_LEN(EXPECTED[operation]); n++) {
		if (result == -EXPECTED[operation][n])
			return true;
	}
	return false;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;

	while (!is_over(&shared->end) && !__atomic_load_n(&shared->failed, __ATOMIC_RELAXED)) {
		enum operation operation = choose(worker);
		int which = below(worker, INSTANCES), result;

		if (worker->fds[which] < 0 && operation != CREATE && operation != LIST)
			operation = OPEN;
		result = operate(worker, operation, which);
		/* Those who do something shall get on with it. */
		if (result == -EBUSY)
			poll(&(struct pollfd){ worker->fds[which], POLLPRI, 0 }, 1,
			     below(worker, 20));
		if (result == -ENODEV && worker->fds[which] >= 0) {
			close(worker->fds[which]);
			worker->fds[which] = -1;
		}
		pthread_mutex_lock(&shared->lock);
		shared->tried[operation]++;
		shared->done[operation] += !result;
		if (result && !is_expected(operation, result) && !shared->failed) {
			snprintf(shared->failure, sizeof(shared->failure), "%s: %s: %s",
				 NAMES[operation], strerror(-result), mk_text);
			shared->failed = true;
		}
		pthread_mutex_unlock(&shared->lock);
	}
	for (int n = 0; n < INSTANCES; n++) {
		if (worker->fds[n] >= 0)
			close(worker->fds[n]);
	}
	return NULL;
}

FIXTURE(stress)
{
	MK_FIXTURE;
	struct shared shared;
};

FIXTURE_SETUP(stress)
{
	struct shared *shared = &self->shared;

	MK_SETUP;
	shared->device = self->device;
	shared->count = mk_lendable(self->device, shared->cpus, CPUS);
	if (!shared->count)
		MK_SKIP("no CPU can be lent");
	for (int n = 0; n < ARRAY_LEN(shared->tiny); n++) {
		shared->tiny[n] = mk_tiny_kernel(n);
		ASSERT_OK(shared->tiny[n]);
	}
	shared->real = mk_real_kernel();
	shared->rootfs = mk_real_rootfs();
	pthread_mutex_init(&shared->lock, NULL);
}

FIXTURE_TEARDOWN(stress)
{
	for (int n = 0; n < ARRAY_LEN(self->shared.tiny); n++)
		close(self->shared.tiny[n]);
	if (self->shared.real >= 0)
		close(self->shared.real);
	if (self->shared.rootfs >= 0)
		close(self->shared.rootfs);
	MK_TEARDOWN;
}

/* Destroys the instance @name; returns whether there was one, or -errno. */
static int sweep(int device, const char *name)
{
	int fd = mk_open(device, name), result;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	result = mk_destroy(fd, MK_DESTROY_FORCE);
	close(fd);
	return result ? result : 1;
}

TEST_F_TIMEOUT(stress, parallel, LONG)
{
	struct shared *shared = &self->shared;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	shared->end = after(seconds);
	for (int n = 0; n < THREADS; n++) {
		workers[n] = (struct worker){ .shared = shared, .seed = n + 1 };
		memset(workers[n].fds, -1, sizeof(workers[n].fds));
		ASSERT_EQ(0, pthread_create(&threads[n], NULL, work, &workers[n]));
	}
	for (int n = 0; n < THREADS; n++)
		ASSERT_EQ(0, pthread_join(threads[n], NULL));
	EXPECT_FALSE(shared->failed)
		TH_LOG("%s", shared->failure);
	for (enum operation n = 0; n < OPERATIONS; n++)
		ksft_print_msg("%s: %lu of %lu\n", NAMES[n], shared->done[n], shared->tried[n]);
	/* They were in each other's way, but not all of the time. */
	EXPECT_LT(0, shared->done[START] + shared->done[RUN]);
	EXPECT_LT(0, shared->done[KILL] + shared->done[DESTROY]);
	for (int n = 0; n < INSTANCES; n++) {
		char name[16];

		snprintf(name, sizeof(name), "stress-%d", n);
		EXPECT_OK(sweep(self->device, name));
	}
}

/* ---- killed -------------------------------------------------------------- */

/* All that `mkctl run` does, again and again, until it is killed. */
static void live_and_die(const struct shared *shared, __u32 flags)
{
	for (int round = 0;; round++) {
		int device = mk_device(), fd;
		bool real = round % 2 && shared->real >= 0 && shared->rootfs >= 0;
		char name[16];

		snprintf(name, sizeof(name), "victim-%d", round % 3);
		fd = mk_create(device, name, flags);
		if (fd < 0 ||
		    mk_prepare(fd, shared->cpus, shared->count, real ? MEMORY_REAL : MEMORY,
			       real ? shared->real : shared->tiny[MK_TINY_STAY],
			       real ? shared->rootfs : -1, NULL) ||
		    mk_start(fd) || mk_destroy(fd, MK_DESTROY_FORCE)) {
			fprintf(stderr, "# %s: %s\n", name, mk_text);
			_exit(1);
		}
		close(fd);
		close(device);
	}
}

#define KILL_ROUNDS(flags)								\
do {											\
	struct shared *__shared = &self->shared;					\
	unsigned int __seed = 1;							\
	int __rounds = 0, __left = 0;							\
											\
	__shared->end = after(seconds / 2);						\
	while (!is_over(&__shared->end)) {						\
		/* Anywhere in the two rounds that take so long. */			\
		const struct timespec __while = {					\
			.tv_sec = rand_r(&__seed) % 3,					\
			.tv_nsec = rand_r(&__seed) % 1000000000,			\
		};									\
		int __status;								\
		pid_t __child = fork();							\
											\
		if (!__child)								\
			live_and_die(__shared, flags);					\
		ASSERT_LT(0, __child);							\
		nanosleep(&__while, NULL);						\
		ASSERT_EQ(0, kill(__child, SIGKILL));					\
		ASSERT_EQ(__child, waitpid(__child, &__status, 0));			\
		/* It did not end by itself, as it does when a call fails. */		\
		ASSERT_TRUE(WIFSIGNALED(__status));					\
		for (int __n = 0; __n < 3; __n++) {					\
			char __name[16];						\
			int __swept;							\
											\
			snprintf(__name, sizeof(__name), "victim-%d", __n);		\
			__swept = sweep(self->device, __name);				\
			ASSERT_OK(__swept);						\
			__left += __swept;						\
		}									\
		EXPECT_UNCHANGED(&self->before);					\
		ASSERT_FALSE(_metadata->exit_code);					\
		__rounds++;								\
	}										\
	ksft_print_msg("killed %d times, %d instances left\n", __rounds, __left);	\
	EXPECT_LT(0, __rounds);								\
	/* What is named stays, and what goes with its creator does not. */		\
	if ((flags) & MK_CREATE_AUTO_DESTROY) {						\
		EXPECT_EQ(0, __left);							\
	} else {									\
		EXPECT_LT(0, __left);							\
	}										\
} while (0)

TEST_F_TIMEOUT(stress, process_killed, LONG)
{
	KILL_ROUNDS(0);
}

TEST_F_TIMEOUT(stress, process_killed_with_its_instance, LONG)
{
	KILL_ROUNDS(MK_CREATE_AUTO_DESTROY);
}

int main(int argc, char **argv)
{
	if (argc > 1 && isdigit(*argv[argc - 1]))
		seconds = atoi(argv[--argc]);
	return test_harness_run(argc, argv);
}
