/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the handshake speak through two buffers, turn by turn, so it needs no socket and
 * never waits but for the signature. A keeper that gave no sign of life is not asked for one: the
 * loop would stand still.
 */
#include "front/selftest.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "front/outcomes.h"
#include "front/testpace.h"

#define KEEPER_MS 1400	 /* without a sign of life */
#define TESTS_PER_TICK 4 /* after a change */
#define TURN_MS 100	 /* no further test in this turn */
#define FAILURES 2	 /* turns in a row: a keeper that restarts is no reason yet */
#define NONE OUTCOME_NONE
#define TURNS_MAX 64	   /* of the two ends in a handshake */
#define BUFFER_MAX 131072u /* of bytes that wait for the other end */

struct selftest {
	sd_event_source *timer;
	struct tls *tls;
	struct trustcache *cache;
	const struct snapshot *snapshot;
	selftest_change_fn on_change;
	void *userdata;
	size_t next;	/* target */
	size_t pending; /* targets that were not tested since the last change */
	size_t failing; /* target that failed, tried first until it is well; NONE */
	unsigned instance;
	uint64_t turn; /* in which it last tested, all being well */
	uint64_t ticks, tests;
	uint64_t round; /* of the engine's last FrontTest */
	int code;
	struct why why;
	struct outcomes outcomes; /* of each target that was tested since the last change */
};

/* ---- a handshake ---- */

struct end {
	struct buf *in, *out;
};

struct target {
	const struct selftest *selftest;
	const char *interface, *domain;
	struct serving wanted;	/* what a client must be given */
	bool is_one_of_several; /* by its kind of key: the client knows no other */
	struct serving serving; /* what it was given */
};

static ssize_t on_push(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
	struct end *end = pointer;

	if (end->out->size + size > BUFFER_MAX || buf_append(end->out, data, size) < 0)
		return -1;
	return (ssize_t)size;
}

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
	struct end *end = pointer;
	size_t n = end->in->size < size ? end->in->size : size;

	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(data, end->in->data, n);
	buf_consume(end->in, n);
	return (ssize_t)n;
}

static void speak_through(gnutls_session_t session, struct end *end)
{
	gnutls_transport_set_ptr(session, end);
	gnutls_transport_set_push_function(session, on_push);
	gnutls_transport_set_pull_function(session, on_pull);
}

static struct credential *on_select(const struct client_hello *hello, uint16_t suites,
				    void *userdata)
{
	struct target *target = userdata;
	struct serving_client client = {target->interface, hello->server_name, hello, suites,
					time(NULL)};

	serving_resolve(target->selftest->snapshot, target->selftest->cache, &client,
			&target->serving);
	return target->serving.credential;
}

static void client_done(gnutls_session_t *session)
{
	if (*session)
		gnutls_deinit(*session);
}

static void credentials_done(gnutls_certificate_credentials_t *credentials)
{
	if (*credentials)
		gnutls_certificate_free_credentials(*credentials);
}

static void peer_done(struct tls_peer *peer)
{
	tls_peer_done(peer);
}

/* What a client of this binding would ask for; of a wildcard some name. */
static int ask_name(gnutls_session_t session, const char *domain)
{
	char name[SNAPSHOT_DOMAIN_MAX + 8];
	int length;

	if (!domain[0])
		return 0;
	length = snprintf(name, sizeof(name), "%s%s", domain[0] == '*' ? "asafo" : "",
			  domain[0] == '*' ? domain + 1 : domain);
	return gnutls_server_name_set(session, GNUTLS_NAME_DNS, name, (size_t)length);
}

static int set_priority(gnutls_session_t session, const struct target *target)
{
	static const char *const only[CREDENTIAL_KIND__MAX] = {
		[CREDENTIAL_ECDSA] =
			"NORMAL:-SIGN-ALL:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512:"
			"+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:"
			"+SIGN-ECDSA-SECP521R1-SHA512",
		[CREDENTIAL_EDDSA] = "NORMAL:-SIGN-ALL:+SIGN-EDDSA-ED25519:+SIGN-EDDSA-ED448",
		[CREDENTIAL_RSA] =
			"NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"
			"+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:"
			"+SIGN-RSA-PSS-RSAE-SHA512:"
			"+SIGN-RSA-PSS-SHA256:+SIGN-RSA-PSS-SHA384:+SIGN-RSA-PSS-SHA512",
	};

	if (!target->is_one_of_several)
		return gnutls_set_default_priority(session);
	return gnutls_priority_set_direct(session, only[credential_kind(target->wanted.credential)],
					  NULL);
}

static int client_init(gnutls_certificate_credentials_t *credentials, const struct target *target,
		       struct end *end, gnutls_session_t *ret_session)
{
	int r = gnutls_init(ret_session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
						 GNUTLS_KEY_SHARE_TOP);

	if (r == 0)
		r = gnutls_certificate_allocate_credentials(credentials);
	if (r == 0)
		r = gnutls_credentials_set(*ret_session, GNUTLS_CRD_CERTIFICATE, *credentials);
	if (r == 0)
		r = set_priority(*ret_session, target);
	if (r == 0)
		r = ask_name(*ret_session, target->domain);
	if (r < 0)
		return ERR_CRYPTO;
	gnutls_handshake_set_timeout(*ret_session, GNUTLS_INDEFINITE_TIMEOUT);
	speak_through(*ret_session, end);
	return 0;
}

static int compare_leaf(gnutls_session_t client, const struct target *target, struct why *ret_why)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(client, &n);
	uint8_t digest[32];

	if (!chain || n == 0 || !target->wanted.credential ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, chain[0].data, chain[0].size, digest) < 0 ||
	    memcmp(digest, credential_fingerprint(target->wanted.credential), 32) != 0)
		return why_set(ret_why, ERR_INTEGRITY, "another certificate than the bound one");
	return 0;
}

static int shake_hands(struct tls_peer *server, gnutls_session_t client,
		       const struct target *target, struct why *ret_why)
{
	bool is_client_done = false;

	for (int i = 0; i < TURNS_MAX; i++) {
		int r = is_client_done ? 0 : gnutls_handshake(client);
		enum tls_result result;

		if (r < 0 && r != GNUTLS_E_AGAIN && gnutls_error_is_fatal(r))
			return why_set(ret_why, ERR_CRYPTO, "%s", gnutls_strerror(r));
		is_client_done = r == 0;
		result = tls_handshake(server);
		if (result == TLS_REFUSED || result == TLS_CLOSED)
			return why_set(ret_why, ERR_CRYPTO, "%s", tls_error_text(server));
		if (result == TLS_DONE && is_client_done)
			return compare_leaf(client, target, ret_why);
	}
	return why_set(ret_why, ERR_TIMEOUT, "the handshake comes to no end");
}

static int test(const struct selftest *selftest, struct target *target, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf to_server = {0};
	_cleanup_(buf_done) struct buf to_client = {0};
	struct end server_end = {&to_server, &to_client}, client_end = {&to_client, &to_server};
	_cleanup_(credentials_done) gnutls_certificate_credentials_t credentials = NULL;
	_cleanup_(client_done) gnutls_session_t client = NULL;
	_cleanup_(peer_done) struct tls_peer server = {.select = on_select, .userdata = target};
	int r = tls_peer_init(&server, selftest->tls, selftest->snapshot->is_tls13_only, -1);

	if (r == 0) {
		speak_through(server.session, &server_end);
		r = client_init(&credentials, target, &client_end, &client);
	}
	return r == 0 ? shake_hands(&server, client, target, ret_why)
		      : why_set(ret_why, r, "%s", err_text(r));
}

/* ---- which ---- */

/* Each place has room for one of each kind of key. */
static size_t targets_of_listen(const struct snapshot *snapshot)
{
	return (snapshot->n_bindings + 1) * CREDENTIAL_KIND__MAX;
}

static size_t count_targets(const struct selftest *selftest)
{
	const struct snapshot *snapshot = selftest->snapshot;

	return snapshot ? snapshot->n_listens * targets_of_listen(snapshot) : 0;
}

/* Hundreds of addresses may be on one interface. */
static bool is_first_of_interface(const struct snapshot *snapshot, size_t listen)
{
	const char *interface = snapshot->listens[listen].interface;

	for (size_t i = 0; i < listen; i++) {
		if (strcmp(snapshot->listens[i].interface, interface) == 0)
			return false;
	}
	return true;
}

/* Whether it is worth while to look: two that are bound for DOMAIN, or without any. */
static bool may_have_several(const struct snapshot *snapshot, const char *domain)
{
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n_bindings && n < 2; i++)
		n += strcmp(snapshot->bindings[i].domain, domain) == 0;
	return n > 1;
}

/* Of each interface: without a name, and with each domain that is bound there; of each place, what
 * a client gets that knows the one kind of key only. */
static bool get_target(const struct selftest *selftest, size_t index, struct target *ret_target)
{
	const struct snapshot *snapshot = selftest->snapshot;
	size_t each = targets_of_listen(snapshot), n_served = 0;
	size_t binding = index % each / CREDENTIAL_KIND__MAX, kind = index % CREDENTIAL_KIND__MAX;
	struct serving list[SELECTION_MAX];
	struct serving_client client = {.interface = snapshot->listens[index / each].interface,
					.server_name = "",
					.now = time(NULL)};

	if (binding > 0) {
		if (!snapshot_is_domain_of(snapshot, binding - 1, client.interface))
			return false;
		client.server_name = snapshot->bindings[binding - 1].domain;
	}
	if (kind > 0 && !may_have_several(snapshot, client.server_name))
		return false;
	(void)serving_list(snapshot, selftest->cache, &client, list, &n_served);
	if (kind >= n_served)
		return false;
	*ret_target = (struct target){.selftest = selftest,
				      .interface = client.interface,
				      .domain = client.server_name,
				      .wanted = list[kind],
				      .is_one_of_several = n_served > 1};
	return true;
}

/* Over what is no target: a test is not spent on it. Once around, at the most. */
static void skip(struct selftest *selftest)
{
	size_t all = count_targets(selftest), each = targets_of_listen(selftest->snapshot);
	size_t skipped = 0;
	struct target target;

	while (skipped < all) {
		size_t at = selftest->next, n = 1;

		if (at % each == 0 && !is_first_of_interface(selftest->snapshot, at / each))
			n = each;
		else if (get_target(selftest, at, &target))
			break;
		selftest->next = (at + n) % all;
		skipped += n;
	}
	selftest->pending -= skipped < selftest->pending ? skipped : selftest->pending;
}

static void set_result(struct selftest *selftest, int code, const char *text)
{
	bool is_new = (code < 0) != (selftest->code < 0);

	selftest->code = code;
	(void)why_set(&selftest->why, code, "%s", text);
	if (is_new)
		selftest->on_change(selftest->userdata);
}

/* Whoever waits for the proof of a binding is told of its first one, and of each other end. Returns
 * how often in a row it failed. */
static unsigned note_outcome(struct selftest *selftest, size_t index, const struct target *target,
			     int code, const struct why *why)
{
	struct outcome *outcome = outcomes_get(&selftest->outcomes, index, target->interface,
					       target->domain, target->wanted.trustpoint);
	struct outcome_count *count = outcome ? &outcome->count : &selftest->outcomes.others;
	bool is_news = outcome && (outcome->at == 0 || (code < 0) != (outcome->code < 0));

	if (code < 0)
		outcome_fail(count, selftest->ticks);
	else if (outcome)
		count->failures = 0;
	if (!outcome)
		return count->failures;
	outcome->at = (int64_t)time(NULL);
	outcome->code = code;
	outcome->why = *why;
	if (is_news)
		selftest->on_change(selftest->userdata);
	return count->failures;
}

static void judge(struct selftest *selftest, const struct target *target, int code,
		  const struct why *why, unsigned failures)
{
	char text[WHY_TEXT_MAX];

	if (selftest->failing == NONE) {
		if (selftest->tests > 0)
			set_result(selftest, 0, "");
	} else if (code < 0 && failures >= FAILURES) {
		(void)snprintf(text, sizeof(text), "interface %s, %s: the handshake failed: %.150s",
			       target->interface, target->domain[0] ? target->domain : "any name",
			       why->text);
		set_result(selftest, code, text);
	}
}

/* Returns false where INDEX is no target. */
static bool test_target(struct selftest *selftest, size_t index)
{
	struct target target;
	struct why why = {""};
	unsigned failures;
	int r;

	if (!get_target(selftest, index, &target))
		return false;
	selftest->tests++;
	r = test(selftest, &target, &why);
	failures = note_outcome(selftest, index, &target, r, &why);
	selftest->failing = r < 0 && selftest->failing == NONE ? index : selftest->failing;
	if (r == 0 && selftest->failing == index)
		selftest->failing = outcomes_failing(&selftest->outcomes);
	if (selftest->failing == NONE)
		selftest->outcomes.others.failures = 0;
	judge(selftest, &target, r, &why, failures);
	return true;
}

static void test_next(struct selftest *selftest)
{
	skip(selftest);
	(void)test_target(selftest, selftest->next);
	selftest->next = (selftest->next + 1) % count_targets(selftest);
	selftest->pending -= selftest->pending > 0;
}

/* Returns whether the next one may wait. */
static bool tick(struct selftest *selftest)
{
	uint64_t silent_ms = trustcache_probe(selftest->cache);
	struct monotime begun_at = monotime_now();
	uint64_t turn = testpace_turn(begun_at, selftest->instance);
	bool is_due = turn != selftest->turn; /* all being well */

	selftest->ticks++;
	if (count_targets(selftest) == 0) {
		set_result(selftest, 0, "");
		return silent_ms == 0;
	}
	if (silent_ms >= KEEPER_MS) {
		set_result(selftest, ERR_TIMEOUT, "the keeper does not answer");
		return false;
	}
	if (silent_ms >= TESTPACE_TICK_MS || trustcache_is_loading(selftest->cache))
		return false;
	/* One that failed is tried in each turn; the others are not put off for it, unless it
	 * keeps the loop waiting. */
	if (selftest->failing != NONE && !test_target(selftest, selftest->failing))
		selftest->failing = outcomes_failing(&selftest->outcomes);
	for (int i = 0; i < TESTS_PER_TICK; i++) {
		if (monotime_since(monotime_now(), begun_at) >= TURN_MS * MONOTIME_NS_PER_MS)
			return false;
		if (selftest->pending == 0 && !(selftest->code < 0 && selftest->failing == NONE) &&
		    !(is_due && i == 0))
			break;
		test_next(selftest);
		selftest->turn = turn;
	}
	return silent_ms == 0 && selftest->pending == 0 && selftest->failing == NONE &&
	       selftest->code == 0;
}

static uint64_t next_usec(const struct selftest *selftest, bool may_wait)
{
	return testpace_next(monotime_now(), selftest->instance, may_wait).ns / 1000;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	bool may_wait = tick(userdata);

	(void)usec;
	(void)sd_event_source_set_time(source, next_usec(userdata, may_wait));
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What was to wait does not any more. */
static void hasten(struct selftest *selftest)
{
	uint64_t due = 0, soon = next_usec(selftest, false);

	if (sd_event_source_get_time(selftest->timer, &due) >= 0 && due > soon)
		(void)sd_event_source_set_time(selftest->timer, soon);
}

void selftest_restart(struct selftest *selftest, const struct snapshot *snapshot)
{
	selftest->snapshot = snapshot;
	/* Two fronts are half a round apart: each binding is tried by turns. */
	selftest->next = selftest->instance % 2 * (count_targets(selftest) / 2);
	selftest->failing = NONE;
	outcomes_restart(&selftest->outcomes, selftest->ticks);
	selftest->pending = count_targets(selftest);
	hasten(selftest);
}

void selftest_again(struct selftest *selftest, uint64_t round)
{
	selftest->round = round;
	if (selftest->snapshot)
		selftest_restart(selftest, selftest->snapshot);
}

static int report_outcomes(const struct selftest *selftest, Asafo__Ipc__FrontReport *message)
{
	for (size_t i = 0; i < message->n_served; i++) {
		const Asafo__Ipc__FrontServed *served = message->served[i];
		const struct outcome *outcome =
			served->is_idle ? NULL
					: outcomes_of(&selftest->outcomes, served->interface,
						      served->domain, served->trustpoint);
		char *why = outcome && outcome->code < 0 ? strdup(outcome->why.text) : NULL;

		if (!outcome)
			continue;
		if (outcome->code < 0 && !why)
			return -ENOMEM;
		message->served[i]->tested_at = outcome->at;
		message->served[i]->test_code = outcome->code;
		if (why)
			message->served[i]->test_why = why;
	}
	return 0;
}

int selftest_report(const struct selftest *selftest, struct report *report)
{
	Asafo__Ipc__FrontReport *message = report_message(report);

	int r = report_outcomes(selftest, message);

	message->self_test_code = selftest->code;
	message->self_tests = selftest->tests;
	message->test_round = selftest->round;
	if (r < 0 || selftest->code == 0)
		return r;
	message->self_test_why = strdup(selftest->why.text);
	if (message->self_test_why)
		return 0;
	message->self_test_why = (char *)(uintptr_t)protobuf_c_empty_string;
	return -ENOMEM;
}

int selftest_new(sd_event *event, unsigned instance, struct tls *tls, struct trustcache *cache,
		 selftest_change_fn on_change, void *userdata, struct selftest **ret_selftest)
{
	struct selftest *selftest = calloc(1, sizeof(*selftest));
	int r;

	if (!selftest)
		return -ENOMEM;
	*selftest = (struct selftest){.instance = instance,
				      .tls = tls,
				      .cache = cache,
				      .failing = NONE,
				      .on_change = on_change,
				      .userdata = userdata};
	r = sd_event_add_time(event, &selftest->timer, CLOCK_MONOTONIC,
			      monotime_turn(monotime_now(), TESTPACE_TICK_MS).ns / 1000,
			      TESTPACE_TICK_MS * 1000u / 2, on_timer, selftest);
	if (r < 0) {
		selftest_free(selftest);
		return r;
	}
	*ret_selftest = selftest;
	return 0;
}

void selftest_free(struct selftest *selftest)
{
	if (!selftest)
		return;
	selftest->timer = sd_event_source_disable_unref(selftest->timer);
	outcomes_done(&selftest->outcomes);
	free(selftest);
}
