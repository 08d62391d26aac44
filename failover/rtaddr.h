/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Addresses of the kernel over rtnetlink (libnl-3), in batches: one sendmsg, then the answers,
 * which the kernel has queued by then, so that nothing here waits. Internal to vip and withdraw.
 */
struct nl_sock;
struct nl_msg;
struct nlmsghdr;

struct rtaddr {
	unsigned index; /* of the interface */
	uint8_t family;
	uint8_t prefix_length;
	uint8_t protocol;    /* IFA_PROTO; 0: none */
	uint8_t scope;	     /* RT_SCOPE_... */
	uint32_t flags;	     /* IFA_F_... */
	uint32_t lifetime_s; /* valid and preferred; UINT32_MAX: for ever */
	uint32_t stamp_cs;   /* of the last change, in the kernel's jiffies since boot, in 1/100 s;
				not told to it */
	uint8_t bytes[16];
	char label[16]; /* IPv4: IFA_LABEL; empty: none */
};

struct rtaddr_list {
	struct rtaddr *items;
	size_t n;
	size_t capacity;
};

void rtaddr_list_done(struct rtaddr_list *list);
/* Appends a copy. Errors: -ENOMEM. */
int rtaddr_list_add(struct rtaddr_list *list, const struct rtaddr *address);

/* Errors: -errno, -ENOMEM. Free with nl_socket_free. */
int rtaddr_open(struct nl_sock **ret_sock);
/* The interface's index, by one system call on a socket that is there; 0: there is none. Waits for
 * nothing. */
unsigned rtaddr_index(struct nl_sock *sock, const char *device);
/* Every address of both families. Errors: -errno, -ENOMEM. LIST holds what was read. */
int rtaddr_dump(struct nl_sock *sock, struct rtaddr_list *list);

/*
 * Sends a dump request and calls ON_MESSAGE for each message of the answer; it may stop that with a
 * negative code. Errors: -errno; -EINTR: things changed meanwhile, the answer is not a whole one.
 */
typedef int (*rtaddr_message_fn)(struct nlmsghdr *header, void *userdata);
int rtaddr_dump_with(struct nl_sock *sock, struct nl_msg *request, rtaddr_message_fn on_message,
		     void *userdata);

/*
 * Requests that wait to be sent together; zeroed is empty. The kernel needs a quarter of a
 * millisecond for some of them (an IPv6 address on a device with hundreds). A long batch is sent in
 * parts where IS_PARTED, so that what is more urgent is not kept from its processor for all of it.
 * IS_WANTED (may be NULL) is asked before each of them; what it does not want is not sent.
 */
struct rtaddr_batch {
	struct buf messages;
	size_t n;
	bool is_parted;
	bool (*is_wanted)(void *userdata);
	void *userdata;
};

void rtaddr_batch_done(struct rtaddr_batch *batch);

enum rtaddr_how {
	RTADDR_REPLACE, /* make or change */
	RTADDR_MISSING, /* make only if it is not there: -EEXIST, and nobody is notified, if it is
			 */
};

/* Errors of these: -ENOMEM. */
int rtaddr_batch_append(struct rtaddr_batch *batch, const struct nl_msg *message);
int rtaddr_batch_add(struct rtaddr_batch *batch, const struct rtaddr *address, enum rtaddr_how how);
int rtaddr_batch_delete(struct rtaddr_batch *batch, const struct rtaddr *address);
/*
 * net.ipv4.conf.DEVICE.promote_secondaries=1: removing (or losing) the first address of a subnet
 * must not remove the others of it.
 */
int rtaddr_batch_promote(struct rtaddr_batch *batch, unsigned index);
/* Sets the interface administratively up. */
int rtaddr_batch_raise(struct rtaddr_batch *batch, unsigned index);
/*
 * Sends all and collects the answers: RESULTS[i] (NULL: not wanted) is 0 or -errno of request i,
 * -ETIMEDOUT where it is not known, -ECANCELED where it was not sent since IS_WANTED said no.
 * Empties BATCH. Errors: -errno if it could not be sent, -ECANCELED.
 */
int rtaddr_batch_send(struct rtaddr_batch *batch, struct nl_sock *sock, int *results);
