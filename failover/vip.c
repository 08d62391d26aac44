/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is ours is read from the kernel's tags at each change, never remembered, so that a restart,
 * an operator or a device that comes and goes cannot make us wrong. Additions come before removals:
 * a device that loses its last address loses its static routes too, and nobody would bring them
 * back; and the subnet's route stays, handed from the address that goes to the one that came
 * (promote_secondaries for IPv4, the kernel's own bookkeeping for IPv6). What a removal took along
 * all the same is found by looking again, and put back: afterwards, since a mate or the neighbours
 * wait for the change.
 */
#include "failover/vip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "failover/rtaddr.h"
#include "failover/vip_internal.h"

static bool is_ours(const struct rtaddr *address)
{
	return address->protocol == VIP_PROTOCOL || address->protocol == VIP_PROTOCOL_STANDBY;
}

/* For the kernel an IPv6 address is one whatever its prefix; an IPv4 one is another with another
 * prefix. */
bool vip_is_same(const struct rtaddr *a, const struct rtaddr *b)
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
		if (vip_is_same(&list->items[i], address))
			return &list->items[i];
	return NULL;
}

static const struct vip_lease *lease_find(const struct vip_lease *leases, size_t n,
					  const struct rtaddr *address)
{
	for (size_t i = 0; i < n; i++)
		if (leases[i].kernel.index != 0 && vip_is_same(&leases[i].kernel, address))
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

/* Hundreds of addresses are on one device: it is not asked for each time. */
static unsigned index_of(struct nl_sock *sock, const struct vip_lease *lease,
			 const struct vip_lease *before)
{
	if (before && strcmp(before->address.device, lease->address.device) == 0)
		return before->kernel.index;
	return rtaddr_index(sock, lease->address.device);
}

static void lease_resolve(struct nl_sock *sock, struct vip_lease *lease,
			  const struct vip_lease *before)
{
	const struct vip_address *want = &lease->address;

	lease->kernel.index = index_of(sock, lease, before);
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
static void lease_spare_route(struct vip_lease *lease, const struct rtaddr_list *before,
			      const struct vip_lease *leases, size_t n_leases)
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
	struct vip_lease *leases;
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
		struct vip_lease *lease = &change->leases[i];

		lease->address = wanted[i];
		lease_resolve(sock, lease, i > 0 ? lease - 1 : NULL);
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

/* Somebody made it before us, and may keep it. */
static bool is_anothers(const struct change *change, const struct vip_lease *lease)
{
	const struct rtaddr *there =
		lease->address.is_left ? list_find(&change->before, &lease->kernel) : NULL;

	return there && !is_ours(there);
}

static int append_additions(struct change *change)
{
	change->first_add = change->batch.n;
	for (size_t i = 0; i < change->n_leases; i++) {
		int r;

		if (change->leases[i].kernel.index == 0)
			continue;
		r = rtaddr_batch_add(&change->batch, &change->leases[i].kernel,
				     is_anothers(change, &change->leases[i]) ? RTADDR_MISSING
									     : RTADDR_REPLACE);
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
		struct vip_lease *lease = &change->leases[i];

		r = lease->kernel.index != 0 ? results[request++] : -ENODEV;
		if (r == -EEXIST && lease->address.is_left)
			r = 0;
		lease->is_held = r == 0;
		lease->code = r;
		if (r < 0 && first == 0)
			first = why_address(ret_why, r, "set", &lease->address);
	}
	return first;
}

static bool is_wanted(const struct vip_lease *lease, const struct vip_address *wanted,
		      size_t n_wanted)
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

/* What is asked of this unit's addresses, while the thread that waits for the kernel has it. */
struct ask {
	struct vip *vip;
	const struct vip_address *addresses;
	size_t n;
	struct why *ret_why;
	bool is_begun; /* the leases are those of these addresses */
};

static int mend(struct vip *vip);

static int move(struct ask *ask)
{
	_cleanup_(change_done) struct change change = {0};
	const struct vip_address *wanted = ask->addresses;
	size_t n_wanted = ask->n;
	struct why *ret_why = ask->ret_why;
	struct vip *vip = ask->vip;
	struct vip_address *current;
	int failed, r;

	/* What was there before the first of two changes is not known after the second. */
	(void)mend(vip);
	change.batch.is_parted = true;
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
	free(vip->leases);
	free(vip->current);
	vip->leases = TAKE_PTR(change.leases);
	vip->n_leases = n_wanted;
	vip->current = current;
	vip->before = change.before;
	change.before = (struct rtaddr_list){0};
	vip->is_mend_due = true;
	ask->is_begun = true;
	return failed;
}

static bool is_same_wish(const struct vip_address *a, const struct vip_address *b)
{
	return strcmp(a->device, b->device) == 0 && a->is_active == b->is_active &&
	       a->is_left == b->is_left && a->address.family == b->address.family &&
	       a->address.prefix_length == b->address.prefix_length &&
	       memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes)) == 0;
}

bool vip_is_set(const struct vip *vip, const struct vip_address *wanted, size_t n_wanted)
{
	if (vip->has_lapsed || vip->n_leases != n_wanted)
		return false;
	for (size_t i = 0; i < n_wanted; i++)
		if (!vip->leases[i].is_held || !is_same_wish(&vip->leases[i].address, &wanted[i]))
			return false;
	return true;
}

static bool is_refused(const struct vip_lease *lease)
{
	return lease->kernel.index != 0 && lease->code < 0 && lease->code != -ENODEV;
}

size_t vip_refused(const struct vip *vip, struct why *ret_why)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases && !vip->has_lapsed; i++) {
		const struct vip_lease *lease = &vip->leases[i];

		if (is_refused(lease) && n++ == 0)
			(void)why_address(ret_why, lease->code, "set", &lease->address);
	}
	return n;
}

bool vip_first_refused(const struct vip *vip, struct vip_address *ret_address)
{
	for (size_t i = 0; i < vip->n_leases && !vip->has_lapsed; i++) {
		if (!is_refused(&vip->leases[i]))
			continue;
		*ret_address = vip->leases[i].address;
		return true;
	}
	return false;
}

bool vip_holds(const struct vip *vip, const struct vip_address *address)
{
	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].is_held && is_same_wish(&vip->leases[i].address, address))
			return true;
	return false;
}

/* Leases, and other people's addresses in a subnet that was ours. */
static int append_lost(const struct vip *vip, const struct rtaddr_list *after,
		       struct rtaddr_batch *batch)
{
	int r = 0;

	for (size_t i = 0; i < vip->n_leases && r == 0; i++)
		if (vip->leases[i].is_held && !list_find(after, &vip->leases[i].kernel))
			r = rtaddr_batch_add(batch, &vip->leases[i].kernel, RTADDR_REPLACE);
	for (size_t i = 0; i < vip->before.n && r == 0; i++) {
		struct rtaddr *lost = &vip->before.items[i];

		if (is_ours(lost) || (lost->flags & IFA_F_SECONDARY) == 0 ||
		    lost->family != AF_INET || list_find(after, lost))
			continue;
		lost->flags &= ~(uint32_t)(IFA_F_SECONDARY | IFA_F_PERMANENT);
		r = rtaddr_batch_add(batch, lost, RTADDR_MISSING);
	}
	return r;
}

static int mend(struct vip *vip)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {.is_parted = true};
	_cleanup_(rtaddr_list_done) struct rtaddr_list after = {0};
	struct monotime now;
	int r;

	if (!vip->is_mend_due)
		return 0;
	vip->is_mend_due = false;
	r = rtaddr_dump(vip->sock, &after);
	now = monotime_now();
	/* Of all that were set at some time the latest says most. */
	for (size_t i = 0; i < after.n; i++)
		lease_clock_learn(&vip->clock, after.items[i].stamp_cs, now);
	if (r == 0)
		r = append_lost(vip, &after, &batch);
	rtaddr_list_done(&vip->before);
	return r < 0 ? r : rtaddr_batch_send(&batch, vip->sock, NULL);
}

static int do_mend(void *userdata)
{
	return mend(userdata);
}

int vip_mend(struct vip *vip)
{
	return vip->is_mend_due ? vip_do(vip, do_mend, vip) : 0;
}

static int do_move(void *userdata)
{
	return move(userdata);
}

static int do_set(void *userdata)
{
	struct ask *ask = userdata;
	int failed = move(ask);
	int r = mend(ask->vip);

	if (r < 0 && failed == 0)
		failed = why_set(ask->ret_why, r, "cannot look after addresses: %s", err_text(r));
	return failed;
}

/* The time for which it was waited, awake, is none that the leases are old. */
static int ask_for(struct vip *vip, rtnl_work_fn work, struct ask *ask)
{
	uint64_t waited_ns = rtnl_waited_ns(vip->rtnl);
	struct monotime begin = monotime_now();
	int r;

	ask->vip = vip;
	r = vip_do(vip, work, ask);
	begin.ns += rtnl_waited_ns(vip->rtnl) - waited_ns;
	if (ask->is_begun)
		vip_lease_begin(vip, begin);
	return r;
}

int vip_move(struct vip *vip, const struct vip_address *wanted, size_t n_wanted,
	     struct why *ret_why)
{
	return ask_for(vip, do_move,
		       &(struct ask){.addresses = wanted, .n = n_wanted, .ret_why = ret_why});
}

int vip_set(struct vip *vip, const struct vip_address *wanted, size_t n_wanted, struct why *ret_why)
{
	return ask_for(vip, do_set,
		       &(struct ask){.addresses = wanted, .n = n_wanted, .ret_why = ret_why});
}

/* With whatever prefix somebody gave it: it answers ARP all the same. */
static bool is_among(const struct vip_lease *leases, size_t n, const struct rtaddr *address)
{
	for (size_t i = 0; i < n; i++) {
		const struct rtaddr *lease = &leases[i].kernel;

		if (lease->index != 0 && lease->index == address->index &&
		    lease->family == address->family &&
		    memcmp(lease->bytes, address->bytes, sizeof(lease->bytes)) == 0)
			return true;
	}
	return false;
}

static int do_expel(void *userdata)
{
	_cleanup_(change_done) struct change change = {0};
	struct ask *ask = userdata;
	struct vip *vip = ask->vip;
	int n = 0;
	int r = change_init(&change, vip->sock, ask->addresses, ask->n);

	change.batch.is_parted = true;
	if (r == 0)
		r = append_promotions(vip, &change);
	for (size_t i = 0; i < change.before.n && r == 0; i++) {
		const struct rtaddr *address = &change.before.items[i];

		if (!is_among(change.leases, change.n_leases, address) ||
		    lease_find(vip->leases, vip->n_leases, address))
			continue;
		r = rtaddr_batch_delete(&change.batch, address);
		n++;
	}
	if (r == 0)
		r = rtaddr_batch_send(&change.batch, vip->sock, NULL);
	return r < 0 ? r : n;
}

int vip_expel(struct vip *vip, const struct vip_address *unwanted, size_t n_unwanted)
{
	return ask_for(vip, do_expel, &(struct ask){.addresses = unwanted, .n = n_unwanted});
}
