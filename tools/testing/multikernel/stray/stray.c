// SPDX-License-Identifier: GPL-2.0
/*
 * A stray write, done while this is inserted: eight bytes to a physical address, by
 * way of the direct map, as with a pointer that is no good any more. The write is as
 * any other, but that a fault of it does not end in an oops: this is not inserted
 * then (EFAULT). Never build this into a kernel.
 *
 *	address=ADDR	where, a multiple of 8
 *	text=TEXT	what: eight characters
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static ulong address;
module_param(address, ulong, 0444);
static char *text;
module_param(text, charp, 0444);

static int stray(phys_addr_t to, u64 value)
{
	int err = 0;

	pagefault_disable();
	__put_kernel_nofault(phys_to_virt(to), &value, u64, fault);
	goto out;
fault:
	err = -EFAULT;
out:
	pagefault_enable();
	return err;
}

/* In memory of this kernel it lands. */
static int lands(u64 value)
{
	u64 *own = (u64 *)get_zeroed_page(GFP_KERNEL);
	int err;

	if (!own)
		return -ENOMEM;
	err = stray(virt_to_phys(own), value);
	if (err || READ_ONCE(*own) != value) {
		pr_err("nothing can be written like that\n");
		err = -EIO;
	}
	free_page((unsigned long)own);
	return err;
}

static int __init stray_init(void)
{
	u64 value;
	int err;

	if (!text || strlen(text) != sizeof(value) || address % sizeof(value))
		return -EINVAL;
	memcpy(&value, text, sizeof(value));
	err = lands(value);
	if (err)
		return err;
	return stray(address, value);
}
module_init(stray_init);

static void __exit stray_exit(void)
{
}
module_exit(stray_exit);

MODULE_DESCRIPTION("A stray write, for tests");
MODULE_LICENSE("GPL");
