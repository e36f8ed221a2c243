// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/vmcore of a crash kernel has of an instance's memory.
 *
 *	vmcore START BYTES	tell whether it has all of these, physical addresses, or
 *				nothing; and whether they change, as they do while a
 *				kernel runs in them
 *
 * Its lines begin with "vmcore: ".
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE	(1UL << 20)
/* An idle kernel looks at its clocks more often. */
#define PAUSE_S	5

static void die(const char *what)
{
	printf("vmcore: %s: %m\n", what);
	exit(1);
}

static void read_at(int fd, void *to, size_t size, uint64_t at)
{
	for (size_t done = 0; done < size;) {
		ssize_t count = pread(fd, (char *)to + done, size - done, at + done);

		if (count <= 0)
			die("cannot read");
		done += count;
	}
}

/* FNV-1a, of words. */
static uint64_t hash(int fd, uint64_t at, uint64_t bytes)
{
	static uint64_t piece[PIECE / sizeof(uint64_t)];
	uint64_t hash = 0xcbf29ce484222325;

	for (uint64_t done = 0; done < bytes; done += PIECE) {
		read_at(fd, piece, PIECE, at + done);
		for (size_t n = 0; n < PIECE / sizeof(*piece); n++)
			hash = (hash ^ piece[n]) * 0x100000001b3;
	}
	return hash;
}

int main(int argc, char **argv)
{
	uint64_t start, bytes, offset = 0, had = 0;
	int fd = open("/proc/vmcore", O_RDONLY);
	Elf64_Ehdr header;

	if (argc != 3)
		return 2;
	start = strtoull(argv[1], NULL, 0);
	bytes = strtoull(argv[2], NULL, 0);
	if (fd < 0)
		die("cannot open /proc/vmcore");
	read_at(fd, &header, sizeof(header), 0);
	for (int n = 0; n < header.e_phnum; n++) {
		Elf64_Phdr part;
		uint64_t from, to;

		read_at(fd, &part, sizeof(part), header.e_phoff + n * sizeof(part));
		if (part.p_type != PT_LOAD)
			continue;
		from = part.p_paddr > start ? part.p_paddr : start;
		to = part.p_paddr + part.p_memsz;
		if (to > start + bytes)
			to = start + bytes;
		if (from >= to)
			continue;
		had += to - from;
		offset = part.p_offset + (from - part.p_paddr);
	}
	if (!had)
		printf("vmcore: 0x%jx is left out\n", start);
	else if (had != bytes)
		printf("vmcore: 0x%jx is there in parts: 0x%jx bytes\n", start, had);
	else {
		uint64_t before = hash(fd, offset, bytes);

		sleep(PAUSE_S);
		printf("vmcore: 0x%jx is there, and %s\n", start,
		       hash(fd, offset, bytes) == before ? "stays as it is" : "changes");
	}
	return 0;
}
