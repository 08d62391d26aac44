/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases are renewed in a ring, as many at a time as the time that has passed asks for: hundreds of
 * IPv6 addresses cost the kernel tens of milliseconds, which no holdtime has to spare. The one that
 * is renewed next is the oldest; if its lifetime is over, this process was stopped, and so the mate
 * may have them all by now.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "failover/vip_internal.h"

#define RENEW_MS 250u
/* Permanent addresses are looked after less often. */
#define CHECK_MS 1000u
#define SLICE 16u
/* The engine's own timers come first: after a stop it must be able to step down before a lease is
 * renewed. Nothing else does: whoever floods a socket would take the addresses away. */
#define RENEW_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 5)

/* A batch of leases that is being put together. */
struct renewal {
	struct rtaddr_batch batch;
	struct vip_lease **asked;
	int *results;
};

static void renewal_done(struct renewal *renewal)
{
	rtaddr_batch_done(&renewal->batch);
	free(renewal->asked);
	free(renewal->results);
}

static int renewal_init(struct renewal *renewal, const struct vip *vip)
{
	renewal->asked = calloc(vip->n_leases + 1, sizeof(struct vip_lease *));
	renewal->results = calloc(vip->n_leases + 1, sizeof(int));
	renewal->batch.on_part = vip->on_breath;
	renewal->batch.userdata = vip->userdata;
	return renewal->asked && renewal->results ? 0 : -ENOMEM;
}

/* The device may have come, gone, or come again. Asked once for those that stand together. */
static unsigned device_of(const struct renewal *renewal, const struct vip_lease *lease)
{
	const struct vip_lease *last =
		renewal->batch.n > 0 ? renewal->asked[renewal->batch.n - 1] : NULL;

	if (last && strcmp(last->address.device, lease->address.device) == 0)
		return last->kernel.index;
	return if_nametoindex(lease->address.device);
}

static int renewal_add(struct renewal *renewal, struct vip_lease *lease, struct monotime now,
		       enum rtaddr_how how)
{
	lease->kernel.index = device_of(renewal, lease);
	lease->is_held = lease->is_held && lease->kernel.index != 0;
	lease->renewed = now;
	lease->is_due = false;
	if (lease->kernel.index == 0)
		return 0;
	renewal->asked[renewal->batch.n] = lease;
	return rtaddr_batch_add(&renewal->batch, &lease->kernel, how);
}

static int renewal_send(struct renewal *renewal, struct vip *vip)
{
	size_t n = renewal->batch.n;
	int first = 0;
	int r = rtaddr_batch_send(&renewal->batch, vip->sock, renewal->results);

	for (size_t i = 0; i < n && r == 0; i++) {
		int result = renewal->results[i];

		renewal->asked[i]->is_held = result == 0 || result == -EEXIST;
		if (!renewal->asked[i]->is_held && first == 0)
			first = result;
	}
	return r < 0 ? r : first;
}

static bool is_over(const struct vip_lease *lease, struct monotime now)
{
	return lease->address.is_active &&
	       monotime_since(now, lease->renewed) > VIP_LIFETIME_S * MONOTIME_NS_PER_SEC;
}

/* A ring that is renewed in parts is renewed evenly. */
static void arm(struct vip *vip, struct monotime now)
{
	uint64_t turns = vip->n_leases > SLICE ? vip->n_leases / SLICE : 1;
	struct monotime next = {now.ns + RENEW_MS * MONOTIME_NS_PER_MS / turns};

	if (vip->n_leases <= SLICE)
		(void)lease_clock_next(&vip->clock, now, &next);
	(void)sd_event_source_set_time(vip->timer, next.ns / 1000 + 1);
}

void vip_lease_begin(struct vip *vip, struct monotime now)
{
	for (size_t i = 0; i < vip->n_leases; i++)
		vip->leases[i].renewed = now;
	vip->next = 0;
	vip->ticked = vip->checked = now;
	vip->has_lapsed = false;
	arm(vip, now);
}

int vip_renew(struct vip *vip)
{
	_cleanup_(renewal_done) struct renewal renewal = {0};
	struct monotime now = monotime_now();
	int r = renewal_init(&renewal, vip);

	for (size_t i = 0; i < vip->n_leases && r == 0; i++) {
		struct vip_lease *lease = &vip->leases[i];

		r = renewal_add(&renewal, lease, now,
				lease->address.is_active ? RTADDR_REPLACE : RTADDR_MISSING);
	}
	vip_lease_begin(vip, now);
	return r < 0 ? r : renewal_send(&renewal, vip);
}

void vip_lease_withdraw(struct vip *vip)
{
	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].address.is_active)
			vip->leases[i].is_held = false;
	(void)vip_withdraw_all();
}

/* The next N of the ring. False: the oldest is over. */
static bool renew_next(struct vip *vip, size_t n, struct monotime now)
{
	_cleanup_(renewal_done) struct renewal renewal = {0};
	bool with_permanent = monotime_since(now, vip->checked) >= CHECK_MS * MONOTIME_NS_PER_MS;
	int r = renewal_init(&renewal, vip);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct vip_lease *lease = &vip->leases[(vip->next + i) % vip->n_leases];

		if (is_over(lease, now))
			return false;
		if (lease->address.is_active)
			r = renewal_add(&renewal, lease, now, RTADDR_REPLACE);
	}
	for (size_t i = 0; i < vip->n_leases && r == 0 && with_permanent; i++)
		if (!vip->leases[i].address.is_active)
			r = renewal_add(&renewal, &vip->leases[i], now, RTADDR_MISSING);
	if (with_permanent)
		vip->checked = now;
	vip->next = (vip->next + n) % vip->n_leases;
	(void)renewal_send(&renewal, vip);
	if (with_permanent)
		vip_routes_check(vip);
	return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vip *vip = userdata;
	struct monotime now = monotime_now();
	uint64_t passed_ns = monotime_since(now, vip->ticked);
	size_t n = vip->n_leases;
	size_t quota = (size_t)(n * passed_ns / (RENEW_MS * MONOTIME_NS_PER_MS)) + 1;

	(void)source;
	(void)usec;
	arm(vip, now);
	vip->ticked = now;
	if (vip->has_lapsed || n == 0)
		return 0;
	/* We were stopped for longer than a lease: the mate may have the addresses now. Only the
	 * engine knows. */
	if (!renew_next(vip, n <= SLICE || quota > n ? n : quota, now)) {
		vip->has_lapsed = true;
		vip_lease_withdraw(vip);
	}
	return 0;
}

bool vip_has_lapsed(const struct vip *vip)
{
	return vip->has_lapsed;
}

/* ---- what others do to them ---- */

static struct vip_lease *lease_of(const struct vip *vip, const struct linkmon_address *news)
{
	struct rtaddr address = {
		.index = news->index, .family = news->family, .prefix_length = news->prefix_length};

	memcpy(address.bytes, news->bytes, sizeof(address.bytes));
	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip_is_same(&vip->leases[i].kernel, &address))
			return &vip->leases[i];
	return NULL;
}

/* As we would have it: tagged, and a lease or for ever. */
static bool is_right(const struct vip_lease *lease, const struct linkmon_address *news)
{
	if (news->is_gone || news->protocol != lease->kernel.protocol)
		return false;
	return lease->address.is_active ? news->lifetime_s <= VIP_LIFETIME_S
					: news->lifetime_s == UINT32_MAX;
}

void vip_take_news(struct vip *vip, const struct linkmon_address *news)
{
	struct vip_lease *lease = lease_of(vip, news);

	if (lease && !news->is_gone)
		lease_clock_learn(&vip->clock, news->stamp, monotime_now());
	if (!lease || vip->has_lapsed || is_right(lease, news))
		return;
	lease->is_due = true;
	(void)sd_event_source_set_enabled(vip->repair, SD_EVENT_ONESHOT);
}

static int on_repair(sd_event_source *source, void *userdata)
{
	_cleanup_(renewal_done) struct renewal renewal = {0};
	struct vip *vip = userdata;
	struct monotime now = monotime_now();
	int r = renewal_init(&renewal, vip);

	/* Only the engine may take up again what ran out. */
	for (size_t i = 0; i < vip->n_leases && r == 0 && !vip->has_lapsed; i++) {
		struct vip_lease *lease = &vip->leases[i];

		if (!lease->is_due || is_over(lease, now))
			continue;
		if (renewal.batch.n == SLICE) {
			(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
			break;
		}
		r = renewal_add(&renewal, lease, now, RTADDR_REPLACE);
	}
	(void)renewal_send(&renewal, vip);
	return 0;
}

int vip_lease_start(struct vip *vip, sd_event *event)
{
	int r = sd_event_add_time_relative(event, &vip->timer, CLOCK_MONOTONIC,
					   (uint64_t)RENEW_MS * 1000, 1000, on_timer, vip);

	lease_clock_init(&vip->clock, 0);
	vip->ticked = vip->checked = monotime_now();
	if (r >= 0)
		r = sd_event_source_set_priority(vip->timer, RENEW_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_enabled(vip->timer, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_add_defer(event, &vip->repair, on_repair, vip);
	if (r >= 0)
		r = sd_event_source_set_priority(vip->repair, RENEW_PRIORITY);
	return r < 0 ? r : sd_event_source_set_enabled(vip->repair, SD_EVENT_OFF);
}
