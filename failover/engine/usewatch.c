/* SPDX-License-Identifier: Apache-2.0 */
/* One question to the keeper at a time: bindings are few, and nothing of this is in a hurry. */
#include <string.h>

#include "base/err.h"
#include "failover/engine/engine.h"

#define SOON_MS 200u

static void ask_next(struct engine *engine);

static void look_at(struct engine *engine, const ProtobufCBinaryData *packed)
{
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, packed->len, packed->data);

	if (!part)
		return;
	usecheck_judge(engine->config, part, &engine->usewatch.found);
	engine_staples_judge(engine, part, &engine->usewatch.found);
	engine_staples_say(engine, part);
	asafo__record__trustpoint_public__free_unpacked(part, NULL);
}

static void look_soon(struct usewatch *watch)
{
	if (watch->timer && sd_event_source_set_time_relative(watch->timer, SOON_MS * 1000) >= 0)
		(void)sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

/* Half a look is none. */
static void finished(struct usewatch *watch, bool is_whole)
{
	watch->is_asking = false;
	if (is_whole && !watch->is_dirty)
		watch->known = watch->found;
	if (watch->is_dirty)
		look_soon(watch);
}

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CertificateReply *reply = (const Asafo__Ipc__CertificateReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting)
		return;
	/* Another configuration: its bindings are looked at from the first on. A keeper that went
	 * away has a successor, and that is reason to look. */
	if (code < 0 || engine->usewatch.is_dirty) {
		finished(&engine->usewatch, false);
		return;
	}
	if (reply->status->code == 0)
		look_at(engine, &reply->public_part);
	ask_next(engine);
}

/* One that is bound twice is asked for once. */
static bool is_repeated(const struct config *config, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(config->bindings[i].trustpoint, config->bindings[index].trustpoint) == 0)
			return true;
	}
	return false;
}

static void ask_next(struct engine *engine)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	struct usewatch *watch = &engine->usewatch;
	const struct config *config = engine->config;

	while (watch->i_binding < config->n_bindings && is_repeated(config, watch->i_binding))
		watch->i_binding++;
	if (watch->i_binding >= config->n_bindings) {
		finished(watch, true);
		return;
	}
	message.name = (char *)(uintptr_t)config->bindings[watch->i_binding++].trustpoint;
	if (engine_keeper_call(engine, IPC_CERTIFICATE, &message.base, NULL, 0, on_certificate,
			       engine) < 0)
		finished(watch, false);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct usewatch *watch = &engine->usewatch;

	(void)source;
	(void)usec;
	watch->is_dirty = false;
	watch->is_asking = true;
	watch->i_binding = 0;
	watch->found.n = 0;
	ask_next(engine);
	return 0;
}

void usewatch_kick(struct engine *engine)
{
	struct usewatch *watch = &engine->usewatch;

	watch->is_dirty = true;
	if (watch->is_asking)
		return;
	if (!watch->timer) {
		(void)sd_event_add_time_relative(engine->event, &watch->timer, CLOCK_MONOTONIC,
						 SOON_MS * 1000, 0, on_timer, engine);
		return;
	}
	look_soon(watch);
}

void usewatch_done(struct usewatch *watch)
{
	sd_event_source_disable_unref(watch->timer);
	watch->timer = NULL;
}
