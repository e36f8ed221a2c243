// SPDX-License-Identifier: GPL-2.0
/*
 * Sends back what comes over a channel, by a thread that waits for it. When the
 * peer has left it waits for the next one, until the module is removed.
 *
 *	insmod channel_echo_c.ko peer=blue channel=echo
 *	cat /sys/module/channel_echo_c/parameters/messages
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/multikernel.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

static char *peer = "host";
module_param(peer, charp, 0444);
MODULE_PARM_DESC(peer, "Who is at the other end: an instance or, in one, also \"host\"");

static char *channel = "echo";
module_param(channel, charp, 0444);
MODULE_PARM_DESC(channel, "The channel's name");

static unsigned long messages;
module_param(messages, ulong, 0444);
MODULE_PARM_DESC(messages, "So many were sent back; not to be set");

static struct task_struct *thread;
static void *buffer;

/* Until one side leaves, or the thread is to stop. */
static int converse(struct mk_channel *end)
{
	ssize_t size;
	int err;

	for (;;) {
		size = mk_channel_receive(end, buffer, MK_CHANNEL_MESSAGE_MAX,
					  MAX_SCHEDULE_TIMEOUT);
		if (size <= 0)
			return size;
		err = mk_channel_send(end, buffer, size, MAX_SCHEDULE_TIMEOUT);
		if (err)
			return err;
		WRITE_ONCE(messages, messages + 1);
	}
}

static int serve(void *data)
{
	struct mk_channel *end;
	int err;

	while (!kthread_should_stop()) {
		end = mk_channel_open(peer, channel, MAX_SCHEDULE_TIMEOUT);
		if (IS_ERR(end)) {
			err = PTR_ERR(end);
			if (err == -ERESTARTSYS)
				continue;
			pr_err("the channel %s with %s cannot be opened: %pe\n",
			       channel, peer, end);
			return err;
		}
		err = converse(end);
		mk_channel_close(end);
		pr_info("a conversation with %s has ended (%d)\n", peer, err);
	}
	return 0;
}

static int __init channel_echo_init(void)
{
	buffer = kvmalloc(MK_CHANNEL_MESSAGE_MAX, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	thread = kthread_create(serve, NULL, KBUILD_MODNAME);
	if (IS_ERR(thread)) {
		kvfree(buffer);
		return PTR_ERR(thread);
	}
	/* It may end by itself. */
	get_task_struct(thread);
	wake_up_process(thread);
	return 0;
}
module_init(channel_echo_init);

static void __exit channel_echo_exit(void)
{
	/* What it waits for ends with -ERESTARTSYS. */
	kthread_stop_put(thread);
	kvfree(buffer);
}
module_exit(channel_echo_exit);

MODULE_DESCRIPTION("Sends back what comes over a channel between kernels");
MODULE_AUTHOR("The multikernel developers");
MODULE_LICENSE("GPL");
