// SPDX-License-Identifier: GPL-2.0
/*
 * What the dump of a crash has of an instance's memory.
 *
 *	vmcore START BYTES	tell whether /proc/vmcore has all of these, physical
 *				addresses, or nothing; and whether they change, as they
 *				do while a kernel runs in them
 *	vmcore START BYTES FILE	whether an ELF file does, which was made of it
 *
 * Its lines begin with "vmcore: ", or with the file's name.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE	(1UL << 20)
/* An idle kernel looks at its clocks more often. */
#define PAUSE_S	5

static const char *name = "vmcore";

static void die(const char *what)
{
	printf("%s: %s: %m\n", name, what);
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
static uint64_t add(uint64_t hash, const uint64_t *words, uint64_t bytes)
{
	for (size_t n = 0; n < bytes / sizeof(*words); n++)
		hash = (hash ^ words[n]) * 0x100000001b3;
	return hash;
}

#define HASH	0xcbf29ce484222325

static uint64_t hash_of(int fd, uint64_t at, uint64_t bytes)
{
	static uint64_t piece[PIECE / sizeof(uint64_t)];
	uint64_t hash = HASH;

	for (uint64_t done = 0; done < bytes; done += PIECE) {
		read_at(fd, piece, PIECE, at + done);
		hash = add(hash, piece, PIECE);
	}
	return hash;
}

static bool file_changes(int fd, uint64_t at, uint64_t bytes)
{
	uint64_t before = hash_of(fd, at, bytes);

	sleep(PAUSE_S);
	return hash_of(fd, at, bytes) != before;
}

/* What is not the crash kernel's own it may look at. */
static bool memory_changes(uint64_t start, uint64_t bytes)
{
	int fd = open("/dev/mem", O_RDONLY);
	const uint64_t *words;
	uint64_t before;

	if (fd < 0)
		die("cannot open /dev/mem");
	words = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, start);
	if (words == MAP_FAILED)
		die("cannot map /dev/mem");
	before = add(HASH, words, bytes);
	sleep(PAUSE_S);
	return add(HASH, words, bytes) != before;
}

int main(int argc, char **argv)
{
	uint64_t start, bytes, offset = 0, had = 0;
	const char *path = "/proc/vmcore";
	Elf64_Ehdr header;
	int fd;

	if (argc != 3 && argc != 4)
		return 2;
	start = strtoull(argv[1], NULL, 0);
	bytes = strtoull(argv[2], NULL, 0);
	if (argc == 4)
		name = path = argv[3];
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("cannot open");
	read_at(fd, &header, sizeof(header), 0);
	for (int n = 0; n < header.e_phnum; n++) {
		Elf64_Phdr part;
		uint64_t from, to;

		read_at(fd, &part, sizeof(part), header.e_phoff + n * sizeof(part));
		if (part.p_type != PT_LOAD)
			continue;
		from = part.p_paddr > start ? part.p_paddr : start;
		/* What memory has beyond was left out. */
		to = part.p_paddr + part.p_filesz;
		if (to > start + bytes)
			to = start + bytes;
		if (from >= to)
			continue;
		had += to - from;
		offset = part.p_offset + (from - part.p_paddr);
	}
	printf("%s: 0x%jx is ", name, start);
	if (!had)
		printf("left out");
	else if (had != bytes)
		printf("there in parts: 0x%jx bytes", had);
	else
		printf("there");
	if (argc == 3 && (!had || had == bytes)) {
		bool changes = had ? file_changes(fd, offset, bytes) : memory_changes(start, bytes);

		printf(", and %s", changes ? "changes" : "stays as it is");
	}
	printf("\n");
	return 0;
}
