/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `asafo why NAME`: which rule decided whether, when and where a trustpoint replicates, is bound
 * and is served, and what to type where that is not what is wanted. The proof is made now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"
#include "failover/replication/replication.h"

#define WORK_MS 2000

struct question {
	const struct engine *engine;
	const char *name;
	struct json_object *entry; /* of the page */
	struct json_object *rules; /* grows */
};

static struct json_object *verdict(const struct question *question, const char *unit,
				   const char *what)
{
	struct json_object *object = NULL, *value = NULL;

	if (json_object_object_get_ex(question->entry, unit, &object))
		(void)json_object_object_get_ex(object, what, &value);
	return value;
}

static bool is(struct json_object *verdict, const char *state)
{
	return strcmp(parameter_text(verdict, "state"), state) == 0;
}

/* RULE is for programs, TEXT for people; FIX what to type, with NAME for that of the trustpoint, ""
 * where nothing is to be changed. */
static void add_rule(const struct question *question, const char *topic, const char *rule,
		     const char *text, const char *fix)
{
	struct json_object *object = json_object_new_object();
	const char *place = strstr(fix, "NAME");
	struct why named;

	json_add_text(object, "topic", topic);
	json_add_text(object, "rule", rule);
	json_add_text(object, "text", text);
	if (place)
		(void)why_set(&named, 0, "%.*s%s%s", (int)(place - fix), fix, question->name,
			      place + strlen("NAME"));
	json_add_text(object, "fix", place ? named.text : fix);
	(void)json_object_array_add(question->rules, object);
}

/* ---- replicated ---- */

static const char *mode_text(enum config_replication mode)
{
	return mode == CONFIG_REPLICATION_SYNC ? "sync" : "async";
}

/* The mate does not have this very record: whose doing is that? */
static void why_absent(const struct question *question)
{
	const struct engine *engine = question->engine;
	enum config_replication mode = engine->config->failover.replication;
	const struct replication_result *last = replication_last(engine->replication);
	struct why text;

	if (!engine_is_active(engine)) {
		add_rule(question, "replication", "standby",
			 "the units hold different ones under this name; what the active unit has "
			 "counts, and comes with its next replication",
			 "on the active unit: asafo write-standby");
	} else if (replication_is_busy(engine->replication)) {
		add_rule(question, "replication", "under-way",
			 "a replication is under way: asafo show failover has its progress", "");
	} else if (last->at && last->code < 0) {
		(void)why_set(&text, 0,
			      "the latest replication failed, and left the standby as it "
			      "was: %.400s",
			      last->why.text);
		add_rule(question, "replication", "refused", text.text, "asafo write-standby");
	} else if (mode == CONFIG_REPLICATION_OFF) {
		add_rule(question, "replication", "import-time-off",
			 "failover replication trustpoint is off (the default, as on an ASA): what "
			 "is imported crosses at boot of the standby and with write standby, not "
			 "at import; this has not happened since",
			 "asafo write-standby; for the next imports: asafo configure \"failover "
			 "replication trustpoint sync\"");
	} else {
		(void)why_set(&text, 0,
			      "failover replication trustpoint is %s: it is queued, and follows by "
			      "itself",
			      mode_text(mode));
		add_rule(question, "replication", "queued", text.text, "");
	}
}

/* A line decided it when it was imported, and may have been changed since. */
static void why_home(const struct question *question, const char *kept_home)
{
	const struct config_trustpoint *lines =
		config_trustpoint_find(question->engine->config, question->name);
	bool is_so = lines && (lines->is_home || lines->is_of_unit);

	add_rule(question, "replication", "home", kept_home,
		 is_so ? "to share it: asafo configure \"crypto ca trustpoint NAME\" \"redundancy "
			 "yes\" \"scope pair\", then remove and import it"
		       : "to share it: asafo remove it, and import it again on the active unit");
}

/* A mate of an older release is not asked, but says its digest. */
static void why_unknown(const struct question *question, const char *why)
{
	const struct engine *engine = question->engine;
	const struct link *link = engine->pair.link;
	bool is_older = link && link_is_up(link) && link_mate_version(link) < LINK_VERSION_EXEC;
	struct why text;

	if (is_older && engine_hears_mate(engine) &&
	    engine_position_equal(&engine->mate.position, &engine->store.position)) {
		(void)why_set(&text, 0,
			      "it is shared by the pair, and the digests of both units are equal; "
			      "more is not known: %.300s",
			      why);
		add_rule(question, "replication", "replicated", text.text, "");
		return;
	}
	add_rule(question, "replication", "unknown", why,
		 is_older ? "asafo show failover has what the standby lacks; asafo write-standby, "
			    "on the active unit, sends it"
			  : "asafo show failover says what is wrong between the units");
}

static void why_replicated(const struct question *question)
{
	const struct config_failover *failover = &question->engine->config->failover;
	const char *kept_home = parameter_text(question->entry, "kept_home");
	struct json_object *present = verdict(question, "mate", "present");
	const char *why = parameter_text(present, "why");
	const struct config_trustpoint *lines =
		config_trustpoint_find(question->engine->config, question->name);

	if (strcmp(parameter_text(question->entry, "origin"), "local-ca") == 0)
		add_rule(question, "replication", "local-ca",
			 kept_home[0] ? kept_home : "it was issued by this unit's local CA",
			 "nothing changes that: take a certificate of another CA for what both "
			 "units serve");
	else if (!parameter_flag(question->entry, "replicated"))
		why_home(question, kept_home);
	else if (lines && (lines->is_home || lines->is_of_unit))
		add_rule(
			question, "replication", "shared-before",
			"it is shared by the pair all the same: it was imported before its line "
			"scope unit or redundancy no, and a line alone takes nothing from the mate",
			"asafo remove NAME takes it from both units; then import it where it is to "
			"stay");
	else if (!failover->is_enabled)
		add_rule(question, "replication", "failover-off",
			 "failover is off: there is no other unit to replicate to",
			 "asafo configure failover");
	else if (is(present, "yes"))
		add_rule(question, "replication", "replicated",
			 "it is shared by the pair, and the other unit has the same record, by its "
			 "digest",
			 "");
	else if (is(present, "no"))
		why_absent(question);
	else
		why_unknown(question, why[0] ? why : "the other unit could not be asked");
}

/* ---- here at all ---- */

static bool why_missing(const struct question *question)
{
	const char *there = parameter_text(verdict(question, "mate", "present"), "why");

	if (parameter_text(question->entry, "digest")[0])
		return false;
	if (is(verdict(question, "mate", "present"), "no"))
		add_rule(question, "replication", "only-on-mate",
			 "this unit has no trustpoint of that name, the other unit has",
			 engine_is_active(question->engine)
				 ? "asafo failover exec mate why NAME says why it stays there; "
				   "import it here to share it"
				 : "on the active unit: asafo write-standby");
	else if (is(verdict(question, "mate", "present"), "none"))
		add_rule(question, "replication", "nowhere",
			 "neither unit has a trustpoint of that name",
			 "asafo show trustpoints lists them; asafo import NAME FILE.p12 makes one");
	else
		add_rule(question, "replication", "not-here", there,
			 "asafo show trustpoints lists what this unit has");
	return true;
}

/* ---- bound ---- */

static bool is_listened_on(const struct config *config, const char *interface)
{
	for (size_t i = 0; i < config->webvpn.n_enabled; i++) {
		if (strcmp(config->webvpn.enabled_on[i], interface) == 0)
			return true;
	}
	return false;
}

static void why_bound(const struct question *question)
{
	const struct config *config = question->engine->config;
	const char *first = config->webvpn.n_enabled > 0 ? config->webvpn.enabled_on[0] : "";
	struct why text, fix;
	size_t n = 0;

	for (size_t i = 0; i < config->n_bindings; i++) {
		const struct config_binding *binding = &config->bindings[i];
		bool is_idle = binding->interface[0] && !is_listened_on(config, binding->interface);

		if (strcmp(binding->trustpoint, question->name) != 0)
			continue;
		n++;
		(void)why_set(&text, 0, "the line ssl trust-point %s%s%s%s%s%s", question->name,
			      binding->interface[0] ? " " : "", binding->interface,
			      binding->domain[0] ? " domain " : "", binding->domain,
			      is_idle ? ": but nothing listens on that interface" : "");
		(void)why_set(&fix, 0, "asafo configure webvpn \"enable %s\"", binding->interface);
		add_rule(question, "binding", is_idle ? "not-listened-on" : "bound", text.text,
			 is_idle ? fix.text : "");
	}
	if (n > 0)
		return;
	(void)why_set(&fix, 0, "asafo bind %s %s", question->name, first[0] ? first : "INTERFACE");
	add_rule(question, "binding", "unbound",
		 "no ssl trust-point line names it, so that no client is served with it", fix.text);
}

/* ---- usable and served ---- */

static const char *fix_of(const struct question *question, const char *what)
{
	int64_t now = (int64_t)time(NULL);

	if (strcmp(what, "usable") == 0)
		return parameter_number(question->entry, "not_after", now) < now
			       ? "asafo import NAME NEW.p12 --replace renews it"
			       : "asafo import NAME FILE.p12 --replace stores it anew; check the "
				 "clocks and the log of that unit";
	return "asafo show ssl on that unit has what each place serves";
}

static void why_verdict(const struct question *question, const char *unit, const char *what)
{
	struct json_object *found = verdict(question, unit, what);
	const char *why = parameter_text(found, "why");
	const char *where = strcmp(unit, "this") == 0 ? "on this unit" : "on the other unit";
	bool is_usable = strcmp(what, "usable") == 0;
	struct why text;

	if (is(found, "none"))
		return;
	if (is(found, "yes"))
		(void)why_set(&text, 0, "%s %s", where,
			      is_usable
				      ? "its key was unsealed and signed just now"
				      : "each listener gives exactly this leaf where it is bound");
	else
		(void)why_set(&text, 0, "%s %s: %.400s", where,
			      is(found, "no") ? "it is not" : "that is not known", why);
	add_rule(question, what,
		 is(found, "yes")  ? "proven"
		 : is(found, "no") ? "failed"
				   : "unknown",
		 text.text, is(found, "no") ? fix_of(question, what) : "");
}

static void on_page(int code, const char *why, struct json_object *page, void *userdata)
{
	struct waiting *waiting = userdata;
	struct json_object *entries = NULL;
	struct question question = {.engine = waiting->engine, .name = waiting->name};

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	proof_take(waiting->engine->proof, page);
	(void)json_object_object_get_ex(page, "trustpoints", &entries);
	if (json_object_array_length(entries) == 0) {
		waiting_fail(waiting, ERR_NOT_READY, "the keeper gave no answer: try again");
		return;
	}
	question.entry = json_object_array_get_idx(entries, 0);
	question.rules = json_object_new_array();
	if (!why_missing(&question))
		why_replicated(&question);
	why_bound(&question);
	why_verdict(&question, "this", "usable");
	why_verdict(&question, "mate", "usable");
	why_verdict(&question, "this", "served");
	why_verdict(&question, "mate", "served");
	(void)json_object_object_add(waiting->result, "trustpoint",
				     json_object_get(question.entry));
	(void)json_object_object_add(waiting->result, "rules", question.rules);
	waiting_reply(waiting);
}

void method_why(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const char *name = parameter_text(parameters, "name");
	struct json_object *names;
	struct waiting *waiting;
	int r;

	if (!name[0] || strlen(name) >= CONFIG_NAME_MAX) {
		control_call_fail(call, ERR_MALFORMED, "name: that of a trustpoint");
		return;
	}
	waiting = waiting_new(userdata, call);
	if (!waiting)
		return;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	names = json_object_new_array();
	(void)json_object_array_add(names, json_object_new_string(name));
	r = proof_page_pair(
		userdata,
		&(struct proof_request){.names = names, .max_ms = WORK_MS, .is_now = true}, on_page,
		waiting);
	json_object_put(names);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}
