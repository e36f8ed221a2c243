// SPDX-License-Identifier: GPL-2.0
/*
 * The terminal of an instance: a device of the kernel's hvc driver, /dev/hvc0
 * and console=hvc0. There is one at most.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/tty.h>
#include "shim.h"

#ifdef CONFIG_HVC_DRIVER
#include "hvc_console.h"

/* What a program has written and is not sent yet. */
#define OUTPUT_SIZE	2048

static struct hvc_struct *terminal;
static mk_terminal_put_t terminal_put;
static mk_terminal_get_t terminal_get;
static void *terminal_data;

static ssize_t put_chars(u32 vtermno, const u8 *buf, size_t count)
{
	struct hvc_struct *hp = READ_ONCE(terminal);

	/* A program's output is kept, and tried again. The kernel's is in a buffer of its own. */
	return terminal_put(terminal_data, buf, count, hp && buf == hp->outbuf);
}

static ssize_t get_chars(u32 vtermno, u8 *buf, size_t count)
{
	/* For Rust memory has a value. */
	memset(buf, 0, count);
	return terminal_get(terminal_data, buf, count);
}

/* As long as it is open the module stays. */
static int opened(struct hvc_struct *hp, int data)
{
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	/* It is told of input: nobody has to look for some. */
	hp->irq_requested = 1;
	return 0;
}

static void closed(struct hvc_struct *hp, int data)
{
	if (hp->irq_requested) {
		hp->irq_requested = 0;
		module_put(THIS_MODULE);
	}
}

static const struct hv_ops terminal_ops = {
	.get_chars = get_chars,
	.put_chars = put_chars,
	.notifier_add = opened,
	.notifier_del = closed,
	.notifier_hangup = closed,
};

/* If it is the kernel's console, all of the log is put before this returns. */
int mk_terminal_alloc(mk_terminal_put_t put, mk_terminal_get_t get, void *data)
{
	struct hvc_struct *hp;

	terminal_put = put;
	terminal_get = get;
	terminal_data = data;
	hp = hvc_alloc(0, 0, &terminal_ops, OUTPUT_SIZE);
	if (IS_ERR(hp))
		return PTR_ERR(hp);
	tty_port_get(&hp->port);
	WRITE_ONCE(terminal, hp);
	return 0;
}

void mk_terminal_free(void)
{
	struct hvc_struct *hp = terminal;

	hvc_remove(hp);
	/*
	 * It is hung up, but may be open: it could be opened once more, with the
	 * functions above. Nothing tells when it is closed.
	 */
	while (kref_read(&hp->port.kref) > 1)
		msleep(20);
	WRITE_ONCE(terminal, NULL);
	/* The driver's thread does not look at it any more when this returns. */
	tty_port_put(&hp->port);
}

void mk_terminal_poll(void)
{
	if (hvc_poll(terminal))
		hvc_kick();
}

#else

int mk_terminal_alloc(mk_terminal_put_t put, mk_terminal_get_t get, void *data)
{
	return -EOPNOTSUPP;
}

void mk_terminal_free(void)
{
}

void mk_terminal_poll(void)
{
}

#endif
