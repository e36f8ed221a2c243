// SPDX-License-Identifier: GPL-2.0
/*
 * What has to be faster than mkctl is, or goes deeper.
 *
 *	peek NAME zero			whether all of its memory is zero
 *	peek NAME find TEXT		where that is in its memory, from the start
 *	peek NAME kill-after SECONDS	start it, and kill it after that time
 *	peek NAME kill-at OFFSET TEXT	start it, and kill it as soon as TEXT is there
 *	peek NAME hold			say so, and keep it mapped until a signal comes
 *
 * Not counted is a TEXT with KERN_SOH and a level before it: so a kernel's code has what it will
 * log. kill-at looks at some KiB around OFFSET all the time. The status is 1 if nothing is found,
 * or something else than zero, and 2 if that could not be told.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include "mk.h"

#define AROUND	(8 << 10)

static const char *memory;
static __u64 bytes;
static int instance;

/* What a call returned. */
static void succeeds(const char *call, int result)
{
	if (result < 0)
		errx(2, "%s: %s: %s", call, strerror(-result), mk_text);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double parse(const char *word)
{
	char *end;
	double number = strtod(word, &end);

	if (end == word || *end || number < 0)
		errx(2, "'%s' is no number", word);
	return number;
}

/* The first place of @text from @first on, as far as it begins before @last; NULL: none. */
static const char *find(const char *text, __u64 first, __u64 last)
{
	size_t length = strlen(text);
	const char *at = memory + first;
	const char *end = memory + last + length - 1;

	if (end > memory + bytes)
		end = memory + bytes;
	while (at < end && (at = memmem(at, end - at, text, length))) {
		if (at - memory < 2 || at[-2] != '\1')
			return at;
		at++;
	}
	return NULL;
}

static int find_all(const char *text)
{
	const char *first = find(text, 0, bytes);

	for (const char *at = first; at; at = find(text, at - memory + 1, bytes))
		printf("%s%td", at == first ? "" : " ", at - memory);
	puts("");
	return !first;
}

static int all_zero(void)
{
	const char *at = memory;

	if (mk_is_zero(memory, bytes))
		return 0;
	/* Whoever runs there may have cleared it by now. */
	while (at < memory + bytes - 1 && !*at)
		at++;
	printf("not zero from %#tx on\n", at - memory);
	return 1;
}

static void kill_after(double seconds)
{
	struct timespec time = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	succeeds("start", mk_start(instance));
	nanosleep(&time, NULL);
	succeeds("kill", mk_kill(instance));
}

static void kill_at(__u64 offset, const char *text)
{
	const char *timeout = getenv("MK_BOOT_TIMEOUT");
	__u64 first = offset > AROUND ? offset - AROUND : 0;
	double end;

	succeeds("start", mk_start(instance));
	end = now() + (timeout ? parse(timeout) : TIMEOUT);
	while (!find(text, first, offset + AROUND)) {
		if (now() > end)
			errx(2, "'%s' is not at %#llx in time", text, offset);
	}
	succeeds("kill", mk_kill(instance));
}

int main(int argc, char **argv)
{
	const char *command = argc > 2 ? argv[2] : "";
	int device = mk_device();

	succeeds("open " DEVICE, device);
	instance = argc > 1 ? mk_open(device, argv[1]) : -EINVAL;
	succeeds("open", instance);
	memory = mk_map(instance, &bytes);
	if (memory == MAP_FAILED)
		err(2, "mmap");
	if (argc == 3 && !strcmp(command, "zero"))
		return all_zero();
	if (argc == 4 && !strcmp(command, "find"))
		return find_all(argv[3]);
	if (argc == 4 && !strcmp(command, "kill-after")) {
		kill_after(parse(argv[3]));
	} else if (argc == 5 && !strcmp(command, "kill-at")) {
		kill_at(parse(argv[3]), argv[4]);
	} else if (argc == 3 && !strcmp(command, "hold")) {
		puts("held");
		fflush(stdout);
		pause();
	} else {
		errx(2, "it is: peek NAME zero|find|kill-after|kill-at|hold ...");
	}
	return 0;
}
