// SPDX-License-Identifier: GPL-2.0
/*
 * How fast the timer of the local APIC is. The kernel knows, and tells nobody; so it is
 * measured, against the TSC.
 */
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/types.h>
#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/tsc.h>

#include "shim.h"

/* Whoever emulates a CPU may keep it from running at any time, or its timer may expire. */
#define TRIES	20

/* Of a duration, the part that a time may be wrong by. */
#define EXACT	256

struct sample {
	u64 tsc;
	/* How long it took. */
	u64 width;
	u32 count;
};

static struct sample take_sample(void)
{
	const u64 before = rdtsc_ordered();
	const u32 count = apic->read(APIC_TMCCT);
	const u64 after = rdtsc_ordered();

	return (struct sample){
		.tsc = before + (after - before) / 2,
		.width = after - before,
		.count = count,
	};
}

/* By how much the counter is divided. */
static unsigned int divisor(void)
{
	const u32 bits = apic->read(APIC_TDCR);

	return 1U << ((((bits >> 1 & 4) | (bits & 3)) + 1) & 7);
}

/* Takes a millisecond. 0: the timer does not run, or it could not be seen well enough. */
static unsigned int measure(void)
{
	const struct sample first = take_sample();
	struct sample last;
	u64 elapsed;

	if (!first.count)
		return 0;
	do {
		cpu_relax();
		last = take_sample();
		elapsed = last.tsc - first.tsc;
	} while (elapsed < tsc_khz);
	if (!last.count || last.count >= first.count ||
	    first.width + last.width > elapsed / EXACT)
		return 0;
	return mul_u64_u64_div_u64((u64)(first.count - last.count) * divisor(), tsc_khz, elapsed);
}

unsigned int mk_apic_timer_khz(void)
{
	unsigned int khz = 0, tries;
	unsigned long flags;

	/* It counts the TSC then. */
	if (boot_cpu_has(X86_FEATURE_TSC_DEADLINE_TIMER))
		return 0;
	for (tries = 0; tries < TRIES && !khz; tries++) {
		local_irq_save(flags);
		khz = measure();
		local_irq_restore(flags);
	}
	return khz;
}
