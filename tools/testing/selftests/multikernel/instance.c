// SPDX-License-Identifier: GPL-2.0
/*
 * Instances: their names, how many there can be, the slots that they take, and when
 * they go.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "mk.h"

/* Instances, and slots: there are no more than that. */
#define MOST		64

FIXTURE(instance)
{
	MK_FIXTURE;
};

FIXTURE_SETUP(instance)
{
	MK_SETUP;
}

FIXTURE_TEARDOWN(instance)
{
	MK_TEARDOWN;
}

/* ---- names --------------------------------------------------------------- */

TEST_F_TIMEOUT(instance, names_that_are_refused, TIMEOUT)
{
	static const struct {
		char bytes[MK_NAME_SIZE + 1];
		int error;
		const char *text;
	} NAMES[] = {
		{ "", EINVAL, "empty" },
		{ "a/b", EINVAL, "\"/\" at offset 1" },
		{ "/", EINVAL, "\"/\" at offset 0" },
		{ "a b", EINVAL, "\" \" at offset 1" },
		{ "a\n", EINVAL, "\"\\n\" at offset 1" },
		{ "a\x1b[1m", EINVAL, "\"\\x1b\" at offset 1" },
		{ "a\x7f", EINVAL, "\"\\x7f\" at offset 1" },
		{ "\xc3\xa4", EINVAL, "\"\\xc3\" at offset 0" },
		{ ".", EINVAL, "." },
		{ "..", EINVAL, "." },
		{ "abcdefghijklmnopqrstuvwxyzabcdef", ENAMETOOLONG, "31" },
		{ "a\0b", EINVAL, "offset 2" },
		{ "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b", EINVAL,
		  "offset 31" },
	};
	static const unsigned long COMMANDS[] = { MK_CREATE, MK_OPEN };

	for (int n = 0; n < ARRAY_LEN(NAMES) * ARRAY_LEN(COMMANDS); n++) {
		const int which = n / ARRAY_LEN(COMMANDS);
		struct mk_name name = { .header = { .size = sizeof(name) } };

		memcpy(name.name, NAMES[which].bytes, sizeof(name.name));
		EXPECT_REFUSED(&self->before, NAMES[which].error, NAMES[which].text,
			       mk_call(self->device, COMMANDS[n % ARRAY_LEN(COMMANDS)], &name));
	}
}

TEST_F_TIMEOUT(instance, names_that_are_taken, TIMEOUT)
{
	/* The longest; and all kinds of characters. */
	static const char *const NAMES[] = {
		"abcdefghijklmnopqrstuvwxyzabcde", "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,.", "...", "-",
	};

	for (int n = 0; n < ARRAY_LEN(NAMES); n++) {
		int fd = mk_create(self->device, NAMES[n], MK_CREATE_AUTO_DESTROY);
		struct mk_info info;
		struct mk_host host;
		int other;

		ASSERT_OK(fd);
		mk_host(self->device, &host);
		EXPECT_REFUSED(&host, EEXIST, NAMES[n], mk_create(self->device, NAMES[n], 0));
		other = mk_open(self->device, NAMES[n]);
		ASSERT_OK(other);
		ASSERT_OK(mk_info(other, &info));
		EXPECT_STREQ(NAMES[n], info.name);
		close(other);
		close(fd);
		EXPECT_REFUSED(&self->before, ENOENT, NAMES[n], mk_open(self->device, NAMES[n]));
	}
}

/* ---- doorbells, and slots ------------------------------------------------ */

TEST_F_TIMEOUT(instance, all_doorbells_taken, TIMEOUT)
{
	int fds[MOST], count = 0;
	char name[MK_NAME_SIZE];
	struct mk_host host;
	__u32 cpus[MOST];
	int result;

	for (;;) {
		snprintf(name, sizeof(name), "bell-%d", count);
		result = mk_create(self->device, name, MK_CREATE_AUTO_DESTROY);
		if (result < 0 || count == MOST)
			break;
		fds[count++] = result;
	}
	/* More than could run. */
	EXPECT_LE(mk_lendable(self->device, cpus, MOST), count);
	EXPECT_LT(self->before.slots_free, count);
	mk_host(self->device, &host);
	EXPECT_EQ(self->before.slots_free, host.slots_free);
	EXPECT_REFUSED(&host, ENOSPC, "doorbell", mk_create(self->device, "one-more", 0));

	/* One that is given back is there for the next. */
	ASSERT_OK(mk_destroy(fds[0], 0));
	close(fds[0]);
	fds[0] = mk_create(self->device, "one-more", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(fds[0]);
	for (int n = 0; n < count; n++)
		close(fds[n]);
}

TEST_F_TIMEOUT(instance, all_slots_taken, TIMEOUT)
{
	int count = self->before.slots_free, kernel = mk_tiny_kernel(MK_TINY_STAY);
	struct mk_info infos[MOST];
	struct mk_query query;
	struct mk_host host;
	int fds[MOST], last;

	ASSERT_GE(MOST, count);
	ASSERT_OK(kernel);
	for (int n = 0; n < count; n++) {
		struct mk_info *info = &infos[n];
		char name[MK_NAME_SIZE];

		snprintf(name, sizeof(name), "slot-%d", n);
		fds[n] = mk_create(self->device, name, MK_CREATE_AUTO_DESTROY);
		ASSERT_OK(fds[n]);
		ASSERT_OK(mk_set_memory(fds[n], MEMORY));
		ASSERT_OK(mk_load(fds[n], kernel, -1, NULL));
		ASSERT_OK(mk_info(fds[n], info));
		EXPECT_EQ(0, info->slot % 4096);
		EXPECT_LE(0x10000, info->slot);
		EXPECT_GE(0xa0000, info->slot + info->slot_bytes);
		for (int other = 0; other < n; other++) {
			EXPECT_TRUE(info->slot + info->slot_bytes <= infos[other].slot ||
				    infos[other].slot + infos[other].slot_bytes <= info->slot);
		}
	}
	ASSERT_OK(mk_query(self->device, &query));
	EXPECT_EQ(0, query.nr_slots_free);
	EXPECT_EQ(MK_BLOCKED_NO_SLOT, query.blockers);

	/* One more can be made, but not loaded. */
	last = mk_create(self->device, "last", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(last);
	ASSERT_OK(mk_set_memory(last, MEMORY));
	mk_host(self->device, &host);
	EXPECT_REFUSED(&host, ENOSPC, "slots", mk_load(last, kernel, -1, NULL));
	/* What has one keeps it. */
	ASSERT_OK(mk_load(fds[0], kernel, -1, NULL));

	/* One that is given back is there for the next. */
	ASSERT_OK(mk_set_memory(fds[0], MEMORY));
	ASSERT_OK(mk_query(self->device, &query));
	EXPECT_EQ(1, query.nr_slots_free);
	EXPECT_EQ(0, query.blockers);
	ASSERT_OK(mk_load(last, kernel, -1, NULL));
	close(last);
	for (int n = 0; n < count; n++)
		close(fds[n]);
	close(kernel);
}

TEST_F_TIMEOUT(instance, no_descriptor_left, TIMEOUT)
{
	struct rlimit limit, none;
	struct mk_events events = {
		.header.size = sizeof(events), .event_size = sizeof(struct mk_event),
	};
	int named, fd;

	named = mk_create(self->device, "named", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(named);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, mk_create(self->device, "none", 0));
	EXPECT_EQ(-EMFILE, mk_open(self->device, "named"));
	EXPECT_EQ(-EMFILE, mk_call(self->device, MK_EVENTS, &events));
	EXPECT_EQ(-EMFILE, mk_console(named, 0));
	EXPECT_EQ(-EMFILE, mk_console(named, MK_CONSOLE_WRITE));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-ENOENT, mk_open(self->device, "none"));
	/* Who could not have it does not keep others from it. */
	fd = mk_console(named, MK_CONSOLE_WRITE);
	EXPECT_OK(fd);
	close(fd);
	close(named);
}

/* ---- heartbeats ---------------------------------------------------------- */

TEST_F_TIMEOUT(instance, hangs_after_a_time_that_can_be, TIMEOUT)
{
	static const __u32 RIGHT[] = { MK_HUNG_MS_MIN, MK_HUNG_MS_MAX, 0 };
	static const __u32 WRONG[] = { 1, MK_HUNG_MS_MIN - 1, MK_HUNG_MS_MAX + 1, ~0U };
	int fd = mk_create(self->device, "heart", MK_CREATE_AUTO_DESTROY);
	struct mk_host created;
	struct mk_info info;

	ASSERT_OK(fd);
	mk_host(self->device, &created);
	ASSERT_OK(mk_info(fd, &info));
	EXPECT_EQ(MK_HUNG_MS, info.hung_ms);
	for (int n = 0; n < ARRAY_LEN(RIGHT); n++) {
		EXPECT_OK(mk_set_heartbeat(fd, RIGHT[n]));
		for (int m = 0; m < ARRAY_LEN(WRONG); m++)
			EXPECT_REFUSED(&created, EINVAL, "it has to be 0, or 1000 to 3600000 ms",
				       mk_set_heartbeat(fd, WRONG[m]));
		ASSERT_OK(mk_info(fd, &info));
		EXPECT_EQ(RIGHT[n], info.hung_ms);
	}
	close(fd);
}

/* ---- when they go -------------------------------------------------------- */

TEST_F_TIMEOUT(instance, outlives_its_descriptors, TIMEOUT)
{
	int fd = mk_create(self->device, "lasting", 0);

	ASSERT_OK(fd);
	ASSERT_OK(mk_set_memory(fd, MEMORY));
	close(fd);
	fd = mk_open(self->device, "lasting");
	ASSERT_OK(fd);
	EXPECT_OK(mk_destroy(fd, 0));
	close(fd);
}

TEST_F_TIMEOUT(instance, goes_with_the_last_copy, TIMEOUT)
{
	int fd = mk_create(self->device, "fleeting", MK_CREATE_AUTO_DESTROY);
	int opened = mk_open(self->device, "fleeting");
	int copy = dup(fd), sync[2];
	pid_t child;

	ASSERT_OK(fd);
	ASSERT_OK(opened);
	ASSERT_OK(mk_set_memory(fd, MEMORY));
	close(fd);
	EXPECT_EQ(MK_STATE_CREATED, mk_state(copy));

	/* The copy of another process counts, too. */
	ASSERT_EQ(0, pipe(sync));
	child = fork();
	if (!child) {
		char byte;

		close(sync[1]);
		/* Until the other end is closed. */
		_exit(read(sync[0], &byte, 1) == 0 ? 0 : 1);
	}
	ASSERT_LT(0, child);
	close(sync[0]);
	close(copy);
	EXPECT_EQ(MK_STATE_CREATED, mk_state(opened));
	close(sync[1]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));

	/* What MK_OPEN returned does not keep it. */
	EXPECT_EQ(-ENODEV, mk_state(opened));
	EXPECT_EQ(-ENOENT, mk_open(self->device, "fleeting"));
	EXPECT_UNCHANGED(&self->before);
	close(opened);
}

TEST_F_TIMEOUT(instance, goes_with_a_killed_process, TIMEOUT)
{
	int ready[2], kernel = mk_tiny_kernel(MK_TINY_STAY);
	__u32 cpu[1];
	pid_t child;
	char byte;

	ASSERT_OK(kernel);
	if (!mk_lendable(self->device, cpu, 1))
		MK_SKIP("no CPU can be lent");
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		int fd = mk_create(self->device, "orphan", MK_CREATE_AUTO_DESTROY);

		if (fd < 0 || mk_prepare(fd, cpu, 1, MEMORY, kernel, -1, NULL) || mk_start(fd) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_LT(0, child);
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(-ENOENT, mk_open(self->device, "orphan"));
	EXPECT_UNCHANGED(&self->before);
	close(ready[0]);
	close(kernel);
}

struct loading {
	int fd;
	int kernel;
	int initrd;
	int result;
};

static void *load(void *argument)
{
	struct loading *loading = argument;

	loading->result = mk_load(loading->fd, loading->kernel, loading->initrd, NULL);
	return NULL;
}

/* Its end waits for what somebody else does with it. */
TEST_F_TIMEOUT(instance, goes_although_it_is_busy, TIMEOUT)
{
	bool was_busy = false;

	/* It may be done too soon to be seen. */
	for (int tries = 0; tries < 20 && !was_busy; tries++) {
		struct loading loading = { .kernel = mk_tiny_kernel(MK_TINY_STAY) };
		pthread_t thread;
		int fd = mk_create(self->device, "busy", MK_CREATE_AUTO_DESTROY);

		ASSERT_OK(fd);
		loading.fd = mk_open(self->device, "busy");
		ASSERT_OK(loading.fd);
		ASSERT_OK(loading.kernel);
		ASSERT_OK(mk_set_memory(fd, 4 * MEMORY));
		/* Large, and so slow. */
		loading.initrd = mk_large_initrd(fd);
		ASSERT_OK(loading.initrd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, load, &loading));
		/* Without a kernel it cannot be killed, and meanwhile not either. */
		for (int n = 0; n < 100000 && !was_busy && mk_state(fd) == MK_STATE_CREATED; n++)
			was_busy = mk_kill(fd) == -EBUSY;
		close(fd);
		EXPECT_EQ(-ENODEV, mk_state(loading.fd));
		EXPECT_EQ(-ENOENT, mk_open(self->device, "busy"));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, loading.result);
		close(loading.fd);
		close(loading.kernel);
		close(loading.initrd);
	}
	EXPECT_TRUE(was_busy)
		TH_LOG("the load was never seen");
}

/* What remains is a descriptor of nothing. */
TEST_F_TIMEOUT(instance, destroyed_by_another_descriptor, TIMEOUT)
{
	struct pollfd poll_fd = { .events = POLLPRI };
	__u32 cpu[1] = { 1 };
	int fd = mk_create(self->device, "gone", 0), other, next;
	int kernel = mk_tiny_kernel(MK_TINY_STAY);

	ASSERT_OK(fd);
	ASSERT_OK(kernel);
	ASSERT_OK(mk_set_memory(fd, MEMORY));
	other = mk_open(self->device, "gone");
	ASSERT_OK(other);
	poll_fd.fd = fd;
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	ASSERT_OK(mk_destroy(other, 0));
	EXPECT_UNCHANGED(&self->before);

	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_EQ(POLLPRI | POLLHUP, poll_fd.revents);
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_set_cpus(fd, cpu, 1));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_set_memory(fd, MEMORY));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_load(fd, kernel, -1, NULL));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_start(fd));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_ask(fd, MK_PING, 0));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_ask(fd, MK_STOP, 0));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_kill(fd));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_set_heartbeat(fd, MK_HUNG_MS));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_console(fd, 0));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_state(fd));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_destroy(fd, 0));
	EXPECT_REFUSED(&self->before, ENODEV, "destroyed", mk_destroy(fd, MK_DESTROY_FORCE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);

	/* The name is free at once, and the old descriptors have nothing to do with the next. */
	next = mk_create(self->device, "gone", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(next);
	EXPECT_EQ(-ENODEV, mk_destroy(fd, MK_DESTROY_FORCE));
	close(fd);
	close(other);
	EXPECT_EQ(MK_STATE_CREATED, mk_state(next));
	close(next);
	close(kernel);
}

/* Or else it is built in. */
static bool is_module(void)
{
	FILE *file = fopen("/proc/modules", "re");
	bool found = false;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		found |= !strncmp(line, "multikernel ", strlen("multikernel "));
	if (file)
		fclose(file);
	return found;
}

/* The module stays as long as an instance exists, though nobody has it open. */
TEST_F_TIMEOUT(instance, keeps_the_module, TIMEOUT)
{
	const int error = is_module() ? EWOULDBLOCK : ENOENT;
	int fd = mk_create(self->device, "keeper", 0);

	ASSERT_OK(fd);
	close(fd);
	close(self->device);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "multikernel", O_NONBLOCK));
	EXPECT_EQ(error, errno);
	self->device = mk_device();
	ASSERT_OK(self->device);
	fd = mk_open(self->device, "keeper");
	ASSERT_OK(fd);
	EXPECT_OK(mk_destroy(fd, 0));
	close(fd);
}

TEST_HARNESS_MAIN
