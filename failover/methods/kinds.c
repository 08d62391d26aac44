/* SPDX-License-Identifier: Apache-2.0 */
/* One question at a time: two for each pair of a place that was not there before in this order. */
#include "failover/methods/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define PAIRS_MAX 32

struct pair {
	struct config_binding older, newer;
};

struct kinds {
	struct waiting *waiting;
	struct config_binding *before;
	size_t n_before;
	struct pair pairs[PAIRS_MAX];
	size_t n_pairs, i_pair;
	char kind[16];	   /* of the pair's older one */
	bool is_older_had; /* it was asked for */
	struct buf lines;
};

struct kinds *kinds_before(const struct engine *engine)
{
	const struct config *config = engine->config;
	struct kinds *kinds = calloc(1, sizeof(*kinds));

	if (!kinds)
		return NULL;
	kinds->before = calloc(config->n_bindings + 1, sizeof(*kinds->before));
	if (!kinds->before) {
		free(kinds);
		return NULL;
	}
	memcpy(kinds->before, config->bindings, config->n_bindings * sizeof(*kinds->before));
	kinds->n_before = config->n_bindings;
	return kinds;
}

void kinds_free(struct kinds *kinds)
{
	if (!kinds)
		return;
	free(kinds->before);
	buf_done(&kinds->lines);
	free(kinds);
}

static bool is_same_place(const struct config_binding *a, const struct config_binding *b)
{
	return strcmp(a->interface, b->interface) == 0 && strcmp(a->domain, b->domain) == 0;
}

static bool is_same(const struct config_binding *a, const struct config_binding *b)
{
	return is_same_place(a, b) && strcmp(a->trustpoint, b->trustpoint) == 0;
}

/* Both were there, in this order. */
static bool was_there(const struct kinds *kinds, const struct config_binding *older,
		      const struct config_binding *newer)
{
	bool has_older = false;

	for (size_t i = 0; i < kinds->n_before; i++) {
		has_older |= is_same(&kinds->before[i], older);
		if (is_same(&kinds->before[i], newer))
			return has_older;
	}
	return false;
}

static void find_pairs(struct kinds *kinds, const struct config *config)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		const struct config_binding *newer = &config->bindings[i];

		for (size_t j = 0; j < i && kinds->n_pairs < PAIRS_MAX; j++) {
			const struct config_binding *older = &config->bindings[j];

			if (is_same_place(older, newer) && !was_there(kinds, older, newer))
				kinds->pairs[kinds->n_pairs++] = (struct pair){*older, *newer};
		}
	}
}

static void warn(struct kinds *kinds, const struct why *why)
{
	struct json_object *warnings = NULL;

	if (json_object_object_get_ex(kinds->waiting->result, "warnings", &warnings))
		(void)json_object_array_add(warnings, json_object_new_string(why->text));
}

static void describe(const struct config_binding *binding, struct why *ret_why)
{
	(void)why_set(ret_why, 0, "ssl trust-point %s%s%s%s%s", binding->trustpoint,
		      binding->interface[0] ? " " : "", binding->interface,
		      binding->domain[0] ? " domain " : "", binding->domain);
}

static void finish(struct kinds *kinds)
{
	struct waiting *waiting = kinds->waiting;
	struct why why = {""};

	if (kinds->lines.size > 0 &&
	    configure_text(waiting->engine, buf_text(&kinds->lines), NULL, &why) < 0)
		warn(kinds, &why);
	kinds_free(kinds);
	waiting_reply(waiting);
}

static void replace_older(struct kinds *kinds, const struct pair *pair, const char *kind)
{
	struct why line, why;

	describe(&pair->older, &line);
	if (buf_append_format(&kinds->lines, "no %s\n", line.text) < 0)
		return;
	(void)why_set(&why, 0,
		      "\"%.300s\" is replaced by %s, which has a key of the same kind (%s)",
		      line.text, pair->newer.trustpoint, kind);
	log_line(LOG_INFO, "%s", why.text);
	warn(kinds, &why);
}

static void leave_both(struct kinds *kinds, const struct pair *pair, const char *unknown)
{
	struct why line, why;

	describe(&pair->older, &line);
	(void)why_set(&why, 0,
		      "\"%.300s\" stays beside %s: what kind of key %s has is not known before it "
		      "is imported; of two of one kind the one that was bound last is served",
		      line.text, pair->newer.trustpoint, unknown);
	warn(kinds, &why);
}

/* "RSA-2048": "RSA" */
static void kind_of(const Asafo__Ipc__CertificateReply *reply, char ret_kind[static 16])
{
	Asafo__Record__TrustpointPublic *part = NULL;

	ret_kind[0] = '\0';
	if (reply->status && reply->status->code == 0)
		part = asafo__record__trustpoint_public__unpack(NULL, reply->public_part.len,
								reply->public_part.data);
	if (part && strncmp(part->key_type, "Ed", 2) == 0)
		memcpy(ret_kind, "EdDSA", sizeof("EdDSA"));
	else if (part)
		(void)snprintf(ret_kind, 16, "%.*s", (int)strcspn(part->key_type, "-"),
			       part->key_type);
	asafo__record__trustpoint_public__free_unpacked(part, NULL);
}

static void ask(struct kinds *kinds);

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct kinds *kinds = userdata;
	const struct pair *pair = &kinds->pairs[kinds->i_pair];
	char kind[16] = "";

	(void)has_more;
	if (kinds->waiting->engine->is_exiting) {
		struct waiting *waiting = kinds->waiting;

		kinds_free(kinds);
		waiting_reply(waiting);
		return;
	}
	if (code == 0)
		kind_of((const Asafo__Ipc__CertificateReply *)body, kind);
	if (!kinds->is_older_had) {
		kinds->is_older_had = true;
		memcpy(kinds->kind, kind, sizeof(kind));
		ask(kinds);
		return;
	}
	if (!kind[0] || !kinds->kind[0])
		leave_both(kinds, pair, kind[0] ? pair->older.trustpoint : pair->newer.trustpoint);
	else if (strcmp(kind, kinds->kind) == 0)
		replace_older(kinds, pair, kind);
	kinds->is_older_had = false;
	kinds->i_pair++;
	ask(kinds);
}

static void ask(struct kinds *kinds)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	const struct pair *pair = &kinds->pairs[kinds->i_pair];

	if (kinds->i_pair == kinds->n_pairs) {
		finish(kinds);
		return;
	}
	message.name = (char *)(uintptr_t)(kinds->is_older_had ? pair->newer.trustpoint
							       : pair->older.trustpoint);
	/* Without a keeper all stays as it was given. */
	if (engine_keeper_call(kinds->waiting->engine, IPC_CERTIFICATE, &message.base, NULL, 0,
			       on_certificate, kinds) < 0)
		finish(kinds);
}

void kinds_settle(struct kinds *kinds, struct waiting *waiting)
{
	kinds->waiting = waiting;
	find_pairs(kinds, waiting->engine->config);
	ask(kinds);
}
