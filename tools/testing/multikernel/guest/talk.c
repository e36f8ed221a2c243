// SPDX-License-Identifier: GPL-2.0
/*
 * Talks over the end of a channel: host and instance run the same program.
 *
 *	talk echo PATH [TIMES]		send back what comes, until the end; again so often (1)
 *	talk ask PATH COUNT [SIZE]	send COUNT messages, of SIZE bytes or of sizes of all
 *					kinds, and check that each comes back
 *	talk stream PATH COUNT SEED	send COUNT messages of all sizes, then close
 *	talk check PATH COUNT SEED	take them, and check them; -1: until the end
 *	talk chatter PATH		ask until the peer is gone: then succeed
 *	talk cycle PATH COUNT		open, send, read one message, close; so often
 *	talk answer PATH COUNT		the other side of that
 *	talk rules PATH			what calls give that cannot succeed, with no peer's help
 *	talk edge PATH COUNT		as ask, by edge-triggered epoll and no call that waits
 *	talk refused PATH		what else they give; the peer sends back one message
 *	talk end PATH			open it, say "open", and wait for the end
 *	talk hold PATH			the same; the channel was removed
 *	talk map PATH COUNT		as ask, with mapped rings, and by no call but to ring and to wait
 *	talk uring PATH COUNT		as ask, by io_uring: a read waits before anything is sent
 *	talk time PATH COUNT SIZE	how long COUNT messages of SIZE bytes take to an echo and back,
 *					in nanoseconds each; and over a pipe and a socket here
 *	talk make NAME [PEER [BYTES]]	in an instance: make a channel with the host (also .) or an instance
 *	talk role host|instance		succeed where /dev/multikernel is that one's
 *	talk unmake NAME [PEER]		and remove it
 *	talk device instance		what the calls on /dev/multikernel refuse there
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/multikernel.h>
#include "../../../../include/linux/multikernel_abi.h"
#include "messages.h"

static unsigned char out[MAX + 1], in[MAX + 1];

static int open_end(const char *path)
{
	int fd;

	do {
		fd = open(path, O_RDWR | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		fail("open %s: %m", path);
	return fd;
}

static void fill(size_t size, uint64_t *state)
{
	uint64_t word;
	size_t at;

	for (at = 0; at < size; at += sizeof(word)) {
		word = next(state);
		memcpy(out + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
	}
}

static void compare(ssize_t got, size_t wanted, long n)
{
	if (got < 0)
		fail("read of message %ld: %m", n);
	if ((size_t)got != wanted)
		fail("message %ld has %zd bytes, not %zu", n, got, wanted);
	if (memcmp(in, out, wanted))
		fail("message %ld has wrong bytes", n);
}

static void send_all(int fd, size_t size, long n)
{
	ssize_t sent = write(fd, out, size);

	if (sent < 0)
		fail("write of message %ld: %m", n);
	if ((size_t)sent != size)
		fail("%zd of %zu bytes of message %ld were written", sent, size, n);
}

static void echo(const char *path, long times)
{
	while (times--) {
		int fd = open_end(path);
		ssize_t got, sent;

		while ((got = read(fd, in, sizeof(in))) > 0) {
			sent = write(fd, in, got);
			if (sent < 0 && errno == EPIPE)
				break;
			if (sent != got)
				fail("write: %zd of %zd: %m", sent, got);
		}
		if (got < 0)
			fail("read: %m");
		close(fd);
	}
}

static void ask(const char *path, long count, size_t size)
{
	int fd = open_end(path);
	uint64_t state = 88172645463325252ULL;
	long n;

	for (n = 0; n < count; n++) {
		size_t this = size ? size : size_of(&state);

		fill(this, &state);
		send_all(fd, this, n);
		compare(read(fd, in, sizeof(in)), this, n);
	}
	close(fd);
}

static void stream(const char *path, long count, uint64_t seed)
{
	int fd = open_end(path);
	uint64_t state = seed;
	long n;

	for (n = 0; n < count; n++) {
		size_t size = size_of(&state);

		fill(size, &state);
		send_all(fd, size, n);
	}
	close(fd);
}

static void check(const char *path, long count, uint64_t seed)
{
	int fd = open_end(path);
	uint64_t state = seed;
	ssize_t got;
	long n;

	for (n = 0; (got = read(fd, in, sizeof(in))) != 0; n++) {
		size_t size = size_of(&state);

		fill(size, &state);
		compare(got, size, n);
	}
	if (count >= 0 && n != count)
		fail("%ld messages came, not %ld", n, count);
	printf("%ld messages\n", n);
	close(fd);
}

static void chatter(const char *path)
{
	int fd = open_end(path);
	uint64_t state = 1;
	ssize_t done;
	long n;

	for (n = 0;; n++) {
		size_t size = size_of(&state);

		fill(size, &state);
		done = write(fd, out, size);
		if (done < 0 && errno == EPIPE)
			break;
		if (done < 0)
			fail("write: %m");
		done = read(fd, in, sizeof(in));
		if (!done)
			break;
		compare(done, size, n);
		if (n == 100)
			puts("talking");
	}
	/* From now on it is so always. */
	if (read(fd, in, sizeof(in)) != 0)
		fail("there is something behind the end");
	if (write(fd, out, 1) != -1 || errno != EPIPE)
		fail("writing to nobody does not give EPIPE");
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

	if (poll(&poll_fd, 1, 0) != 1 || poll_fd.revents != (POLLIN | POLLHUP))
		fail("poll gives %#x", poll_fd.revents);
	printf("the peer left after %ld messages\n", n);
	close(fd);
}

static void cycle(const char *path, long count, int answers)
{
	long n, got;

	for (n = 0; n < count; n++) {
		int fd = open_end(path);

		if (answers) {
			if (read(fd, &got, sizeof(got)) != sizeof(got) || got != n)
				fail("question %ld is %ld", n, got);
			got = -n;
			if (write(fd, &got, sizeof(got)) != sizeof(got))
				fail("answer %ld: %m", n);
			/* Whoever asks closes first or last. */
			if (n % 2 && read(fd, &got, sizeof(got)) != 0)
				fail("no end after question %ld", n);
		} else {
			if (write(fd, &n, sizeof(n)) != sizeof(n))
				fail("question %ld: %m", n);
			if (read(fd, &got, sizeof(got)) != sizeof(got) || got != -n)
				fail("answer %ld is %ld", n, got);
			if (!(n % 2) && read(fd, &got, sizeof(got)) != 0)
				fail("no end after answer %ld", n);
		}
		close(fd);
	}
}

static void expect(const char *what, long result, int error)
{
	if (result != -1)
		fail("%s gives %ld", what, result);
	if (errno != error)
		fail("%s: %m, not %s", what, strerror(error));
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void rules(const char *path)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerspec soon = { .it_value.tv_nsec = 50000000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct pollfd poll_fd = { .events = POLLIN | POLLOUT };
	struct iovec nowhere = { (void *)8, 100 }, parts[2] = { { out, 10 }, { out + 10, 20 } };
	timer_t timer;
	long n;
	int fd = open_end(path);

	poll_fd.fd = fd;
	expect("a second open", open(path, O_RDWR), EBUSY);
	expect("a message that is too long", write(fd, out, MAX + 1), EMSGSIZE);
	if (write(fd, out, 0) != 0)
		fail("an empty message: %m");
	expect("seeking", lseek(fd, 0, SEEK_CUR), ESPIPE);
	expect("a bad address", writev(fd, &nowhere, 1), EFAULT);
	if (poll(&poll_fd, 1, 0) != 1 || poll_fd.revents != POLLOUT)
		fail("poll gives %#x", poll_fd.revents);
	if (writev(fd, parts, 2) != 30)
		fail("writev: %m");

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		fail("fcntl: %m");
	expect("nothing to read", read(fd, in, sizeof(in)), EAGAIN);
	for (n = 0; write(fd, out, MAX) == MAX; n++)
		;
	expect("no room", write(fd, out, MAX), EAGAIN);
	if (!n)
		fail("no message fits");
	poll_fd.revents = 0;
	if (poll(&poll_fd, 1, 0) != 0)
		fail("poll gives %#x", poll_fd.revents);

	/* Without SA_RESTART a signal ends a call that waits. */
	if (fcntl(fd, F_SETFL, 0) || sigaction(SIGALRM, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &soon, NULL))
		fail("timer: %m");
	expect("a signal", read(fd, in, sizeof(in)), EINTR);
	if (timer_settime(timer, 0, &soon, NULL))
		fail("timer: %m");
	expect("a signal", write(fd, out, MAX), EINTR);
	close(fd);
}

/* A call whose structure is wrong fails, and says so. */
static void expect_call(const char *what, int fd, unsigned long command, void *argument, int error,
			const char *text)
{
	struct mk_header *header = argument;
	char why[200] = "";

	header->message = (uintptr_t)why;
	header->message_size = sizeof(why);
	expect(what, ioctl(fd, command, argument), error);
	if (!strstr(why, text))
		fail("%s says \"%s\"", what, why);
}

/* What all calls have in common, for one that takes @size bytes. */
static void expect_checks(int fd, unsigned long command, size_t size)
{
	static unsigned char bytes[8192];
	struct mk_header *header = (void *)bytes;

	memset(bytes, 0, sizeof(bytes));
	header->size = sizeof(*header) - 1;
	expect_call("less than a header", fd, command, bytes, EINVAL, "");
	header->size = 4097;
	expect_call("too large", fd, command, bytes, E2BIG, "4097");
	header->size = size + 8;
	bytes[size + 7] = 1;
	expect_call("unknown fields", fd, command, bytes, E2BIG, "not known");
	header->size = size;
	header->flags = 1;
	expect_call("unknown flags", fd, command, bytes, EINVAL, "flags");
	header->flags = 0;
	header->reserved = 1;
	expect_call("a reserved field", fd, command, bytes, EINVAL, "reserved");
	expect("a bad address", ioctl(fd, command, (void *)8), EFAULT);
}

static void expect_map(const char *what, int fd, size_t size, int protection, int flags, uint64_t at,
		       int error)
{
	expect(what, (long)mmap(NULL, size, protection, flags, fd, at), error);
}

static void refused(const char *path)
{
	struct pollfd poll_fd = { .events = POLLIN };
	struct mk_end end = { .header.size = sizeof(end) };
	struct iovec nowhere = { (void *)8, 100 };
	int fd = open_end(path), both = PROT_READ | PROT_WRITE;
	unsigned int number;
	void *peer;

	expect_checks(fd, MK_END_INFO, sizeof(end));
	for (number = 0; number < 256; number++) {
		if (number == _IOC_NR(MK_END_INFO) || number == _IOC_NR(MK_END_RING))
			continue;
		expect("an unknown call", ioctl(fd, _IO(MK_IOC, number), &end), ENOTTY);
	}
	if (ioctl(fd, MK_END_INFO, &end))
		fail("MK_END_INFO: %m");
	expect_map("another place", fd, 4096, PROT_READ, MAP_SHARED, MK_END_PEER + 4096, EINVAL);
	expect_map("another place", fd, 4096, PROT_READ, MAP_SHARED, MK_END_OWN + 4096, EINVAL);
	expect_map("too much", fd, end.own_bytes + 8192, both, MAP_SHARED, MK_END_OWN, EINVAL);
	expect_map("too much", fd, end.peer_bytes + 8192, PROT_READ, MAP_SHARED, MK_END_PEER, EINVAL);
	expect_map("a copy", fd, 4096, PROT_READ, MAP_PRIVATE, MK_END_OWN, EINVAL);
	expect_map("the peer's half", fd, 4096, both, MAP_SHARED, MK_END_PEER, EACCES);

	/* None of that was a mapping: messages can be moved by calls. */
	fill(100, &(uint64_t){ 1 });
	if (write(fd, out, 100) != 100)
		fail("write: %m");
	expect_map("a ring in use", fd, 4096, PROT_READ, MAP_SHARED, MK_END_OWN, EBUSY);
	expect_map("a ring in use", fd, 4096, PROT_READ, MAP_SHARED, MK_END_PEER, EBUSY);
	poll_fd.fd = fd;
	if (poll(&poll_fd, 1, -1) != 1)
		fail("poll: %m");
	/* What could not be read is there for the next. */
	expect("too little room", read(fd, in, 99), EMSGSIZE);
	expect("no room", read(fd, in, 0), EMSGSIZE);
	expect("a bad address", readv(fd, &nowhere, 1), EFAULT);
	compare(read(fd, in, sizeof(in)), 100, 0);
	close(fd);

	fd = open_end(path);
	peer = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, MK_END_PEER);
	if (peer == MAP_FAILED)
		fail("mmap: %m");
	expect("the peer's half", mprotect(peer, 4096, both), EACCES);
	expect("reading what is mapped", read(fd, in, sizeof(in)), EBUSY);
	expect("writing what is mapped", write(fd, out, 1), EBUSY);
	if (ioctl(fd, MK_END_RING))
		fail("MK_END_RING: %m");
	munmap(peer, 4096);
	expect("reading what was mapped", read(fd, in, sizeof(in)), EBUSY);
	close(fd);
}

/* Every message is awaited by an edge: all that there is has to be taken each time. */
static void edge(const char *path, long count)
{
	/* The peer may still have to leave the conversation before: that is waited for. */
	int fd = open_end(path), epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	uint64_t state = 3, expected = 3;
	long sent = 0, got = 0;
	size_t size = 0;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		fail("fcntl: %m");
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll: %m");
	while (got < count) {
		ssize_t done;
		int ready = epoll_wait(epoll, &event, 1, 60000);

		if (ready != 1)
			fail("nothing happens after %ld messages sent, %ld taken", sent, got);
		while (sent < count) {
			if (!size) {
				size = size_of(&state);
				fill(size, &state);
			}
			done = write(fd, out, size);
			if (done < 0 && errno == EAGAIN)
				break;
			if (done != (ssize_t)size)
				fail("write: %m");
			size = 0;
			sent++;
		}
		for (;;) {
			/* What is being sent is kept. */
			static unsigned char kept[MAX];
			size_t wanted;

			done = read(fd, in, sizeof(in));
			if (done < 0 && errno == EAGAIN)
				break;
			memcpy(kept, out, MAX);
			wanted = size_of(&expected);
			fill(wanted, &expected);
			compare(done, wanted, got++);
			memcpy(out, kept, MAX);
		}
	}
	close(fd);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static uint64_t there_and_back(int to, int from, long count, size_t size)
{
	uint64_t start = now();
	long n;

	for (n = 0; n < count; n++) {
		send_all(to, size, n);
		if (read(from, in, size) != (ssize_t)size)
			fail("read of message %ld: %m", n);
	}
	return (now() - start) / count;
}

/* A process that sends back what comes, on another CPU if there is one. */
static void echo_here(int from, int to, size_t size)
{
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(from, in, size) == (ssize_t)size && write(to, in, size) == (ssize_t)size)
		;
	_exit(0);
}

static void measure(const char *path, long count, size_t size)
{
	int fd = open_end(path), there[2], back[2], ends[2];

	there_and_back(fd, fd, count / 10 + 1, size);
	printf("channel %lu\n", there_and_back(fd, fd, count, size));
	close(fd);
	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		fail("pipe: %m");
	echo_here(there[0], back[1], size);
	there_and_back(there[1], back[0], count / 10 + 1, size);
	printf("pipe %lu\n", there_and_back(there[1], back[0], count, size));
	echo_here(ends[1], ends[1], size);
	there_and_back(ends[0], ends[0], count / 10 + 1, size);
	printf("socket %lu\n", there_and_back(ends[0], ends[0], count, size));
}

/* A ring, from one side. Positions are kept here: the words are only told. */
struct ring {
	struct mk_half *words;
	unsigned char *data;
	uint32_t bytes;
	uint64_t position;
};

static struct ring map_ring(int fd, uint64_t at, uint32_t bytes, int protection)
{
	struct ring ring = { .bytes = bytes };

	ring.words = mmap(NULL, sizeof(*ring.words) + bytes, protection, MAP_SHARED, fd, at);
	if (ring.words == MAP_FAILED)
		fail("mmap at %#lx: %m", at);
	ring.data = (unsigned char *)(ring.words + 1);
	return ring;
}

static uint64_t record(size_t size)
{
	return (MK_RING_HEADER + size + MK_RING_LINE - 1) / MK_RING_LINE * MK_RING_LINE;
}

static uint64_t *header(struct ring *ring, uint64_t position)
{
	return (uint64_t *)(ring->data + position % ring->bytes);
}

/* Copies between a ring and a buffer, from a position on. */
static void move(struct ring *ring, uint64_t position, unsigned char *buffer, size_t size, int out)
{
	size_t at = position % ring->bytes, first = ring->bytes - at;

	if (first > size)
		first = size;
	if (out) {
		memcpy(ring->data + at, buffer, first);
		memcpy(ring->data, buffer + first, size - first);
	} else {
		memcpy(buffer, ring->data + at, first);
		memcpy(buffer + first, ring->data, size - first);
	}
}

static void wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	if (poll(&poll_fd, 1, 60000) != 1 || !(poll_fd.revents & events))
		fail("waiting gives %#x", poll_fd.revents);
}

#define store(word, value)	__atomic_store_n((word), (value), __ATOMIC_RELEASE)
#define load(word)		__atomic_load_n((word), __ATOMIC_ACQUIRE)
#define fence()			__atomic_thread_fence(__ATOMIC_SEQ_CST)

static void map(const char *path, long count)
{
	int fd = open_end(path);
	struct mk_end end = { .header.size = sizeof(end) };
	struct ring own, peer;
	uint64_t state = 5, word, told, next;
	long n, rung = 0;

	if (ioctl(fd, MK_END_INFO, &end))
		fail("MK_END_INFO: %m");
	errno = 0;
	if (mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, MK_END_PEER) != MAP_FAILED ||
	    errno != EACCES)
		fail("the peer's half can be written: %m");
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, MK_END_PEER) != MAP_FAILED)
		fail("the peer's half can be copied");
	if (mmap(NULL, end.own_bytes + 8192, PROT_READ, MAP_SHARED, fd, MK_END_OWN) != MAP_FAILED)
		fail("more than a half can be mapped");
	own = map_ring(fd, MK_END_OWN, end.own_bytes, PROT_READ | PROT_WRITE);
	peer = map_ring(fd, MK_END_PEER, end.peer_bytes, PROT_READ);
	expect("writing", write(fd, out, 1), EBUSY);
	expect("reading", read(fd, in, 1), EBUSY);
	if (mprotect(peer.words, 4096, PROT_READ | PROT_WRITE) != -1)
		fail("the peer's half can be made writable");

	for (n = 0; n < count; n++) {
		size_t size = size_of(&state), got;

		fill(size, &state);
		/* Each message is read before the next one is sent: there is room. */
		next = own.position + record(size);
		move(&own, own.position + MK_RING_HEADER, out, size, 1);
		store(header(&own, next), 0);
		store(header(&own, own.position), own.position / MK_RING_LINE << 32 | size);
		told = own.position;
		own.position = next;
		fence();
		word = load(&peer.words->want_data);
		if (word >= told && word < next) {
			if (ioctl(fd, MK_END_RING))
				fail("MK_END_RING: %m");
			rung++;
		}
		while (!(word = load(header(&peer, peer.position)))) {
			store(&own.words->want_data, peer.position);
			fence();
			if (!load(header(&peer, peer.position)))
				wait_for(fd, POLLIN);
		}
		got = (uint32_t)word;
		if (word >> 32 != (uint32_t)(peer.position / MK_RING_LINE))
			fail("a header is %#lx", word);
		move(&peer, peer.position + MK_RING_HEADER, in, got, 0);
		told = peer.position;
		peer.position += record(got);
		store(&own.words->head, peer.position);
		fence();
		word = load(&peer.words->want_room);
		if (told < word && word <= peer.position && ioctl(fd, MK_END_RING))
			fail("MK_END_RING: %m");
		compare(got, size, n);
	}
	printf("%ld messages, rung for %ld\n", n, rung);
	/* The mappings keep the file, and it the memory. */
	close(fd);
	if (load(&own.words->state) != MK_HALF_OPEN)
		fail("the half has the state %lu", (unsigned long)load(&own.words->state));
}

/* The rings of an io_uring instance. */
struct uring {
	int fd;
	struct io_uring_params params;
	unsigned char *rings;
	struct io_uring_sqe *entries;
};

static struct uring uring_setup(void)
{
	struct uring uring = {};
	size_t bytes;

	uring.fd = syscall(SYS_io_uring_setup, 4, &uring.params);
	if (uring.fd < 0)
		fail("io_uring_setup: %m");
	bytes = uring.params.cq_off.cqes +
		uring.params.cq_entries * sizeof(struct io_uring_cqe);
	uring.rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   uring.fd, IORING_OFF_SQ_RING);
	uring.entries = mmap(NULL, uring.params.sq_entries * sizeof(*uring.entries),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring.fd,
			     IORING_OFF_SQES);
	if (uring.rings == MAP_FAILED || uring.entries == MAP_FAILED)
		fail("mmap of an io_uring: %m");
	return uring;
}

static uint32_t *uring_word(struct uring *uring, uint32_t offset)
{
	return (uint32_t *)(uring->rings + offset);
}

static void uring_submit(struct uring *uring, int op, int fd, void *buffer, size_t size)
{
	uint32_t *tail = uring_word(uring, uring->params.sq_off.tail);
	uint32_t at = *tail & *uring_word(uring, uring->params.sq_off.ring_mask);

	memset(&uring->entries[at], 0, sizeof(*uring->entries));
	uring->entries[at].opcode = op;
	uring->entries[at].fd = fd;
	uring->entries[at].addr = (uintptr_t)buffer;
	uring->entries[at].len = size;
	uring->entries[at].user_data = op;
	uring_word(uring, uring->params.sq_off.array)[at] = at;
	store(tail, *tail + 1);
	if (syscall(SYS_io_uring_enter, uring->fd, 1, 0, 0, NULL, 0) != 1)
		fail("io_uring_enter: %m");
}

/* What the next of them to complete has given. */
static int uring_wait(struct uring *uring, uint64_t *op)
{
	uint32_t *head = uring_word(uring, uring->params.cq_off.head);
	uint32_t mask = *uring_word(uring, uring->params.cq_off.ring_mask);
	struct io_uring_cqe *cqe;
	int result;

	while (*head == load(uring_word(uring, uring->params.cq_off.tail)))
		if (syscall(SYS_io_uring_enter, uring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			fail("io_uring_enter: %m");
	cqe = (struct io_uring_cqe *)(uring->rings + uring->params.cq_off.cqes) + (*head & mask);
	*op = cqe->user_data;
	result = cqe->res;
	store(head, *head + 1);
	return result;
}

static void ask_by_uring(const char *path, long count)
{
	int fd = open_end(path);
	struct uring uring = uring_setup();
	uint64_t state = 11, op;
	long n;

	for (n = 0; n < count; n++) {
		size_t size = size_of(&state);
		int i, result;

		fill(size, &state);
		uring_submit(&uring, IORING_OP_READ, fd, in, sizeof(in));
		uring_submit(&uring, IORING_OP_WRITE, fd, out, size);
		for (i = 0; i < 2; i++) {
			result = uring_wait(&uring, &op);
			errno = -result;
			if (op == IORING_OP_READ)
				compare(result < 0 ? -1 : result, size, n);
			else if (result != (int)size)
				fail("write of message %ld gives %d", n, result);
		}
	}
	close(fd);
}

static int wait_for_end(const char *path)
{
	int fd = open_end(path);

	puts("open");
	if (read(fd, in, sizeof(in)) != 0)
		fail("this is not the end");
	return fd;
}

static void hold(const char *path)
{
	int fd = wait_for_end(path);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

	/* It was removed, and stays so. */
	if (read(fd, in, sizeof(in)) != 0)
		fail("there is something behind the end");
	expect("writing to nobody", write(fd, out, 1), EPIPE);
	/* That the other side has left is known before, perhaps. */
	while (!ioctl(fd, MK_END_RING))
		usleep(1000);
	expect("ringing nobody", ioctl(fd, MK_END_RING), EPIPE);
	expect_call("sizes of nothing", fd, MK_END_INFO, &(struct mk_end){ .header.size = 32 },
		    EPIPE, "");
	expect("mapping nothing", (long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, MK_END_OWN), EPIPE);
	if (poll(&poll_fd, 1, -1) != 1 || poll_fd.revents != (POLLIN | POLLHUP))
		fail("poll gives %#x", poll_fd.revents);
	close(fd);
}

static int open_device(unsigned int role)
{
	struct mk_query query = { .header.size = sizeof(query) };
	int fd = open("/dev/multikernel", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open: %m");
	if (ioctl(fd, MK_QUERY, &query))
		fail("MK_QUERY: %m");
	if (query.role != role)
		fail("this has role %u", query.role);
	return fd;
}

static void manage(unsigned long request, const char *name, const char *peer, long bytes)
{
	char why[200] = "";
	struct mk_channel_call channel = {
		.header = {
			.size = sizeof(channel),
			.message = (uintptr_t)why,
			.message_size = sizeof(why),
		},
		.from_bytes = bytes,
		.to_bytes = bytes,
		.peer_fd = -1,
	};
	int fd = open_device(MK_ROLE_INSTANCE);

	snprintf(channel.name, sizeof(channel.name), "%s", name);
	if (peer && strcmp(peer, "."))
		snprintf(channel.peer, sizeof(channel.peer), "%s", peer);
	if (ioctl(fd, request, &channel))
		fail("%s: %m: %s", name, why);
}

static void expect_refused(const char *what, int fd, struct mk_channel_call *call, int error,
			   const char *text)
{
	expect_call(what, fd, MK_CHANNEL_CREATE, call, error, text);
	expect_call(what, fd, MK_CHANNEL_REMOVE, call, error, text);
}

static void device(void)
{
	const struct mk_channel_call good = {
		.header.size = sizeof(good), .name = "refused", .peer_fd = -1,
	};
	struct mk_list list = { .header.size = sizeof(list), .nr_entries = 1 };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];
	struct mk_channel_call call;
	int fd = open_device(MK_ROLE_INSTANCE);
	unsigned int number;

	expect_checks(fd, MK_QUERY, sizeof(struct mk_query));
	expect_checks(fd, MK_CHANNEL_CREATE, sizeof(call));
	expect_checks(fd, MK_CHANNEL_REMOVE, sizeof(call));
	expect_checks(fd, MK_CHANNEL_LIST, sizeof(list));
	for (number = 0; number < 256; number++) {
		if (number == _IOC_NR(MK_QUERY) || (number >= _IOC_NR(MK_CHANNEL_CREATE) &&
						    number <= _IOC_NR(MK_CHANNEL_LIST)))
			continue;
		expect("a host's call", ioctl(fd, _IO(MK_IOC, number), &list), ENOTTY);
	}
	call = good;
	call.reserved = 1;
	expect_refused("a reserved field", fd, &call, EINVAL, "reserved");
	call = good;
	call.peer_fd = fd;
	expect_refused("a descriptor", fd, &call, EINVAL, "peer_fd");
	call = good;
	call.name[0] = 0;
	expect_refused("no name", fd, &call, EINVAL, "name");
	call = good;
	memset(call.name, 'x', sizeof(call.name));
	expect_refused("a name without an end", fd, &call, ENAMETOOLONG, "name");
	call = good;
	strcpy(call.peer, "a b");
	expect_refused("no name", fd, &call, EINVAL, "name");
	call = good;
	call.from_bytes = 4096;
	expect_call("two sizes", fd, MK_CHANNEL_CREATE, &call, EINVAL, "one size");
	/* These are the host's answers. */
	call = good;
	call.from_bytes = call.to_bytes = 5000;
	expect_call("no size", fd, MK_CHANNEL_CREATE, &call, EINVAL, "size");
	call = good;
	strcpy(call.name, "a!b");
	expect_call("a name for no path", fd, MK_CHANNEL_CREATE, &call, EINVAL, "name");
	call = good;
	expect_call("no such channel", fd, MK_CHANNEL_REMOVE, &call, ENOENT, "no such");
	strcpy(call.peer, "nobody");
	expect_refused("no such instance", fd, &call, ENOENT, "no such");
	expect_call("entries without a size", fd, MK_CHANNEL_LIST, &list, EINVAL, "entry_size");
	close(fd);

	/* It takes the right to restart the machine, and the file's own mode keeps others out. */
	if (syscall(SYS_capget, &header, sets))
		fail("capget: %m");
	sets[0].effective &= ~(1U << CAP_SYS_BOOT);
	if (syscall(SYS_capset, &header, sets))
		fail("capset: %m");
	expect("no right", open("/dev/multikernel", O_RDWR), EPERM);
	if (setresuid(1, 1, 1))
		fail("setresuid: %m");
	expect("no right", open("/dev/multikernel", O_RDWR), EACCES);
}

int main(int argc, char **argv)
{
	long count = argc > 3 ? atol(argv[3]) : 0, more = argc > 4 ? atol(argv[4]) : 0;
	const char *act = argc > 2 ? argv[1] : "", *path = argv[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(act, "echo"))
		echo(path, count ? count : 1);
	else if (!strcmp(act, "ask"))
		ask(path, count, more);
	else if (!strcmp(act, "stream"))
		stream(path, count, more);
	else if (!strcmp(act, "check"))
		check(path, count, more);
	else if (!strcmp(act, "chatter"))
		chatter(path);
	else if (!strcmp(act, "cycle"))
		cycle(path, count, 0);
	else if (!strcmp(act, "answer"))
		cycle(path, count, 1);
	else if (!strcmp(act, "rules"))
		rules(path);
	else if (!strcmp(act, "refused"))
		refused(path);
	else if (!strcmp(act, "device"))
		device();
	else if (!strcmp(act, "edge"))
		edge(path, count);
	else if (!strcmp(act, "end"))
		close(wait_for_end(path));
	else if (!strcmp(act, "hold"))
		hold(path);
	else if (!strcmp(act, "uring"))
		ask_by_uring(path, count);
	else if (!strcmp(act, "map"))
		map(path, count);
	else if (!strcmp(act, "time"))
		measure(path, count, more);
	else if (!strcmp(act, "make"))
		manage(MK_CHANNEL_CREATE, path, argv[3], more);
	else if (!strcmp(act, "role"))
		open_device(strcmp(path, "host") ? MK_ROLE_INSTANCE : MK_ROLE_HOST);
	else if (!strcmp(act, "unmake"))
		manage(MK_CHANNEL_REMOVE, path, argv[3], 0);
	else
		fail("talk what?");
	return 0;
}
