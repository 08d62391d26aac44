/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener serves, as JSON (doc/control.md). */
#include <config.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"

static void add_texts(struct json_object *object, const char *key, char *const *texts, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(array, json_object_new_string(texts[i]));
	(void)json_object_object_add(object, key, array);
}

static bool is_served(const Asafo__Ipc__FrontReport *report, const char *trustpoint)
{
	for (size_t i = 0; report && i < report->n_served; i++) {
		if (!report->served[i]->is_fallback && report->served[i]->fingerprint.len > 0 &&
		    strcmp(report->served[i]->trustpoint, trustpoint) == 0)
			return true;
	}
	return false;
}

static struct json_object *show_bindings(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < engine->config->n_bindings; i++) {
		const struct config_binding *binding = &engine->config->bindings[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "trustpoint", binding->trustpoint);
		json_add_text(object, "interface", binding->interface);
		json_add_text(object, "domain", binding->domain);
		json_add_flag(object, "present",
			      is_served(engine->rooms.report, binding->trustpoint));
		(void)json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *show_ciphers(const struct config *config)
{
	struct json_object *object = json_object_new_object();

	for (int i = 0; i < CONFIG_CIPHER_VERSION__MAX; i++) {
		enum config_cipher_version version = (enum config_cipher_version)i;
		struct config_suite suites[CONFIG_CIPHERS_MAX];
		size_t n = config_cipher_suites(&config->ciphers[i], version, suites);
		struct json_object *one = json_object_new_object();
		struct json_object *names = json_object_new_array();

		for (size_t j = 0; j < n; j++)
			(void)json_object_array_add(names, json_object_new_string(suites[j].name));
		json_add_text(one, "level", config_cipher_level_word(config->ciphers[i].level));
		(void)json_object_object_add(one, "suites", names);
		(void)json_object_object_add(object, config_cipher_version_word(version), one);
	}
	return object;
}

/* What was tried earlier in this very second is not taken for the answer. */
static void probe(struct engine *engine)
{
	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++) {
		const Asafo__Ipc__FrontReport *report = engine->rooms.reports[i];

		for (size_t j = 0; report && j < report->n_served; j++)
			report->served[j]->tested_at = 0;
	}
	engine_fronts_test(engine);
}

void method_show_ssl(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	const Asafo__Ipc__FrontReport *report = engine->rooms.report;
	struct json_object *result = json_object_new_object();

	/* Who asks looks again until each place was tried since. */
	if (parameter_flag(parameters, "probe")) {
		probe(engine);
		json_add_number(result, "probed_at", (int64_t)time(NULL));
	}
	add_texts(result, "listening", report ? report->listening : NULL,
		  report ? report->n_listening : 0);
	add_texts(result, "failed", report ? report->failed : NULL, report ? report->n_failed : 0);
	json_add_text(result, "minimum_tls", engine->config->minimum_tls);
	(void)json_object_object_add(result, "ciphers", show_ciphers(engine->config));
	(void)json_object_object_add(result, "bindings", show_bindings(engine));
	(void)json_object_object_add(result, "served", proof_places(engine));
	json_add_number(result, "connections", report ? (int64_t)report->connections : 0);
	json_add_number(result, "handshakes", report ? (int64_t)report->handshakes : 0);
	json_add_number(result, "handshake_failures",
			report ? (int64_t)report->handshake_failures : 0);
	json_add_number(result, "resumptions", report ? (int64_t)report->resumptions : 0);
	(void)json_object_object_add(result, "session_tickets", json_session_tickets(engine));
	(void)json_object_object_add(result, "staples", json_staples(engine));
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}
