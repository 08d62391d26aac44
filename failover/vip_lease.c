/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few leases are renewed all together, at such times that none of them outlives this process by
 * more than its lifetime (lease_clock.h). Many (hundreds of IPv6 addresses cost the kernel tens of
 * milliseconds, which no holdtime has to spare) are renewed in a ring, as many at a time as the
 * time that has passed asks for. The kernel looks at those of a family together, a full lifetime
 * after the last one was renewed or where it rounds the end of the oldest one to; and that is older
 * by the length of the ring, which is as long as the rounding. The one that is renewed next is the
 * oldest; if its lifetime is over, this process was stopped, and so the mate may have them all by
 * now.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "failover/vip_internal.h"

#define RENEW_MS 250u
/* More leases than this of a family are many. */
#define FEW 32u
/* Turns of a ring: the fewer, the younger is the oldest. */
#define TURNS_MIN 8u
/* Permanent addresses are looked after less often. */
#define CHECK_MS 1000u
#define SLICE 16u
/* The engine's own timers come first: after a stop it must be able to step down before a lease is
 * renewed. Nothing else does: whoever floods a socket would take the addresses away. */
#define RENEW_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 5)

void vip_renewal_done(struct vip_renewal *renewal)
{
	rtaddr_batch_done(&renewal->batch);
	free(renewal->asked);
	free(renewal->results);
	*renewal = (struct vip_renewal){0};
}

static bool is_wanted(void *userdata)
{
	return rtnl_is_wanted(userdata);
}

static int renewal_init(struct vip_renewal *renewal, const struct vip *vip)
{
	vip_renewal_done(renewal);
	/* What is put together now is not sent after a stop: the mate may have it by then. */
	renewal->batch.is_wanted = is_wanted;
	renewal->batch.userdata = vip->rtnl;
	renewal->asked = calloc(vip->n_leases + 1, sizeof(struct vip_lease *));
	renewal->results = calloc(vip->n_leases + 1, sizeof(int));
	renewal->batch.is_parted = true;
	return renewal->asked && renewal->results ? 0 : -ENOMEM;
}

/* The device may have come, gone, or come again. Asked once for those that stand together. */
static unsigned device_of(const struct vip_renewal *renewal, const struct vip *vip,
			  const struct vip_lease *lease)
{
	const struct vip_lease *last =
		renewal->batch.n > 0 ? renewal->asked[renewal->batch.n - 1] : NULL;

	if (last && strcmp(last->address.device, lease->address.device) == 0)
		return last->kernel.index;
	return rtaddr_index(vip->sock, lease->address.device);
}

static int renewal_add(struct vip_renewal *renewal, const struct vip *vip, struct vip_lease *lease,
		       struct monotime now, enum rtaddr_how how)
{
	lease->kernel.index = device_of(renewal, vip, lease);
	lease->is_held = lease->is_held && lease->kernel.index != 0;
	lease->renewed = now;
	lease->is_due = false;
	if (lease->kernel.index == 0)
		return 0;
	renewal->asked[renewal->batch.n] = lease;
	return rtaddr_batch_add(&renewal->batch, &lease->kernel, how);
}

static unsigned processor(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

/* The thread's part. */
static int renewal_send(void *userdata)
{
	struct vip *vip = userdata;
	struct vip_renewal *renewal = &vip->renewal;

	renewal->cpu = processor();
	renewal->code = rtaddr_batch_send(&renewal->batch, vip->sock, renewal->results);
	if (renewal->with_routes && rtnl_is_wanted(vip->rtnl))
		vip_routes_check(vip);
	return renewal->code;
}

/* A repair that came while it was out is done now. */
static void repair_what_waited(struct vip *vip)
{
	if (!vip->is_repair_waiting)
		return;
	vip->is_repair_waiting = false;
	(void)sd_event_source_set_enabled(vip->landing, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(vip->repair, SD_EVENT_ONESHOT);
}

/* What came of it. Errors: that of the first lease that could not be renewed. */
static int renewal_take(struct vip *vip)
{
	struct vip_renewal *renewal = &vip->renewal;
	int first = 0;

	for (size_t i = 0; i < renewal->n; i++) {
		struct vip_lease *lease = renewal->asked[i];
		int result = renewal->results[i];

		/* Not sent, since this process was stopped: nothing is known of it. */
		if (result == -ECANCELED)
			continue;
		if (result == -ETIMEDOUT && renewal->code < 0)
			result = renewal->code;
		lease->is_held = result == 0 || result == -EEXIST;
		lease->code = lease->is_held ? 0 : result;
		if (!lease->is_held && first == 0)
			first = result;
	}
	renewal->is_out = false;
	vip->cpu = renewal->cpu;
	repair_what_waited(vip);
	return renewal->code < 0 ? renewal->code : first;
}

/* The leases stay where they are while it is out: who changes them waits for it (vip_do). */
static void renewal_begin(struct vip *vip)
{
	struct vip_renewal *renewal = &vip->renewal;

	renewal->n = renewal->batch.n;
	if (renewal->n == 0 && !renewal->with_routes)
		return;
	renewal->is_out = true;
	if (rtnl_begin(vip->rtnl, renewal_send, vip))
		vip_lease_land(vip);
}

void vip_lease_land(struct vip *vip)
{
	if (!vip->renewal.is_out)
		return;
	rtnl_wait(vip->rtnl);
	(void)renewal_take(vip);
}

/* False: the kernel has not come to it yet. */
static bool has_landed(struct vip *vip)
{
	if (vip->renewal.is_out && rtnl_is_busy(vip->rtnl))
		return false;
	vip_lease_land(vip);
	return true;
}

/* Who waited for the kernel, awake, was not stopped: for so long no lease got older. */
static void forgive_waits(struct vip *vip)
{
	uint64_t waited_ns = rtnl_waited_ns(vip->rtnl);
	uint64_t ns = waited_ns - vip->waited_ns;

	vip->waited_ns = waited_ns;
	for (size_t i = 0; i < vip->n_leases && ns > 0; i++)
		vip->leases[i].renewed.ns += ns;
}

static bool is_over(const struct vip_lease *lease, struct monotime now)
{
	return lease->address.is_active &&
	       monotime_since(now, lease->renewed) > VIP_LIFETIME_S * MONOTIME_NS_PER_SEC;
}

/* ---- when ---- */

static unsigned family_of(const struct vip_lease *lease)
{
	return lease->address.address.family == AF_INET6;
}

static size_t count_active(const struct vip *vip, unsigned family)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases; i++)
		n += vip->leases[i].address.is_active && family_of(&vip->leases[i]) == family;
	return n;
}

static size_t count_many(const struct vip *vip)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases; i++)
		n += vip->leases[i].is_many;
	return n;
}

static void arm(struct vip *vip, struct monotime now)
{
	bool has_leases = count_active(vip, 0) + count_active(vip, 1) > 0;
	struct monotime next = monotime_add_ms(now, has_leases ? RENEW_MS : CHECK_MS);

	if (has_leases)
		(void)lease_clock_next(&vip->clock, now, vip->cpu, &next);
	(void)sd_event_source_set_time(vip->timer, next.ns / 1000 + 1);
}

static void arm_ring(struct vip *vip)
{
	uint64_t turns = count_many(vip) / SLICE;

	(void)sd_event_source_set_time_relative(vip->ring_timer,
						(uint64_t)RENEW_MS * 1000 /
							(turns > TURNS_MIN ? turns : TURNS_MIN));
}

void vip_lease_begin(struct vip *vip, struct monotime now)
{
	bool is_many[VIP_FAMILIES];

	for (unsigned family = 0; family < VIP_FAMILIES; family++) {
		is_many[family] = count_active(vip, family) > FEW;
		vip->next[family] = 0;
	}
	for (size_t i = 0; i < vip->n_leases; i++) {
		struct vip_lease *lease = &vip->leases[i];

		lease->renewed = now;
		lease->is_many = lease->address.is_active && is_many[family_of(lease)];
	}
	vip->ticked = vip->checked = now;
	vip->waited_ns = rtnl_waited_ns(vip->rtnl);
	vip->has_lapsed = false;
	arm(vip, monotime_now());
	arm_ring(vip);
	(void)sd_event_source_set_enabled(vip->ring_timer,
					  is_many[0] || is_many[1] ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* ---- renewals ---- */

int vip_renew(struct vip *vip)
{
	struct vip_renewal *renewal = &vip->renewal;
	struct monotime now;
	int r;

	vip_lease_land(vip);
	now = monotime_now();
	r = renewal_init(renewal, vip);
	for (size_t i = 0; i < vip->n_leases && r == 0; i++) {
		struct vip_lease *lease = &vip->leases[i];

		r = renewal_add(renewal, vip, lease, now,
				lease->address.is_active ? RTADDR_REPLACE : RTADDR_MISSING);
	}
	vip_lease_begin(vip, now);
	if (r < 0)
		return r;
	renewal->n = renewal->batch.n;
	(void)rtnl_do(vip->rtnl, renewal_send, vip);
	return renewal_take(vip);
}

static int do_withdraw(void *userdata)
{
	(void)userdata;
	return vip_withdraw_all();
}

void vip_lease_withdraw(struct vip *vip)
{
	vip_lease_land(vip);
	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].address.is_active)
			vip->leases[i].is_held = false;
	(void)vip_do(vip, do_withdraw, NULL);
}

/* This process was stopped for longer than a lease: the mate may have the addresses now. Only the
 * engine knows. */
static void lapse(struct vip *vip)
{
	vip->has_lapsed = true;
	vip_lease_withdraw(vip);
}

/*
 * While a renewal waits for the kernel there is none behind it: it renews when its turn comes, for
 * the same time as a later one would. This process was not stopped meanwhile. That the kernel takes
 * a lease away that has run out waits for the same lock, and is put right like any other removal.
 * False: it was stopped, and one is over.
 */
static bool wait_on(struct vip *vip, struct monotime now)
{
	for (size_t i = 0; i < vip->n_leases; i++)
		if (is_over(&vip->leases[i], now))
			return false;
	for (size_t i = 0; i < vip->n_leases; i++)
		vip->leases[i].renewed = now;
	rtnl_say_alive(vip->rtnl);
	return true;
}

/* False: one is over. */
static bool add_few(struct vip *vip, struct vip_renewal *renewal, struct monotime now)
{
	int r = 0;

	for (size_t i = 0; i < vip->n_leases && r == 0; i++) {
		struct vip_lease *lease = &vip->leases[i];

		if (!lease->address.is_active || lease->is_many)
			continue;
		if (is_over(lease, now))
			return false;
		r = renewal_add(renewal, vip, lease, now, RTADDR_REPLACE);
	}
	return true;
}

/* False: the oldest is over. */
static bool renew_few(struct vip *vip, struct monotime now)
{
	struct vip_renewal *renewal = &vip->renewal;
	bool with_permanent = monotime_since(now, vip->checked) >= CHECK_MS * MONOTIME_NS_PER_MS;
	int r;

	if (!has_landed(vip))
		return wait_on(vip, now);
	r = renewal_init(renewal, vip);
	if (r == 0 && !add_few(vip, renewal, now))
		return false;
	for (size_t i = 0; i < vip->n_leases && r == 0 && with_permanent; i++)
		if (!vip->leases[i].address.is_active)
			r = renewal_add(renewal, vip, &vip->leases[i], now, RTADDR_MISSING);
	if (with_permanent)
		vip->checked = now;
	renewal->with_routes = with_permanent && vip->n_routes > 0;
	renewal_begin(vip);
	return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vip *vip = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	forgive_waits(vip);
	if (!vip->has_lapsed && vip->n_leases > 0 && !renew_few(vip, now))
		lapse(vip);
	arm(vip, monotime_now());
	return 0;
}

/* The next N of FAMILY's ring. False: the oldest is over. */
static bool add_next(struct vip *vip, struct vip_renewal *renewal, unsigned family, size_t n,
		     struct monotime now)
{
	size_t first = vip->next[family];
	int r = 0;

	for (size_t i = 0; i < vip->n_leases && n > 0 && r == 0; i++) {
		size_t at = (first + i) % vip->n_leases;
		struct vip_lease *lease = &vip->leases[at];

		if (!lease->is_many || family_of(lease) != family)
			continue;
		if (is_over(lease, now))
			return false;
		r = renewal_add(renewal, vip, lease, now, RTADDR_REPLACE);
		vip->next[family] = (at + 1) % vip->n_leases;
		n--;
	}
	return true;
}

/* What was not renewed since, as one was out, is due as well. */
static bool renew_ring(struct vip *vip, struct monotime now)
{
	uint64_t passed_ns = monotime_since(now, vip->ticked);
	int r;

	if (!has_landed(vip))
		return wait_on(vip, now);
	vip->ticked = now;
	r = renewal_init(&vip->renewal, vip);
	for (unsigned family = 0; family < VIP_FAMILIES && r == 0; family++) {
		size_t n = count_active(vip, family);
		size_t quota = (size_t)(n * passed_ns / (RENEW_MS * MONOTIME_NS_PER_MS)) + 1;

		if (!add_next(vip, &vip->renewal, family, quota > n ? n : quota, now))
			return false;
	}
	renewal_begin(vip);
	return true;
}

static int on_ring_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vip *vip = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	forgive_waits(vip);
	arm_ring(vip);
	if (!vip->has_lapsed && vip->n_leases > 0 && !renew_ring(vip, now))
		lapse(vip);
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

static int on_landing(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	(void)has_landed(userdata);
	return 0;
}

/* Nobody waits for the kernel because of it: the loop wakes up when a renewal that is out is done.
 */
static void repair_later(struct vip *vip)
{
	int r = 0;

	if (!vip->landing)
		r = sd_event_add_io(sd_event_source_get_event(vip->repair), &vip->landing,
				    rtnl_fd(vip->rtnl), EPOLLIN, on_landing, vip);
	if (r >= 0)
		r = sd_event_source_set_priority(vip->landing, RENEW_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_enabled(vip->landing, SD_EVENT_ON);
	/* Else the next timer's. */
	vip->is_repair_waiting = true;
}

static int on_repair(sd_event_source *source, void *userdata)
{
	struct vip *vip = userdata;
	struct vip_renewal *renewal = &vip->renewal;
	struct monotime now = monotime_now();
	int r;

	if (!has_landed(vip)) {
		repair_later(vip);
		return 0;
	}
	forgive_waits(vip);
	r = renewal_init(renewal, vip);

	/* Only the engine may take up again what ran out. */
	for (size_t i = 0; i < vip->n_leases && r == 0 && !vip->has_lapsed; i++) {
		struct vip_lease *lease = &vip->leases[i];

		if (!lease->is_due || is_over(lease, now))
			continue;
		if (renewal->batch.n == SLICE) {
			(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
			break;
		}
		r = renewal_add(renewal, vip, lease, now, RTADDR_REPLACE);
	}
	renewal_begin(vip);
	return 0;
}

static int add_timer(sd_event *event, sd_event_time_handler_t on_time, struct vip *vip,
		     sd_event_source **ret_timer)
{
	int r = sd_event_add_time_relative(event, ret_timer, CLOCK_MONOTONIC,
					   (uint64_t)RENEW_MS * 1000, 1000, on_time, vip);

	if (r >= 0)
		r = sd_event_source_set_priority(*ret_timer, RENEW_PRIORITY);
	return r;
}

int vip_lease_start(struct vip *vip, sd_event *event)
{
	int r = add_timer(event, on_timer, vip, &vip->timer);

	vip->ticked = vip->checked = monotime_now();
	vip->cpu = processor();
	lease_clock_init(&vip->clock, 0);
	/* With the unit's next poll, where that is soon: a wakeup less. */
	if (r >= 0)
		r = sd_event_source_set_time_accuracy(vip->timer, LEASE_CLOCK_SLACK_MS * 1000u);
	if (r >= 0)
		r = sd_event_source_set_enabled(vip->timer, SD_EVENT_ON);
	if (r >= 0)
		r = add_timer(event, on_ring_timer, vip, &vip->ring_timer);
	if (r >= 0)
		r = sd_event_source_set_enabled(vip->ring_timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(event, &vip->repair, on_repair, vip);
	if (r >= 0)
		r = sd_event_source_set_priority(vip->repair, RENEW_PRIORITY);
	return r < 0 ? r : sd_event_source_set_enabled(vip->repair, SD_EVENT_OFF);
}
