// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the interface for other modules (include/linux/multikernel.h), done
 * while this is inserted: that fails if one of them does.
 *
 *	act=away	what cannot be opened, with a channel whose peer is away
 *	act=rules	what calls give, with a peer that has not opened its end
 *	act=ask		messages of all kinds of sizes, with a peer that sends them back;
 *			once by calls that wait, and once by being called
 *	act=end		wait until the channel comes to its end
 *	act=wait	wait for a message until a signal comes
 *	act=hold	open it, and close it when this is removed
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/multikernel.h>
#include <linux/poll.h>
#include <linux/slab.h>

static char *peer = "host";
module_param(peer, charp, 0444);
static char *channel = "echo";
module_param(channel, charp, 0444);
static char *act = "rules";
module_param(act, charp, 0444);

#define FOREVER		MAX_SCHEDULE_TIMEOUT
#define A_WHILE		(HZ / 10)
/* An emulated machine may be slow. */
#define LONG		(120 * HZ)

static struct mk_channel *held;
static u8 *out, *in;
static int failed;

/* A test: @got is @wanted. */
static void is(const char *what, long got, long wanted)
{
	if (got == wanted)
		return;
	pr_err("%s on %s: %s gives %ld, not %ld\n", act, channel, what, got, wanted);
	failed = -EINVAL;
}

static void is_refused(const char *with, const char *name, long timeout, long wanted)
{
	struct mk_channel *end = mk_channel_open(with, name, timeout);

	is("open", PTR_ERR_OR_ZERO(end), wanted);
	if (!IS_ERR(end))
		mk_channel_close(end);
}

static void away(void)
{
	unsigned long start = jiffies;

	is_refused(peer, channel, 0, -EAGAIN);
	is_refused(peer, channel, A_WHILE, -ETIMEDOUT);
	is("the time was waited", time_after_eq(jiffies, start + A_WHILE), true);
	is_refused(peer, channel, -1, -EINVAL);
	is_refused(peer, "there is none", 0, -ENOENT);
	is_refused("nobody", channel, 0, -ENOENT);
	is_refused(peer, "\xff", 0, -ENOENT);
	is_refused(peer, "", 0, -ENOENT);
}

static void count(struct mk_channel *end, void *data)
{
	complete(data);
}

static void rules(struct mk_channel *end)
{
	DECLARE_COMPLETION_ONSTACK(called);
	unsigned long start = jiffies;
	long sent = 0;
	int err;

	is_refused(peer, channel, 0, -EBUSY);
	is("events", mk_channel_events(end), EPOLLOUT | EPOLLWRNORM);
	is("receive", mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, 0), -EAGAIN);
	is("receive in time", mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, A_WHILE),
	   -ETIMEDOUT);
	is("the time was waited", time_after_eq(jiffies, start + A_WHILE), true);
	is("receive with less than no time", mk_channel_receive(end, in, 1, -1), -EINVAL);
	is("send with less than no time", mk_channel_send(end, out, 1, -1), -EINVAL);
	is("send nothing", mk_channel_send(end, out, 0, 0), -EMSGSIZE);
	is("send too much", mk_channel_send(end, out, MK_CHANNEL_MESSAGE_MAX + 1, 0), -EMSGSIZE);
	is("watch nothing", mk_channel_watch(end, NULL, NULL), -EINVAL);
	is("watch", mk_channel_watch(end, count, &called), 0);
	is("watch again", mk_channel_watch(end, count, &called), -EBUSY);
	is("a first call", wait_for_completion_timeout(&called, LONG) != 0, true);
	do {
		err = mk_channel_send(end, out, 1000, 0);
	} while (!err && ++sent < 10000);
	is("send until it is full", err, -EAGAIN);
	/* As many as fit, with their headers. */
	is("it was full soon", sent > 200 && sent < MK_CHANNEL_RING_BYTES / 1000, true);
	is("events when it is full", mk_channel_events(end), 0);
	start = jiffies;
	is("send in time", mk_channel_send(end, out, 1000, A_WHILE), -ETIMEDOUT);
	is("the time was waited", time_after_eq(jiffies, start + A_WHILE), true);
}

static void fill(size_t size, unsigned int seed)
{
	while (size--)
		out[size] = seed = seed * 1103515245 + 12345 + (seed >> 16);
}

static const size_t sizes[] = { 1, 8, 55, 56, 57, 64, 4000, 65535, MK_CHANNEL_MESSAGE_MAX };

static void ask(struct mk_channel *end)
{
	size_t i;

	for (i = 0; i < 20 * ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		fill(size, i);
		is("send", mk_channel_send(end, out, size, LONG), 0);
		if (size > 1) {
			is("receive a part", mk_channel_receive(end, in, size - 1, LONG),
			   -EMSGSIZE);
			is("events", mk_channel_events(end) & EPOLLIN, EPOLLIN);
		}
		is("receive", mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, LONG), size);
		is("compare", memcmp(in, out, size), 0);
		if (failed)
			break;
	}
}

/* The same by calls: as many messages as there is room for are on their way. */
struct conversation {
	struct completion done;
	unsigned int sent, received, running;
};

#define MESSAGES	500

static int step(struct mk_channel *end, struct conversation *talk)
{
	ssize_t got;
	size_t size;
	int err;

	for (;;) {
		err = 0;
		if (talk->sent < MESSAGES) {
			size = sizes[talk->sent % ARRAY_SIZE(sizes)];
			fill(size, talk->sent);
			err = mk_channel_send(end, out, size, 0);
			if (!err) {
				talk->sent++;
				continue;
			}
			if (err != -EAGAIN)
				return err;
		}
		got = mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, 0);
		if (got < 0)
			return got;
		size = sizes[talk->received % ARRAY_SIZE(sizes)];
		fill(size, talk->received);
		is("the size", got, size);
		is("compare", memcmp(in, out, size), 0);
		if (++talk->received == MESSAGES)
			return 0;
	}
}

static void on_news(struct mk_channel *end, void *data)
{
	struct conversation *talk = data;
	int err;

	is("calls at once", talk->running++, 0);
	if (talk->received < MESSAGES) {
		err = step(end, talk);
		if (err && err != -EAGAIN) {
			is("a call", err, -EAGAIN);
			talk->received = MESSAGES;
		}
		if (talk->received == MESSAGES)
			complete(&talk->done);
	}
	talk->running--;
}

static void be_called(struct mk_channel *end)
{
	struct conversation *talk = kzalloc_obj(*talk, GFP_KERNEL);

	if (!talk) {
		failed = -ENOMEM;
		return;
	}
	init_completion(&talk->done);
	is("watch", mk_channel_watch(end, on_news, talk), 0);
	is("all messages came", wait_for_completion_timeout(&talk->done, LONG) != 0, true);
	/* Nobody is called any more then. */
	mk_channel_close(end);
	kfree(talk);
}

static void come_to_its_end(struct mk_channel *end)
{
	is("receive", mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, FOREVER), 0);
	is("receive again", mk_channel_receive(end, in, MK_CHANNEL_MESSAGE_MAX, FOREVER), 0);
	is("send", mk_channel_send(end, out, 1, FOREVER), -EPIPE);
	is("events", mk_channel_events(end) & (EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR),
	   EPOLLIN | EPOLLHUP);
}

static int __init kapi_init(void)
{
	struct mk_channel *end;

	if (!strcmp(act, "away")) {
		away();
		return failed;
	}
	in = kvmalloc(2 * MK_CHANNEL_MESSAGE_MAX, GFP_KERNEL);
	out = kvzalloc(2 * MK_CHANNEL_MESSAGE_MAX, GFP_KERNEL);
	if (!in || !out) {
		failed = -ENOMEM;
		goto out;
	}
	end = mk_channel_open(peer, channel, LONG);
	if (IS_ERR(end)) {
		pr_err("%s on %s: open gives %ld\n", act, channel, PTR_ERR(end));
		failed = PTR_ERR(end);
		goto out;
	}
	pr_info("%s on %s: open\n", act, channel);
	if (!strcmp(act, "rules")) {
		rules(end);
	} else if (!strcmp(act, "ask")) {
		ask(end);
		if (!failed) {
			be_called(end);
			goto out;
		}
	} else if (!strcmp(act, "end")) {
		come_to_its_end(end);
	} else if (!strcmp(act, "wait")) {
		is("receive", mk_channel_receive(end, in, 1, FOREVER), -ERESTARTSYS);
		pr_info("%s on %s: interrupted\n", act, channel);
		failed = failed ?: -EINTR;
	} else if (!strcmp(act, "hold")) {
		held = end;
		goto out;
	} else {
		failed = -EINVAL;
	}
	mk_channel_close(end);
out:
	kvfree(in);
	kvfree(out);
	return failed;
}
module_init(kapi_init);

static void __exit kapi_exit(void)
{
	if (held)
		mk_channel_close(held);
}
module_exit(kapi_exit);

MODULE_DESCRIPTION("Tests of channels between kernels, for modules");
MODULE_LICENSE("GPL");
