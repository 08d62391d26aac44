/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is ours is read from the kernel's tags at each change, never remembered, so that a restart,
 * an operator or a device that comes and goes cannot make us wrong. Additions come before removals:
 * a device that loses its last address loses its static routes too, and nobody would bring them
 * back; and the subnet's route stays, handed from the address that goes to the one that came
 * (promote_secondaries for IPv4, the kernel's own bookkeeping for IPv6). What a removal took along
 * all the same is found by looking again, and put back.
 */
#include "failover/vip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "failover/rtaddr.h"

#define RENEW_MS 250u
/* Permanent addresses are looked after less often. */
#define TICKS_PER_CHECK 4u
/* The engine's own timers come first: after a stop it must be able to step down before a lease is
 * renewed. Nothing else does: whoever floods a socket would take the addresses away. */
#define RENEW_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 5)

/* An address that is wanted. */
struct lease {
	struct vip_address address;
	struct rtaddr kernel; /* as it is asked for; index 0: no such device */
	bool is_held;
};

struct vip {
	struct nl_sock *sock;
	sd_event_source *timer;
	struct lease *leases;
	size_t n_leases;
	struct vip_address *current;
	unsigned *promoting; /* indices of interfaces with promote_secondaries */
	size_t n_promoting;
	struct monotime renewed;
	unsigned ticks;
	bool has_lapsed;
};

static bool is_ours(const struct rtaddr *address)
{
	return address->protocol == VIP_PROTOCOL || address->protocol == VIP_PROTOCOL_STANDBY;
}

/* For the kernel an IPv6 address is one whatever its prefix; an IPv4 one is another with another
 * prefix. */
static bool is_same(const struct rtaddr *a, const struct rtaddr *b)
{
	return a->index == b->index && a->family == b->family &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0 &&
	       (a->family == AF_INET6 || a->prefix_length == b->prefix_length);
}

static bool is_same_subnet(const struct rtaddr *a, const struct rtaddr *b)
{
	unsigned bits = a->prefix_length;

	if (a->index != b->index || a->family != b->family || bits != b->prefix_length ||
	    bits > 128)
		return false;
	if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - bits % 8) == 0;
}

static const struct rtaddr *list_find(const struct rtaddr_list *list, const struct rtaddr *address)
{
	for (size_t i = 0; i < list->n; i++)
		if (is_same(&list->items[i], address))
			return &list->items[i];
	return NULL;
}

static const struct lease *lease_find(const struct lease *leases, size_t n,
				      const struct rtaddr *address)
{
	for (size_t i = 0; i < n; i++)
		if (leases[i].kernel.index != 0 && is_same(&leases[i].kernel, address))
			return &leases[i];
	return NULL;
}

static int why_address(struct why *ret_why, int code, const char *what,
		       const struct vip_address *address)
{
	char text[INET6_ADDRSTRLEN] = "?";
	const char *detail = err_text(code);

	(void)inet_ntop(address->address.family, address->address.bytes, text, sizeof(text));
	if (code == -ENODEV)
		detail = "there is no such interface";
	else if (code == -EACCES && address->address.family == AF_INET6)
		detail = "IPv6 is disabled there";
	return why_set(ret_why, code, "cannot %s %s/%u on %s: %s", what, text,
		       address->address.prefix_length, address->device, detail);
}

static void lease_resolve(struct lease *lease)
{
	const struct vip_address *want = &lease->address;

	lease->kernel.index = if_nametoindex(want->device);
	lease->kernel.family = want->address.family;
	lease->kernel.prefix_length = want->address.prefix_length;
	memcpy(lease->kernel.bytes, want->address.bytes, want->address.family == AF_INET6 ? 16 : 4);
	lease->kernel.protocol = want->is_active ? VIP_PROTOCOL : VIP_PROTOCOL_STANDBY;
	lease->kernel.lifetime_s = want->is_active ? VIP_LIFETIME_S : UINT32_MAX;
	if (want->address.family == AF_INET && want->address.bytes[0] == 169 &&
	    want->address.bytes[1] == 254)
		lease->kernel.scope = RT_SCOPE_LINK;
	if (want->address.family == AF_INET6)
		lease->kernel.flags = IFA_F_NODAD;
}

/*
 * An IPv6 lease gives its lifetime to the subnet's route. Where an address of someone else's has
 * that route already, ours must not touch it, or the route would end with the lease.
 */
static void lease_spare_route(struct lease *lease, const struct rtaddr_list *before,
			      const struct lease *leases, size_t n_leases)
{
	if (lease->kernel.family != AF_INET6 || !lease->address.is_active)
		return;
	for (size_t i = 0; i < before->n; i++) {
		const struct rtaddr *other = &before->items[i];

		if (is_ours(other) || (other->flags & IFA_F_NOPREFIXROUTE) != 0 ||
		    !is_same_subnet(other, &lease->kernel) || lease_find(leases, n_leases, other))
			continue;
		lease->kernel.flags |= IFA_F_NOPREFIXROUTE;
		return;
	}
}

/* One change: what is there, what is asked for, and which request was whose. */
struct change {
	struct rtaddr_list before;
	struct rtaddr_batch batch;
	struct lease *leases;
	size_t n_leases;
	size_t first_add; /* request number of the first lease's addition */
};

static void change_done(struct change *change)
{
	rtaddr_list_done(&change->before);
	rtaddr_batch_done(&change->batch);
	free(change->leases);
}

static int change_init(struct change *change, struct nl_sock *sock,
		       const struct vip_address *wanted, size_t n_wanted)
{
	int r = rtaddr_dump(sock, &change->before);

	if (r < 0)
		return r;
	change->leases = calloc(n_wanted ? n_wanted : 1, sizeof(*change->leases));
	if (!change->leases)
		return -ENOMEM;
	for (size_t i = 0; i < n_wanted; i++) {
		struct lease *lease = &change->leases[i];

		lease->address = wanted[i];
		lease_resolve(lease);
	}
	change->n_leases = n_wanted;
	for (size_t i = 0; i < n_wanted; i++)
		lease_spare_route(&change->leases[i], &change->before, change->leases, n_wanted);
	return 0;
}

static bool is_promoting(const struct vip *vip, unsigned index)
{
	for (size_t i = 0; i < vip->n_promoting; i++)
		if (vip->promoting[i] == index)
			return true;
	return false;
}

static int promote(struct vip *vip, struct change *change, const struct rtaddr *address)
{
	unsigned *larger;

	if (address->index == 0 || address->family != AF_INET || is_promoting(vip, address->index))
		return 0;
	larger = reallocarray(vip->promoting, vip->n_promoting + 1, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	vip->promoting = larger;
	vip->promoting[vip->n_promoting++] = address->index;
	return rtaddr_batch_promote(&change->batch, address->index);
}

/* On each interface once (it is an event of the link's for everyone): where something may be
 * removed, and where a lease may run out, which is a removal that nobody sends. */
static int append_promotions(struct vip *vip, struct change *change)
{
	int r = 0;

	for (size_t i = 0; i < change->before.n && r == 0; i++)
		if (is_ours(&change->before.items[i]))
			r = promote(vip, change, &change->before.items[i]);
	for (size_t i = 0; i < change->n_leases && r == 0; i++)
		r = promote(vip, change, &change->leases[i].kernel);
	return r;
}

/* The prefix of an IPv6 address cannot be changed in place. */
static int append_prefix_changes(struct change *change)
{
	for (size_t i = 0; i < change->n_leases; i++) {
		const struct rtaddr *address = &change->leases[i].kernel;
		const struct rtaddr *old;
		int r;

		if (address->index == 0 || address->family != AF_INET6)
			continue;
		old = list_find(&change->before, address);
		if (!old || old->prefix_length == address->prefix_length)
			continue;
		r = rtaddr_batch_delete(&change->batch, old);
		if (r < 0)
			return r;
	}
	return 0;
}

static int append_additions(struct change *change)
{
	change->first_add = change->batch.n;
	for (size_t i = 0; i < change->n_leases; i++) {
		int r;

		if (change->leases[i].kernel.index == 0)
			continue;
		r = rtaddr_batch_add(&change->batch, &change->leases[i].kernel, RTADDR_REPLACE);
		if (r < 0)
			return r;
	}
	return 0;
}

static int append_removals(struct change *change)
{
	/* Backwards: secondary addresses go before the one that each of them would have to succeed.
	 */
	for (size_t i = change->before.n; i-- > 0;) {
		const struct rtaddr *address = &change->before.items[i];
		int r;

		if (!is_ours(address) || lease_find(change->leases, change->n_leases, address))
			continue;
		r = rtaddr_batch_delete(&change->batch, address);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Sends the batch and writes down which leases are held. The first error goes to RET_WHY and is
 * returned. */
static int change_send(struct change *change, struct nl_sock *sock, struct why *ret_why)
{
	_cleanup_free_ int *results = calloc(change->batch.n + 1, sizeof(*results));
	size_t request = change->first_add;
	int first = 0;
	int r;

	if (!results)
		return -ENOMEM;
	r = rtaddr_batch_send(&change->batch, sock, results);
	if (r < 0)
		return why_set(ret_why, r, "cannot change addresses: %s", err_text(r));
	for (size_t i = 0; i < change->n_leases; i++) {
		struct lease *lease = &change->leases[i];

		r = lease->kernel.index != 0 ? results[request++] : -ENODEV;
		lease->is_held = r == 0;
		if (r < 0 && first == 0)
			first = why_address(ret_why, r, "set", &lease->address);
	}
	return first;
}

/* Puts back what went along with a removal: leases, and other people's addresses in a subnet that
 * was ours. */
static int change_repair(struct change *change, struct nl_sock *sock)
{
	_cleanup_(rtaddr_list_done) struct rtaddr_list after = {0};
	int r = rtaddr_dump(sock, &after);

	for (size_t i = 0; i < change->n_leases && r == 0; i++)
		if (change->leases[i].is_held && !list_find(&after, &change->leases[i].kernel))
			r = rtaddr_batch_add(&change->batch, &change->leases[i].kernel,
					     RTADDR_REPLACE);
	for (size_t i = 0; i < change->before.n && r == 0; i++) {
		struct rtaddr *lost = &change->before.items[i];

		if (is_ours(lost) || (lost->flags & IFA_F_SECONDARY) == 0 ||
		    lost->family != AF_INET || list_find(&after, lost))
			continue;
		lost->flags &= ~(uint32_t)(IFA_F_SECONDARY | IFA_F_PERMANENT);
		r = rtaddr_batch_add(&change->batch, lost, RTADDR_MISSING);
	}
	return r < 0 ? r : rtaddr_batch_send(&change->batch, sock, NULL);
}

static bool is_wanted(const struct lease *lease, const struct vip_address *wanted, size_t n_wanted)
{
	const struct config_address *address = &lease->address.address;

	for (size_t i = 0; i < n_wanted; i++)
		if (wanted[i].is_active && strcmp(wanted[i].device, lease->address.device) == 0 &&
		    wanted[i].address.family == address->family &&
		    memcmp(wanted[i].address.bytes, address->bytes, sizeof(address->bytes)) == 0)
			return true;
	return false;
}

/* A change that could not be made: what is not ours any more is at least not renewed. What stays
 * comes back with the next renewal. */
static void give_up_unwanted(struct vip *vip, const struct vip_address *wanted, size_t n_wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases; i++)
		if (!vip->leases[i].address.is_active ||
		    is_wanted(&vip->leases[i], wanted, n_wanted))
			vip->leases[n++] = vip->leases[i];
	if (n == vip->n_leases)
		return;
	vip->n_leases = n;
	(void)vip_withdraw_all();
}

int vip_set(struct vip *vip, const struct vip_address *wanted, size_t n_wanted, struct why *ret_why)
{
	_cleanup_(change_done) struct change change = {0};
	struct vip_address *current;
	int failed, r;

	r = change_init(&change, vip->sock, wanted, n_wanted);
	if (r == 0)
		r = append_promotions(vip, &change);
	if (r == 0)
		r = append_prefix_changes(&change);
	if (r == 0)
		r = append_additions(&change);
	if (r == 0)
		r = append_removals(&change);
	current = r == 0 ? calloc(n_wanted ? n_wanted : 1, sizeof(*current)) : NULL;
	if (!current) {
		give_up_unwanted(vip, wanted, n_wanted);
		return why_set(ret_why, r < 0 ? r : -ENOMEM, "cannot change addresses: %s",
			       err_text(r < 0 ? r : -ENOMEM));
	}
	failed = change_send(&change, vip->sock, ret_why);
	r = change_repair(&change, vip->sock);
	if (r < 0 && failed == 0)
		failed = why_set(ret_why, r, "cannot look after addresses: %s", err_text(r));
	free(vip->leases);
	free(vip->current);
	vip->leases = TAKE_PTR(change.leases);
	vip->n_leases = n_wanted;
	vip->current = current;
	vip->renewed = monotime_now();
	vip->has_lapsed = false;
	return failed;
}

/* Sends the additions again: of the leases, and with WITH_PERMANENT of what is missing of the
 * others. */
static int renew(struct vip *vip, bool with_permanent)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	_cleanup_free_ int *results = calloc(vip->n_leases + 1, sizeof(*results));
	_cleanup_free_ struct lease **asked = calloc(vip->n_leases + 1, sizeof(struct lease *));
	size_t n;
	int r = results && asked ? 0 : -ENOMEM;

	for (size_t i = 0; i < vip->n_leases && r == 0; i++) {
		struct lease *lease = &vip->leases[i];

		if (!lease->address.is_active && !with_permanent)
			continue;
		lease->kernel.index = if_nametoindex(lease->address.device);
		lease->is_held = lease->is_held && lease->kernel.index != 0;
		if (lease->kernel.index == 0)
			continue;
		asked[batch.n] = lease;
		r = rtaddr_batch_add(&batch, &lease->kernel,
				     lease->address.is_active ? RTADDR_REPLACE : RTADDR_MISSING);
	}
	n = batch.n;
	if (r == 0)
		r = rtaddr_batch_send(&batch, vip->sock, results);
	for (size_t i = 0; i < n && r == 0; i++) {
		asked[i]->is_held = results[i] == 0 || results[i] == -EEXIST;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = asked[i]->is_held ? 0 : results[i];
	return r;
}

int vip_renew(struct vip *vip)
{
	vip->renewed = monotime_now();
	vip->has_lapsed = false;
	return renew(vip, true);
}

/* All active addresses in the kernel go, known or not. */
static void withdraw(struct vip *vip)
{
	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].address.is_active)
			vip->leases[i].is_held = false;
	(void)vip_withdraw_all();
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vip *vip = userdata;
	struct monotime now = monotime_now();
	uint64_t passed = monotime_since(now, vip->renewed);

	(void)usec;
	(void)sd_event_source_set_time_relative(source, (uint64_t)RENEW_MS * 1000);
	if (vip->has_lapsed)
		return 0;
	/* We were stopped for longer than a lease: the mate may have the addresses now. Only the
	 * engine knows. */
	if (passed > VIP_LIFETIME_S * MONOTIME_NS_PER_SEC) {
		vip->has_lapsed = true;
		withdraw(vip);
		return 0;
	}
	vip->renewed = now;
	vip->ticks++;
	(void)renew(vip, vip->ticks % TICKS_PER_CHECK == 0);
	return 0;
}

bool vip_has_lapsed(const struct vip *vip)
{
	return vip->has_lapsed;
}

int vip_expel(struct vip *vip, const struct vip_address *unwanted, size_t n_unwanted)
{
	_cleanup_(change_done) struct change change = {0};
	int n = 0;
	int r = change_init(&change, vip->sock, unwanted, n_unwanted);

	if (r == 0)
		r = append_promotions(vip, &change);
	for (size_t i = 0; i < change.before.n && r == 0; i++) {
		const struct rtaddr *address = &change.before.items[i];

		if (!lease_find(change.leases, change.n_leases, address) ||
		    lease_find(vip->leases, vip->n_leases, address))
			continue;
		r = rtaddr_batch_delete(&change.batch, address);
		n++;
	}
	if (r == 0)
		r = rtaddr_batch_send(&change.batch, vip->sock, NULL);
	return r < 0 ? r : n;
}

int vip_raise(const struct vip *vip, unsigned index)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	int result = 0;
	int r = rtaddr_batch_raise(&batch, index);

	if (r == 0)
		r = rtaddr_batch_send(&batch, vip->sock, &result);
	return r < 0 ? r : result;
}

int vip_new(sd_event *event, struct vip **ret_vip)
{
	struct vip *vip = calloc(1, sizeof(*vip));
	int r;

	if (!vip)
		return -ENOMEM;
	vip->renewed = monotime_now();
	r = rtaddr_open(&vip->sock);
	if (r == 0)
		r = vip_withdraw_all();
	if (r >= 0)
		r = sd_event_add_time_relative(event, &vip->timer, CLOCK_MONOTONIC,
					       (uint64_t)RENEW_MS * 1000, 1000, on_timer, vip);
	if (r >= 0)
		r = sd_event_source_set_priority(vip->timer, RENEW_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_enabled(vip->timer, SD_EVENT_ON);
	if (r < 0) {
		vip_free(vip);
		return r;
	}
	*ret_vip = vip;
	return 0;
}

void vip_free(struct vip *vip)
{
	if (!vip)
		return;
	if (vip->sock)
		withdraw(vip);
	sd_event_source_disable_unref(vip->timer);
	nl_socket_free(vip->sock);
	free(vip->leases);
	free(vip->current);
	free(vip->promoting);
	free(vip);
}

const struct vip_address *vip_current(const struct vip *vip, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].is_held)
			vip->current[n++] = vip->leases[i].address;
	*ret_n = n;
	return vip->current;
}
