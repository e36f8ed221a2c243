// SPDX-License-Identifier: GPL-2.0
/*
 * What an agent must not do, for tests, in an instance.
 *
 *	insmod hostile.ko act=storm	ring the host, and do not stop when it says so
 *	insmod hostile.ko act=fault	ring the host, as long as it is to be rung
 *	insmod hostile.ko act=flap	come and go, as long as the host is to be rung,
 *					and then ring on, fast, for a while
 *	insmod hostile.ko act=random	write anything into all that the host reads, and
 *					ring now and then
 *
 * It knows the protocol between kernels (include/linux/multikernel_abi.h) on
 * its own: what is tested is what the host makes of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/multikernel_abi.h>
#include <linux/random.h>
#include <asm/apic.h>

static char *act = "";
module_param(act, charp, 0);
MODULE_PARM_DESC(act, "what to do: storm, fault, flap or random");

/* The host's page. */
static struct mk_host_page *host;

/* The agent's page, and the halves of the control channel. */
static struct {
	u64 *words;
	size_t count;
} parts[3];

static void ring(u64 doorbell)
{
	unsigned long flags;

	if (!(doorbell & MK_DOORBELL_VALID))
		return;
	local_irq_save(flags);
	apic->icr_write(APIC_INT_ASSERT | (u8)(doorbell >> 32), (u32)doorbell);
	if (apic->wait_icr_idle)
		apic->wait_icr_idle();
	local_irq_restore(flags);
}

static u64 doorbell(void)
{
	return READ_ONCE(*(u64 *)&host->doorbell);
}

static int storm(void *obeys)
{
	u64 first = doorbell(), word = first;
	unsigned long n;

	pr_info("rings\n");
	for (n = 0; word; n++) {
		ring(word);
		if (obeys)
			word = doorbell();
		if (n % 65536 == 0)
			cond_resched();
	}
	pr_info("is not to ring any more, after %lu times\n", n);
	return 0;
}

/* No storm: the host is rung for something, and has time for it, also for what follows. */
static int flap(void *unused)
{
	struct mk_agent_page *agent = (void *)parts[0].words;
	u64 attach = le64_to_cpu(agent->attach), first = doorbell(), word = first;
	unsigned long n;

	pr_info("comes and goes\n");
	for (n = 0; word; n++) {
		u64 state = MK_AGENT_READY;

		if (n % 2)
			state = MK_AGENT_GONE | (u64)MK_GONE_UNLOADED << 32;
		else
			WRITE_ONCE(agent->attach, cpu_to_le64(++attach));
		WRITE_ONCE(agent->state, cpu_to_le64(state));
		ring(word);
		usleep_range(10000, 20000);
		word = doorbell();
	}
	pr_info("is not to ring any more, after %lu times\n", n);
	for (n = 0; n < 2000; n++) {
		ring(first);
		usleep_range(200, 400);
	}
	pr_info("has rung %lu times more\n", n);
	return 0;
}

/* Often something that means something. */
static u64 anything(void)
{
	u64 value = get_random_u64();

	switch (get_random_u32_below(4)) {
	case 0:
		return value & 0xf0000000fULL;
	case 1:
		return value & 0xfff;
	case 2:
		return doorbell();
	default:
		return value;
	}
}

static int write_randomly(void *bell)
{
	u64 word = doorbell();
	unsigned long n;

	pr_info("writes\n");
	for (n = 0;; n++) {
		size_t part = get_random_u32_below(ARRAY_SIZE(parts));
		size_t count = parts[part].count;

		/* What means most is at the beginning. */
		if (n & 1)
			count = MK_PROTOCOL_PAGE / 8;
		WRITE_ONCE(parts[part].words[get_random_u32_below(count)], anything());
		if (n % 64 == 0) {
			ring(word);
			usleep_range(50, 100);
		}
	}
	return 0;
}

static int map(void)
{
	struct acpi_table_header *header;
	struct mk_channel *control;
	struct mk_acpi *table;
	size_t bytes;
	void *area;

	if (ACPI_FAILURE(acpi_get_table("MKRN", 0, &header)))
		return -ENODEV;
	table = (void *)header;
	bytes = table->area_bytes;
	area = memremap(table->area, bytes, MEMREMAP_WB);
	acpi_put_table(header);
	if (!area)
		return -ENOMEM;
	host = area;
	parts[0].words = area + host->agent_at;
	parts[0].count = (bytes - host->agent_at) / 8;
	control = area + host->channels_at;
	parts[1].count = (MK_PROTOCOL_PAGE + control->own_bytes) / 8;
	parts[1].words = memremap(control->own, parts[1].count * 8, MEMREMAP_WB);
	parts[2].count = (MK_PROTOCOL_PAGE + control->other_bytes) / 8;
	parts[2].words = memremap(control->other, parts[2].count * 8, MEMREMAP_WB);
	return parts[1].words && parts[2].words ? 0 : -ENOMEM;
}

static int __init hostile_init(void)
{
	struct task_struct *task;
	int err = map();

	if (err)
		return err;
	if (!strcmp(act, "storm"))
		task = kthread_run(storm, NULL, "hostile");
	else if (!strcmp(act, "fault"))
		task = kthread_run(storm, host, "hostile");
	else if (!strcmp(act, "flap"))
		task = kthread_run(flap, NULL, "hostile");
	else if (!strcmp(act, "random"))
		task = kthread_run(write_randomly, NULL, "hostile");
	else
		return -EINVAL;
	return PTR_ERR_OR_ZERO(task);
}
module_init(hostile_init);

MODULE_DESCRIPTION("A bad agent, for tests");
MODULE_LICENSE("GPL");
