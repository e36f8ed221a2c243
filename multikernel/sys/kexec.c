// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel proper does for this module, if it does: kexec_file_load()
 * hands on what it has read and checked for an instance; who wants to know is
 * called when a crash kernel takes over; and memory of others is left out of a
 * dump. Other kernels never call, and leave nothing out.
 */
#include <linux/crash_core.h>
#include <linux/ioport.h>
#include <linux/kexec.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include "shim.h"

#ifdef CONFIG_KEXEC_MULTIKERNEL

static mk_kexec_load_t load_call;
static void *load_data;

static int load(u64 id, const struct kexec_multikernel_image *image)
{
	const struct mk_kexec_image taken = {
		.kernel		= image->kernel,
		.kernel_len	= image->kernel_len,
		.initrd		= image->initrd,
		.initrd_len	= image->initrd_len,
		.cmdline	= image->cmdline,
		.cmdline_len	= image->cmdline_len,
		.is_verified	= image->is_verified,
	};

	return load_call(load_data, id, &taken);
}

static const struct kexec_multikernel_ops ops = {
	.owner	= THIS_MODULE,
	.load	= load,
};

bool mk_kexec_exists(void)
{
	return true;
}

bool mk_kexec_sig_enforced(void)
{
	return kexec_sig_enforced();
}

int mk_kexec_register(mk_kexec_load_t call, void *data)
{
	load_call = call;
	load_data = data;
	return kexec_multikernel_register(&ops);
}

void mk_kexec_unregister(void)
{
	kexec_multikernel_unregister(&ops);
}

#else

bool mk_kexec_exists(void)
{
	return false;
}

bool mk_kexec_sig_enforced(void)
{
	return false;
}

int mk_kexec_register(mk_kexec_load_t call, void *data)
{
	return 0;
}

void mk_kexec_unregister(void)
{
}

#endif

#ifdef CONFIG_CRASH_NOTIFIER

int mk_crash_register(struct notifier_block *block)
{
	return atomic_notifier_chain_register(&crash_notifier_list, block);
}

int mk_crash_unregister(struct notifier_block *block)
{
	return atomic_notifier_chain_unregister(&crash_notifier_list, block);
}

#else

int mk_crash_register(struct notifier_block *block)
{
	return 0;
}

int mk_crash_unregister(struct notifier_block *block)
{
	return 0;
}

#endif

#ifdef CONFIG_CRASH_FOREIGN_MEMORY

unsigned long mk_crash_left_out(void)
{
	return IORES_DESC_FOREIGN;
}

void mk_crash_memory_changed(void)
{
	crash_memory_changed();
}

#else

unsigned long mk_crash_left_out(void)
{
	return IORES_DESC_NONE;
}

void mk_crash_memory_changed(void)
{
}

#endif
