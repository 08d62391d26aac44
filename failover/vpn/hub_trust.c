/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CAs may say who a client is: those of the trustpoints with `validation-usage ssl-client`,
 * where a group wants certificates at all. Their bytes come from the keeper and go to fronts and
 * auth helper unread: a trustpoint that has a key is a server's, and its chain vouches for nobody.
 */
#include <errno.h>
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
#define AGAIN_MS 5000u /* after a look that was not whole */

struct cas {
	ProtobufCBinaryData der[CLIENTCERT_CAS_MAX];
	char names[CLIENTCERT_CAS_MAX][CONFIG_NAME_MAX]; /* of their trustpoints */
	size_t n;
};

struct hub_trust {
	struct vpnhub *hub;
	sd_event_source *timer;
	struct cas known, found;
	size_t i_trustpoint; /* that is asked for next */
	bool is_asking, is_dirty;
	bool is_half;		      /* one could not be looked at: it is looked again */
	bool is_unanswered;	      /* not even the keeper says why */
	char asked[CONFIG_NAME_MAX];  /* the trustpoint that is looked at */
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
		    memcmp(a->der[i].data, b->der[i].data, a->der[i].len) != 0 ||
		    strcmp(a->names[i], b->names[i]) != 0)
			return false;
	}
	return true;
}

_Static_assert((int)CONFIG_REVOCATION_NONE == (int)VPN_REVOCATION_NONE &&
		       (int)CONFIG_REVOCATION_CRL_NONE == (int)VPN_REVOCATION_CRL_NONE &&
		       (int)CONFIG_REVOCATION_CRL == (int)VPN_REVOCATION_CRL,
	       "what the configuration says is told as it is");

static int send_to(const struct hub_trust *trust, struct ipc_channel *channel, bool is_auth)
{
	const struct config *config = trust->hub->engine->config;
	uint32_t revocation[CLIENTCERT_CAS_MAX];
	int r;

	for (size_t i = 0; i < trust->known.n; i++) {
		const struct config_trustpoint *lines =
			config_trustpoint_find(config, trust->known.names[i]);

		revocation[i] = lines ? (uint32_t)lines->revocation : VPN_REVOCATION_CRL;
	}
	r = hub_trust_send(channel, is_auth ? config : NULL, is_auth ? revocation : NULL,
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

static void look_in(struct hub_trust *trust, uint64_t ms)
{
	if (trust->timer && sd_event_source_set_time_relative(trust->timer, ms * 1000u) >= 0)
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

/* What could not be looked at is as it was; where nothing was yet, fronts keep what an engine
 * before told them until the keeper answers. */
static void finished(struct hub_trust *trust)
{
	trust->is_asking = false;
	if (!trust->is_dirty && (trust->is_known || !trust->is_unanswered))
		publish(trust);
	cas_clear(&trust->found);
	if (trust->is_dirty)
		look_in(trust, SOON_MS);
	else if (trust->is_half)
		look_in(trust, AGAIN_MS);
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

static int take_ca(struct hub_trust *trust, const ProtobufCBinaryData *der)
{
	struct cas *found = &trust->found;
	ProtobufCBinaryData *to = &found->der[found->n];

	if (der->len == 0 || der->len > CLIENTCERT_SIZE_MAX)
		return ERR_MALFORMED;
	to->data = malloc(der->len);
	if (!to->data)
		return -ENOMEM;
	memcpy(to->data, der->data, der->len);
	to->len = der->len;
	memcpy(found->names[found->n++], trust->asked, sizeof(trust->asked));
	return 0;
}

static int look_at(struct hub_trust *trust, const ProtobufCBinaryData *packed)
{
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, packed->len, packed->data);
	int r = 0;

	if (!part)
		return ERR_MALFORMED;
	if (part->is_ca)
		r = take_ca(trust, &part->leaf);
	else
		warn(trust, part->name);
	asafo__record__trustpoint_public__free_unpacked(part, NULL);
	return r;
}

/* The one that was asked for could not be looked at: it counts as what it was. */
static void keep(struct hub_trust *trust, bool is_answered)
{
	const struct cas *known = &trust->known;

	trust->is_half = true;
	trust->is_unanswered |= !is_answered;
	for (size_t i = 0; i < known->n; i++) {
		if (strcmp(known->names[i], trust->asked) == 0 &&
		    take_ca(trust, &known->der[i]) == 0)
			return;
	}
}

static void ask_next(struct hub_trust *trust);

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CertificateReply *reply = (const Asafo__Ipc__CertificateReply *)body;
	struct hub_trust *trust = userdata;
	int r = code;

	(void)has_more;
	if (trust->hub->engine->is_exiting)
		return;
	if (trust->is_dirty) {
		finished(trust);
		return;
	}
	if (code == 0)
		r = reply->status->code;
	if (r == 0)
		r = look_at(trust, &reply->public_part);
	if (r == ERR_NOT_FOUND)
		note(trust, trust->asked, false);
	else if (r < 0)
		keep(trust, code == 0);
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

static bool is_last(struct hub_trust *trust, const struct config *config)
{
	while (trust->i_trustpoint < config->n_trustpoints &&
	       !config->trustpoints[trust->i_trustpoint].is_for_clients)
		trust->i_trustpoint++;
	return !is_wanted(&config->vpn) || trust->i_trustpoint >= config->n_trustpoints ||
	       trust->found.n == CLIENTCERT_CAS_MAX;
}

static void ask_next(struct hub_trust *trust)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	const struct config *config = trust->hub->engine->config;

	while (!is_last(trust, config)) {
		(void)snprintf(trust->asked, sizeof(trust->asked), "%s",
			       config->trustpoints[trust->i_trustpoint++].name);
		message.name = trust->asked;
		if (engine_keeper_call(trust->hub->engine, IPC_CERTIFICATE, &message.base, NULL, 0,
				       on_certificate, trust) == 0)
			return;
		keep(trust, false);
	}
	if (is_wanted(&config->vpn) && !trust->asked[0])
		(void)why_set(&trust->seen, ERR_NOT_FOUND,
			      "users are to log in with certificates, but no trustpoint "
			      "has validation-usage ssl-client: nobody vouches for them");
	finished(trust);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hub_trust *trust = userdata;

	(void)source;
	(void)usec;
	trust->is_dirty = false;
	trust->is_asking = true;
	trust->is_half = trust->is_unanswered = false;
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
		look_in(trust, SOON_MS);
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
