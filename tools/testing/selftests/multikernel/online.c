// SPDX-License-Identifier: GPL-2.0
/*
 * Whether this kernel has the CPUs that it should have, and they work.
 *
 *	online LIST [CPU...]	those of a list such as 0-2,4 are online, but none of CPU...
 *
 * They work if they run what is bound to them. One process looks at all of them, as a kernel
 * that looks for faults takes long to begin one in an emulator. The status is 1 if not, and 2 if
 * that could not be told.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "mk.h"

#define ONLINE	"/sys/devices/system/cpu/online"
/* In seconds, for all of them. */
#define LIMIT	60

static pthread_t threads[CPU_SETSIZE];

static void parse(const char *list, cpu_set_t *cpus)
{
	char *rest = (char *)list;

	CPU_ZERO(cpus);
	while (*rest) {
		unsigned long first = strtoul(rest, &rest, 10);
		unsigned long last = *rest == '-' ? strtoul(rest + 1, &rest, 10) : first;

		if ((*rest && *rest != ',') || last >= CPU_SETSIZE)
			errx(2, "'%s' is no list of CPUs", list);
		for (; first <= last; first++)
			CPU_SET(first, cpus);
		rest += *rest == ',';
	}
}

static void *visit(void *argument)
{
	int cpu = (intptr_t)argument;
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	/* It returns there: not on a CPU that does not work. */
	if (sched_setaffinity(0, sizeof(only), &only))
		return NULL;
	return (void *)(intptr_t)(sched_getcpu() == cpu);
}

int main(int argc, char **argv)
{
	cpu_set_t wanted, online;
	struct timespec end;
	char line[4096];
	int status = 0;

	if (argc < 2)
		errx(2, "it is: online LIST [CPU...]");
	parse(argv[1], &wanted);
	for (int n = 2; n < argc; n++)
		CPU_CLR(atoi(argv[n]), &wanted);
	if (mk_read_line(ONLINE, line, sizeof(line)) < 0)
		errx(2, "cannot read " ONLINE);
	parse(line, &online);
	if (!CPU_EQUAL(&wanted, &online)) {
		printf("CPUs %s are online, not those of %s without the %d that are lent\n", line,
		       argv[1], argc - 2);
		status = 1;
	}

	for (intptr_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &online) &&
		    pthread_create(&threads[cpu], NULL, visit, (void *)cpu))
			err(2, "no thread for CPU %d", (int)cpu);
	}
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		void *visited = NULL;

		if (CPU_ISSET(cpu, &online) &&
		    (pthread_timedjoin_np(threads[cpu], &visited, &end) || !visited)) {
			printf("CPU %d does not work\n", cpu);
			status = 1;
		}
	}
	/* Not waiting for a thread that is still on its way. */
	fflush(stdout);
	_exit(status);
}
