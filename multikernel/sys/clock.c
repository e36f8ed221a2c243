// SPDX-License-Identifier: GPL-2.0
/*
 * Wall clocks: how this kernel makes its own from the time stamp counter, which
 * the host tells; and an agent's: a PTP clock, its setting, and the machine's
 * RTC, which it leaves alone.
 */
#include <linux/clocksource_ids.h>
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/pvclock_gtod.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <asm/tsc.h>
#include "shim.h"

/* Until the counter's rate is known better, a second after boot, it is another source. */
static bool is_tsc(enum clocksource_ids id)
{
	return id == CSID_X86_TSC || id == CSID_X86_TSC_EARLY;
}

/* ---- the host's ---------------------------------------------------------- */

/* So far may the clock be from what was told last. */
#define TOLERANCE_NS	1000

/* As this kernel has it now, and as it was told last. */
static DEFINE_RAW_SPINLOCK(base_lock);
static struct mk_clock_base newest, told;
static bool is_watched;

/* It may be called with the timekeeper's lock, under which nothing can be woken up. */
static void tell(struct irq_work *work)
{
	mk_ticker_within(0);
}

static DEFINE_IRQ_WORK(tell_work, tell);

static s64 error_of_told(void)
{
	u64 delta = newest.tsc - told.tsc;

	return told.realtime_ns + mul_u64_u64_shr(delta, told.multiplier, told.shift) -
	       newest.realtime_ns;
}

/* With every change of the time's rate, and often besides: also when it was set. */
static int timekeeper_changed(struct notifier_block *block, unsigned long was_set, void *data)
{
	const struct timekeeper *tk = data;
	bool is_news;

	raw_spin_lock(&base_lock);
	newest.is_valid = is_tsc(tk->tkr_mono.clock->id);
	newest.tsc = tk->tkr_mono.cycle_last;
	newest.realtime_ns = tk->xtime_sec * NSEC_PER_SEC +
			     (tk->tkr_mono.xtime_nsec >> tk->tkr_mono.shift);
	newest.multiplier = tk->tkr_mono.mult;
	newest.shift = tk->tkr_mono.shift;
	newest.tai_offset = tk->tai_offset;
	is_news = is_watched &&
		  (newest.is_valid != told.is_valid || newest.tai_offset != told.tai_offset ||
		   (newest.is_valid && abs(error_of_told()) > TOLERANCE_NS));
	raw_spin_unlock(&base_lock);
	if (is_news)
		irq_work_queue(&tell_work);
	return NOTIFY_DONE;
}

static struct notifier_block timekeeper_notifier = {
	.notifier_call = timekeeper_changed,
};

void mk_clock_watch(void)
{
	pvclock_gtod_register_notifier(&timekeeper_notifier);
}

void mk_clock_unwatch(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
	irq_work_sync(&tell_work);
}

/*
 * The caller tells it to everybody; if @is_wanted it is called again, by the
 * ticker, as soon as it has become wrong.
 */
void mk_clock_tell(bool is_wanted, struct mk_clock_base *base)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&base_lock, flags);
	is_watched = is_wanted;
	told = newest;
	*base = told;
	raw_spin_unlock_irqrestore(&base_lock, flags);
}

/* ---- an agent's ---------------------------------------------------------- */

/* A value of the counter, and CLOCK_REALTIME then. False: the clock is made from something else. */
bool mk_clock_now(u64 *tsc, u64 *realtime_ns)
{
	struct system_time_snapshot now;

	ktime_get_snapshot_id(CLOCK_REALTIME, &now);
	*tsc = now.cycles;
	*realtime_ns = ktime_to_ns(now.systime);
	return now.valid && is_tsc(now.cs_id);
}

u64 mk_tsc(void)
{
	return rdtsc_ordered();
}

int mk_clock_set(u64 realtime_ns)
{
	struct timespec64 time = ns_to_timespec64(realtime_ns);

	return do_settimeofday64(&time);
}

static mk_clock_read_t clock_read;
static void *clock_data;

#if IS_BUILTIN(CONFIG_PTP_1588_CLOCK)
/* Where it is a module of its own, this one could not be loaded without it. */
static struct ptp_clock *ptp;

static int ptp_read(u64 *tsc, u64 *time_ns)
{
	*tsc = rdtsc_ordered();
	return clock_read(clock_data, *tsc, time_ns) ? 0 : -ENODATA;
}

static int ptp_gettimex(struct ptp_clock_info *info, struct timespec64 *time,
			struct ptp_system_timestamp *system)
{
	u64 tsc, time_ns;
	int err;

	ptp_read_system_prets(system);
	err = ptp_read(&tsc, &time_ns);
	ptp_read_system_postts(system);
	if (!err)
		*time = ns_to_timespec64(time_ns);
	return err;
}

static int ptp_read_device(ktime_t *device, struct system_counterval_t *system, void *data)
{
	struct system_time_snapshot now;
	u64 tsc, time_ns;
	int err = ptp_read(&tsc, &time_ns);

	if (err)
		return err;
	ktime_get_snapshot_id(CLOCK_REALTIME, &now);
	*device = ns_to_ktime(time_ns);
	/* The kernel does not take the one for the other. */
	*system = (struct system_counterval_t){
		.cycles = tsc,
		.cs_id = is_tsc(now.cs_id) ? now.cs_id : CSID_X86_TSC,
	};
	return 0;
}

static int ptp_getcrosststamp(struct ptp_clock_info *info, struct system_device_crosststamp *stamp)
{
	return get_device_system_crosststamp(ptp_read_device, NULL, NULL, stamp);
}

/* It is the host's clock: nobody here sets it. */
static int ptp_adjfine(struct ptp_clock_info *info, long ppm)
{
	return -EOPNOTSUPP;
}

static int ptp_adjtime(struct ptp_clock_info *info, s64 delta)
{
	return -EOPNOTSUPP;
}

static int ptp_settime(struct ptp_clock_info *info, const struct timespec64 *time)
{
	return -EOPNOTSUPP;
}

static int ptp_enable(struct ptp_clock_info *info, struct ptp_clock_request *request, int on)
{
	return -EOPNOTSUPP;
}

static struct ptp_clock_info ptp_info = {
	.owner		= THIS_MODULE,
	.name		= "multikernel host",
	.adjfine	= ptp_adjfine,
	.adjtime	= ptp_adjtime,
	.settime64	= ptp_settime,
	.enable		= ptp_enable,
	.gettimex64	= ptp_gettimex,
	.getcrosststamp	= ptp_getcrosststamp,
};

static int ptp_register(void)
{
	ptp = ptp_clock_register(&ptp_info, NULL);
	return PTR_ERR_OR_ZERO(ptp);
}

static void ptp_unregister(void)
{
	if (!IS_ERR_OR_NULL(ptp))
		ptp_clock_unregister(ptp);
	ptp = NULL;
}
#else
static int ptp_register(void)
{
	return -EOPNOTSUPP;
}

static void ptp_unregister(void)
{
}
#endif

int mk_ptp_register(mk_clock_read_t read, void *data)
{
	clock_read = read;
	clock_data = data;
	return ptp_register();
}

void mk_ptp_unregister(void)
{
	ptp_unregister();
}

#ifdef CONFIG_KPROBES
/* What a kernel that is synchronized calls, every 11 minutes, to set the machine's RTC. */
static int leave_rtc_alone(struct timespec64 now)
{
	pr_info_once("multikernel: this kernel's clock is synchronized: the machine's RTC is left to the host\n");
	return -ENODEV;
}

/* As if the function were another one. */
static int do_instead(struct kprobe *probe, struct pt_regs *regs)
{
	regs->ip = (unsigned long)leave_rtc_alone;
	return 1;
}
NOKPROBE_SYMBOL(do_instead);

/* A probe without one may be made a jump, which does not heed what do_instead() does. */
static void keep_breakpoint(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(keep_breakpoint);

static struct kprobe rtc_probe = {
	.symbol_name = "update_persistent_clock64",
	.pre_handler = do_instead,
	.post_handler = keep_breakpoint,
};

int mk_rtc_guard_register(void)
{
	int err;

	/* One that was registered before has an address, and one that failed may have. */
	rtc_probe.addr = NULL;
	rtc_probe.flags = 0;
	err = register_kprobe(&rtc_probe);
	if (err)
		rtc_probe.addr = NULL;
	return err;
}

void mk_rtc_guard_unregister(void)
{
	if (!rtc_probe.addr)
		return;
	unregister_kprobe(&rtc_probe);
	/* Who was sent to leave_rtc_alone() may be preempted there. */
	synchronize_rcu_tasks();
}
#else
int mk_rtc_guard_register(void)
{
	return -EOPNOTSUPP;
}

void mk_rtc_guard_unregister(void)
{
}
#endif
