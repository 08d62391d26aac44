/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of `asafo pair`. Wrong codes cannot be tried: each try is a TLS handshake that fails
 * without the PSK. */
#include "failover/engine/pairing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "failover/engine/engine.h"

#define OFFER_ID_SIZE 8

struct pairing {
	struct engine *engine;
	bool is_offering, is_joining;
	char code[64];
	char identity[64]; /* of the offer, and its key: a link that is made anew takes them, too */
	uint8_t psk[LINK_PSK_SIZE];
	uint8_t sealed[256];
	size_t sealed_size;
	struct link *link; /* the joiner's own */
	sd_event_source *timeout, *finish;
	int finish_code;
	char finish_why[WHY_TEXT_MAX];
	pairing_progress_fn on_progress;
	void *userdata;
};

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata);
static int on_finish(sd_event_source *source, void *userdata);

int pairing_new(struct engine *engine, struct pairing **ret_pairing)
{
	struct pairing *pairing = calloc(1, sizeof(*pairing));
	int r;

	if (!pairing)
		return -ENOMEM;
	pairing->engine = engine;
	r = sd_event_add_time(engine->event, &pairing->timeout, CLOCK_MONOTONIC, 0, 0, on_timeout,
			      pairing);
	if (r >= 0)
		r = sd_event_add_defer(engine->event, &pairing->finish, on_finish, pairing);
	if (r < 0) {
		pairing_free(pairing);
		return r;
	}
	(void)sd_event_source_set_enabled(pairing->timeout, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(pairing->finish, SD_EVENT_OFF);
	*ret_pairing = pairing;
	return 0;
}

static void forget(struct pairing *pairing)
{
	if (pairing->is_offering && pairing->engine->pair.link)
		(void)link_offer_pairing(pairing->engine->pair.link, NULL, NULL);
	link_free(TAKE_PTR(pairing->link));
	explicit_bzero(pairing->code, sizeof(pairing->code));
	explicit_bzero(pairing->sealed, sizeof(pairing->sealed));
	explicit_bzero(pairing->psk, sizeof(pairing->psk));
	pairing->identity[0] = '\0';
	pairing->is_offering = pairing->is_joining = false;
	(void)sd_event_source_set_enabled(pairing->timeout, SD_EVENT_OFF);
}

void pairing_free(struct pairing *pairing)
{
	struct pairing_progress progress = {
		.is_done = true, .code = ERR_CLOSED, .why = "this unit stops"};

	if (!pairing)
		return;
	if (pairing->on_progress && (pairing->is_offering || pairing->is_joining))
		pairing->on_progress(&progress, pairing->userdata);
	link_free(pairing->link);
	pairing->timeout = sd_event_source_disable_unref(pairing->timeout);
	pairing->finish = sd_event_source_disable_unref(pairing->finish);
	explicit_bzero(pairing, sizeof(*pairing));
	free(pairing);
}

/* From the loop, not from the callback of a link or channel that this takes apart. */
static int on_finish(sd_event_source *source, void *userdata)
{
	struct pairing *pairing = userdata;
	struct pairing_progress progress = {
		.is_done = true, .code = pairing->finish_code, .why = pairing->finish_why};
	pairing_progress_fn on_progress = pairing->on_progress;
	bool was_joining = pairing->is_joining;

	(void)source;
	forget(pairing);
	pairing->on_progress = NULL;
	if (progress.code == 0)
		engine_store_refresh(pairing->engine);
	if (progress.code == 0 || was_joining)
		(void)engine_keys_refresh(pairing->engine);
	if (on_progress)
		on_progress(&progress, pairing->userdata);
	return 0;
}

static void finish(struct pairing *pairing, int code, const char *why)
{
	pairing->finish_code = code;
	(void)snprintf(pairing->finish_why, sizeof(pairing->finish_why), "%s", why);
	(void)sd_event_source_set_enabled(pairing->finish, SD_EVENT_ONESHOT);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct pairing *pairing = userdata;

	(void)source;
	(void)usec;
	finish(pairing, ERR_TIMEOUT,
	       pairing->is_offering ? "nobody used the code within 10 minutes: run `asafo pair` "
				      "again for a new one"
				    : "the other unit did not answer: is `asafo pair` still "
				      "waiting there, the failover link up?");
	return 0;
}

static void arm_timeout(struct pairing *pairing, uint64_t seconds)
{
	(void)sd_event_source_set_time(pairing->timeout,
				       monotime_add_ms(monotime_now(), seconds * 1000).ns / 1000);
	(void)sd_event_source_set_enabled(pairing->timeout, SD_EVENT_ONESHOT);
}

static int begin(struct pairing *pairing, enum fo_unit unit, pairing_progress_fn on_progress,
		 void *userdata, struct why *ret_why)
{
	const struct config_failover *failover = &pairing->engine->config->failover;

	if (failover->unit != unit)
		return why_set(ret_why, ERR_DENIED,
			       "this unit is the %s: `asafo pair` makes the code on the primary, "
			       "`asafo pair --join` takes it on the secondary",
			       failover->unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	if (!config_link_first(failover))
		return why_set(
			ret_why, ERR_NOT_READY,
			"the failover link is not configured: add `failover lan interface` and "
			"`failover interface ip`");
	if (pairing->is_offering || pairing->is_joining)
		return why_set(ret_why, ERR_BUSY, "a pairing is under way on this unit already");
	pairing->on_progress = on_progress;
	pairing->userdata = userdata;
	return 0;
}

void pairing_cancel(struct pairing *pairing)
{
	if (pairing->is_offering)
		finish(pairing, ERR_CLOSED, "cancelled");
}

static void identity_text(const ProtobufCBinaryData *offer_id, char ret_text[static 64])
{
	char hex[2 * OFFER_ID_SIZE + 1];

	hex_encode(offer_id->data, OFFER_ID_SIZE, hex);
	(void)snprintf(ret_text, 64, "asafo-pair-%s", hex);
}

/* ---- the unit that offers ---- */

static void on_offer(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct pairing *pairing = userdata;
	const Asafo__Ipc__PairOfferReply *reply = (const Asafo__Ipc__PairOfferReply *)body;
	struct pairing_progress progress = {0};
	int r = code < 0 ? code : reply->status ? reply->status->code : 0;

	(void)has_more;
	if (pairing->engine->is_exiting || !pairing->is_offering)
		return;
	if (r == 0 &&
	    (reply->offer_id.len != OFFER_ID_SIZE || reply->link_psk.len != LINK_PSK_SIZE ||
	     reply->sealed.len > sizeof(pairing->sealed) || !pairing->engine->pair.link))
		r = ERR_MALFORMED;
	if (r == 0) {
		identity_text(&reply->offer_id, pairing->identity);
		memcpy(pairing->psk, reply->link_psk.data, sizeof(pairing->psk));
		r = link_offer_pairing(pairing->engine->pair.link, pairing->identity, pairing->psk);
	}
	if (r < 0) {
		finish(pairing, r,
		       code == 0 && reply->status && reply->status->why[0] ? reply->status->why
									   : err_text(r));
		return;
	}
	memcpy(pairing->sealed, reply->sealed.data, reply->sealed.len);
	pairing->sealed_size = reply->sealed.len;
	arm_timeout(pairing, PAIRING_SECONDS);
	progress.one_time_code = reply->code;
	if (pairing->on_progress)
		pairing->on_progress(&progress, pairing->userdata);
}

int pairing_offer(struct pairing *pairing, pairing_progress_fn on_progress, void *userdata,
		  struct why *ret_why)
{
	int r = begin(pairing, FO_UNIT_PRIMARY, on_progress, userdata, ret_why);

	if (r < 0)
		return r;
	r = engine_keeper_call(pairing->engine, IPC_PAIR_OFFER, NULL, NULL, 0, on_offer, pairing);
	if (r < 0)
		return why_set(ret_why, r, "the keeper is not there: see the log");
	pairing->is_offering = true;
	return 0;
}

void pairing_link_made(struct pairing *pairing)
{
	struct link *link = pairing->engine->pair.link;

	if (pairing->is_offering && pairing->identity[0] && link &&
	    link_offer_pairing(link, pairing->identity, pairing->psk) < 0)
		finish(pairing, -ENOMEM, err_text(-ENOMEM));
}

bool pairing_message(struct pairing *pairing, const Asafo__Wire__Link *message)
{
	Asafo__Wire__Link answer = ASAFO__WIRE__LINK__INIT;
	Asafo__Wire__PairReply reply = ASAFO__WIRE__PAIR_REPLY__INIT;
	char why[] = "no pairing is offered";

	if (message->body_case != ASAFO__WIRE__LINK__BODY_PAIR_REQUEST)
		return false;
	answer.body_case = ASAFO__WIRE__LINK__BODY_PAIR_REPLY;
	answer.pair_reply = &reply;
	if (pairing->is_offering) {
		reply.sealed = (ProtobufCBinaryData){pairing->sealed_size, pairing->sealed};
	} else {
		reply.code = ERR_NOT_READY;
		reply.why = why;
	}
	(void)link_reply_pairing(pairing->engine->pair.link, &answer);
	if (pairing->is_offering)
		finish(pairing, 0, "");
	return true;
}

/* ---- the unit that joins ---- */

static void on_accepted(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct pairing *pairing = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	int r = code < 0 ? code : reply->status ? reply->status->code : 0;

	(void)has_more;
	if (!pairing->engine->is_exiting && pairing->is_joining)
		finish(pairing, r,
		       code == 0 && reply->status && r < 0 ? reply->status->why : err_text(r));
}

static void on_link_up(struct link *link, void *userdata)
{
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	Asafo__Wire__PairRequest request = ASAFO__WIRE__PAIR_REQUEST__INIT;

	(void)userdata;
	message.body_case = ASAFO__WIRE__LINK__BODY_PAIR_REQUEST;
	message.pair_request = &request;
	(void)link_send(link, &message);
}

static void on_link_down(struct link *link, int code, const char *why, void *userdata)
{
	struct pairing *pairing = userdata;

	(void)link;
	if (code == ERR_INTEGRITY)
		finish(pairing, ERR_BAD_PASSPHRASE,
		       "the other unit does not take this code: type it again, or make a new one "
		       "with "
		       "`asafo pair`");
	else if (code == ERR_VERSION)
		finish(pairing, code, why);
}

static void on_link_message(struct link *link, const Asafo__Wire__Link *message, void *userdata)
{
	struct pairing *pairing = userdata;
	const Asafo__Wire__PairReply *reply = message->pair_reply;
	Asafo__Ipc__PairAccept accept = ASAFO__IPC__PAIR_ACCEPT__INIT;
	int r;

	(void)link;
	if (message->body_case != ASAFO__WIRE__LINK__BODY_PAIR_REPLY)
		return;
	if (reply->code < 0) {
		finish(pairing, reply->code, reply->why);
		return;
	}
	accept.code = pairing->code;
	accept.sealed = reply->sealed;
	r = engine_keeper_call(pairing->engine, IPC_PAIR_ACCEPT, &accept.base, NULL, 0, on_accepted,
			       pairing);
	if (r < 0)
		finish(pairing, r, "the keeper is not there: see the log");
}

static void on_join(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	static const struct link_ops ops = {on_link_up, on_link_down, on_link_message, NULL};
	struct pairing *pairing = userdata;
	const Asafo__Ipc__PairJoinReply *reply = (const Asafo__Ipc__PairJoinReply *)body;
	struct link_config config;
	int r = code < 0 ? code : reply->status ? reply->status->code : 0;

	(void)has_more;
	if (pairing->engine->is_exiting || !pairing->is_joining)
		return;
	if (r == 0 &&
	    (reply->offer_id.len != OFFER_ID_SIZE || reply->link_psk.len != LINK_PSK_SIZE))
		r = ERR_MALFORMED;
	if (r == 0) {
		engine_link_config(pairing->engine, &config);
		memcpy(config.psk, reply->link_psk.data, LINK_PSK_SIZE);
		identity_text(&reply->offer_id, config.psk_identity);
		/* The two would fight for the mate's one connection. */
		engine_drop_link(pairing->engine, "this unit is being paired");
		r = link_new(pairing->engine->event, &config, &ops, pairing, &pairing->link);
		explicit_bzero(&config, sizeof(config));
	}
	if (r < 0)
		finish(pairing, r,
		       code == 0 && reply->status && reply->status->why[0] ? reply->status->why
									   : err_text(r));
	else
		arm_timeout(pairing, 20);
}

int pairing_join(struct pairing *pairing, const char *code, pairing_progress_fn on_progress,
		 void *userdata, struct why *ret_why)
{
	Asafo__Ipc__PairJoin message = ASAFO__IPC__PAIR_JOIN__INIT;
	int r = begin(pairing, FO_UNIT_SECONDARY, on_progress, userdata, ret_why);

	if (r < 0)
		return r;
	if (strlen(code) >= sizeof(pairing->code))
		return why_set(ret_why, ERR_MALFORMED,
			       "that is no pairing code: it has 25 letters and digits");
	(void)snprintf(pairing->code, sizeof(pairing->code), "%s", code);
	message.code = pairing->code;
	r = engine_keeper_call(pairing->engine, IPC_PAIR_JOIN, &message.base, NULL, 0, on_join,
			       pairing);
	if (r < 0)
		return why_set(ret_why, r, "the keeper is not there: see the log");
	pairing->is_joining = true;
	return 0;
}
