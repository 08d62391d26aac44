/* SPDX-License-Identifier: Apache-2.0 */
/* Which of two records counts: both units must come to the same answer. */
#include <string.h>

#include "failover/vpn/sessiondb.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_addresses(const struct vpn_address *a, const struct vpn_address *b)
{
	int r = compare_numbers(a->size, b->size);

	if (r == 0)
		r = memcmp(a->bytes, b->bytes, a->size);
	return r ? r : compare_numbers(a->prefix, b->prefix);
}

/* Where (term, revision) do not decide, which a sane pair never sees, some order that both units
 * have. */
static int compare_contents(const struct session_record *a, const struct session_record *b)
{
	const struct vpn_session *x = &a->session, *y = &b->session;
	int r = compare_numbers((uint64_t)a->end, (uint64_t)b->end);

	if (r == 0)
		r = compare_numbers(a->born_term, b->born_term);
	if (r == 0)
		r = compare_numbers(x->id, y->id);
	if (r == 0)
		r = strcmp(x->user, y->user);
	if (r == 0)
		r = strcmp(x->group, y->group);
	if (r == 0)
		r = strcmp(x->policy, y->policy);
	if (r == 0)
		r = compare_addresses(&x->v4, &y->v4);
	if (r == 0)
		r = compare_addresses(&x->v6, &y->v6);
	if (r == 0)
		r = compare_addresses(&x->client, &y->client);
	if (r == 0)
		r = compare_numbers(x->is_connected, y->is_connected);
	if (r == 0)
		r = compare_numbers(a->figures.received, b->figures.received);
	if (r == 0)
		r = compare_numbers(a->figures.sent, b->figures.sent);
	if (r == 0)
		r = compare_numbers(a->figures.packets_received, b->figures.packets_received);
	if (r == 0)
		r = compare_numbers(a->figures.packets_sent, b->figures.packets_sent);
	if (r == 0)
		r = compare_numbers(a->figures.dropped, b->figures.dropped);
	return r ? r : strcmp(a->figures.protocol, b->figures.protocol);
}

/*
 * An end for idleness is what its author had not seen: where the units were apart the client may
 * have been with the other one. Any other end is somebody's will, or the session's age.
 */
static bool is_final(const struct session_record *record)
{
	return record->end != VPN_END_NONE && record->end != VPN_END_IDLE;
}

int session_record_compare(const struct session_record *a, const struct session_record *b)
{
	int r = compare_numbers(is_final(a), is_final(b));

	if (r == 0)
		r = compare_numbers(a->term, b->term);
	if (r == 0)
		r = compare_numbers(a->end != VPN_END_NONE, b->end != VPN_END_NONE);
	if (r == 0)
		r = compare_numbers(a->revision, b->revision);
	return r ? r : compare_contents(a, b);
}

bool session_record_is_past(const struct session_record *record, struct monotime now)
{
	return monotime_reached(monotime_add_ms(now, 1), record->session.ends_at);
}

bool session_record_is_equal(const struct session_record *a, const struct session_record *b)
{
	return memcmp(a->session.hash, b->session.hash, VPN_HASH_SIZE) == 0 &&
	       session_record_compare(a, b) == 0;
}

bool session_record_keeps_address(const struct session_record *a, const struct session_record *b)
{
	int r = compare_numbers(a->born_term, b->born_term);

	/* A unit gives an address that came free: where the mate still has the one before, that is
	 * the one with the smaller index. */
	if (r == 0)
		r = compare_numbers(a->session.id, b->session.id);
	return r ? r > 0 : memcmp(a->session.hash, b->session.hash, VPN_HASH_SIZE) > 0;
}
