/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs that send messages have in common: both sides know beforehand
 * what comes, as it is all made from a seed.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <err.h>
#include <stddef.h>
#include <stdint.h>

/* The longest message. */
#define MAX	65536

#define fail(...)	errx(1, __VA_ARGS__)

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* All sizes; short ones, and those at a limit, more often. */
static size_t size_of(uint64_t *state)
{
	static const size_t special[] = {
		1, 2, 7, 8, 9, 55, 56, 57, 63, 64, 65, 120, 4096, MAX - 1, MAX
	};
	uint64_t n = next(state);

	switch (n % 4) {
	case 0:
		return special[n / 4 % (sizeof(special) / sizeof(*special))];
	case 1:
		return 1 + n / 4 % MAX;
	default:
		return 1 + n / 4 % 1024;
	}
}

#endif
