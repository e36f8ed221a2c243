// SPDX-License-Identifier: GPL-2.0
/* Parameters that Rust cannot declare yet: texts, and a number that changes. */
#include <linux/module.h>
#include "channel_echo_rust.h"

char *channel_echo_peer = "host";
module_param_named(peer, channel_echo_peer, charp, 0444);
MODULE_PARM_DESC(peer, "Who is at the other end: an instance or, in one, also \"host\"");

char *channel_echo_channel = "echo";
module_param_named(channel, channel_echo_channel, charp, 0444);
MODULE_PARM_DESC(channel, "The channel's name");

unsigned long channel_echo_messages;
module_param_named(messages, channel_echo_messages, ulong, 0444);
MODULE_PARM_DESC(messages, "So many were sent back; not to be set");
