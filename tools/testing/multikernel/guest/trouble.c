// SPDX-License-Identifier: GPL-2.0
/*
 * What a test wants to go wrong in an instance, and no user space can do.
 *
 *	insmod trouble.ko act=spin	all CPUs spin with interrupts off
 *	insmod trouble.ko act=stall	they do so for 20 seconds
 *	insmod trouble.ko act=msr	registers that survive INIT get other values
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/msr.h>

static char *act = "";
module_param(act, charp, 0);
MODULE_PARM_DESC(act, "what to do: spin, stall or msr");

static void spin(void *unused)
{
	pr_info("CPU %d spins with interrupts off\n", smp_processor_id());
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static void stall(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	mdelay(20000);
	local_irq_restore(flags);
}

#define MTRR_PHYSBASE(n)	(0x200 + 2 * (n))
#define MTRR_PHYSMASK(n)	(MTRR_PHYSBASE(n) + 1)

/* Values that do no harm to the kernel that runs with them, and would to another one. */
static const struct {
	u32 msr;
	u64 flip;
} registers[] = {
	{ MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE_FAST_STRING },
	/* An entry that Linux does not use. */
	{ MSR_IA32_CR_PAT, 1ULL << 48 },
	/* A range in which nothing is. */
	{ MTRR_PHYSBASE(7), 0xfe0000000ULL },
	{ MTRR_PHYSMASK(7), 0xff0000800ULL },
	{ MSR_VM_HSAVE_PA, 0x12345000 },
};

static void change_registers(void *unused)
{
	u64 before, after;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (rdmsrq_safe(registers[i].msr, &before) ||
		    wrmsrq_safe(registers[i].msr, before ^ registers[i].flip) ||
		    rdmsrq_safe(registers[i].msr, &after))
			continue;
		if (after != before)
			pr_info("CPU %d: MSR %#x was %#llx and is %#llx\n", smp_processor_id(),
				registers[i].msr, before, after);
	}
}

static int __init trouble_init(void)
{
	if (!strcmp(act, "spin"))
		on_each_cpu(spin, NULL, 0);
	else if (!strcmp(act, "stall"))
		on_each_cpu(stall, NULL, 1);
	else if (!strcmp(act, "msr"))
		on_each_cpu(change_registers, NULL, 1);
	else
		return -EINVAL;
	return 0;
}
module_init(trouble_init);

MODULE_DESCRIPTION("Trouble in an instance, for tests");
MODULE_LICENSE("GPL");
