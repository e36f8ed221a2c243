// SPDX-License-Identifier: GPL-2.0
/*
 * The life of an instance: every call in every state, calls while another one
 * is under way, and who is told of a change.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include "kselftest_harness.h"
#include "mk.h"

/* Places in a life that make a difference. */
enum place {
	NEW,
	WITH_MEMORY,
	WITH_CPUS,
	WITH_BOTH,
	LOADED_WITHOUT_CPUS,
	LOADED,
	RUNNING,
	STOPPED,
	CRASHED,
};

static const __u32 STATES[] = {
	[NEW] = MK_STATE_CREATED,
	[WITH_MEMORY] = MK_STATE_CREATED,
	[WITH_CPUS] = MK_STATE_CREATED,
	[WITH_BOTH] = MK_STATE_CREATED,
	[LOADED_WITHOUT_CPUS] = MK_STATE_LOADED,
	[LOADED] = MK_STATE_LOADED,
	[RUNNING] = MK_STATE_RUNNING,
	[STOPPED] = MK_STATE_STOPPED,
	[CRASHED] = MK_STATE_CRASHED,
};

enum call {
	SET_CPUS, SET_MEMORY, SET_HEARTBEAT, LOAD, START, PING, STOP, CONSOLE, KILL, DESTROY,
	DESTROY_FORCE, CALLS
};

static const char *const CALL_NAMES[] = {
	"MK_SET_CPUS", "MK_SET_MEMORY", "MK_SET_HEARTBEAT", "MK_LOAD", "MK_START", "MK_PING",
	"MK_STOP", "MK_CONSOLE", "MK_KILL", "MK_DESTROY", "MK_DESTROY with force",
};

/* No state: it is gone. */
#define GONE	-1

/* What a call does: it fails with an errno and says why, or a state follows. */
struct outcome {
	int error;
	int next;
	const char *text;
};

#define FAILS(error, text)	{ error, 0, text }
#define LEADS_TO(state)		{ 0, state, NULL }

static const struct outcome OUTCOMES[][CALLS] = {
	[NEW] = {
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_CREATED), FAILS(EBADFD, "set its memory first"),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is created"),
		FAILS(EBADFD, "is created"), LEADS_TO(MK_STATE_CREATED),
		FAILS(EBADFD, "is created"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[WITH_MEMORY] = {
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is created"),
		FAILS(EBADFD, "is created"), LEADS_TO(MK_STATE_CREATED),
		FAILS(EBADFD, "is created"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[WITH_CPUS] = {
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_CREATED), FAILS(EBADFD, "set its memory first"),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is created"),
		FAILS(EBADFD, "is created"), LEADS_TO(MK_STATE_CREATED),
		FAILS(EBADFD, "is created"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[WITH_BOTH] = {
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_CREATED), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is created"),
		FAILS(EBADFD, "is created"), LEADS_TO(MK_STATE_CREATED),
		FAILS(EBADFD, "is created"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[LOADED_WITHOUT_CPUS] = {
		LEADS_TO(MK_STATE_LOADED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_LOADED), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "set its CPUs first"), FAILS(EBADFD, "is loaded"),
		FAILS(EBADFD, "is loaded"), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "is loaded"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[LOADED] = {
		LEADS_TO(MK_STATE_LOADED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_LOADED), LEADS_TO(MK_STATE_LOADED),
		LEADS_TO(MK_STATE_RUNNING), FAILS(EBADFD, "is loaded"),
		FAILS(EBADFD, "is loaded"), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "is loaded"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[RUNNING] = {
		FAILS(EBUSY, "kill it first"), FAILS(EBUSY, "kill it first"),
		FAILS(EBUSY, "kill it first"), FAILS(EBUSY, "kill it first"),
		FAILS(EBUSY, "kill it first"), FAILS(ENOTCONN, "agent is not there"),
		FAILS(ENOTCONN, "agent is not there"), LEADS_TO(MK_STATE_RUNNING),
		LEADS_TO(MK_STATE_STOPPED), FAILS(EBUSY, "kill it first"), LEADS_TO(GONE),
	},
	[STOPPED] = {
		LEADS_TO(MK_STATE_STOPPED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_STOPPED), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is stopped"),
		FAILS(EBADFD, "is stopped"), LEADS_TO(MK_STATE_STOPPED),
		FAILS(EBADFD, "is stopped"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
	[CRASHED] = {
		LEADS_TO(MK_STATE_CRASHED), LEADS_TO(MK_STATE_CREATED),
		LEADS_TO(MK_STATE_CRASHED), LEADS_TO(MK_STATE_LOADED),
		FAILS(EBADFD, "load a kernel first"), FAILS(EBADFD, "is crashed"),
		FAILS(EBADFD, "is crashed"), LEADS_TO(MK_STATE_CRASHED),
		FAILS(EBADFD, "is crashed"), LEADS_TO(GONE), LEADS_TO(GONE),
	},
};

/* A kernel that panics. It unpacks itself, which hosts that look for faults take long for. */
#define PANICS	MK_SOON " mem=64T mk.act=panic"
/* The same, sooner: its init ends at once. */
#define PANICS_SOON	MK_SOON " mem=64T rdinit=/bin/busybox"

/* What instances are made of, for all tests here. */
#define PARTS										\
	MK_FIXTURE;									\
	int kernel;									\
	__u32 cpus[2];									\
	int count

#define SET_UP_PARTS									\
do {											\
	MK_SETUP;									\
	self->count = mk_lendable(self->device, self->cpus, ARRAY_LEN(self->cpus));	\
	if (!self->count)								\
		MK_SKIP("no CPU can be lent");						\
	self->kernel = mk_tiny_kernel(MK_TINY_STAY);					\
	ASSERT_OK(self->kernel);							\
} while (0)

/* ---- every call in every state -------------------------------------------- */

FIXTURE(life)
{
	PARTS;
	int fd;
};

FIXTURE_VARIANT(life)
{
	enum place place;
};

FIXTURE_VARIANT_ADD(life, new)
{
	.place = NEW,
};

FIXTURE_VARIANT_ADD(life, with_memory)
{
	.place = WITH_MEMORY,
};

FIXTURE_VARIANT_ADD(life, with_cpus)
{
	.place = WITH_CPUS,
};

FIXTURE_VARIANT_ADD(life, with_both)
{
	.place = WITH_BOTH,
};

FIXTURE_VARIANT_ADD(life, loaded_without_cpus)
{
	.place = LOADED_WITHOUT_CPUS,
};

FIXTURE_VARIANT_ADD(life, loaded)
{
	.place = LOADED,
};

FIXTURE_VARIANT_ADD(life, running)
{
	.place = RUNNING,
};

FIXTURE_VARIANT_ADD(life, stopped)
{
	.place = STOPPED,
};

FIXTURE_VARIANT_ADD(life, crashed)
{
	.place = CRASHED,
};

FIXTURE_SETUP(life)
{
	SET_UP_PARTS;
}

FIXTURE_TEARDOWN(life)
{
	close(self->kernel);
	MK_TEARDOWN;
}

/* A new instance at @place; returns its descriptor, or -errno. */
static int bring_to(int device, enum place place, int kernel, const __u32 *cpus, int count)
{
	int fd = mk_create(device, "life", MK_CREATE_AUTO_DESTROY), result = 0, rootfs = -1;

	if (fd < 0)
		return fd;
	if (place == CRASHED) {
		kernel = mk_real_kernel();
		rootfs = mk_real_rootfs();
	}
	if (place != NEW && place != WITH_MEMORY && place != LOADED_WITHOUT_CPUS)
		result = mk_set_cpus(fd, cpus, count);
	if (!result && place != NEW && place != WITH_CPUS)
		result = mk_set_memory(fd, place == CRASHED ? MEMORY_REAL : MEMORY);
	if (!result && place >= LOADED_WITHOUT_CPUS)
		result = mk_load(fd, kernel, rootfs, PANICS_SOON);
	if (!result && place >= RUNNING)
		result = mk_start(fd);
	if (!result && place == STOPPED)
		result = mk_kill(fd);
	if (!result && place == CRASHED) {
		result = mk_wait_while(fd, MK_STATE_RUNNING);
		close(kernel);
		close(rootfs);
	}
	if (!result)
		result = mk_state(fd);
	if (result != STATES[place]) {
		close(fd);
		return result < 0 ? result : -EBADFD;
	}
	return fd;
}

static int make_call(int fd, enum call call, int kernel, const __u32 *cpus, int count)
{
	int result;

	switch (call) {
	case SET_CPUS:
		return mk_set_cpus(fd, cpus, count);
	case SET_MEMORY:
		return mk_set_memory(fd, MEMORY);
	case SET_HEARTBEAT:
		return mk_set_heartbeat(fd, MK_HUNG_MS);
	case LOAD:
		return mk_load(fd, kernel, -1, NULL);
	case START:
		return mk_start(fd);
	case PING:
		return mk_ask(fd, MK_PING, 0);
	case STOP:
		return mk_ask(fd, MK_STOP, 0);
	case CONSOLE:
		result = mk_console(fd, MK_CONSOLE_WRITE);
		return result < 0 ? result : close(result);
	case KILL:
		return mk_kill(fd);
	case DESTROY:
		return mk_destroy(fd, 0);
	default:
		return mk_destroy(fd, MK_DESTROY_FORCE);
	}
}

TEST_F_TIMEOUT(life, every_call, TIMEOUT)
{
	int fd = -1;

	if (variant->place == CRASHED && (mk_real_kernel() < 0 || mk_real_rootfs() < 0))
		MK_SKIP("MK_KERNEL or MK_ROOTFS is not set");
	for (enum call call = 0; call < CALLS; call++) {
		const struct outcome *outcome = &OUTCOMES[variant->place][call];
		struct mk_info before, after;
		struct mk_host host;

		if (fd < 0)
			fd = bring_to(self->device, variant->place, self->kernel, self->cpus,
				      self->count);
		ASSERT_OK(fd);
		ASSERT_OK(mk_info(fd, &before));
		mk_host(self->device, &host);
		if (outcome->error) {
			/* It is as it was, and nobody is told of anything. */
			EXPECT_REFUSED(&host, outcome->error, outcome->text,
				       make_call(fd, call, self->kernel, self->cpus, self->count));
			ASSERT_OK(mk_info(fd, &after));
			after.header = before.header;
			EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
				TH_LOG("%s changed it", CALL_NAMES[call]);
			ASSERT_FALSE(_metadata->exit_code)
				TH_LOG("%s", CALL_NAMES[call]);
			continue;
		}
		EXPECT_OK(make_call(fd, call, self->kernel, self->cpus, self->count));
		EXPECT_EQ(outcome->next == GONE ? -ENODEV : outcome->next, mk_state(fd));
		ASSERT_FALSE(_metadata->exit_code)
			TH_LOG("%s", CALL_NAMES[call]);
		/* The next one may need one that is where this one was. */
		if (outcome->next == STATES[variant->place] && STATES[variant->place] >= RUNNING)
			continue;
		close(fd);
		fd = -1;
		EXPECT_UNCHANGED(&self->before);
	}
	close(fd);
}

/* ---- reasons ------------------------------------------------------------- */

FIXTURE(change)
{
	PARTS;
	int fd;
};

FIXTURE_SETUP(change)
{
	SET_UP_PARTS;
	self->fd = mk_create(self->device, "change", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->fd);
}

FIXTURE_TEARDOWN(change)
{
	close(self->fd);
	close(self->kernel);
	MK_TEARDOWN;
}

static int events(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLPRI | POLLIN | POLLOUT };
	int result = poll(&poll_fd, 1, 0);

	return result < 0 ? -errno : poll_fd.revents;
}

/* An instance that ends by itself tells why, and its CPUs come back. */
TEST_F_TIMEOUT(change, ends_of_its_own, TIMEOUT)
{
	static const struct {
		enum mk_tiny what;
		__u32 reason;
	} ENDS[] = {
		{ MK_TINY_RESTART, MK_REASON_RESTART },
		{ MK_TINY_POWER_OFF, MK_REASON_HALT },
		{ MK_TINY_HALT, MK_REASON_HALT },
	};

	for (int n = 0; n < 4 * ARRAY_LEN(ENDS); n++) {
		int which = n % ARRAY_LEN(ENDS), kernel = mk_tiny_kernel(ENDS[which].what);
		struct mk_host loaded;
		struct mk_info info;

		ASSERT_OK(kernel);
		ASSERT_OK(mk_prepare(self->fd, self->cpus, self->count, MEMORY, kernel, -1, NULL));
		mk_host(self->device, &loaded);
		ASSERT_OK(mk_start(self->fd));
		EXPECT_EQ(MK_STATE_STOPPED, mk_wait_while(self->fd, MK_STATE_RUNNING));
		ASSERT_OK(mk_info(self->fd, &info));
		EXPECT_EQ(ENDS[which].reason, info.reason);
		EXPECT_STREQ("", info.text);
		EXPECT_EQ(n + 1, info.runs);
		EXPECT_LT(0, info.started);
		EXPECT_LE(info.started, info.ended);
		EXPECT_LT(0, info.take_ns);
		EXPECT_LT(0, info.give_ns);
		EXPECT_LT(0, info.load_ns);
		EXPECT_LT(0, info.ready_ns);
		/* Nothing is loaded any more. */
		loaded.slots_free++;
		EXPECT_REFUSED(&loaded, EBADFD, "is stopped", mk_kill(self->fd));
		close(kernel);
	}
}

TEST_F_TIMEOUT(change, panics, TIMEOUT)
{
	int kernel = mk_real_kernel(), rootfs = mk_real_rootfs();
	struct mk_info info;

	if (kernel < 0 || rootfs < 0)
		MK_SKIP("MK_KERNEL or MK_ROOTFS is not set");
	ASSERT_OK(mk_prepare(self->fd, self->cpus, self->count, MEMORY_REAL, kernel, rootfs,
			     PANICS));
	ASSERT_OK(mk_start(self->fd));
	EXPECT_EQ(MK_STATE_CRASHED, mk_wait_while(self->fd, MK_STATE_RUNNING));
	ASSERT_OK(mk_info(self->fd, &info));
	EXPECT_EQ(MK_REASON_PANIC, info.reason);
	EXPECT_NE(NULL, strstr(info.text, "sysrq triggered crash"))
		TH_LOG("it says \"%s\"", info.text);
	/* It is forgotten with what comes next. */
	ASSERT_OK(mk_load(self->fd, self->kernel, -1, NULL));
	ASSERT_OK(mk_info(self->fd, &info));
	EXPECT_EQ(MK_REASON_NONE, info.reason);
	EXPECT_STREQ("", info.text);
	close(rootfs);
	close(kernel);
}

/* ---- poll() -------------------------------------------------------------- */

TEST_F_TIMEOUT(change, is_polled, TIMEOUT)
{
	int other = mk_open(self->device, "change");
	struct mk_info info, then;

	ASSERT_OK(other);
	EXPECT_EQ(0, events(self->fd));
	ASSERT_OK(mk_set_cpus(self->fd, self->cpus, self->count));
	ASSERT_OK(mk_set_memory(self->fd, MEMORY));
	/* Its state is still the same. */
	EXPECT_EQ(0, events(self->fd));
	EXPECT_EQ(0, events(other));

	ASSERT_OK(mk_info(self->fd, &then));
	ASSERT_OK(mk_load(self->fd, self->kernel, -1, NULL));
	EXPECT_EQ(POLLPRI, events(self->fd));
	EXPECT_EQ(POLLPRI, events(other));
	/* Each descriptor for itself, until it has asked. */
	ASSERT_OK(mk_info(self->fd, &info));
	EXPECT_EQ(then.generation + 1, info.generation);
	EXPECT_EQ(0, events(self->fd));
	EXPECT_EQ(POLLPRI, events(other));
	EXPECT_EQ(POLLPRI, events(other));
	ASSERT_OK(mk_info(other, &info));
	EXPECT_EQ(0, events(other));

	/* Who fails to be told is not taken to know. */
	ASSERT_OK(mk_set_memory(self->fd, MEMORY));
	info = (struct mk_info){
		.header = { .size = sizeof(info) },
		.ranges = 1,
		.nr_ranges = 1,
	};
	EXPECT_EQ(-EFAULT, mk_call(other, MK_INFO, &info));
	EXPECT_EQ(POLLPRI, events(other));
	/* A new descriptor knows what there was when it was opened. */
	close(other);
	other = mk_open(self->device, "change");
	ASSERT_OK(other);
	EXPECT_EQ(0, events(other));
	EXPECT_EQ(POLLPRI, events(self->fd));
	/* Two changes are one event. */
	ASSERT_OK(mk_load(self->fd, self->kernel, -1, NULL));
	ASSERT_OK(mk_start(self->fd));
	ASSERT_OK(mk_kill(self->fd));
	ASSERT_OK(mk_info(self->fd, &info));
	EXPECT_EQ(0, events(self->fd));
	EXPECT_EQ(POLLPRI, events(other));
	/* And who is gone stays gone. */
	ASSERT_OK(mk_destroy(self->fd, 0));
	EXPECT_EQ(POLLPRI | POLLHUP, events(other));
	EXPECT_EQ(-ENODEV, mk_state(other));
	EXPECT_EQ(POLLPRI | POLLHUP, events(other));
	close(other);
}

/* A thread that waits for one change. */
struct waiter {
	int fd;
	int revents;
	pid_t tid;
};

static void *wait_for_change(void *argument)
{
	struct waiter *waiter = argument;
	struct pollfd poll_fd = { .fd = waiter->fd, .events = POLLPRI };

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->revents = poll(&poll_fd, 1, TIMEOUT_MS) < 0 ? -errno : poll_fd.revents;
	return NULL;
}

/* Returns when the waiter sleeps. */
static void await_sleep(struct waiter *waiter)
{
	char path[64], line[512] = "", *state;
	pid_t tid;

	do {
		sched_yield();
		tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		state = tid && mk_read_line(path, line, sizeof(line)) > 0 ? strrchr(line, ')') : NULL;
	} while (!state || state[2] != 'S');
}

TEST_F_TIMEOUT(change, wakes_who_waits, TIMEOUT)
{
	static const int CALLED[] = { LOAD, START, KILL, DESTROY };
	struct waiter waiters[2] = { { .fd = self->fd } };

	waiters[1].fd = mk_open(self->device, "change");
	ASSERT_OK(waiters[1].fd);
	ASSERT_OK(mk_set_cpus(self->fd, self->cpus, self->count));
	ASSERT_OK(mk_set_memory(self->fd, MEMORY));
	for (int n = 0; n < ARRAY_LEN(CALLED); n++) {
		pthread_t threads[2];

		for (int who = 0; who < 2; who++) {
			waiters[who].tid = 0;
			ASSERT_LE(0, mk_state(waiters[who].fd));
			ASSERT_EQ(0, pthread_create(&threads[who], NULL, wait_for_change,
						    &waiters[who]));
		}
		for (int who = 0; who < 2; who++)
			await_sleep(&waiters[who]);
		ASSERT_OK(make_call(self->fd, CALLED[n], self->kernel, self->cpus, self->count));
		for (int who = 0; who < 2; who++) {
			ASSERT_EQ(0, pthread_join(threads[who], NULL));
			EXPECT_EQ(CALLED[n] == DESTROY ? POLLPRI | POLLHUP : POLLPRI,
				  waiters[who].revents)
				TH_LOG("after %s", CALL_NAMES[CALLED[n]]);
		}
	}
	close(waiters[1].fd);
}

/* ---- while another call is under way -------------------------------------- */

struct slow {
	int fd;
	int kernel;
	int initrd;
	int result;
	char text[sizeof(mk_text)];
};

static void *load_slowly(void *argument)
{
	struct slow *slow = argument;

	slow->result = mk_load(slow->fd, slow->kernel, slow->initrd, NULL);
	strcpy(slow->text, mk_text);
	return NULL;
}

static void *start_and_kill(void *argument)
{
	struct slow *slow = argument;

	/* Those who look may be in the way themselves, for a moment. */
	do {
		slow->result = mk_start(slow->fd);
	} while (slow->result == -EBUSY);
	if (slow->result)
		return NULL;
	do {
		slow->result = mk_kill(slow->fd);
	} while (slow->result == -EBUSY);
	return NULL;
}

/*
 * In each state that is not MK_STATE_RUNNING, this fails with EBADFD unless
 * something is under way; and it changes nothing.
 */
static bool is_busy(int fd)
{
	return mk_kill(fd) == -EBUSY && strstr(mk_text, "under way");
}

TEST_F_TIMEOUT(change, of_one_that_is_busy, TIMEOUT)
{
	struct slow slow = { .fd = self->fd, .kernel = self->kernel };
	int seen = 0;

	ASSERT_OK(mk_set_cpus(self->fd, self->cpus, self->count));
	ASSERT_OK(mk_set_memory(self->fd, 6 * MEMORY));
	/* It counts if the load was under way before and after. */
	for (int tries = 0; tries < 20 && !seen; tries++) {
		int results[CALLS], states[2], other, others[3];
		pthread_t thread;
		bool before, after;

		slow.initrd = mk_large_initrd(self->fd);
		ASSERT_OK(slow.initrd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, load_slowly, &slow));
		for (int n = 0; n < 100000; n++) {
			before = is_busy(self->fd);
			if (before)
				break;
		}
		states[0] = mk_state(self->fd);
		for (enum call call = 0; before && call < CALLS; call++) {
			/* Those that would go on after the load are not made after it. */
			results[call] = make_call(self->fd, call, self->kernel, self->cpus,
						  self->count);
		}
		/* Another one is not kept waiting. */
		other = mk_create(self->device, "meanwhile", MK_CREATE_AUTO_DESTROY);
		others[0] = mk_set_cpus(other, self->cpus, self->count);
		others[1] = mk_state(other);
		others[2] = mk_destroy(other, 0);
		states[1] = mk_state(self->fd);
		after = is_busy(self->fd);
		close(other);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		close(slow.initrd);
		if (!before || !after) {
			/* Too late: it may be anything by now. */
			close(self->fd);
			self->fd = mk_create(self->device, "change", MK_CREATE_AUTO_DESTROY);
			ASSERT_OK(self->fd);
			slow.fd = self->fd;
			ASSERT_OK(mk_set_cpus(self->fd, self->cpus, self->count));
			ASSERT_OK(mk_set_memory(self->fd, 6 * MEMORY));
			continue;
		}
		seen++;
		EXPECT_EQ(0, slow.result)
			TH_LOG("%s", slow.text);
		for (enum call call = 0; call < CALLS; call++) {
			int wanted = -EBUSY;

			/* What only asks does not wait for its turn, nor what is for later. */
			if (call == PING || call == STOP)
				wanted = -EBADFD;
			else if (call == SET_HEARTBEAT || call == CONSOLE)
				wanted = 0;
			EXPECT_EQ(wanted, results[call])
				TH_LOG("%s", CALL_NAMES[call]);
		}
		EXPECT_EQ(MK_STATE_CREATED, states[0]);
		EXPECT_EQ(MK_STATE_CREATED, states[1]);
		EXPECT_LE(0, other);
		/* The CPUs are those of the busy one. */
		EXPECT_EQ(-EBUSY, others[0]);
		EXPECT_EQ(MK_STATE_CREATED, others[1]);
		EXPECT_EQ(0, others[2]);
		EXPECT_EQ(MK_STATE_LOADED, mk_state(self->fd));
	}
	EXPECT_EQ(1, seen)
		TH_LOG("the load was never seen from begin to end");
}

/* Nor is anybody kept waiting while CPUs are taken and given back. */
TEST_F_TIMEOUT(change, of_one_that_starts, TIMEOUT)
{
	struct slow slow = { .fd = self->fd };
	int seen = 0;

	ASSERT_OK(mk_prepare(self->fd, self->cpus, self->count, MEMORY, self->kernel, -1, NULL));
	for (int tries = 0; tries < 20 && !seen; tries++) {
		pthread_t thread;
		int other, state;

		ASSERT_OK(mk_load(self->fd, self->kernel, -1, NULL));
		ASSERT_EQ(0, pthread_create(&thread, NULL, start_and_kill, &slow));
		for (int n = 0; n < 100000 && !seen; n++) {
			if (mk_set_cpus(self->fd, self->cpus, self->count) != -EBUSY)
				continue;
			other = mk_create(self->device, "meanwhile", MK_CREATE_AUTO_DESTROY);
			state = mk_state(other);
			EXPECT_EQ(MK_STATE_CREATED, state);
			EXPECT_EQ(0, mk_destroy(other, 0));
			close(other);
			/* It counts if that was before the start has told that it is done. */
			seen += mk_state(self->fd) == MK_STATE_LOADED;
			break;
		}
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, slow.result);
	}
	EXPECT_EQ(1, seen)
		TH_LOG("the start was never seen");
}

TEST_HARNESS_MAIN
