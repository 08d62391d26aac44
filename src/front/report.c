/* SPDX-License-Identifier: Apache-2.0 */
/* Built as the generated type with its own allocator's rules (malloc), so that the generated free
 * releases all of it. */
#include "front/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct report {
	Asafo__Ipc__FrontReport *message;
};

CLEANUP_DEFINE(struct report *, report_free)

int report_new(struct report **ret_report)
{
	_cleanup_(report_free_p) struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return -ENOMEM;
	report->message = malloc(sizeof(*report->message));
	if (!report->message)
		return -ENOMEM;
	asafo__ipc__front_report__init(report->message);
	*ret_report = TAKE_PTR(report);
	return 0;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	if (report->message)
		asafo__ipc__front_report__free_unpacked(report->message, NULL);
	free(report);
}

static int text_add(char ***texts, size_t *n_texts, char *text)
{
	char **more = text ? realloc(*texts, (*n_texts + 1) * sizeof(*more)) : NULL;

	if (!more) {
		free(text);
		return -ENOMEM;
	}
	more[(*n_texts)++] = text;
	*texts = more;
	return 0;
}

int report_add_listening(struct report *report, const char *endpoint)
{
	return text_add(&report->message->listening, &report->message->n_listening,
			strdup(endpoint));
}

int report_add_failed(struct report *report, const char *endpoint, const char *why)
{
	char *text = NULL;

	if (asprintf(&text, "%s: %s", endpoint, why) < 0)
		return -ENOMEM;
	return text_add(&report->message->failed, &report->message->n_failed, text);
}

static int served_fill(Asafo__Ipc__FrontServed *served, const char *interface, const char *domain,
		       const struct serving *serving)
{
	served->interface = strdup(interface);
	served->domain = strdup(domain);
	served->trustpoint = strdup(serving->trustpoint);
	served->why = strdup(serving->why);
	served->kind = strdup(serving->credential
				      ? credential_kind_text(credential_kind(serving->credential))
				      : "");
	served->is_fallback = serving->is_fallback;
	served->is_idle = serving->is_idle;
	if (!served->interface || !served->domain || !served->trustpoint || !served->why ||
	    !served->kind)
		return -ENOMEM;
	if (!serving->credential)
		return 0;
	served->staple_until = credential_staple_until(serving->credential);
	served->fingerprint.data = malloc(32);
	if (!served->fingerprint.data)
		return -ENOMEM;
	memcpy(served->fingerprint.data, credential_fingerprint(serving->credential), 32);
	served->fingerprint.len = 32;
	return 0;
}

/* A text that could not be had is put back to what the generated free expects. */
static void served_mend(Asafo__Ipc__FrontServed *served)
{
	char **const texts[] = {&served->interface, &served->domain, &served->trustpoint,
				&served->why, &served->kind};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!*texts[i])
			*texts[i] = (char *)(uintptr_t)protobuf_c_empty_string;
	}
}

static int served_add(struct report *report, const char *interface, const char *domain,
		      const struct serving *serving)
{
	Asafo__Ipc__FrontReport *message = report->message;
	Asafo__Ipc__FrontServed **more, *served;
	int r;

	if (message->n_served >= REPORT_SERVED_MAX)
		return 0;
	more = realloc(message->served, (message->n_served + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	message->served = more;
	served = malloc(sizeof(*served));
	if (!served)
		return -ENOMEM;
	asafo__ipc__front_served__init(served);
	r = served_fill(served, interface, domain, serving);
	served_mend(served);
	more[message->n_served++] = served;
	return r;
}

static bool is_first_of_interface(const struct snapshot *snapshot, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(snapshot->listens[i].interface, snapshot->listens[index].interface) == 0)
			return false;
	}
	return true;
}

/* All that is bound there. */
static int place_add(struct report *report, const struct snapshot *snapshot,
		     const struct trustcache *cache, const struct serving_client *client)
{
	struct serving list[SELECTION_MAX];
	size_t n_served, n = serving_list(snapshot, cache, client, list, &n_served);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = served_add(report, client->interface,
			       client->server_name ? client->server_name : "", &list[i]);
	return r;
}

static int interface_add(struct report *report, const struct snapshot *snapshot,
			 const struct trustcache *cache, const char *interface, int64_t now)
{
	struct serving_client client = {.interface = interface, .now = now};
	int r = place_add(report, snapshot, cache, &client);

	for (size_t i = 0; i < snapshot->n_bindings && r == 0; i++) {
		if (!snapshot_is_domain_of(snapshot, i, interface))
			continue;
		client.server_name = snapshot->bindings[i].domain;
		r = place_add(report, snapshot, cache, &client);
	}
	return r;
}

int report_add_served(struct report *report, const struct snapshot *snapshot,
		      const struct trustcache *cache, int64_t now)
{
	int r = 0;

	for (size_t i = 0; i < snapshot->n_listens && r == 0; i++) {
		if (is_first_of_interface(snapshot, i))
			r = interface_add(report, snapshot, cache, snapshot->listens[i].interface,
					  now);
	}
	return r;
}

Asafo__Ipc__FrontReport *report_message(struct report *report)
{
	return report->message;
}
