/* SPDX-License-Identifier: GPL-2.0 */
/* What the Rust half of channel_echo_rust reads of the other. */
#ifndef _CHANNEL_ECHO_RUST_H
#define _CHANNEL_ECHO_RUST_H

extern char *channel_echo_peer;
extern char *channel_echo_channel;
extern unsigned long channel_echo_messages;

#endif
