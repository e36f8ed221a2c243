// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of random sizes over many channels, both ways at once. Host and
 * instances run the same program; what each of them sends the other one knows
 * beforehand, so that every byte is looked at.
 *
 *	traffic [OPTION...] STEADY... [-- FRAIL...]
 *
 * STEADY and FRAIL name ends of channels: a path, or PATH:N for PATH1 to PATHN.
 * It takes part in one conversation over each. The peer of a FRAIL one may be
 * killed: what had arrived is read, to the end of the file, nothing can be sent
 * any more, and there is another conversation when the peer is back.
 *
 * It ends by SIGTERM, or when it is told that a peer ends: each side then sends
 * how many messages there were as its last one, and takes the peer's last one.
 * Any other end is a failure.
 *
 *	-m N	end after N messages sent over each
 *	-p MS	pause now and then, up to so long (20)
 *	-l	say "lap N" when a few messages have come over each since the last lap
 *	-x N	flip a bit in the Nth message over each: the peer has to notice
 *	-d N	leave out the Nth message
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "messages.h"

#define PLACES	65536	/* where in the table of its bytes a message can begin */
#define FEW	4	/* messages of a lap */
#define HELLO	0x3163696666617274ULL
#define LAST	UINT64_MAX

/* The first message of a conversation, and the last. */
struct frame {
	uint64_t kind;
	uint64_t value;	/* of the first: the seed; of the last: how many were between them */
};

/* What one side sends: its number, and bytes of a table from some place on. */
struct stream {
	uint64_t state;
	uint64_t number;
	size_t size;
	size_t place;
	unsigned char table[PLACES + MAX];
};

struct channel {
	char path[80];
	int fd;
	int frail;
	uint64_t seed;
	uint64_t came, came_bytes, conversations;
	unsigned int fresh;
	struct stream sent, wanted;
	unsigned char in[MAX];
	pthread_t thread;
};

static struct channel *channels;
static size_t nr_channels;
static uint64_t most, flip, drop;
static unsigned int pause_ms = 20;
static int laps;
static atomic_int ending;

static void stream_begin(struct stream *stream, uint64_t seed)
{
	size_t at;

	stream->state = seed;
	stream->number = 0;
	for (at = 0; at < sizeof(stream->table); at += sizeof(uint64_t)) {
		uint64_t word = next(&stream->state);

		memcpy(stream->table + at, &word, sizeof(word));
	}
}

static void stream_next(struct stream *stream)
{
	stream->number++;
	stream->size = size_of(&stream->state);
	stream->place = next(&stream->state) % PLACES;
}

/* So much of a message is its number. */
static size_t head_of(size_t size)
{
	return size < sizeof(uint64_t) ? size : sizeof(uint64_t);
}

static unsigned char *body_of(struct stream *stream)
{
	return stream->table + stream->place;
}

/* ---- sending -------------------------------------------------------------- */

/* Whether somebody may read it. */
static int send_parts(struct channel *channel, struct iovec *parts, int count, size_t size)
{
	ssize_t done = writev(channel->fd, parts, count);

	if (done < 0 && errno == EPIPE && channel->frail)
		return 0;
	if (done != (ssize_t)size)
		fail("%s: %zd of %zu bytes of message %lu were written: %m", channel->path, done,
		     size, channel->sent.number);
	return 1;
}

static int send_frame(struct channel *channel, uint64_t kind, uint64_t value)
{
	struct frame frame = { .kind = kind, .value = value };
	struct iovec part = { &frame, sizeof(frame) };

	return send_parts(channel, &part, 1, sizeof(frame));
}

static int send_next(struct channel *channel)
{
	struct stream *stream = &channel->sent;
	size_t head = head_of(stream->size);
	uint64_t number = stream->number;
	unsigned char *spoiled = stream->size > head ? body_of(stream) : (unsigned char *)&number;
	unsigned char bit = number == flip ? 0x10 : 0;
	struct iovec parts[] = {
		{ &number, head },
		{ body_of(stream), stream->size - head },
	};
	int is_sent;

	if (number == drop)
		return 1;
	*spoiled ^= bit;
	is_sent = send_parts(channel, parts, 2, stream->size);
	/* What follows is to be right. */
	*spoiled ^= bit;
	return is_sent;
}

/* Rings are full at times, and empty at others. */
static void rest(uint64_t *state)
{
	uint64_t n = next(state);
	uint64_t ns = n / 8 % (pause_ms * 1000000ULL + 1);
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (n % 8 == 0)
		nanosleep(&time, NULL);
}

static void *sender(void *argument)
{
	struct channel *channel = argument;
	struct stream *stream = &channel->sent;
	uint64_t seed, pauses;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		fail("getrandom: %m");
	seed |= 1;
	pauses = seed;
	stream_begin(stream, seed);
	if (!send_frame(channel, HELLO, seed))
		return NULL;
	while (!ending && !(most && stream->number == most)) {
		stream_next(stream);
		if (!send_next(channel))
			return NULL;
		rest(&pauses);
	}
	send_frame(channel, LAST, stream->number);
	return NULL;
}

/* ---- receiving ------------------------------------------------------------ */

static void count_message(struct channel *channel)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static size_t done;
	static unsigned long lap;
	size_t i;

	if (!laps)
		return;
	pthread_mutex_lock(&lock);
	if (++channel->fresh == FEW && ++done == nr_channels) {
		printf("lap %lu\n", ++lap);
		done = 0;
		for (i = 0; i < nr_channels; i++)
			channels[i].fresh = 0;
	}
	pthread_mutex_unlock(&lock);
}

/* The size of what came; 0: the end, which only a peer that may be killed gives so. */
static size_t receive(struct channel *channel)
{
	ssize_t got = read(channel->fd, channel->in, MAX);

	if (got < 0)
		fail("%s: read of message %lu: %m", channel->path, channel->wanted.number + 1);
	if (!got && !channel->frail)
		fail("%s: the end came after message %lu, and not its last one", channel->path,
		     channel->wanted.number);
	return got;
}

/* Whether that is the peer's last message. */
static int is_last(struct channel *channel, size_t got)
{
	struct frame frame;

	if (got != sizeof(frame))
		return 0;
	memcpy(&frame, channel->in, sizeof(frame));
	if (frame.kind != LAST)
		return 0;
	if (frame.value != channel->wanted.number)
		fail("%s: %lu messages came, and %lu were sent", channel->path,
		     channel->wanted.number, frame.value);
	return 1;
}

static void look_at(struct channel *channel, size_t got)
{
	struct stream *wanted = &channel->wanted;
	size_t head, at;
	uint64_t number = 0;

	stream_next(wanted);
	head = head_of(wanted->size);
	memcpy(&number, channel->in, head_of(got));
	if (got >= sizeof(number) && number != wanted->number)
		fail("%s: message %lu came in place of %lu, with %zu bytes of %zu", channel->path,
		     number, wanted->number, got, wanted->size);
	if (got != wanted->size)
		fail("%s: message %lu has %zu bytes, not %zu", channel->path, wanted->number, got,
		     wanted->size);
	if (memcmp(channel->in, &wanted->number, head))
		fail("%s: message %lu has another number", channel->path, wanted->number);
	if (!memcmp(channel->in + head, body_of(wanted), got - head))
		return;
	for (at = head; channel->in[at] == body_of(wanted)[at - head]; at++)
		;
	fail("%s: byte %zu of %zu of message %lu is %#x, not %#x", channel->path, at, got,
	     wanted->number, channel->in[at], body_of(wanted)[at - head]);
}

/* Whether the peer has said its last word. */
static int receive_all(struct channel *channel)
{
	struct frame hello;
	size_t got = receive(channel);

	if (!got)
		return 0;
	memcpy(&hello, channel->in, sizeof(hello));
	if (got != sizeof(hello) || hello.kind != HELLO)
		fail("%s: %zu bytes came before the first message", channel->path, got);
	if (hello.value == channel->seed)
		fail("%s: the conversation before came again", channel->path);
	channel->seed = hello.value;
	stream_begin(&channel->wanted, hello.value);
	while ((got = receive(channel))) {
		if (is_last(channel, got))
			return 1;
		look_at(channel, got);
		channel->came++;
		channel->came_bytes += got;
		count_message(channel);
	}
	return 0;
}

/* ---- conversations -------------------------------------------------------- */

/* A path is there when the channel is, and the peer has come. */
static int open_end(const char *path)
{
	struct timespec soon = { .tv_nsec = 10000000 };
	int fd;

	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
		if (errno != ENOENT && errno != ENODEV)
			fail("open %s: %m", path);
		nanosleep(&soon, NULL);
	}
	return fd;
}

/* The peer is gone, and stays so for those who have the end open. */
static void check_end(struct channel *channel)
{
	if (read(channel->fd, channel->in, MAX) != 0)
		fail("%s: there is something behind the end", channel->path);
	if (write(channel->fd, channel->in, 1) != -1 || errno != EPIPE)
		fail("%s: writing to nobody does not give EPIPE", channel->path);
}

/* Whether there was an end in good order. */
static int converse(struct channel *channel)
{
	pthread_t thread;
	int is_over;

	channel->fd = open_end(channel->path);
	channel->conversations++;
	if (pthread_create(&thread, NULL, sender, channel))
		fail("pthread_create: %m");
	is_over = receive_all(channel);
	if (is_over)
		ending = 1;
	/* It comes to its own last word, or to nobody who would read it. */
	if (pthread_join(thread, NULL))
		fail("pthread_join: %m");
	if (!is_over)
		check_end(channel);
	close(channel->fd);
	return is_over;
}

static void *talk(void *argument)
{
	struct channel *channel = argument;

	while (!converse(channel) && !ending)
		;
	return NULL;
}

/* ---- all of them ---------------------------------------------------------- */

static void *wait_for_the_end(void *signals)
{
	int signal;

	if (sigwait(signals, &signal))
		fail("sigwait: %m");
	ending = 1;
	return NULL;
}

static void add(const char *path, int frail)
{
	channels = realloc(channels, (nr_channels + 1) * sizeof(*channels));
	if (!channels)
		fail("no memory");
	memset(&channels[nr_channels], 0, sizeof(*channels));
	snprintf(channels[nr_channels].path, sizeof(channels->path), "%s", path);
	channels[nr_channels++].frail = frail;
}

static void add_all(char *paths, int frail)
{
	char *colon = strchr(paths, ':'), path[80];
	long i;

	if (!colon) {
		add(paths, frail);
		return;
	}
	*colon = '\0';
	for (i = 1; i <= atol(colon + 1); i++) {
		snprintf(path, sizeof(path), "%s%ld", paths, i);
		add(path, frail);
	}
}

int main(int argc, char **argv)
{
	uint64_t came = 0, bytes = 0, conversations = 0;
	sigset_t signals;
	pthread_t waiter;
	int option, frail = 0;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt(argc, argv, "+m:p:lx:d:")) != -1) {
		switch (option) {
		case 'm':
			most = atol(optarg);
			break;
		case 'p':
			pause_ms = atol(optarg);
			break;
		case 'l':
			laps = 1;
			break;
		case 'x':
			flip = atol(optarg);
			break;
		case 'd':
			drop = atol(optarg);
			break;
		default:
			return 2;
		}
	}
	/* getopt() takes the first "--", if there are only frail ones. */
	frail = optind > 1 && !strcmp(argv[optind - 1], "--");
	for (; optind < argc; optind++) {
		if (!strcmp(argv[optind], "--"))
			frail = 1;
		else
			add_all(argv[optind], frail);
	}
	if (!nr_channels)
		fail("which channels?");

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) ||
	    pthread_create(&waiter, NULL, wait_for_the_end, &signals))
		fail("signals: %m");
	for (i = 0; i < nr_channels; i++)
		if (pthread_create(&channels[i].thread, NULL, talk, &channels[i]))
			fail("pthread_create: %m");
	for (i = 0; i < nr_channels; i++) {
		if (pthread_join(channels[i].thread, NULL))
			fail("pthread_join: %m");
		came += channels[i].came;
		bytes += channels[i].came_bytes;
		conversations += channels[i].conversations;
	}
	printf("%lu messages, %lu KiB, came in %lu conversations over %zu channels\n", came,
	       bytes >> 10, conversations, nr_channels);
	return 0;
}
