// SPDX-License-Identifier: GPL-2.0
/*
 * The descriptor of a console, of instances that have nothing to show: console.sh
 * is about those that have.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "mk.h"

FIXTURE(console)
{
	MK_FIXTURE;
	int instance;
	int kernel;
	__u32 cpu;
	/* The host with the instance. */
	struct mk_host with;
};

FIXTURE_SETUP(console)
{
	MK_SETUP;
	self->kernel = mk_tiny_kernel(MK_TINY_STAY);
	ASSERT_OK(self->kernel);
	ASSERT_LE(1, mk_lendable(self->device, &self->cpu, 1));
	self->instance = mk_create(self->device, "console", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->instance);
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(console)
{
	close(self->instance);
	close(self->kernel);
	MK_TEARDOWN;
}

static int run(int instance, __u32 cpu, int kernel)
{
	int result = mk_prepare(instance, &cpu, 1, MEMORY, kernel, -1, "console=hvc0");

	return result ?: mk_start(instance);
}

/* What poll() says at once. */
static int events(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
	int result = poll(&poll_fd, 1, 0);

	return result < 0 ? -errno : poll_fd.revents;
}

static int read_some(int fd)
{
	char bytes[64];
	ssize_t result = read(fd, bytes, sizeof(bytes));

	return result < 0 ? -errno : result;
}

static int write_some(int fd)
{
	ssize_t result = write(fd, "x", 1);

	return result < 0 ? -errno : result;
}

/* One that does not run has shown all that it ever will. */
TEST_F_TIMEOUT(console, ends_where_nothing_runs, TIMEOUT)
{
	int fd = mk_console(self->instance, MK_CONSOLE_WRITE);

	ASSERT_OK(fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, read_some(fd));
	EXPECT_EQ(POLLIN | POLLHUP, events(fd));
	EXPECT_EQ(-ENOTCONN, write_some(fd));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

TEST_F_TIMEOUT(console, one_writes, TIMEOUT)
{
	int writer = mk_console(self->instance, MK_CONSOLE_WRITE), reader, copy;
	char pid[32];

	ASSERT_OK(writer);
	reader = mk_console(self->instance, MK_CONSOLE_NEW);
	ASSERT_OK(reader);
	EXPECT_EQ(-EBADF, write_some(reader));
	EXPECT_EQ(-ENOTCONN, write_some(writer));
	snprintf(pid, sizeof(pid), "process %d (console)", getpid());
	EXPECT_REFUSED(&self->with, EBUSY, pid, mk_console(self->instance, MK_CONSOLE_WRITE));
	/* Until the last copy is closed. */
	copy = dup(writer);
	close(writer);
	EXPECT_REFUSED(&self->with, EBUSY, "only watch",
		       mk_console(self->instance, MK_CONSOLE_WRITE | MK_CONSOLE_NEW));
	close(copy);
	writer = mk_console(self->instance, MK_CONSOLE_WRITE);
	EXPECT_OK(writer);
	close(writer);
	close(reader);
}

TEST_F_TIMEOUT(console, waits_where_something_runs, TIMEOUT)
{
	int fd = mk_console(self->instance, MK_CONSOLE_WRITE);

	ASSERT_OK(fd);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ASSERT_OK(run(self->instance, self->cpu, self->kernel));
	EXPECT_EQ(-EAGAIN, read_some(fd));
	EXPECT_EQ(0, events(fd));
	/* Nobody is there who would take it. */
	EXPECT_EQ(-ENOTCONN, write_some(fd));
	ASSERT_OK(mk_kill(self->instance));
	EXPECT_EQ(0, read_some(fd));
	EXPECT_EQ(POLLIN | POLLHUP, events(fd));
	/* The next run of it. */
	ASSERT_OK(run(self->instance, self->cpu, self->kernel));
	EXPECT_EQ(-EAGAIN, read_some(fd));
	EXPECT_EQ(0, events(fd));
	ASSERT_OK(mk_kill(self->instance));
	close(fd);
}

struct reading {
	int fd;
	int result;
};

static void *read_thread(void *data)
{
	struct reading *reading = data;

	reading->result = read_some(reading->fd);
	return NULL;
}

/* Whether a thread of this process sleeps in read() of a console. */
static bool one_waits(void)
{
	return !system("grep -qs '^0 ' /proc/$PPID/task/*/syscall");
}

TEST_F_TIMEOUT(console, who_waits_is_told_of_the_end, TIMEOUT)
{
	struct reading reading = { .result = -1 };
	pthread_t thread;

	reading.fd = mk_console(self->instance, 0);
	ASSERT_OK(reading.fd);
	ASSERT_OK(run(self->instance, self->cpu, self->kernel));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_thread, &reading));
	while (!one_waits())
		usleep(1000);
	ASSERT_OK(mk_kill(self->instance));
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, reading.result);
	close(reading.fd);
}

static void on_alarm(int signal)
{
	(void)signal;
}

TEST_F_TIMEOUT(console, a_signal_ends_the_wait, TIMEOUT)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 };
	int fd = mk_console(self->instance, 0);

	ASSERT_OK(fd);
	ASSERT_OK(run(self->instance, self->cpu, self->kernel));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	/* Again and again: the first one may come before the call does. */
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_EQ(-EINTR, read_some(fd));
	soon = (struct itimerval){ 0 };
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	ASSERT_OK(mk_kill(self->instance));
	close(fd);
}

/* It outlives the instance, and keeps nothing of it. */
TEST_F_TIMEOUT(console, of_one_that_was_destroyed, TIMEOUT)
{
	int fd = mk_console(self->instance, MK_CONSOLE_WRITE);

	ASSERT_OK(fd);
	ASSERT_OK(run(self->instance, self->cpu, self->kernel));
	ASSERT_OK(mk_destroy(self->instance, MK_DESTROY_FORCE));
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, read_some(fd));
	EXPECT_EQ(-ENOTCONN, write_some(fd));
	EXPECT_EQ(POLLIN | POLLHUP, events(fd));
	EXPECT_REFUSED(&self->before, ENODEV, "", mk_console(self->instance, 0));
	close(fd);
}

TEST_F_TIMEOUT(console, wrong_addresses, TIMEOUT)
{
	/* The compiler is not to know them. */
	static const volatile uintptr_t WRONG[] = { 8, 1ULL << 47, UINTPTR_MAX - 8 };
	int fd = mk_console(self->instance, MK_CONSOLE_WRITE);

	ASSERT_OK(fd);
	for (int n = 0; n < ARRAY_LEN(WRONG); n++) {
		EXPECT_EQ(-1, write(fd, (void *)WRONG[n], 10));
		EXPECT_EQ(EFAULT, errno);
	}
	close(fd);
}

TEST_HARNESS_MAIN
