/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper has is asked for when something changed; once a minute it is seen what ended
 * meanwhile. */
#include "failover/engine/crls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/utc.h"
#include "failover/engine/engine.h"

#define TICK_MS 60000u

/* ---- the list ---- */

static bool fill(struct engine_crl *crl, const Asafo__Record__Crl *from)
{
	if (from->key_id.len != sizeof(crl->key_id) || from->digest.len != sizeof(crl->digest))
		return false;
	memcpy(crl->key_id, from->key_id.data, sizeof(crl->key_id));
	memcpy(crl->digest, from->digest.data, sizeof(crl->digest));
	crl->this_update = from->this_update;
	crl->next_update = from->next_update;
	crl->taken_at = from->taken_at;
	(void)snprintf(crl->source, sizeof(crl->source), "%s", from->source);
	(void)snprintf(crl->number, sizeof(crl->number), "%s", from->number);
	(void)snprintf(crl->issuer, sizeof(crl->issuer), "%s", from->issuer);
	for (size_t i = 0; i < from->n_trustpoints && crl->n_names < CRLS_NAMES_MAX; i++)
		(void)snprintf(crl->names[crl->n_names++], sizeof(crl->names[0]), "%s",
			       from->trustpoints[i]);
	crl->removed_at = from->removed_at;
	crl->revoked = from->revoked;
	crl->term = from->term;
	crl->change = from->change;
	crl->is_home = from->is_home;
	return true;
}

bool engine_crl_is_of(const struct engine_crl *crl, const char *name)
{
	for (size_t i = 0; i < crl->n_names; i++) {
		if (strcmp(crl->names[i], name) == 0)
			return true;
	}
	return false;
}

/* Two CAs may say the same, and two that changed places are another set. */
static uint64_t id_of(const struct engine_crl *crl)
{
	uint64_t key, digest;

	memcpy(&key, crl->key_id, sizeof(key));
	memcpy(&digest, crl->digest, sizeof(digest));
	return (key ^ digest >> 32 ^ digest << 32) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Does not depend on their order. */
static uint64_t set_id(const struct engine_crls *crls)
{
	uint64_t id = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < crls->n; i++)
		id += crls->list[i].is_home ? 0 : id_of(&crls->list[i]);
	for (size_t i = 0; i < crls->n_gone; i++)
		id += id_of(&crls->gone[i]);
	return id ? id : 1;
}

static bool was_said(const struct engine_crls *crls, const struct engine_crl *crl)
{
	for (size_t i = 0; i < crls->n; i++) {
		if (memcmp(crls->list[i].digest, crl->digest, sizeof(crl->digest)) == 0 &&
		    memcmp(crls->list[i].key_id, crl->key_id, sizeof(crl->key_id)) == 0)
			return crls->list[i].is_end_said;
	}
	return false;
}

/* Errors: -ENOMEM. */
static int take_list(struct engine_crls *crls, const Asafo__Ipc__CrlListReply *reply)
{
	_cleanup_free_ struct engine_crl *list = calloc(reply->n_crls + 1, sizeof(*list));
	struct engine_crl *gone = calloc(reply->n_gone + 1, sizeof(*gone));
	size_t n = 0, n_gone = 0;

	if (!list || !gone) {
		free(gone);
		return -ENOMEM;
	}
	for (size_t i = 0; i < reply->n_crls; i++) {
		if (!fill(&list[n], reply->crls[i]))
			continue;
		list[n].is_end_said = was_said(crls, &list[n]);
		n++;
	}
	for (size_t i = 0; i < reply->n_gone; i++)
		n_gone += fill(&gone[n_gone], reply->gone[i]);
	free(crls->list);
	crls->list = TAKE_PTR(list);
	crls->n = n;
	free(crls->gone);
	crls->gone = gone;
	crls->n_gone = n_gone;
	return 0;
}

void engine_crls_listed(struct engine *engine, const Asafo__Ipc__CrlListReply *reply)
{
	struct engine_crls *crls = &engine->crls;
	uint64_t id;

	if (take_list(crls, reply) < 0)
		return;
	id = set_id(crls);
	if (id != crls->id) {
		crls->id = id;
		crls->is_told = false;
		engine_crls_report(engine);
	}
	/* The mate may have said before that it has the same. */
	if (id == crls->mate_id)
		crls->n_newer = 0;
	engine_crls_tell(engine);
	engine_crls_say(engine);
}

static void on_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CrlListReply *reply = (const Asafo__Ipc__CrlListReply *)body;
	struct engine *engine = userdata;
	struct engine_crls *crls = &engine->crls;
	bool is_again = crls->is_asked_again;

	(void)has_more;
	if (engine->is_exiting)
		return;
	crls->is_asked = crls->is_asked_again = false;
	if (code == 0 && (!reply->status || reply->status->code == 0))
		engine_crls_listed(engine, reply);
	else if (code == 0)
		log_line(LOG_ERR, "which CRLs there are is not known: %s", reply->status->why);
	if (is_again)
		engine_crls_kick(engine);
}

void engine_crls_kick(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;

	if (engine->is_exiting)
		return;
	if (crls->is_asked) {
		crls->is_asked_again = true;
		return;
	}
	crls->is_asked =
		engine_keeper_call(engine, IPC_CRL_LIST, NULL, NULL, 0, on_list, engine) == 0;
}

void engine_crls_role(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;

	/* A standby that becomes ready goes on with what it sends. */
	if (crls->was_active == engine_is_active(engine)) {
		engine_crls_kick(engine);
		return;
	}
	crls->was_active = !crls->was_active;
	/* What is known of the mate is from before. */
	crls->mate_id = 0;
	crls->is_told = false;
	crls->n_lacking = crls->i_lacking = crls->part = 0;
	crls->n_newer = 0;
	crls->is_wanting = false;
	engine_crls_kick(engine);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_crls *crls = &engine->crls;

	(void)usec;
	/* The mate may have had no ears for it: two that are active, a keeper that was gone. One of
	 * an older version skips what it does not know. */
	crls->is_told = false;
	engine_crls_tell(engine);
	engine_crls_look_apart(engine);
	engine_crls_say(engine);
	(void)sd_event_source_set_time_relative(source, TICK_MS * 1000ull);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int engine_crls_start(struct engine *engine)
{
	int r = sd_event_add_time_relative(engine->event, &engine->crls.timer, CLOCK_MONOTONIC,
					   TICK_MS * 1000ull, 0, on_timer, engine);

	return r < 0 ? r : 0;
}

void engine_crls_stop(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;

	crls->timer = sd_event_source_disable_unref(crls->timer);
	free(TAKE_PTR(crls->list));
	free(TAKE_PTR(crls->gone));
	free(TAKE_PTR(crls->lacking));
	crls->n = crls->n_gone = crls->n_lacking = 0;
}
