// SPDX-License-Identifier: GPL-2.0
/*
 * Channels of instances that do not run: what is refused, what is told, and the
 * ends that nobody is at the other side of. channel.sh is about those that are used.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "mk.h"

FIXTURE(channels)
{
	MK_FIXTURE;
	/* Two instances. */
	int one;
	int two;
	/* The host with them. */
	struct mk_host with;
};

FIXTURE_SETUP(channels)
{
	MK_SETUP;
	self->one = mk_create(self->device, "one", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->one);
	self->two = mk_create(self->device, "two", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->two);
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(channels)
{
	close(self->one);
	close(self->two);
	MK_TEARDOWN;
}

/* With the smallest rings. */
static struct mk_channel_call channel(const char *name, int peer)
{
	struct mk_channel_call call = {
		.header.size = sizeof(call),
		.from_bytes = MK_CHANNEL_RING_MIN,
		.to_bytes = MK_CHANNEL_RING_MIN,
		.peer_fd = peer,
	};

	snprintf(call.name, sizeof(call.name), "%s", name);
	return call;
}

static int make(int fd, const char *name, int peer)
{
	struct mk_channel_call call = channel(name, peer);

	return mk_call(fd, MK_CHANNEL_CREATE, &call);
}

static int unmake(int fd, const char *name, int peer)
{
	struct mk_channel_call call = channel(name, peer);

	return mk_call(fd, MK_CHANNEL_REMOVE, &call);
}

/* How many there are; @room of them are written. */
static int list(int fd, struct mk_channel_entry *entries, __u32 room)
{
	struct mk_list call = {
		.header.size = sizeof(call),
		.entries = (uintptr_t)entries,
		.nr_entries = room,
		.entry_size = sizeof(*entries),
	};
	int result = mk_call(fd, MK_CHANNEL_LIST, &call);

	return result ?: call.nr_entries;
}

/* Both calls look at names and peers in the same way. */
static const unsigned long CALLS[] = { MK_CHANNEL_CREATE, MK_CHANNEL_REMOVE };

TEST_F_TIMEOUT(channels, names_that_are_refused, TIMEOUT)
{
	static const char *const NAMES[] = { "", ".", "..", "a b", "a/b", "a\tb", "a\x7f", "\xc3\xa4" };
	struct mk_channel_call call;

	for (int n = 0; n < ARRAY_LEN(CALLS); n++) {
		for (int name = 0; name < ARRAY_LEN(NAMES); name++) {
			call = channel(NAMES[name], -1);
			EXPECT_REFUSED(&self->with, EINVAL, "name",
				       mk_call(self->one, CALLS[n], &call));
		}
		call = channel("end", -1);
		call.name[MK_NAME_SIZE - 1] = 'x';
		EXPECT_REFUSED(&self->with, EINVAL, "name", mk_call(self->one, CALLS[n], &call));
		memset(call.name, 'x', sizeof(call.name));
		EXPECT_REFUSED(&self->with, ENAMETOOLONG, "name",
			       mk_call(self->one, CALLS[n], &call));
	}
	/* The kernel would take it for a slash, in a path that does not exist without. */
	EXPECT_REFUSED(&self->with, EINVAL, "!", make(self->one, "a!b", -1));
	EXPECT_REFUSED(&self->with, ENOENT, "a!b", unmake(self->one, "a!b", -1));
}

TEST_F_TIMEOUT(channels, names_of_instances_that_are_refused, TIMEOUT)
{
	int host = mk_create(self->device, "host", MK_CREATE_AUTO_DESTROY);
	int bang = mk_create(self->device, "a!b", MK_CREATE_AUTO_DESTROY);
	struct mk_host before;

	ASSERT_OK(host);
	ASSERT_OK(bang);
	mk_host(self->device, &before);
	EXPECT_REFUSED(&before, EINVAL, "for its host", make(host, "c", self->one));
	EXPECT_REFUSED(&before, EINVAL, "for its host", make(self->one, "c", host));
	EXPECT_REFUSED(&before, EINVAL, "!", make(bang, "c", -1));
	EXPECT_REFUSED(&before, EINVAL, "!", make(self->one, "c", bang));
	/* Nobody is mistaken there. */
	EXPECT_OK(make(host, "c", -1));
	close(host);
	close(bang);
	EXPECT_UNCHANGED(&self->with);
}

TEST_F_TIMEOUT(channels, rings_that_are_refused, TIMEOUT)
{
	static const __u32 SIZES[] = {
		1, 2048, 4095, 4097, 3 * 4096, 2 * MK_CHANNEL_RING_MAX, 1U << 31, UINT32_MAX,
	};
	struct mk_channel_call call;
	char text[32];

	for (int n = 0; n < ARRAY_LEN(SIZES); n++) {
		snprintf(text, sizeof(text), "cannot have %u bytes", SIZES[n]);
		call = channel("ring", -1);
		call.from_bytes = SIZES[n];
		EXPECT_REFUSED(&self->with, EINVAL, text,
			       mk_call(self->one, MK_CHANNEL_CREATE, &call));
		call = channel("ring", self->two);
		call.to_bytes = SIZES[n];
		EXPECT_REFUSED(&self->with, EINVAL, text,
			       mk_call(self->one, MK_CHANNEL_CREATE, &call));
	}
	/* They do not matter to who removes it. */
	call = channel("ring", -1);
	EXPECT_OK(mk_call(self->one, MK_CHANNEL_CREATE, &call));
	call.from_bytes = 1;
	EXPECT_OK(mk_call(self->one, MK_CHANNEL_REMOVE, &call));
}

TEST_F_TIMEOUT(channels, peers_that_are_refused, TIMEOUT)
{
	struct mk_command console = { .header.size = sizeof(console) };
	int fds[] = {
		self->device, open("/dev/null", O_RDWR), open("/", O_RDONLY),
		mk_call(self->one, MK_CONSOLE, &console),
	};
	int closed = dup(0), same = mk_open(self->device, "one");
	struct mk_channel_call call;

	ASSERT_OK(same);
	close(closed);
	for (int n = 0; n < ARRAY_LEN(CALLS); n++) {
		for (int fd = 0; fd < ARRAY_LEN(fds); fd++) {
			ASSERT_LE(0, fds[fd]);
			call = channel("peer", fds[fd]);
			EXPECT_REFUSED(&self->with, EINVAL, "is not one of an instance",
				       mk_call(self->one, CALLS[n], &call));
		}
		call = channel("peer", closed);
		EXPECT_REFUSED(&self->with, EBADF, "descriptor",
			       mk_call(self->one, CALLS[n], &call));
		call = channel("peer", -2);
		EXPECT_REFUSED(&self->with, EBADF, "descriptor",
			       mk_call(self->one, CALLS[n], &call));
		call = channel("peer", -1);
		strcpy(call.peer, "two");
		EXPECT_REFUSED(&self->with, EINVAL, "by its descriptor",
			       mk_call(self->one, CALLS[n], &call));
	}
	EXPECT_REFUSED(&self->with, EINVAL, "with itself", make(self->one, "peer", self->one));
	EXPECT_REFUSED(&self->with, EINVAL, "with itself", make(self->one, "peer", same));
	for (int fd = 1; fd < ARRAY_LEN(fds); fd++)
		close(fds[fd]);
	close(same);
}

/* A name is that of one channel of the same two. */
TEST_F_TIMEOUT(channels, names_that_are_taken, TIMEOUT)
{
	struct mk_host before;

	ASSERT_OK(make(self->one, "c", -1));
	ASSERT_OK(make(self->two, "c", -1));
	ASSERT_OK(make(self->one, "c", self->two));
	mk_host(self->device, &before);
	EXPECT_REFUSED(&before, EEXIST, "\"c\" between", make(self->one, "c", -1));
	EXPECT_REFUSED(&before, EEXIST, "\"c\" between", make(self->one, "c", self->two));
	EXPECT_REFUSED(&before, EEXIST, "\"c\" between", make(self->two, "c", self->one));
	EXPECT_OK(unmake(self->two, "c", self->one));
	EXPECT_EQ(-ENOENT, unmake(self->one, "c", self->two));
	EXPECT_EQ(-ENOENT, unmake(self->one, "d", -1));
	EXPECT_OK(make(self->one, "c", self->two));
	EXPECT_OK(unmake(self->one, "c", self->two));
	EXPECT_OK(unmake(self->one, "c", -1));
	EXPECT_OK(unmake(self->two, "c", -1));
	EXPECT_UNCHANGED(&self->with);
}

TEST_F_TIMEOUT(channels, more_than_an_instance_has, TIMEOUT)
{
	struct mk_host before;
	char name[16];

	for (int n = 0; n < MK_INSTANCE_CHANNELS; n++) {
		snprintf(name, sizeof(name), "c%d", n);
		ASSERT_OK(make(self->one, name, -1));
	}
	mk_host(self->device, &before);
	EXPECT_REFUSED(&before, ENOSPC, "one has 48 channels", make(self->one, "more", -1));
	EXPECT_REFUSED(&before, ENOSPC, "one has 48 channels", make(self->one, "more", self->two));
	EXPECT_REFUSED(&before, ENOSPC, "one has 48 channels", make(self->two, "more", self->one));
	EXPECT_OK(unmake(self->one, "c7", -1));
	EXPECT_OK(make(self->two, "more", self->one));
}

TEST_F_TIMEOUT(channels, of_instances_that_were_destroyed, TIMEOUT)
{
	struct mk_channel_entry entry;
	struct mk_host before;

	ASSERT_OK(make(self->one, "left", self->two));
	ASSERT_OK(mk_destroy(self->two, 0));
	EXPECT_EQ(0, list(self->one, &entry, 1));
	mk_host(self->device, &before);
	EXPECT_REFUSED(&before, ENODEV, "destroyed", make(self->two, "c", -1));
	EXPECT_REFUSED(&before, ENODEV, "destroyed", make(self->two, "c", self->one));
	EXPECT_REFUSED(&before, ENODEV, "destroyed", make(self->one, "c", self->two));
	EXPECT_REFUSED(&before, ENODEV, "destroyed", unmake(self->two, "c", -1));
	EXPECT_REFUSED(&before, ENODEV, "destroyed", unmake(self->one, "c", self->two));
	EXPECT_REFUSED(&before, ENODEV, "destroyed", list(self->two, &entry, 1));
}

TEST_F_TIMEOUT(channels, are_listed, TIMEOUT)
{
	struct mk_channel_entry entries[3] = { 0 };
	struct mk_channel_call call = channel("with-host", -1);
	struct mk_list without_size = { .header.size = sizeof(without_size), .nr_entries = 1 };

	EXPECT_EQ(0, list(self->one, NULL, 0));
	call.from_bytes = 8192;
	call.to_bytes = 0;
	ASSERT_OK(mk_call(self->one, MK_CHANNEL_CREATE, &call));
	call = channel("with-two", self->two);
	call.to_bytes = 16384;
	ASSERT_OK(mk_call(self->one, MK_CHANNEL_CREATE, &call));

	EXPECT_EQ(2, list(self->one, entries, 3));
	EXPECT_STREQ("with-host", entries[0].name);
	EXPECT_STREQ("", entries[0].peer);
	EXPECT_EQ(MK_CHANNEL_AWAY, entries[0].state);
	EXPECT_EQ(8192, entries[0].from_bytes);
	EXPECT_EQ(MK_CHANNEL_RING_BYTES, entries[0].to_bytes);
	EXPECT_EQ(0, entries[0].conversations);
	EXPECT_EQ(0, entries[0].broken);
	EXPECT_STREQ("with-two", entries[1].name);
	EXPECT_STREQ("two", entries[1].peer);
	EXPECT_EQ(4096, entries[1].from_bytes);
	EXPECT_EQ(16384, entries[1].to_bytes);
	EXPECT_STREQ("", entries[2].name);
	/* As the other one sees it. */
	EXPECT_EQ(1, list(self->two, entries, 1));
	EXPECT_STREQ("one", entries[0].peer);
	EXPECT_EQ(16384, entries[0].from_bytes);
	EXPECT_EQ(4096, entries[0].to_bytes);
	/* Not more than there is room for. */
	memset(entries, 0, sizeof(entries));
	EXPECT_EQ(2, list(self->one, entries, 1));
	EXPECT_STREQ("", entries[1].name);

	without_size.entries = (uintptr_t)entries;
	EXPECT_EQ(-EINVAL, mk_call(self->one, MK_CHANNEL_LIST, &without_size));
	EXPECT_NE(NULL, strstr(mk_text, "entry_size is 0"));
	EXPECT_EQ(-EFAULT, list(self->one, (void *)8, 1));
}

/* ---- ends, with nobody at the other one ------------------------------------ */

#define END	"/dev/mk/one/end"

static int open_end(int flags)
{
	int fd = open(END, O_RDWR | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

static void on_signal(int signal)
{
	(void)signal;
}

static void *open_thread(void *result)
{
	*(int *)result = open_end(0);
	return NULL;
}

/*
 * Whether a thread of this process sleeps in openat(), from which a signal would wake it: it may
 * sleep there for a lock before it has even looked for the file.
 */
static bool one_waits(void)
{
	return !system("for task in /proc/$PPID/task/*; do\n"
		       "grep -qs '^257 ' $task/syscall && grep -qs '^State:.S' $task/status && exit\n"
		       "done\n"
		       "exit 1");
}

TEST_F_TIMEOUT(channels, ends_that_nobody_answers, TIMEOUT)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct stat status;
	pthread_t thread;
	sigset_t child;
	int result = 0;

	/* The end of a command would have a thread begin its call anew, when the end may be gone. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &child, NULL));
	EXPECT_EQ(-ENOENT, open_end(O_NONBLOCK));
	ASSERT_OK(make(self->one, "end", -1));
	ASSERT_EQ(0, stat(END, &status));
	EXPECT_EQ(S_IFCHR | 0600, status.st_mode);
	EXPECT_EQ(0, status.st_uid);
	EXPECT_EQ(0, status.st_gid);
	/* Two instances do without the host. */
	ASSERT_OK(make(self->one, "direct", self->two));
	EXPECT_EQ(-1, stat("/dev/mk/one/direct", &status));
	EXPECT_EQ(-1, stat("/dev/mk/two/direct", &status));

	EXPECT_EQ(-EAGAIN, open_end(O_NONBLOCK));
	/* Who waits does so until a signal comes, */
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_thread, &result));
	while (!one_waits())
		usleep(1000);
	EXPECT_EQ(-EAGAIN, open_end(O_NONBLOCK));
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, result);
	/* or until the channel is no more. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_thread, &result));
	while (!one_waits())
		usleep(1000);
	ASSERT_OK(unmake(self->one, "end", -1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ENODEV, result);
	EXPECT_EQ(-ENOENT, open_end(O_NONBLOCK));
}

TEST_HARNESS_MAIN
