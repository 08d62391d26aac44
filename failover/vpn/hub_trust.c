/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CAs may say who a client is: those of the trustpoints with `validation-usage ssl-client`,
 * where a group wants certificates at all. Their bytes come from the keeper and go to fronts and
 * auth helper unread: a trustpoint that has a key is a server's, and its chain vouches for nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_config.h"
#include "failover/vpn/hub_internal.h"
#include "ipc/clientcert.h"

#define SOON_MS 100u

struct cas {
	ProtobufCBinaryData der[CLIENTCERT_CAS_MAX];
	size_t n;
};

struct hub_trust {
	struct vpnhub *hub;
	sd_event_source *timer;
	struct cas known, found;
	size_t i_trustpoint; /* that is asked for next */
	char asked[CONFIG_NAME_MAX];
	bool is_asking, is_dirty;
	bool is_known;		      /* it was looked once */
	char warned[CONFIG_NAME_MAX]; /* of this trustpoint, the last time */
	struct why trouble, seen;     /* what is wrong; of the look that is under way */
};

static void cas_clear(struct cas *cas)
{
	while (cas->n > 0)
		free(cas->der[--cas->n].data);
}

static bool cas_are_equal(const struct cas *a, const struct cas *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->der[i].len != b->der[i].len ||
		    memcmp(a->der[i].data, b->der[i].data, a->der[i].len) != 0)
			return false;
	}
	return true;
}

static int send_to(const struct hub_trust *trust, struct ipc_channel *channel, bool is_auth)
{
	int r = hub_trust_send(channel, is_auth ? trust->hub->engine->config : NULL,
			       trust->known.der, trust->known.n, trust->is_known);

	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "the CAs of clients were not sent to %s: %s",
			 is_auth ? "asafo-auth" : "a front", err_text(r));
	return r;
}

void hub_trust_to_front(const struct hub_trust *trust, unsigned instance)
{
	if (trust->is_known)
		(void)send_to(trust, trust->hub->engine->rooms.fronts[instance], false);
}

int hub_trust_to_auth(const struct hub_trust *trust)
{
	return trust->hub->auth ? send_to(trust, trust->hub->auth, true) : 0;
}

/* ---- looking ---- */

static void look_soon(struct hub_trust *trust)
{
	if (trust->timer && sd_event_source_set_time_relative(trust->timer, SOON_MS * 1000u) >= 0)
		(void)sd_event_source_set_enabled(trust->timer, SD_EVENT_ONESHOT);
}

static void publish(struct hub_trust *trust)
{
	bool is_news = !trust->is_known || !cas_are_equal(&trust->known, &trust->found);

	cas_clear(&trust->known);
	trust->known = trust->found;
	trust->trouble = trust->seen;
	trust->found.n = 0;
	trust->is_known = true;
	if (!is_news)
		return;
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (trust->hub->engine->rooms.fronts[i])
			hub_trust_to_front(trust, i);
	}
	(void)hub_trust_to_auth(trust);
	if (trust->known.n > 0)
		log_line(LOG_INFO, "clients log in with certificates of %zu CA%s", trust->known.n,
			 trust->known.n == 1 ? "" : "s");
}

/* Half a look is none. */
static void finished(struct hub_trust *trust, bool is_whole)
{
	trust->is_asking = false;
	if (is_whole && !trust->is_dirty)
		publish(trust);
	cas_clear(&trust->found);
	if (trust->is_dirty)
		look_soon(trust);
}

/* The first thing is said, with what to do. */
static void note(struct hub_trust *trust, const char *name, bool is_there)
{
	if (trust->seen.text[0])
		return;
	if (!is_there)
		(void)why_set(&trust->seen, ERR_NOT_FOUND,
			      "trustpoint %s has validation-usage ssl-client, but there is no such "
			      "trustpoint: import the certificate of the users' CA under that name",
			      name);
	else
		(void)why_set(&trust->seen, ERR_DENIED,
			      "trustpoint %s has validation-usage ssl-client, but is not a CA's "
			      "certificate alone: it vouches for no user; import the CA's "
			      "certificate, without a key, under a name of its own",
			      name);
}

/* Once, not at each change of the store. */
static void warn(struct hub_trust *trust, const char *name)
{
	note(trust, name, true);
	if (strcmp(trust->warned, name) == 0)
		return;
	(void)snprintf(trust->warned, sizeof(trust->warned), "%s", name);
	log_line(LOG_WARNING,
		 "trustpoint %s has validation-usage ssl-client, but is not a CA's certificate "
		 "alone: "
		 "it vouches for no client",
		 name);
}

static void take_ca(struct hub_trust *trust, const ProtobufCBinaryData *der)
{
	ProtobufCBinaryData *to = &trust->found.der[trust->found.n];

	to->data = der->len > 0 && der->len <= CLIENTCERT_SIZE_MAX ? malloc(der->len) : NULL;
	if (!to->data)
		return;
	memcpy(to->data, der->data, der->len);
	to->len = der->len;
	trust->found.n++;
}

static void look_at(struct hub_trust *trust, const ProtobufCBinaryData *packed)
{
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, packed->len, packed->data);

	if (!part)
		return;
	if (part->is_ca)
		take_ca(trust, &part->leaf);
	else
		warn(trust, part->name);
	asafo__record__trustpoint_public__free_unpacked(part, NULL);
}

static void ask_next(struct hub_trust *trust);

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CertificateReply *reply = (const Asafo__Ipc__CertificateReply *)body;
	struct hub_trust *trust = userdata;

	(void)has_more;
	if (trust->hub->engine->is_exiting)
		return;
	if (code < 0 || trust->is_dirty) {
		finished(trust, false);
		return;
	}
	if (reply->status->code == 0)
		look_at(trust, &reply->public_part);
	else if (reply->status->code == ERR_NOT_FOUND)
		note(trust, trust->asked, false);
	ask_next(trust);
}

static bool is_wanted(const struct config_vpn *vpn)
{
	for (size_t i = 0; i < vpn->n_groups && vpn->is_enabled; i++) {
		if (vpn->groups[i].is_by_certificate)
			return true;
	}
	return false;
}

static void ask_next(struct hub_trust *trust)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	const struct config *config = trust->hub->engine->config;

	while (trust->i_trustpoint < config->n_trustpoints &&
	       !config->trustpoints[trust->i_trustpoint].is_for_clients)
		trust->i_trustpoint++;
	if (!is_wanted(&config->vpn) || trust->i_trustpoint >= config->n_trustpoints ||
	    trust->found.n == CLIENTCERT_CAS_MAX) {
		if (is_wanted(&config->vpn) && !trust->asked[0])
			(void)why_set(&trust->seen, ERR_NOT_FOUND,
				      "users are to log in with certificates, but no trustpoint "
				      "has validation-usage ssl-client: nobody vouches for them");
		finished(trust, true);
		return;
	}
	(void)snprintf(trust->asked, sizeof(trust->asked), "%s",
		       config->trustpoints[trust->i_trustpoint++].name);
	message.name = trust->asked;
	if (engine_keeper_call(trust->hub->engine, IPC_CERTIFICATE, &message.base, NULL, 0,
			       on_certificate, trust) < 0)
		finished(trust, false);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hub_trust *trust = userdata;

	(void)source;
	(void)usec;
	trust->is_dirty = false;
	trust->is_asking = true;
	trust->i_trustpoint = 0;
	trust->asked[0] = trust->seen.text[0] = '\0';
	cas_clear(&trust->found);
	ask_next(trust);
	return 0;
}

void hub_trust_kick(struct hub_trust *trust)
{
	trust->is_dirty = true;
	if (!trust->is_asking)
		look_soon(trust);
}

bool vpnhub_trust_trouble(const struct vpnhub *hub, struct why *ret_why)
{
	if (!hub || !hub->trust || !hub->trust->trouble.text[0])
		return false;
	*ret_why = hub->trust->trouble;
	return true;
}

/* ---- life ---- */

int hub_trust_new(struct vpnhub *hub, struct hub_trust **ret_trust)
{
	struct hub_trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust)
		return -ENOMEM;
	trust->hub = hub;
	r = sd_event_add_time_relative(hub->engine->event, &trust->timer, CLOCK_MONOTONIC,
				       SOON_MS * 1000u, 0, on_timer, trust);
	if (r < 0) {
		free(trust);
		return r;
	}
	*ret_trust = trust;
	return 0;
}

void hub_trust_free(struct hub_trust *trust)
{
	if (!trust)
		return;
	sd_event_source_disable_unref(trust->timer);
	cas_clear(&trust->known);
	cas_clear(&trust->found);
	free(trust);
}
