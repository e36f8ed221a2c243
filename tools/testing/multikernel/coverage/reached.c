// SPDX-License-Identifier: GPL-2.0
/*
 * Tell which blocks of the module that is loaded here were run, if it was built with
 * flags for that (MK_COVERAGE=1), as lines "mk-reached BUILD-ID OFFSET HEX": a byte's
 * lowest bit is the flag at OFFSET, and so on. Bits behind the last flag mean nothing.
 *
 *	reached		to standard output
 *	reached FILE	to FILE, in writes of a line each, whenever there are more
 */
#include <dirent.h>
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "/sys/module/multikernel/"
/* Flags in a line: the kernel's log takes less than 1024 characters. */
#define LINE 2048
/* Seconds. */
#define PAUSE 2

/* Where a section of the module is; 0: nowhere. */
static unsigned long section(const char *name)
{
	char path[PATH_MAX], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), MODULE "sections/%s", name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return strtoul(text, NULL, 16);
}

/* Where the flags are, and up to where they can be at most. */
static bool find(unsigned long *start, unsigned long *end)
{
	struct dirent *entry;
	unsigned long at;
	DIR *dir;

	*start = section("__sancov_bools");
	*end = ULONG_MAX;
	dir = opendir(MODULE "sections");
	if (!*start || !dir)
		return false;
	while ((entry = readdir(dir))) {
		at = section(entry->d_name);
		if (at > *start && at < *end)
			*end = at;
	}
	closedir(dir);
	return *end != ULONG_MAX;
}

static bool build_id(char *text)
{
	unsigned char note[36];
	int fd, i;

	fd = open(MODULE "notes/.note.gnu.build-id", O_RDONLY);
	if (fd < 0)
		return false;
	if (read(fd, note, sizeof(note)) != sizeof(note)) {
		close(fd);
		return false;
	}
	close(fd);
	for (i = 16; i < 36; i++)
		text += sprintf(text, "%02x", note[i]);
	return true;
}

/* What this kernel has at a virtual address. */
static bool peek(int fd, unsigned long from, unsigned char *to, size_t len)
{
	Elf64_Ehdr header;
	Elf64_Phdr program;
	off_t at;
	int i;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return false;
	for (i = 0; i < header.e_phnum; i++) {
		at = header.e_phoff + i * sizeof(program);
		if (pread(fd, &program, sizeof(program), at) != sizeof(program))
			return false;
		if (program.p_type != PT_LOAD || from < program.p_vaddr ||
		    from - program.p_vaddr >= program.p_memsz)
			continue;
		at = program.p_offset + from - program.p_vaddr;
		return pread(fd, to, len, at) == (ssize_t)len;
	}
	return false;
}

/* The flags, to be freed; NULL: there are none. */
static unsigned char *take(size_t *len)
{
	unsigned long start, end;
	unsigned char *flags;
	bool taken;
	int fd;

	if (!find(&start, &end))
		return NULL;
	fd = open("/proc/kcore", O_RDONLY);
	if (fd < 0)
		return NULL;
	*len = end - start;
	/* The last line may be shorter. */
	flags = calloc(*len + LINE, 1);
	if (!flags)
		err(1, "memory");
	taken = peek(fd, start, flags, *len);
	close(fd);
	if (taken)
		return flags;
	free(flags);
	return NULL;
}

static void tell(int fd, const unsigned char *flags, size_t len)
{
	char id[41], line[LINE / 4 + 100];
	size_t at, i;
	int used;

	if (!build_id(id))
		return;
	for (at = 0; at < len; at += LINE) {
		used = sprintf(line, "mk-reached %s %zu ", id, at);
		for (i = at; i < at + LINE; i += 8) {
			unsigned char byte = 0;

			for (int bit = 0; bit < 8; bit++)
				byte |= (flags[i + bit] & 1) << bit;
			used += sprintf(line + used, "%02x", byte);
		}
		line[used++] = '\n';
		/* The log may have enough of this; the next time it has all of it again. */
		if (write(fd, line, used) != used)
			return;
	}
}

int main(int argc, char **argv)
{
	unsigned char *flags, *told = NULL;
	size_t len;
	int fd;

	if (argc < 2) {
		flags = take(&len);
		if (!flags)
			errx(1, "no module with flags is loaded");
		tell(STDOUT_FILENO, flags, len);
		return 0;
	}
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		err(1, "%s", argv[1]);
	for (;; sleep(PAUSE)) {
		flags = take(&len);
		/* Another module has another length, or has reached other code. */
		if (flags && (!told || memcmp(flags, told, len))) {
			tell(fd, flags, len);
			free(told);
			told = flags;
		} else {
			free(flags);
		}
	}
}
