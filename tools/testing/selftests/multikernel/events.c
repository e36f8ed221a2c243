// SPDX-License-Identifier: GPL-2.0
/*
 * What descriptors of events tell, and when.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "mk.h"

/* So many are kept, and what comes in an instance's life without a start. */
#define KEPT		256
#define A_LIFE		2

FIXTURE(events)
{
	MK_FIXTURE;
	int fd;
};

static int open_events(int device, __u32 event_size)
{
	struct mk_events argument = {
		.header = { .size = sizeof(argument) },
		.event_size = event_size,
	};

	return mk_call(device, MK_EVENTS, &argument);
}

/* With nothing left to read. */
static int open_at_end(int device)
{
	struct mk_event events[KEPT];
	int fd = open_events(device, sizeof(*events));

	if (fd >= 0) {
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
		while (read(fd, events, sizeof(events)) > 0)
			;
		fcntl(fd, F_SETFL, O_RDWR);
	}
	return fd;
}

FIXTURE_SETUP(events)
{
	MK_SETUP;
	self->fd = open_at_end(self->device);
	ASSERT_OK(self->fd);
}

FIXTURE_TEARDOWN(events)
{
	close(self->fd);
	MK_TEARDOWN;
}

static __u64 now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Without waiting for it: POLLIN, or 0. */
static int polled(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	poll(&poll_fd, 1, 0);
	return poll_fd.revents;
}

/* An instance comes and goes. */
static void live(int device, const char *name)
{
	int fd = mk_create(device, name, 0);

	mk_destroy(fd, 0);
	close(fd);
}

TEST_F_TIMEOUT(events, the_life_of_an_instance, TIMEOUT)
{
	static const struct {
		__u32 what, state, reason;
		__u64 run;
	} LIFE[] = {
		{ MK_EVENT_CREATED },
		{ MK_EVENT_STATE, MK_STATE_LOADED },
		{ MK_EVENT_STATE, MK_STATE_RUNNING, .run = 1 },
		{ MK_EVENT_STATE, MK_STATE_STOPPED, MK_REASON_RESTART, 1 },
		{ MK_EVENT_STATE, MK_STATE_LOADED, .run = 1 },
		{ MK_EVENT_STATE, MK_STATE_RUNNING, .run = 2 },
		{ MK_EVENT_STATE, MK_STATE_STOPPED, MK_REASON_KILLED, 2 },
		{ MK_EVENT_STATE, MK_STATE_CREATED, .run = 2 },
		{ MK_EVENT_DESTROYED, .run = 2 },
	};
	struct mk_event events[ARRAY_LEN(LIFE) + 1] = {};
	int restarts = mk_tiny_kernel(MK_TINY_RESTART), stays = mk_tiny_kernel(MK_TINY_STAY), fd;
	__u64 boottime = now(CLOCK_BOOTTIME), realtime = now(CLOCK_REALTIME);
	__u32 cpu;

	if (mk_lendable(self->device, &cpu, 1) < 1)
		MK_SKIP("no CPU can be lent");
	fd = mk_create(self->device, "life", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(fd);
	ASSERT_OK(mk_prepare(fd, &cpu, 1, MEMORY, restarts, -1, NULL));
	ASSERT_OK(mk_start(fd));
	EXPECT_EQ(MK_STATE_STOPPED, mk_wait_while(fd, MK_STATE_RUNNING));
	ASSERT_OK(mk_load(fd, stays, -1, NULL));
	ASSERT_OK(mk_start(fd));
	ASSERT_OK(mk_kill(fd));
	ASSERT_OK(mk_set_memory(fd, MEMORY));
	close(fd);

	ASSERT_EQ(sizeof(LIFE) / sizeof(*LIFE) * sizeof(*events),
		  read(self->fd, events, sizeof(events)));
	for (int n = 0; n < ARRAY_LEN(LIFE); n++) {
		const struct mk_event *event = &events[n];

		EXPECT_EQ(LIFE[n].what, event->what)
			TH_LOG("event %d", n);
		EXPECT_EQ(LIFE[n].state, event->state)
			TH_LOG("event %d", n);
		EXPECT_EQ(LIFE[n].reason, event->reason)
			TH_LOG("event %d", n);
		EXPECT_EQ(LIFE[n].run, event->run)
			TH_LOG("event %d", n);
		EXPECT_EQ(events[0].seq + n, event->seq);
		EXPECT_EQ(events[0].instance, event->instance);
		EXPECT_EQ(0, event->lost);
		EXPECT_EQ(0, event->reserved);
		EXPECT_STREQ("life", event->name);
		EXPECT_STREQ("", event->text);
		EXPECT_LE(boottime, event->boottime);
		EXPECT_LE(realtime, event->realtime);
		boottime = event->boottime;
		realtime = event->realtime;
	}
	EXPECT_GE(now(CLOCK_BOOTTIME), boottime);
	EXPECT_GE(now(CLOCK_REALTIME), realtime);
	close(restarts);
	close(stays);
}

TEST_F_TIMEOUT(events, as_many_as_fit, TIMEOUT)
{
	struct mk_event events[3], zero = {};
	const __u32 larger = sizeof(*events) + 8;
	unsigned char wide[3 * larger];
	int fd;

	live(self->device, "one");
	live(self->device, "two");
	EXPECT_EQ(-1, read(self->fd, events, sizeof(*events) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(2 * sizeof(*events), read(self->fd, events, 3 * sizeof(*events) - 1));
	EXPECT_STREQ("one", events[0].name);
	EXPECT_EQ(MK_EVENT_DESTROYED, events[1].what);
	EXPECT_EQ(sizeof(*events), read(self->fd, events, sizeof(*events)));
	EXPECT_STREQ("two", events[0].name);
	EXPECT_EQ(MK_EVENT_CREATED, events[0].what);
	EXPECT_LT(events[1].instance, events[0].instance);
	EXPECT_EQ(sizeof(*events), read(self->fd, events, sizeof(events)));
	EXPECT_EQ(MK_EVENT_DESTROYED, events[0].what);

	/* A caller that knows more gets zeros for it. */
	fd = open_events(self->device, larger);
	ASSERT_OK(fd);
	memset(wide, 0xff, sizeof(wide));
	EXPECT_EQ(2 * larger, read(fd, wide, sizeof(wide) - 1));
	for (int n = 0; n < 2; n++)
		EXPECT_EQ(0, memcmp(wide + n * larger + sizeof(*events), &zero, 8));
	close(fd);
}

TEST_F_TIMEOUT(events, sizes_that_are_refused, TIMEOUT)
{
	static const struct {
		__u32 size;
		int error;
	} SIZES[] = {
		{ 0, EINVAL }, { sizeof(struct mk_event) - 8, EINVAL },
		{ sizeof(struct mk_event) + 1, EINVAL }, { 4104, E2BIG }, { UINT32_MAX - 7, E2BIG },
	};
	int fd;

	for (int n = 0; n < ARRAY_LEN(SIZES); n++)
		EXPECT_REFUSED(&self->before, SIZES[n].error, "event_size",
			       open_events(self->device, SIZES[n].size));
	fd = open_events(self->device, 4096);
	EXPECT_OK(fd);
	close(fd);
}

TEST_F_TIMEOUT(events, nothing_to_read, TIMEOUT)
{
	struct mk_event event;

	EXPECT_EQ(0, polled(self->fd));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	live(self->device, "poll");
	EXPECT_EQ(POLLIN, polled(self->fd));
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(POLLIN, polled(self->fd));
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(0, polled(self->fd));
	EXPECT_EQ(-1, write(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EINVAL, errno);
}

/* What cannot be copied is there for the next that reads. */
TEST_F_TIMEOUT(events, addresses, TIMEOUT)
{
	char *pages = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mk_event event;
	char *edge;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, mprotect(pages + 4096, 4096, PROT_NONE));
	live(self->device, "edge");
	EXPECT_EQ(-1, read(self->fd, pages + 4096, 4096));
	EXPECT_EQ(EFAULT, errno);
	edge = pages + 4096 - sizeof(event) - 8;
	EXPECT_EQ(-1, read(self->fd, pages + 4096 - 8, 4096));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(sizeof(event), read(self->fd, edge, 2 * sizeof(event)));
	EXPECT_EQ(MK_EVENT_CREATED, ((struct mk_event *)edge)->what);
	EXPECT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(MK_EVENT_DESTROYED, event.what);
	EXPECT_EQ(((struct mk_event *)edge)->seq + 1, event.seq);
	munmap(pages, 2 * 4096);
}

/* ---- waiting --------------------------------------------------------------- */

struct waiter {
	int fd;
	pid_t tid;
	int error;
	struct mk_event event;
};

static void nothing(int signal)
{
	(void)signal;
}

static void *wait_for_one(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	if (read(waiter->fd, &waiter->event, sizeof(waiter->event)) != sizeof(waiter->event))
		waiter->error = errno;
	return NULL;
}

/* Begins to read, and returns when that waits. */
static pthread_t begin(struct waiter *waiter)
{
	char path[64], line[64];
	pthread_t thread;
	pid_t tid;

	pthread_create(&thread, NULL, wait_for_one, waiter);
	while (!(tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE)))
		;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	/* The number of read() is 0. */
	do {
		usleep(1000);
	} while (mk_read_line(path, line, sizeof(line)) < 0 || strncmp(line, "0 ", 2));
	return thread;
}

TEST_F_TIMEOUT(events, who_waits_is_woken, TIMEOUT)
{
	struct waiter waiter = { .fd = self->fd };
	pthread_t thread = begin(&waiter);

	live(self->device, "wake");
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.error);
	EXPECT_EQ(MK_EVENT_CREATED, waiter.event.what);
	EXPECT_STREQ("wake", waiter.event.name);
}

TEST_F_TIMEOUT(events, a_signal_ends_the_wait, TIMEOUT)
{
	struct waiter waiter = { .fd = self->fd };
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	thread = begin(&waiter);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	EXPECT_EQ(EINTR, waiter.error);
}

/* ---- none is lost, or that is told ----------------------------------------- */

TEST_F_TIMEOUT(events, none_is_lost_for_who_keeps_up, TIMEOUT)
{
	struct mk_event event;
	__u64 next = 0;

	for (int n = 0; n < 3 * KEPT; n++) {
		/* As far behind as one can be. */
		if (n == 0) {
			for (int life = 0; life < KEPT / A_LIFE; life++)
				live(self->device, "keeps-up");
		} else if (n % A_LIFE == 0) {
			live(self->device, "keeps-up");
		}
		ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
		EXPECT_EQ(0, event.lost);
		if (n > 0)
			ASSERT_EQ(next, event.seq);
		next = event.seq + 1;
		EXPECT_EQ(n % A_LIFE ? MK_EVENT_DESTROYED : MK_EVENT_CREATED, event.what);
	}
}

TEST_F_TIMEOUT(events, who_falls_behind_is_told, TIMEOUT)
{
	const int lives = KEPT / A_LIFE + 20;
	struct mk_event first, events[KEPT + 1];
	int later;

	live(self->device, "first");
	ASSERT_EQ(sizeof(first), read(self->fd, &first, sizeof(first)));
	for (int life = 0; life < lives; life++)
		live(self->device, "behind");
	ASSERT_EQ(KEPT * sizeof(*events), read(self->fd, events, sizeof(events)));
	/* One of the first instance's is among what is lost. */
	EXPECT_EQ(lives * A_LIFE + 1 - KEPT, events[0].lost);
	EXPECT_EQ(first.seq + 1 + events[0].lost, events[0].seq);
	for (int n = 1; n < KEPT; n++) {
		EXPECT_EQ(0, events[n].lost);
		EXPECT_EQ(events[0].seq + n, events[n].seq);
	}
	EXPECT_EQ(0, polled(self->fd));

	/* Who comes later has lost nothing. */
	later = open_events(self->device, sizeof(first));
	ASSERT_OK(later);
	ASSERT_EQ(sizeof(first), read(later, &first, sizeof(first)));
	EXPECT_EQ(0, first.lost);
	EXPECT_EQ(events[0].seq, first.seq);
	close(later);
}

TEST_HARNESS_MAIN
