// SPDX-License-Identifier: GPL-2.0
/*
 * Clocks, for tests, in an instance and beside it.
 *
 *	clock pairs MS		every MS milliseconds, for ever: the time stamp
 *				counter and CLOCK_REALTIME at one moment
 *	clock ptp DEVICE	how far CLOCK_REALTIME is ahead of a PTP clock, and
 *				how wide that was read, in nanoseconds
 *	clock synchronized	tell the kernel that its clock is
 *	clock step MS		set CLOCK_REALTIME by so much forwards
 *	clock rate PPM		let it go faster
 *	clock rtc [YEAR]	the RTC's year; or set it to the beginning of YEAR
 *
 * Its lines begin with "clock: ", as the log of an instance has others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include <linux/ptp_clock.h>
#include <linux/rtc.h>
#include <x86intrin.h>

/* The best of so many is taken: who is interrupted in between reads nonsense. */
#define TRIES		50

/* As the kernel makes a clock of a descriptor. */
#define CLOCK_OF(fd)	((clockid_t)(~(unsigned int)(fd) << 3 | 3))

static int failed(const char *what)
{
	fprintf(stderr, "clock: %s: %s\n", what, strerror(errno));
	return 1;
}

static long long ns(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time)) {
		failed("clock_gettime");
		exit(1);
	}
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static unsigned long long tsc(void)
{
	unsigned long long value;

	_mm_lfence();
	value = __rdtsc();
	_mm_lfence();
	return value;
}

static void tell_pair(void)
{
	unsigned long long at = 0, width = ~0ULL;
	long long time = 0;
	int i;

	for (i = 0; i < TRIES; i++) {
		unsigned long long before = tsc();
		long long now = ns(CLOCK_REALTIME);
		unsigned long long after = tsc();

		if (after - before < width) {
			width = after - before;
			at = before + width / 2;
			time = now;
		}
	}
	printf("clock: pair %llu %lld %llu\n", at, time, width);
	fflush(stdout);
}

static void pairs(long ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	for (;;) {
		tell_pair();
		nanosleep(&pause, NULL);
	}
}

static int read_ptp(const char *path)
{
	struct ptp_sys_offset_precise precise = {};
	long long width = -1ULL >> 1, ahead = 0;
	int fd = open(path, O_RDWR), i;

	if (fd < 0)
		return failed(path);
	for (i = 0; i < TRIES; i++) {
		long long before = ns(CLOCK_REALTIME);
		long long device = ns(CLOCK_OF(fd));
		long long after = ns(CLOCK_REALTIME);

		if (after - before < width) {
			width = after - before;
			ahead = before + width / 2 - device;
		}
	}
	printf("clock: ptp ahead %lld ns, width %lld ns\n", ahead, width);
	if (ioctl(fd, PTP_SYS_OFFSET_PRECISE, &precise))
		return failed("PTP_SYS_OFFSET_PRECISE");
	ahead = (precise.sys_realtime.sec - precise.device.sec) * 1000000000LL +
		((long long)precise.sys_realtime.nsec - precise.device.nsec);
	printf("clock: ptp precisely ahead %lld ns\n", ahead);
	return 0;
}

static int adjust(struct timex timex)
{
	return adjtimex(&timex) < 0 ? failed("adjtimex") : 0;
}

static int rtc_year(const char *year)
{
	int fd = open("/dev/rtc0", O_RDONLY);
	struct rtc_time time = { .tm_mday = 1 };

	if (fd < 0)
		return failed("/dev/rtc0");
	if (year) {
		time.tm_year = atoi(year) - 1900;
		return ioctl(fd, RTC_SET_TIME, &time) ? failed("RTC_SET_TIME") : 0;
	}
	if (ioctl(fd, RTC_RD_TIME, &time))
		return failed("RTC_RD_TIME");
	printf("clock: rtc %d\n", time.tm_year + 1900);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const char *value = argc > 2 ? argv[2] : NULL;

	if (!strcmp(what, "pairs") && value)
		pairs(atol(value));
	if (!strcmp(what, "ptp") && value)
		return read_ptp(value);
	if (!strcmp(what, "synchronized"))
		return adjust((struct timex){ .modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR });
	if (!strcmp(what, "step") && value)
		return adjust((struct timex){
			.modes = ADJ_SETOFFSET | ADJ_NANO,
			.time = { atol(value) / 1000, atol(value) % 1000 * 1000000 },
		});
	if (!strcmp(what, "rate") && value)
		return adjust((struct timex){
			.modes = ADJ_FREQUENCY,
			.freq = atol(value) * 65536,
		});
	if (!strcmp(what, "rtc"))
		return rtc_year(value);
	fprintf(stderr, "clock: what it does is told at the beginning of clock.c\n");
	return 2;
}
