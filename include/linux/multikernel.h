/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Channels between kernels, for other modules. Programs have device files,
 * /dev/mk/PEER/NAME; this opens the same ends of the same channels.
 *
 * Documentation/multikernel/kernel-api.rst has an introduction, and
 * samples/multikernel/ has modules that use it. Rust has multikernel/api.rs.
 *
 * Timeouts are in jiffies: 0 does not wait, MAX_SCHEDULE_TIMEOUT waits for ever.
 * What waits gives -EAGAIN with a timeout of 0, -ETIMEDOUT after another one, and
 * -ERESTARTSYS when a signal came, or when kthread_stop() or kthread_park() was
 * called for the thread that waits. All functions may sleep, also those that do
 * not wait.
 */
#ifndef _LINUX_MULTIKERNEL_H
#define _LINUX_MULTIKERNEL_H

#include <linux/types.h>
#include <uapi/linux/multikernel.h>

/*
 * An end of a channel that a module has open. As long as there is one,
 * multikernel.ko cannot be removed.
 */
struct mk_channel;

/**
 * typedef mk_channel_news_t - is called when something may have changed
 * @channel: where
 * @data: as mk_channel_watch() was given it
 *
 * It is called by a thread of the kernel's (a work queue), so it may sleep and
 * may use the channel, except that it must not close it. It should not wait:
 * everything else that comes is told by another call. For one channel there is
 * one call at a time.
 */
typedef void (*mk_channel_news_t)(struct mk_channel *channel, void *data);

/**
 * mk_channel_open() - open the end of a channel
 * @peer: who is at the other end, as in the name of the device: on a host the
 *	name of an instance; in an instance that of another one, or "host"
 * @name: the channel's name
 * @timeout: how long to wait for a kernel at the other end that could open it
 *
 * An end has one user at a time, be it a module or a program. It is nobody's
 * right that is asked for: all modules may do this.
 *
 * Where the module is built into the kernel, this must not be called before it
 * has been initialized, by a device_initcall().
 *
 * Return: the channel, to be given to mk_channel_close(); or as ERR_PTR()
 * -ENOENT: there is no such channel in this kernel (in an instance the host may
 * not have told of it yet); -EBUSY: it is open; -EAGAIN, -ETIMEDOUT: nobody is
 * at the other end, or the conversation before is not over; -ENODEV: the channel
 * was removed meanwhile; -EINVAL: a negative timeout; -ERESTARTSYS; -ENOMEM.
 */
struct mk_channel *mk_channel_open(const char *peer, const char *name, long timeout);

/**
 * mk_channel_send() - send a message
 * @channel: on which
 * @message: what
 * @size: its size in bytes, 1 to MK_CHANNEL_MESSAGE_MAX, or to the ring's size less
 *	72
 * @timeout: how long to wait for room
 *
 * Several threads may call this at once: messages stay whole.
 *
 * Return: 0; -EPIPE: the other end was closed, or the channel was removed, or
 * the other kernel is dead; -EMSGSIZE: it has no bytes, or too many;
 * -EPROTO: the peer did what it must not do; -EAGAIN, -ETIMEDOUT: there is no
 * room; -EINVAL: a negative timeout; -ERESTARTSYS.
 */
int mk_channel_send(struct mk_channel *channel, const void *message, size_t size, long timeout);

/**
 * mk_channel_receive() - take a message
 * @channel: on which
 * @buffer: where to put it; the kernel's own memory, which nobody else uses
 *	meanwhile
 * @size: how many bytes there are for it: MK_CHANNEL_MESSAGE_MAX are enough for
 *	each
 * @timeout: how long to wait for one
 *
 * Once the other end was closed, or the kernel there is dead, this gives what
 * was sent before, and then 0.
 *
 * Return: the size of the message; 0: the end, after which none comes any more;
 * -EMSGSIZE: the message does not fit, and is still there; -EPROTO: the peer
 * did what it must not do; -EAGAIN, -ETIMEDOUT: there is none yet; -EINVAL: a
 * negative timeout; -ERESTARTSYS.
 */
ssize_t mk_channel_receive(struct mk_channel *channel, void *buffer, size_t size, long timeout);

/**
 * mk_channel_events() - what can be done with a channel now
 * @channel: the channel
 *
 * Return: as poll() tells it of the device. EPOLLIN: there is a message, or the
 * end; EPOLLOUT: there is room for a message of any size; EPOLLHUP and
 * EPOLLRDHUP: the peer has left, nothing can be sent any more; EPOLLERR: the
 * peer did what it must not do.
 */
__poll_t mk_channel_events(struct mk_channel *channel);

/**
 * mk_channel_watch() - be called when something may have changed
 * @channel: what is watched, until it is closed
 * @news: what is called
 * @data: is given to it
 *
 * @news is called once soon after this, and from then on whenever something may
 * have come, or there may be room, that was not there when mk_channel_receive()
 * or mk_channel_send() gave -EAGAIN, or mk_channel_events() did not tell of it.
 * So it has to go on until one of them says so. It may be called for nothing.
 *
 * Return: 0; -EINVAL: no function; -EBUSY: it is watched already; -ENOMEM.
 */
int mk_channel_watch(struct mk_channel *channel, mk_channel_news_t news, void *data);

/**
 * mk_channel_close() - close the end of a channel
 * @channel: it must not be used any more, and no other call may be using it
 *
 * What is called by mk_channel_watch() has returned when this does, and is not
 * called any more. The peer gets what was sent, and then the end.
 */
void mk_channel_close(struct mk_channel *channel);

#endif /* _LINUX_MULTIKERNEL_H */
