/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list may be larger than what may wait on a channel: it is read in steps, from the last name on,
 * as the other end takes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "certstore/keeper/keeper_verbs.h"

#define WAITING_MAX (2u * 1024 * 1024)
#define STEP_MS 2
#define ENTRIES_MAX 512
#define PREFIX "trustpoint/"
#define ORPHAN_PREFIX "orphan/" /* then the term, then the key that it had */
#define LOOKED_MAX 256		/* records a step, where most of them are left out */

/* The next trustpoint of one family. */
struct head {
	bool is_filled, is_at_end;
	char key[STORE_KEY_MAX + 1];
	struct buf record;
};

struct keeper_listing {
	struct keeper_listing *next;
	struct keeper *keeper;
	struct keeper_ticket ticket;
	bool with_generations, is_orphans;
	int64_t valid_at, mate_valid_at; /* 0: all; otherwise what is valid at one of them only */
	uint32_t left;			 /* ... and so many of them */
	int64_t ends_before;		 /* 0: all; otherwise what ends before then */
	sd_event_source *timer;
	struct head heads[2]; /* replicated, unit */
	/* the frame that is being filled: packed public parts */
	ProtobufCBinaryData parts[ENTRIES_MAX];
	protobuf_c_boolean is_replicated[ENTRIES_MAX];
	uint64_t terms[ENTRIES_MAX];
	size_t n, bytes;
};

static void frame_clear(struct keeper_listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->parts[i].data);
	listing->n = 0;
	listing->bytes = 0;
}

static void listing_free(struct keeper_listing *listing)
{
	struct keeper_listing **at = &listing->keeper->listings;

	while (*at != listing)
		at = &(*at)->next;
	*at = listing->next;
	sd_event_source_disable_unref(listing->timer);
	frame_clear(listing);
	buf_done(&listing->heads[0].record);
	buf_done(&listing->heads[1].record);
	free(listing);
}

void keeper_listings_drop(struct keeper *keeper)
{
	while (keeper->listings)
		listing_free(keeper->listings);
}

static void frame_send(struct keeper_listing *listing, bool has_more)
{
	Asafo__Ipc__ListReply message = ASAFO__IPC__LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	message.status = &status;
	message.public_parts = listing->parts;
	message.n_public_parts = listing->n;
	message.is_replicated = listing->is_replicated;
	message.n_is_replicated = listing->n;
	message.terms = listing->terms;
	message.n_terms = listing->n;
	keeper_reply(listing->keeper, &listing->ticket, &message.base, has_more);
	frame_clear(listing);
}

static int frame_add(struct keeper_listing *listing, bool is_unit, const uint8_t *record,
		     size_t size)
{
	Asafo__Record__Record *message = asafo__record__record__unpack(NULL, size, record);
	ProtobufCBinaryData *part;

	if (!message)
		return ERR_STORE;
	if (listing->n == ENTRIES_MAX ||
	    (listing->n > 0 && listing->bytes + message->public_part.len > KEEPER_FRAME_BYTES))
		frame_send(listing, true);
	part = &listing->parts[listing->n];
	*part = message->public_part;
	message->public_part = (ProtobufCBinaryData){0};
	listing->is_replicated[listing->n] = !is_unit;
	listing->terms[listing->n] =
		listing->is_orphans
			? strtoull(listing->heads[1].key + sizeof(ORPHAN_PREFIX) - 1, NULL, 10)
			: 0;
	listing->n++;
	listing->bytes += part->len + 8;
	asafo__record__record__free_unpacked(message, NULL);
	return 0;
}

struct generation_scan {
	struct keeper_listing *listing;
	bool is_unit;
};

static int add_generation(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	const struct generation_scan *scan = userdata;

	(void)key;
	return frame_add(scan->listing, scan->is_unit, value, size);
}

static int add_head(struct keeper_listing *listing, bool is_unit)
{
	struct head *head = &listing->heads[is_unit];
	struct generation_scan scan = {listing, is_unit};
	char prefix[STORE_KEY_MAX + 16];
	int r = frame_add(listing, is_unit, head->record.data, head->record.size);

	head->is_filled = false;
	if (r < 0 || !listing->with_generations)
		return r;
	(void)snprintf(prefix, sizeof(prefix), "generation/%s/", head->key + sizeof(PREFIX) - 1);
	return keeper_each(listing->keeper, is_unit, prefix, NULL, add_generation, &scan);
}

static int take_first(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct head *head = userdata;
	int r;

	buf_clear(&head->record);
	r = buf_append(&head->record, value, size);
	if (r < 0)
		return r;
	memcpy(head->key, key, strlen(key) + 1);
	head->is_filled = true;
	return -ECANCELED; /* one is enough */
}

static int fill_head(struct keeper_listing *listing, bool is_unit)
{
	struct head *head = &listing->heads[is_unit];
	int r;

	if (head->is_filled || head->is_at_end)
		return 0;
	r = keeper_each(listing->keeper, is_unit, listing->is_orphans ? ORPHAN_PREFIX : PREFIX,
			head->key, take_first, head);
	head->is_at_end = r == 0;
	return r == -ECANCELED ? 0 : r;
}

static bool is_valid_at(const Asafo__Record__TrustpointPublic *trustpoint, int64_t at)
{
	return at >= trustpoint->not_before && at <= trustpoint->not_after;
}

static bool is_filtered(const struct keeper_listing *listing)
{
	return listing->valid_at != 0 || listing->ends_before != 0;
}

static bool has_dates(const struct keeper_listing *listing,
		      const Asafo__Record__TrustpointPublic *trustpoint)
{
	if (listing->ends_before != 0)
		return trustpoint->not_after < listing->ends_before;
	return is_valid_at(trustpoint, listing->valid_at) !=
	       is_valid_at(trustpoint, listing->mate_valid_at);
}

/* Is it what the list is asked for? */
static bool is_wanted(const struct keeper_listing *listing, bool is_unit)
{
	const struct buf *bytes = &listing->heads[is_unit].record;
	Asafo__Record__Record *record;
	Asafo__Record__TrustpointPublic *trustpoint = NULL;
	bool is_good;

	if (!is_filtered(listing))
		return true;
	if (is_unit && listing->valid_at != 0)
		return false;
	record = asafo__record__record__unpack(NULL, bytes->size, bytes->data);
	if (record)
		trustpoint = asafo__record__trustpoint_public__unpack(NULL, record->public_part.len,
								      record->public_part.data);
	is_good = trustpoint && has_dates(listing, trustpoint);
	asafo__record__trustpoint_public__free_unpacked(trustpoint, NULL);
	asafo__record__record__free_unpacked(record, NULL);
	return is_good;
}

/* The next name of both families. 1: there was one, 0: the end. */
static int step(struct keeper_listing *listing)
{
	struct head *replicated = &listing->heads[0], *unit = &listing->heads[1];
	bool is_unit;
	int r = fill_head(listing, false);

	if (r == 0)
		r = fill_head(listing, true);
	if (r < 0)
		return r;
	if (!replicated->is_filled && !unit->is_filled)
		return 0;
	is_unit = !replicated->is_filled ||
		  (unit->is_filled && strcmp(unit->key, replicated->key) < 0);
	if (!is_wanted(listing, is_unit)) {
		listing->heads[is_unit].is_filled = false;
		return 1;
	}
	r = add_head(listing, is_unit);
	if (r < 0 || listing->valid_at == 0)
		return r < 0 ? r : 1;
	return --listing->left > 0 ? 1 : 0;
}

/* As much as the channel takes now. False: it has ended. */
static bool go_on(struct keeper_listing *listing)
{
	/* The others' turn comes after so many, even where none of them is sent. */
	for (unsigned looked = 0; !is_filtered(listing) || looked < LOOKED_MAX; looked++) {
		struct ipc_channel *channel =
			keeper_ticket_channel(listing->keeper, &listing->ticket);
		int r;

		if (!channel)
			return false;
		if (ipc_channel_queued(channel) > WAITING_MAX)
			return true;
		r = step(listing);
		if (r == 0)
			frame_send(listing, false);
		else if (r < 0)
			keeper_refuse(listing->keeper, &listing->ticket, r,
				      "the certificate store cannot be read: %s", err_text(r));
		if (r <= 0)
			return false;
	}
	return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper_listing *listing = userdata;

	(void)usec;
	if (!go_on(listing)) {
		listing_free(listing);
		return 0;
	}
	(void)sd_event_source_set_time_relative(source, STEP_MS * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void keeper_on_list(struct keeper *keeper, const struct keeper_ticket *ticket,
		    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__List *request = (const Asafo__Ipc__List *)body;
	struct keeper_listing *listing = calloc(1, sizeof(*listing));

	(void)frame;
	if (!listing) {
		keeper_reply_status(keeper, ticket, -ENOMEM, NULL);
		return;
	}
	listing->keeper = keeper;
	listing->ticket = *ticket;
	listing->is_orphans = request->orphans;
	listing->heads[0].is_at_end = request->orphans; /* they are this unit's own */
	listing->with_generations = request->with_generations && !request->orphans;
	if (request->valid_at != 0 && request->mate_valid_at != 0 && request->max > 0) {
		listing->valid_at = request->valid_at;
		listing->mate_valid_at = request->mate_valid_at;
		listing->left = request->max;
	} else if (request->ends_before > 0) {
		listing->ends_before = request->ends_before;
	}
	listing->next = keeper->listings;
	keeper->listings = listing;
	if (go_on(listing) &&
	    sd_event_add_time_relative(keeper->event, &listing->timer, CLOCK_MONOTONIC,
				       STEP_MS * 1000u, 0, on_timer, listing) >= 0)
		return;
	listing_free(listing);
}
