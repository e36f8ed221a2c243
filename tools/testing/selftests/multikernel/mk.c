// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <asm/bootparam.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "mk.h"

__thread char mk_text[512];

/* ---- calls --------------------------------------------------------------- */

int mk_call(int fd, unsigned long command, void *argument)
{
	struct mk_header *header = argument;
	int result;

	*mk_text = 0;
	header->message = (uintptr_t)mk_text;
	header->message_size = sizeof(mk_text);
	result = ioctl(fd, command, argument);
	return result < 0 ? -errno : result;
}

int mk_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int mk_query(int device, struct mk_query *query)
{
	memset(query, 0, sizeof(*query));
	query->header.size = sizeof(*query);
	return mk_call(device, MK_QUERY, query);
}

static int name_call(int device, unsigned long command, const char *name, __u32 flags)
{
	struct mk_name argument = { .header = { .size = sizeof(argument), .flags = flags } };

	/* All of the array if it is too long, without a NUL. */
	memcpy(argument.name, name, strnlen(name, sizeof(argument.name)));
	return mk_call(device, command, &argument);
}

int mk_create(int device, const char *name, __u32 flags)
{
	return name_call(device, MK_CREATE, name, flags);
}

int mk_open(int device, const char *name)
{
	return name_call(device, MK_OPEN, name, 0);
}

int mk_set_cpus(int fd, const __u32 *cpus, __u32 nr_cpus)
{
	struct mk_cpus argument = {
		.header = { .size = sizeof(argument), .flags = MK_CPUS_SPLIT_CORES },
		.cpus = (uintptr_t)cpus,
		.nr_cpus = nr_cpus,
	};

	return mk_call(fd, MK_SET_CPUS, &argument);
}

int mk_set_memory_of(int fd, __u64 bytes, __s32 node, __u64 *largest)
{
	struct mk_memory argument = {
		.header = { .size = sizeof(argument) },
		.bytes = bytes,
		.node = node,
	};
	int result = mk_call(fd, MK_SET_MEMORY, &argument);

	if (largest)
		*largest = argument.largest;
	return result;
}

int mk_set_memory(int fd, __u64 bytes)
{
	return mk_set_memory_of(fd, bytes, MK_NODE_ANY, NULL);
}

int mk_ranges(int fd, struct mk_range *ranges, __u32 room)
{
	struct mk_info info = {
		.header = { .size = sizeof(info) },
		.ranges = (uintptr_t)ranges,
		.nr_ranges = room,
	};
	int result = mk_call(fd, MK_INFO, &info);

	return result < 0 ? result : (int)info.nr_ranges;
}

int mk_pools(int device, struct mk_pool_entry *entries, __u32 room)
{
	struct mk_list argument = {
		.header = { .size = sizeof(argument) },
		.entries = (uintptr_t)entries,
		.nr_entries = room,
		.entry_size = sizeof(*entries),
	};
	int result = mk_call(device, MK_POOLS, &argument);

	return result < 0 ? result : (int)argument.nr_entries;
}

int mk_load(int fd, int kernel, int initrd, const char *cmdline)
{
	struct mk_load argument = {
		.header = { .size = sizeof(argument) },
		.cmdline = (uintptr_t)cmdline,
		.cmdline_size = cmdline ? strlen(cmdline) : 0,
		.kernel_fd = kernel,
		.initrd_fd = initrd,
	};

	return mk_call(fd, MK_LOAD, &argument);
}

static int command_call(int fd, unsigned long command, __u32 flags)
{
	struct mk_command argument = { .header = { .size = sizeof(argument), .flags = flags } };

	return mk_call(fd, command, &argument);
}

int mk_start(int fd)
{
	return command_call(fd, MK_START, 0);
}

int mk_kill(int fd)
{
	return command_call(fd, MK_KILL, 0);
}

int mk_destroy(int fd, __u32 flags)
{
	return command_call(fd, MK_DESTROY, flags);
}

int mk_ask(int fd, unsigned long command, __u32 timeout_ms)
{
	struct mk_ask argument = { .header = { .size = sizeof(argument) }, .timeout_ms = timeout_ms };

	return mk_call(fd, command, &argument);
}

int mk_set_heartbeat(int fd, __u32 hung_ms)
{
	struct mk_heartbeat argument = {
		.header = { .size = sizeof(argument) },
		.hung_ms = hung_ms,
	};

	return mk_call(fd, MK_SET_HEARTBEAT, &argument);
}

int mk_console(int fd, __u32 flags)
{
	return command_call(fd, MK_CONSOLE, flags);
}

int mk_info(int fd, struct mk_info *info)
{
	memset(info, 0, sizeof(*info));
	info->header.size = sizeof(*info);
	return mk_call(fd, MK_INFO, info);
}

int mk_state(int fd)
{
	struct mk_info info;
	int result = mk_info(fd, &info);

	return result < 0 ? result : (int)info.state;
}

int mk_prepare(int fd, const __u32 *cpus, __u32 nr_cpus, __u64 bytes, int kernel, int initrd,
	       const char *cmdline)
{
	int result = mk_set_cpus(fd, cpus, nr_cpus);

	if (!result)
		result = mk_set_memory(fd, bytes);
	if (!result)
		result = mk_load(fd, kernel, initrd, cmdline);
	return result;
}

int mk_wait_while(int fd, int state)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLPRI };
	int now, result;

	while ((now = mk_state(fd)) == state) {
		result = poll(&poll_fd, 1, TIMEOUT_MS);
		if (result < 0)
			return -errno;
		if (!result)
			return -ETIMEDOUT;
	}
	return now;
}

const void *mk_map(int fd, __u64 *bytes)
{
	struct mk_info info;

	if (mk_info(fd, &info) < 0)
		return MAP_FAILED;
	*bytes = info.memory;
	return mmap(NULL, info.memory, PROT_READ, MAP_SHARED, fd, 0);
}

bool mk_is_zero(const void *memory, __u64 bytes)
{
	const __u64 *words = memory;

	for (__u64 n = 0; n < bytes / sizeof(*words); n++) {
		if (words[n])
			return false;
	}
	return true;
}

/* ---- files --------------------------------------------------------------- */

int mk_file(const void *data, size_t length, off_t size)
{
	char path[] = "/tmp/multikernel-XXXXXX";
	int fd = mkstemp(path), reader = -1;

	if (fd < 0)
		return -errno;
	if (write(fd, data, length) == (ssize_t)length && !ftruncate(fd, size))
		reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		reader = -errno;
	/* A kernel cannot be loaded as long as somebody may write to its file. */
	close(fd);
	unlink(path);
	return reader;
}

int mk_large_initrd(int fd)
{
	struct mk_range ranges[64];
	int count = mk_ranges(fd, ranges, ARRAY_LEN(ranges));
	__u64 largest = 0;

	/* Memory may come in pieces, and it is not in two of them. */
	for (int n = 0; n < count && n < ARRAY_LEN(ranges); n++) {
		if (ranges[n].bytes > largest)
			largest = ranges[n].bytes;
	}
	return mk_file("", 0, largest - largest / 4);
}

static int open_named(const char *variable)
{
	const char *path = getenv(variable);

	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

int mk_real_kernel(void)
{
	return open_named("MK_KERNEL");
}

int mk_real_rootfs(void)
{
	return open_named("MK_ROOTFS");
}

/* ---- a kernel that is a few instructions ---------------------------------- */

/* At the start of the protected-mode part, where 64-bit kernels have none of their code. */
static const char TINY_MAGIC[16] = "mk-selftest-tiny";
/* What it writes right after that when it runs. */
#define TINY_MARK	0x4e55522d4b4d
#define TINY_MARK_AT	sizeof(TINY_MAGIC)
/* Of the 64-bit entry, in the protected-mode part. */
#define ENTRY64		0x200

static size_t put(unsigned char *at, const void *code, size_t length)
{
	memcpy(at, code, length);
	return length;
}

static size_t tiny_code(unsigned char *code, enum mk_tiny what)
{
	static const __u32 type[] = {
		[MK_TINY_RESTART] = 0,
		[MK_TINY_POWER_OFF] = 1,
		[MK_TINY_HALT] = 4,
	};
	const __u64 mark = TINY_MARK;
	const __u32 shutdown_type = type[what];
	/* The mark is before the next instruction, which ends after 17 bytes. */
	const __s32 distance = (int)TINY_MARK_AT - (ENTRY64 + 17);
	size_t n = 0;

	n += put(code + n, "\x48\xb8", 2);			/* mov $mark, %rax */
	n += put(code + n, &mark, 8);
	n += put(code + n, "\x48\x89\x05", 3);			/* mov %rax, distance(%rip) */
	n += put(code + n, &distance, 4);
	if (what != MK_TINY_STAY) {
		n += put(code + n, "\x48\x8b\x7e\x58", 4);	/* mov tboot_addr(%rsi), %rdi */
		n += put(code + n, "\xc7\x47\x1c", 3);		/* movl type, shutdown_type(%rdi) */
		n += put(code + n, &shutdown_type, 4);
		n += put(code + n, "\x8b\x47\x18", 3);		/* mov shutdown_entry(%rdi), %eax */
		n += put(code + n, "\xff\xe0", 2);		/* jmp *%rax */
	}
	n += put(code + n, "\xfa\xf4\xeb\xfd", 4);		/* cli; 1: hlt; jmp 1b */
	return n;
}

void mk_tiny_image(unsigned char *image, enum mk_tiny what)
{
	const struct setup_header header = {
		.setup_sects = MK_TINY_SETUP / 512 - 1,
		.syssize = (MK_TINY_BYTES - MK_TINY_SETUP) / 16,
		.boot_flag = 0xaa55,
		/* A short jump behind what this structure has. */
		.jump = 0xeb | (sizeof(header) - offsetof(struct setup_header, header)) << 8,
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = LOADED_HIGH,
		.kernel_alignment = 2 * MIB,
		.relocatable_kernel = 1,
		.min_alignment = 21,
		.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
		.cmdline_size = 2047,
		.payload_offset = ENTRY64,
		.payload_length = MK_TINY_BYTES - MK_TINY_SETUP - ENTRY64,
		.pref_address = 16 * MIB,
		.init_size = MK_TINY_INIT,
	};

	memset(image, 0, MK_TINY_BYTES);
	memcpy(image + 0x1f1, &header, sizeof(header));
	memcpy(image + MK_TINY_SETUP, TINY_MAGIC, sizeof(TINY_MAGIC));
	tiny_code(image + MK_TINY_SETUP + ENTRY64, what);
}

int mk_tiny_kernel(enum mk_tiny what)
{
	unsigned char image[MK_TINY_BYTES];

	mk_tiny_image(image, what);
	return mk_file(image, sizeof(image), sizeof(image));
}

/* It is at a multiple of its alignment, which ranges are multiples of, too. */
static const char *tiny_find(const void *map, __u64 bytes)
{
	for (__u64 at = 0; at < bytes; at += MK_MEMORY_ALIGN) {
		const char *here = (const char *)map + at;

		if (!memcmp(here, TINY_MAGIC, sizeof(TINY_MAGIC)))
			return here;
	}
	return NULL;
}

bool mk_tiny_is_loaded(const void *map, __u64 bytes)
{
	return tiny_find(map, bytes);
}

bool mk_tiny_has_run(const void *map, __u64 bytes)
{
	const char *here = tiny_find(map, bytes);

	return here && *(const volatile __u64 *)(here + TINY_MARK_AT) == TINY_MARK;
}

/* ---- the host ------------------------------------------------------------ */

int mk_read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	int result;

	if (!file)
		return -errno;
	if (!fgets(line, size, file))
		*line = 0;
	result = ferror(file) ? -EIO : 0;
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	return result ? result : (int)strlen(line);
}

/* Lines of a file that have @text. */
static int count_lines(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int count = 0;

	if (!file)
		return -errno;
	while (getline(&line, &room, file) >= 0)
		count += !!strstr(line, text);
	free(line);
	fclose(file);
	return count;
}

bool mk_is_in_iomem(__u64 start, __u64 bytes, const char *name)
{
	FILE *file = fopen("/proc/iomem", "re");
	char line[256], wanted[128];
	bool found = false;

	if (!file)
		return false;
	snprintf(wanted, sizeof(wanted), "%08llx-%08llx : %s\n", start, start + bytes - 1, name);
	/* It is indented below what it is in. */
	while (!found && fgets(line, sizeof(line), file))
		found = !strcmp(line + strspn(line, " "), wanted);
	fclose(file);
	return found;
}

__u64 mk_proc(const char *path, const char *field)
{
	FILE *file = fopen(path, "re");
	char name[64];
	unsigned long long kib = 0;

	if (!file)
		return 0;
	while (fscanf(file, "%63[^:]:%*[ \t]", name) == 1) {
		if (!strcmp(name, field)) {
			if (fscanf(file, "%llu", &kib) != 1)
				kib = 0;
			break;
		}
		if (fscanf(file, "%*[^\n]") == EOF || fscanf(file, " ") == EOF)
			break;
	}
	fclose(file);
	return kib << 10;
}

/* Pages that each CPU keeps for itself, in bytes: nobody counts them as free. */
static __u64 kept_by_cpus(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	char *line = NULL;
	size_t room = 0;
	__u64 pages = 0;
	unsigned int count;

	if (!file)
		return 0;
	while (getline(&line, &room, file) >= 0) {
		if (sscanf(line, " count: %u", &count) == 1)
			pages += count;
	}
	free(line);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

void mk_host(int device, struct mk_host *host)
{
	/* Without a message: that of the last call stays. */
	struct mk_query query = { .header = { .size = sizeof(query) } };

	memset(host, 0, sizeof(*host));
	if (!ioctl(device, MK_QUERY, &query)) {
		host->slots_free = query.nr_slots_free;
		host->instances = query.nr_instances;
	}
	mk_read_line("/sys/devices/system/cpu/online", host->online, sizeof(host->online));
	host->ranges = count_lines("/proc/iomem", "multikernel: ");
	host->interrupts = count_lines("/proc/interrupts", ":");
	host->memory = mk_meminfo("MemAvailable") + kept_by_cpus();
}

const char *mk_host_differs(const struct mk_host *before, const struct mk_host *now)
{
	static char what[640];

	if (before->slots_free != now->slots_free)
		snprintf(what, sizeof(what), "%u slots are free, not %u", now->slots_free,
			 before->slots_free);
	else if (before->instances != now->instances)
		snprintf(what, sizeof(what), "%u instances exist, not %u", now->instances,
			 before->instances);
	else if (strcmp(before->online, now->online))
		snprintf(what, sizeof(what), "CPUs %s are online, not %s", now->online,
			 before->online);
	else if (before->ranges != now->ranges)
		snprintf(what, sizeof(what), "%d ranges in /proc/iomem, not %d", now->ranges,
			 before->ranges);
	else if (before->interrupts != now->interrupts)
		snprintf(what, sizeof(what), "%d lines in /proc/interrupts, not %d",
			 now->interrupts, before->interrupts);
	else if (now->memory + MK_MEMORY_NOISE < before->memory)
		snprintf(what, sizeof(what), "%llu MiB are available, not %llu",
			 now->memory / MIB, before->memory / MIB);
	else
		return NULL;
	return what;
}

int mk_lendable(int device, __u32 *cpus, int room)
{
	struct mk_query query;
	char list[256], *at = list;
	int count = 0;

	if (mk_query(device, &query) < 0 ||
	    mk_read_line("/sys/devices/system/cpu/online", list, sizeof(list)) < 0)
		return 0;
	while (*at) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (; first <= last; first++) {
			if (first != query.boot_cpu && count < room)
				cpus[count++] = first;
		}
		if (*at == ',')
			at++;
		else
			break;
	}
	return count;
}

int mk_cpu_set_online(unsigned int cpu, bool online)
{
	char path[64];
	int fd, result = 0;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, online ? "1" : "0", 1) != 1)
		result = -errno;
	close(fd);
	return result;
}

int mk_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* The next record of the log, as one string; false: there is none yet. */
static bool log_next(int log, char *record, size_t size)
{
	ssize_t length;

	do {
		length = read(log, record, size - 1);
		/* Records were overwritten before they were read: go on with the oldest. */
	} while (length < 0 && (errno == EPIPE || errno == EINTR));
	if (length <= 0)
		return false;
	record[length] = 0;
	return true;
}

bool mk_log_has(int log, const char *text)
{
	char record[8192];

	while (log_next(log, record, sizeof(record))) {
		if (strstr(record, text))
			return true;
	}
	return false;
}

bool mk_log_has_bug(int log, char *line, size_t size)
{
	static const char *const BUGS[] = {
		"BUG:", "WARNING:", "Oops", "UBSAN:", "KASAN:", "KCSAN:", "KFENCE:",
		"general protection fault", "Bad page state", "blocked for more than",
		"suspected memory leaks", "possible circular locking", "possible recursive locking",
		"suspicious RCU usage", "inconsistent lock state", "invalid wait context",
		"sleeping function called", "scheduling while atomic", "rust_kernel: panicked",
		/* The module's own: a CPU or memory is lost. */
		"stays offline", "is stuck in the trampoline", "does not answer", "not given back",
	};
	char record[8192];
	bool found = false;

	while (log_next(log, record, sizeof(record))) {
		const char *text = strchr(record, ';');

		for (size_t n = 0; text && !found && n < ARRAY_LEN(BUGS); n++)
			found = strstr(text, BUGS[n]);
		if (found) {
			snprintf(line, size, "%.*s", (int)strcspn(text + 1, "\n"), text + 1);
			break;
		}
	}
	return found;
}
