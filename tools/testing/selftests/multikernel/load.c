// SPDX-License-Identifier: GPL-2.0
/*
 * What MK_LOAD takes, and what it refuses: kernels, initrds, command lines.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <asm/bootparam.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "kselftest_harness.h"
#include "mk.h"

FIXTURE(load)
{
	MK_FIXTURE;
	int instance;
	int kernel;
	/* The host with the instance and its memory. */
	struct mk_host with;
	unsigned char image[MK_TINY_BYTES];
};

FIXTURE_SETUP(load)
{
	MK_SETUP;
	mk_tiny_image(self->image, MK_TINY_STAY);
	self->kernel = mk_tiny_kernel(MK_TINY_STAY);
	ASSERT_OK(self->kernel);
	self->instance = mk_create(self->device, "load", MK_CREATE_AUTO_DESTROY);
	ASSERT_OK(self->instance);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY));
	mk_host(self->device, &self->with);
}

FIXTURE_TEARDOWN(load)
{
	close(self->instance);
	close(self->kernel);
	MK_TEARDOWN;
}

/* A load that fails leaves nothing that could be started. */
#define EXPECT_LOAD_REFUSED(error, fragment, kernel, initrd, cmdline)			\
do {											\
	EXPECT_REFUSED(&self->with, error, fragment,					\
		       mk_load(self->instance, kernel, initrd, cmdline));		\
	EXPECT_EQ(MK_STATE_CREATED, mk_state(self->instance));				\
} while (0)

/* The same for a file that is made for it. */
#define EXPECT_IMAGE_REFUSED(error, fragment, data, length, size)			\
do {											\
	int __image = mk_file(data, length, size);					\
											\
	ASSERT_OK(__image);								\
	EXPECT_LOAD_REFUSED(error, fragment, __image, -1, NULL);			\
	close(__image);									\
} while (0)

/* ---- kernels ------------------------------------------------------------- */

TEST_F_TIMEOUT(load, images_that_are_none, TIMEOUT)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *text;
	} FILES[] = {
		{ "\177ELF\2\1\1", 7, "ELF" },
		{ "\x1f\x8b\x08", 3, "gzip" },
		{ "\3757zXZ", 6, "xz" },
		{ "\x28\xb5\x2f\xfd", 4, "zstd" },
		{ "070701", 6, "cpio" },
		{ "MZ", 2, "EFI" },
		{ "\0", 1, "something else" },
	};
	static const char TEXT[] = "#!/bin/sh\necho this is no kernel\n";

	for (int n = 0; n < ARRAY_LEN(FILES); n++) {
		EXPECT_IMAGE_REFUSED(ENOEXEC, FILES[n].text, FILES[n].bytes, FILES[n].length,
				     1 << 20);
		EXPECT_IMAGE_REFUSED(ENOEXEC, FILES[n].text, FILES[n].bytes, FILES[n].length,
				     FILES[n].length);
	}
	EXPECT_IMAGE_REFUSED(ENOEXEC, "text", TEXT, strlen(TEXT), strlen(TEXT));
	EXPECT_IMAGE_REFUSED(ENOEXEC, "empty", "", 0, 0);
}

TEST_F_TIMEOUT(load, images_that_are_truncated, TIMEOUT)
{
	/* Of the header there must be all, and then as much as it says. */
	static const size_t LENGTHS[] = {
		0x206, 0x250, 0x28f, 0x290, MK_TINY_SETUP, MK_TINY_SETUP + 1, MK_TINY_BYTES - 1,
	};
	static const size_t SHORTER[] = { 1, 0x1fd, 0x1ff, 0x203, 0x205 };

	for (int n = 0; n < ARRAY_LEN(LENGTHS); n++)
		EXPECT_IMAGE_REFUSED(ENOEXEC, "truncated", self->image, LENGTHS[n], LENGTHS[n]);
	for (int n = 0; n < ARRAY_LEN(SHORTER); n++)
		EXPECT_IMAGE_REFUSED(ENOEXEC, "no bzImage", self->image, SHORTER[n], SHORTER[n]);
	/* What follows it, as a signature, does no harm. */
	close(self->kernel);
	self->kernel = mk_file(self->image, MK_TINY_BYTES, MK_TINY_BYTES + 4096);
	EXPECT_OK(mk_load(self->instance, self->kernel, -1, NULL));
}

/* Each field of the header that is read, with values that it cannot have. */
TEST_F_TIMEOUT(load, headers_that_lie, TIMEOUT)
{
#define FIELD(name, value, text) \
	{ #name, offsetof(struct setup_header, name), \
	  sizeof(((struct setup_header *)0)->name), value, text }
	static const struct {
		const char *name;
		size_t offset;
		size_t bytes;
		__u64 value;
		const char *text;
	} FIELDS[] = {
		FIELD(boot_flag, 0, "no bzImage"),
		FIELD(boot_flag, 0x55aa, "no bzImage"),
		FIELD(header, 0, "no bzImage"),
		FIELD(header, 0x53726449, "no bzImage"),
		FIELD(version, 0, "protocol 0.00"),
		FIELD(version, 0x20b, "protocol 2.11"),
		FIELD(loadflags, 0, "zImage"),
		FIELD(xloadflags, 0, "32-bit"),
		FIELD(xloadflags, XLF_CAN_BE_LOADED_ABOVE_4G, "32-bit"),
		FIELD(xloadflags, XLF_KERNEL_64, "above 4 GiB"),
		FIELD(relocatable_kernel, 0, "relocatable"),
		FIELD(jump, 0, "jump"),
		FIELD(jump, 0x00eb, "jump"),
		FIELD(jump, 0x61eb, "jump"),
		FIELD(jump, 0x8feb, "jump"),
		FIELD(jump, 0xffeb, "jump"),
		FIELD(setup_sects, 255, "truncated"),
		/* 0 stands for 4. */
		FIELD(setup_sects, 0, "truncated"),
		FIELD(syssize, 0, "syssize"),
		FIELD(syssize, (MK_TINY_BYTES - MK_TINY_SETUP) / 16 + 1, "truncated"),
		FIELD(syssize, 0xffffffff, "truncated"),
		FIELD(kernel_alignment, 0, "kernel_alignment"),
		FIELD(kernel_alignment, 4096, "kernel_alignment"),
		FIELD(kernel_alignment, 3 * MIB, "kernel_alignment"),
		FIELD(kernel_alignment, 1U << 31, "kernel_alignment"),
		FIELD(min_alignment, 22, "min_alignment"),
		FIELD(min_alignment, 255, "min_alignment"),
		FIELD(payload_offset, 0, "payload_offset"),
		FIELD(payload_offset, MK_TINY_BYTES, "payload_offset"),
		FIELD(payload_offset, 0xffffffff, "payload_offset"),
		FIELD(payload_length, 0, "payload_length"),
		FIELD(payload_length, MK_TINY_BYTES, "payload_length"),
		FIELD(payload_length, 0xffffffff, "payload_length"),
		FIELD(init_size, 0, "init_size"),
		FIELD(init_size, MK_TINY_BYTES - MK_TINY_SETUP - 1, "init_size"),
		FIELD(init_size, 0xffffffff, "init_size"),
		FIELD(cmdline_size, 0, "cmdline_size"),
		FIELD(cmdline_size, 254, "cmdline_size"),
		FIELD(pref_address, 0, "pref_address"),
		FIELD(pref_address, 16 * MIB + 4096, "pref_address"),
		FIELD(pref_address, UINT64_MAX, "pref_address"),
		FIELD(pref_address, 1ULL << 63, "pref_address"),
	};

	for (int n = 0; n < ARRAY_LEN(FIELDS); n++) {
		unsigned char image[MK_TINY_BYTES];

		memcpy(image, self->image, sizeof(image));
		memcpy(image + 0x1f1 + FIELDS[n].offset, &FIELDS[n].value, FIELDS[n].bytes);
		EXPECT_IMAGE_REFUSED(ENOEXEC, FIELDS[n].text, image, sizeof(image), sizeof(image));
		ASSERT_FALSE(_metadata->exit_code)
			TH_LOG("%s is %#llx", FIELDS[n].name, FIELDS[n].value);
	}
	/* Nothing else was wrong with it. */
	EXPECT_OK(mk_load(self->instance, self->kernel, -1, NULL));
}

TEST_F_TIMEOUT(load, images_that_are_too_large, TIMEOUT)
{
	unsigned char image[MK_TINY_BYTES];
	struct setup_header *header = (void *)(image + 0x1f1);

	/* As a file, */
	EXPECT_IMAGE_REFUSED(EFBIG, "67108865", self->image, MK_TINY_BYTES, MEMORY + 1);
	EXPECT_IMAGE_REFUSED(EFBIG, "1099511627776", self->image, MK_TINY_BYTES, 1LL << 40);
	/* or unpacked, or for where it wants to be. */
	memcpy(image, self->image, sizeof(image));
	header->init_size = MEMORY;
	EXPECT_IMAGE_REFUSED(EFBIG, "67108864", image, sizeof(image), sizeof(image));
	header->init_size = 1U << 30;
	EXPECT_IMAGE_REFUSED(EFBIG, "1073741824", image, sizeof(image), sizeof(image));
	header->init_size = MK_TINY_INIT;
	header->pref_address = 1ULL << 40;
	EXPECT_IMAGE_REFUSED(EFBIG, "2097152", image, sizeof(image), sizeof(image));
	header->pref_address = 16 * MIB;
	header->kernel_alignment = 1U << 30;
	header->pref_address = 1ULL << 39;
	EXPECT_IMAGE_REFUSED(EFBIG, "2097152", image, sizeof(image), sizeof(image));
}

TEST_F_TIMEOUT(load, real_kernel, TIMEOUT)
{
	int kernel = mk_real_kernel(), rootfs = mk_real_rootfs(), cut;
	unsigned char *image;
	off_t size;

	if (kernel < 0 || rootfs < 0)
		MK_SKIP("MK_KERNEL or MK_ROOTFS is not set");
	EXPECT_LOAD_REFUSED(ENOEXEC, "cpio", rootfs, -1, NULL);
	ASSERT_OK(mk_set_memory(self->instance, MEMORY_REAL));
	EXPECT_OK(mk_load(self->instance, kernel, rootfs, NULL));

	size = lseek(kernel, 0, SEEK_END);
	image = malloc(size);
	ASSERT_NE(NULL, image);
	ASSERT_EQ(size, pread(kernel, image, size, 0));
	cut = mk_file(image, size / 2, size / 2);
	ASSERT_OK(cut);
	EXPECT_EQ(-ENOEXEC, mk_load(self->instance, cut, rootfs, NULL));
	EXPECT_NE(NULL, strstr(mk_text, "truncated"));
	close(cut);
	free(image);
	close(rootfs);
	close(kernel);
}

/* ---- descriptors --------------------------------------------------------- */

/* Refused as a kernel and, in the same way, as an initrd. */
#define EXPECT_FD_REFUSED(error, fragment, fd)						\
do {											\
	int __fd = (fd);								\
											\
	ASSERT_LE(0, __fd);								\
	EXPECT_LOAD_REFUSED(error, fragment, __fd, -1, NULL);				\
	EXPECT_LOAD_REFUSED(error, fragment, self->kernel, __fd, NULL);			\
	close(__fd);									\
} while (0)

/* Whether the kernel is unpacked before the time is over; the load has ended. */
static bool gets_ready(int fd, struct mk_info *info)
{
	time_t deadline = time(NULL) + TIMEOUT / 2;

	while (!mk_info(fd, info) && time(NULL) < deadline) {
		if (info->ready_ns)
			return true;
		usleep(1000);
	}
	return false;
}

/* How many words of an instance's memory are not 0. */
static __u64 words_used(int fd)
{
	__u64 bytes, count = 0;
	const __u64 *map = mk_map(fd, &bytes);

	if (map == MAP_FAILED)
		return 0;
	for (__u64 n = 0; n < bytes / sizeof(*map); n++)
		count += map[n] != 0;
	munmap((void *)map, bytes);
	return count;
}

TEST_F_TIMEOUT(load, unpacking_goes_on_afterwards, TIMEOUT)
{
	int kernel = mk_real_kernel();
	bool is_later = false;
	struct mk_info info;
	const void *map;
	__u64 bytes, used;

	if (kernel < 0)
		MK_SKIP("MK_KERNEL is not set");
	/* That kernel unpacks itself: there is nothing to wait for. */
	ASSERT_OK(mk_set_memory(self->instance, MEMORY_REAL));
	ASSERT_OK(mk_info(self->instance, &info));
	EXPECT_EQ(0, info.ready_ns);
	ASSERT_OK(mk_load(self->instance, kernel, -1, "mem=64T"));
	ASSERT_OK(mk_info(self->instance, &info));
	EXPECT_LT(0, info.ready_ns);
	EXPECT_LE(info.ready_ns, info.load_ns);
	used = words_used(self->instance);

	/* This one is unpacked, to the end. Only by chance that is before the call returns. */
	for (int n = 0; n < 3 && !is_later; n++) {
		ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
		EXPECT_TRUE(gets_ready(self->instance, &info));
		EXPECT_EQ(MK_STATE_LOADED, info.state);
		is_later = info.ready_ns > info.load_ns;
	}
	EXPECT_TRUE(is_later);
	EXPECT_LT(used, words_used(self->instance));

	/* Of one that was being unpacked nothing comes any more, while it is looked for. */
	ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
	usleep(20000);
	ASSERT_OK(mk_load(self->instance, kernel, -1, "mem=64T"));
	for (int n = 0; n < 3; n++)
		EXPECT_EQ(used, words_used(self->instance));

	/* Whatever comes in the middle of it waits for it, or begins anew. */
	for (int n = 0; n < 2; n++) {
		ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
		usleep(n * 40000);
		ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
		usleep(n * 40000);
		ASSERT_OK(mk_set_memory(self->instance, MEMORY_REAL));
		map = mk_map(self->instance, &bytes);
		ASSERT_NE(MAP_FAILED, map);
		/* Nobody writes to memory that another owner may have. */
		EXPECT_TRUE(mk_is_zero(map, bytes));
		ASSERT_EQ(0, munmap((void *)map, bytes));
	}
	ASSERT_OK(mk_load(self->instance, kernel, -1, NULL));
	ASSERT_OK(mk_destroy(self->instance, 0));
	close(kernel);
}

TEST_F_TIMEOUT(load, descriptors_that_are_none, TIMEOUT)
{
	static const int NUMBERS[] = { -2, -100, INT32_MIN, 1000000, INT32_MAX };
	int closed = dup(self->kernel);

	ASSERT_LE(0, closed);
	close(closed);
	EXPECT_LOAD_REFUSED(EBADF, "kernel", -1, -1, NULL);
	EXPECT_LOAD_REFUSED(EBADF, "kernel", closed, -1, NULL);
	EXPECT_LOAD_REFUSED(EBADF, "initrd", self->kernel, closed, NULL);
	for (int n = 0; n < ARRAY_LEN(NUMBERS); n++) {
		EXPECT_LOAD_REFUSED(EBADF, "kernel", NUMBERS[n], -1, NULL);
		EXPECT_LOAD_REFUSED(EBADF, "initrd", self->kernel, NUMBERS[n], NULL);
	}
}

TEST_F_TIMEOUT(load, descriptors_that_cannot_be_read, TIMEOUT)
{
	char path[] = "/tmp/multikernel-XXXXXX";
	int pipes[2], sockets[2], writer;

	/* Files that nobody may read, only write to, or only know of, */
	writer = mkstemp(path);
	ASSERT_LE(0, writer);
	ASSERT_EQ(MK_TINY_BYTES, write(writer, self->image, MK_TINY_BYTES));
	EXPECT_FD_REFUSED(EBADF, "reading", open(path, O_WRONLY));
	EXPECT_FD_REFUSED(EBADF, "reading", open(path, O_PATH));
	/* or that somebody may still write to; */
	EXPECT_FD_REFUSED(ETXTBSY, "cannot be read", open(path, O_RDONLY));
	close(writer);
	writer = open(path, O_RDONLY);
	ASSERT_LE(0, writer);
	EXPECT_OK(mk_load(self->instance, writer, writer, NULL));
	close(writer);
	unlink(path);
	/* and what is no file. */
	EXPECT_FD_REFUSED(EISDIR, "directory", open("/tmp", O_RDONLY));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_FD_REFUSED(EINVAL, "regular file", pipes[0]);
	close(pipes[1]);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	EXPECT_FD_REFUSED(EINVAL, "regular file", sockets[0]);
	close(sockets[1]);
	EXPECT_FD_REFUSED(EINVAL, "regular file", open("/dev/zero", O_RDONLY));
	EXPECT_FD_REFUSED(EINVAL, "regular file", mk_device());
	/* A file that ends before it should. */
	EXPECT_FD_REFUSED(EIO, "cannot be read",
			  open("/sys/devices/system/cpu/online", O_RDONLY));
}

TEST_F_TIMEOUT(load, descriptor_of_the_instance, TIMEOUT)
{
	EXPECT_FD_REFUSED(EINVAL, "regular file", dup(self->instance));
}

/* ---- initrds ------------------------------------------------------------- */

TEST_F_TIMEOUT(load, initrds, TIMEOUT)
{
	/* There is the kernel, too. */
	static const off_t TOO_LARGE[] = { MEMORY, MEMORY + 1, MEMORY - MK_TINY_INIT, 1LL << 40 };
	int initrd;

	for (int n = 0; n < ARRAY_LEN(TOO_LARGE); n++) {
		initrd = mk_file("", 0, TOO_LARGE[n]);
		ASSERT_OK(initrd);
		EXPECT_LOAD_REFUSED(EFBIG, "initrd", self->kernel, initrd, NULL);
		close(initrd);
	}
	initrd = mk_file("", 0, 0);
	ASSERT_OK(initrd);
	EXPECT_LOAD_REFUSED(EINVAL, "initrd is empty", self->kernel, initrd, NULL);
	close(initrd);
	initrd = mk_file("x", 1, 1);
	ASSERT_OK(initrd);
	EXPECT_OK(mk_load(self->instance, self->kernel, initrd, NULL));
	close(initrd);
}

/* ---- command lines -------------------------------------------------------- */

TEST_F_TIMEOUT(load, command_lines_that_are_too_long, TIMEOUT)
{
	char line[65536 + 2];
	struct mk_load load = {
		.header = { .size = sizeof(load) },
		.cmdline = (uintptr_t)line,
		.kernel_fd = self->kernel,
		.initrd_fd = -1,
	};
	/* What fits; one more does not. */
	int most = 0;

	memset(line, 'a', sizeof(line));
	for (int more = 1024; more; more /= 2) {
		load.cmdline_size = most + more;
		if (!mk_call(self->instance, MK_LOAD, &load))
			most += more;
	}
	/* The loader's own options leave a kilobyte. */
	EXPECT_LE(1024, most);
	load.cmdline_size = most + 1;
	EXPECT_REFUSED(&self->with, E2BIG, "make it 1 shorter",
		       mk_call(self->instance, MK_LOAD, &load));
	load.cmdline_size = 2047;
	EXPECT_REFUSED(&self->with, E2BIG, "2047 fit", mk_call(self->instance, MK_LOAD, &load));
	load.cmdline_size = 65536;
	EXPECT_REFUSED(&self->with, E2BIG, "shorter", mk_call(self->instance, MK_LOAD, &load));
	load.cmdline_size = 65537;
	EXPECT_REFUSED(&self->with, E2BIG, "65537", mk_call(self->instance, MK_LOAD, &load));
	load.cmdline_size = UINT32_MAX;
	EXPECT_REFUSED(&self->with, E2BIG, "4294967295", mk_call(self->instance, MK_LOAD, &load));
	load.cmdline = 0;
	load.cmdline_size = 0;
	EXPECT_OK(mk_call(self->instance, MK_LOAD, &load));
}

TEST_F_TIMEOUT(load, command_lines_of_a_kernel_that_takes_less, TIMEOUT)
{
	struct setup_header *header = (void *)(self->image + 0x1f1);
	int kernel;

	header->cmdline_size = 255;
	kernel = mk_file(self->image, MK_TINY_BYTES, MK_TINY_BYTES);
	ASSERT_OK(kernel);
	EXPECT_LOAD_REFUSED(E2BIG, "255 fit", kernel, -1, "quiet");
	close(kernel);
}

TEST_F_TIMEOUT(load, command_lines_with_wrong_characters, TIMEOUT)
{
	struct mk_load load = {
		.header = { .size = sizeof(load) },
		.kernel_fd = self->kernel,
		.initrd_fd = -1,
	};
	char line[8] = "ab cd=e";

	load.cmdline = (uintptr_t)line;
	load.cmdline_size = 7;
	for (int byte = 0; byte < 256; byte++) {
		char text[32];

		snprintf(text, sizeof(text), "%#04x at offset 3", byte);
		line[3] = byte;
		/* Control characters, and what Linux takes for a space. */
		if (byte >= ' ' && byte != 0x7f && byte != 0xa0 && byte != '"') {
			EXPECT_OK(mk_call(self->instance, MK_LOAD, &load));
		} else {
			EXPECT_REFUSED(&self->with, EINVAL,
				       byte == '"' ? "quote" : byte ? text : "0x00",
				       mk_call(self->instance, MK_LOAD, &load));
		}
	}
}

TEST_F_TIMEOUT(load, options_that_are_refused, TIMEOUT)
{
	static const char *const OPTIONS[] = {
		"memmap=1G@0", "initrdmem=0x1000,4096", "elfcorehdr=0x1000",
		"ramoops.mem_address=0x1000", "ramoops.mem-address=0x1000", "update_mptable",
		"alloc_mptable=4k", "acpi_rsdp=0x1000", "acpi=off", "acpi=noirq",
		"acpi_no_static_ssdt", "acpi_osi=Linux", "noapic", "nolapic", "disableapic",
		"nosmp", "maxcpus=0", "maxcpus", "maxcpus=x", "pci=conf1", "pci", "reboot=t",
		"mce=off", "nomce", "crashkernel=64M", "rdt=l3cat", "setcpuid=lass",
		"mem_encrypt=on", "earlyprintk=vga", "earlyprintk=serial", "console=uart8250,io,0x3f8",
		"earlycon", "earlycon=uart8250,io,0x3f8", "module_blacklist=\"a b\"",
		"clearcpuid=\"lass\"",
	};

	for (int n = 0; n < ARRAY_LEN(OPTIONS); n++) {
		char line[256];

		EXPECT_LOAD_REFUSED(EINVAL, "leave it out", self->kernel, -1, OPTIONS[n]);
		snprintf(line, sizeof(line), "quiet %s loglevel=7", OPTIONS[n]);
		EXPECT_LOAD_REFUSED(EINVAL, "leave it out", self->kernel, -1, line);
		/* What init is given is not the kernel's. */
		if (!strchr(OPTIONS[n], '"') && !strstr(OPTIONS[n], "acpi_rsdp") &&
		    !strstr(OPTIONS[n], "cpuid") && !strstr(OPTIONS[n], "mem_encrypt") &&
		    !strstr(OPTIONS[n], "printk") && !strstr(OPTIONS[n], "console")) {
			snprintf(line, sizeof(line), "quiet -- %s", OPTIONS[n]);
			EXPECT_OK(mk_load(self->instance, self->kernel, -1, line));
			ASSERT_OK(mk_set_memory(self->instance, MEMORY));
		}
	}
}

TEST_F_TIMEOUT(load, options_that_are_allowed, TIMEOUT)
{
	static const char *const LINES[] = {
		"", " ", "quiet", "maxcpus=1", "mce=nobootlog", "mce=2", "panic=10",
		"earlycon=mk", "console=tty0", "clearcpuid=avx512f", "module_blacklist=floppy",
		"root=/dev/vda1 rw init=/bin/sh", "a=\"b c\"", "-- nosmp",
		"dyndbg=\"file x.c +p\" loglevel=7",
	};

	for (int n = 0; n < ARRAY_LEN(LINES); n++) {
		EXPECT_OK(mk_load(self->instance, self->kernel, -1, LINES[n]));
		EXPECT_EQ(MK_STATE_LOADED, mk_state(self->instance));
	}
}

TEST_F_TIMEOUT(load, options_for_a_uart, TIMEOUT)
{
	static const char *const LINES[] = {
		"earlyprintk=serial,ttyS1,115200", "console=uart8250,io,0x2f8",
		"earlycon=uart8250,io,0x2f8", "console=ttyS1",
	};
	struct mk_load load = {
		.header = { .size = sizeof(load), .flags = MK_LOAD_UART },
		.kernel_fd = self->kernel,
		.initrd_fd = -1,
	};

	for (int n = 0; n < ARRAY_LEN(LINES); n++) {
		load.cmdline = (uintptr_t)LINES[n];
		load.cmdline_size = strlen(LINES[n]);
		EXPECT_OK(mk_call(self->instance, MK_LOAD, &load));
	}
	/* A screen is none. */
	load.cmdline = (uintptr_t)"earlyprintk=vga";
	load.cmdline_size = strlen("earlyprintk=vga");
	EXPECT_REFUSED(&self->with, EINVAL, "leave it out",
		       mk_call(self->instance, MK_LOAD, &load));
}

TEST_HARNESS_MAIN
