// SPDX-License-Identifier: GPL-2.0
/*
 * While this is inserted foreign_memory_hide() fails, as when there is no memory to
 * split a page of the direct map. Never build this into a kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>

/* Return at once. */
static int fail(struct kprobe *probe, struct pt_regs *regs)
{
	regs_set_return_value(regs, -ENOMEM);
	instruction_pointer_set(regs, *(unsigned long *)regs->sp);
	regs->sp += sizeof(long);
	return 1;
}

/* With one of these it is not made a jump, which could not return elsewhere. */
static void after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "foreign_memory_hide",
	.pre_handler = fail,
	.post_handler = after,
};

static int __init shown_init(void)
{
	return register_kprobe(&probe);
}
module_init(shown_init);

static void __exit shown_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(shown_exit);

MODULE_DESCRIPTION("Pages that cannot be hidden, for tests");
MODULE_LICENSE("GPL");
