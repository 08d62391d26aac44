/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Link state and address events of the kernel (rtnetlink groups LINK, IPV4_IFADDR, IPV6_IFADDR)
 * through libmnl. An overrun (ENOBUFS) makes it ask for everything again. A name is one device's:
 * one that is told under the name of another says that the other is gone, whichever is heard of
 * first.
 */
struct linkmon;
struct rtnl;

struct linkmon_link {
	char device[16];
	bool is_present;
	bool is_admin_up; /* IFF_UP */
	bool was_up;	  /* IFF_UP at some time since it appeared, or since this monitor began */
	bool has_carrier; /* IFF_LOWER_UP and operstate not down */
	unsigned index;
	unsigned char mac[6];
};

/* Frames come and go there, as far as this end knows. */
static inline bool linkmon_is_running(const struct linkmon_link *link)
{
	return link->is_present && link->is_admin_up && link->has_carrier;
}

struct linkmon_address {
	char device[16];
	unsigned index; /* of the interface */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix_length;
	uint8_t protocol;    /* IFA_PROTO; 0: none */
	uint32_t lifetime_s; /* valid; UINT32_MAX: for ever */
	uint32_t stamp;	     /* when it was set, in hundredths of a second of the kernel's */
	uint8_t bytes[16];
	bool is_new, is_gone; /* neither: changed */
};

struct linkmon_ops {
	/* Presence, name, state, carrier or MAC address changed. */
	void (*on_link)(const struct linkmon_link *link, void *userdata);
	/* An address of ours or another's came, went, lost its tag or lives longer than it did. Not
	 * told: a lease that is renewed. */
	void (*on_address)(const struct linkmon_address *address, void *userdata);
};

/* The state at the start is read before this returns, and not told: ask linkmon_get. Errors:
 * -errno, -ENOMEM. */
int linkmon_new(sd_event *event, const struct linkmon_ops *ops, void *userdata,
		struct linkmon **ret_linkmon);
void linkmon_free(struct linkmon *linkmon);
/* Whatever asks the kernel for everything again waits in RTNL's thread from now on, while the
 * caller breathes. */
void linkmon_wait_in(struct linkmon *linkmon, struct rtnl *rtnl);
/* The state as last heard; is_present false if there is no such device. */
void linkmon_get(const struct linkmon *linkmon, const char *device, struct linkmon_link *ret_link);
/*
 * 0, or why the kernel's tables could not be read for a second or longer, -errno; -EINTR: they
 * never stand still. What is known may be old then; it is tried again four times a second.
 */
int linkmon_failure(const struct linkmon *linkmon);
/* Is it the MAC address of a device here? */
bool linkmon_has_mac(const struct linkmon *linkmon, const unsigned char mac[6]);
/* Has the device with this index an IPv4 address, as last heard? */
bool linkmon_has_ipv4(const struct linkmon *linkmon, unsigned index);
/* Goes through all addresses of this machine; POSITION begins at 0. False: there are no more. */
bool linkmon_next_address(const struct linkmon *linkmon, size_t *position,
			  struct linkmon_address *ret_address);
