/* SPDX-License-Identifier: Apache-2.0 */
/* What is stapled to a certificate: who asks gets it, each certificate its own, until its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "front_harness.h"

#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define RSA_ONLY ":-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256"

/* WANTED NULL: a client gets none. */
static bool is_stapled(const struct harness *harness, const char *priority, const char *wanted)
{
	gnutls_datum_t response = {NULL, 0};
	struct client client;
	bool is_it;
	int r;

	client_open(&client, harness->port, NULL, priority);
	assert_int_equal(client.handshake, 0);
	r = gnutls_ocsp_status_request_get(client.session, &response);
	is_it = wanted ? r == 0 && response.size == strlen(wanted) &&
				 memcmp(response.data, wanted, response.size) == 0
		       : r < 0;
	client_close(&client);
	return is_it;
}

static void start(struct harness *harness)
{
	struct harness_config config = {
		.interfaces = {"outside"},
		.bindings = {{"rsa", "outside", ""}, {"ec", "outside", ""}}};

	harness_start(harness, NULL, &harness_patient);
	harness_trustpoint_make(harness, "rsa", GNUTLS_PK_RSA);
	harness_trustpoint_make(harness, "ec", GNUTLS_PK_ECDSA);
	config.ports[0] = harness->port;
	harness_configure(harness, &config);
	harness_wait_served(harness, "outside", "", harness_fingerprint(harness, "ec"));
}

static const Asafo__Ipc__FrontServed *served_find(const Asafo__Ipc__FrontReport *report,
						  const char *trustpoint)
{
	for (size_t i = 0; i < report->n_served; i++) {
		if (strcmp(report->served[i]->trustpoint, trustpoint) == 0)
			return report->served[i];
	}
	return NULL;
}

static bool are_both_stapled(const Asafo__Ipc__FrontReport *report)
{
	const Asafo__Ipc__FrontServed *rsa = served_find(report, "rsa");
	const Asafo__Ipc__FrontServed *ec = served_find(report, "ec");

	return rsa && ec && rsa->staple_until > 0 && ec->staple_until > 0;
}

static bool is_ec_without(const Asafo__Ipc__FrontReport *report)
{
	const Asafo__Ipc__FrontServed *ec = served_find(report, "ec");

	return ec && ec->staple_until == 0;
}

static void each_certificate_has_its_own_and_a_change_needs_no_restart(void **state)
{
	int64_t now = (int64_t)time(NULL);
	struct harness harness;

	(void)state;
	start(&harness);
	assert_true(is_stapled(&harness, NULL, NULL));
	harness_staple(&harness, "rsa", "of rsa", now - 60, now + 3600);
	harness_staple(&harness, "ec", "of ec", now - 60, now + 3600);
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, are_both_stapled);
	assert_true(is_stapled(&harness, TLS13, "of ec"));
	assert_true(is_stapled(&harness, TLS12, "of ec"));
	assert_true(is_stapled(&harness, TLS13 RSA_ONLY, "of rsa"));
	assert_true(is_stapled(&harness, TLS12 RSA_ONLY, "of rsa"));
	harness_staple(&harness, "ec", "", 0, 0);
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, is_ec_without);
	assert_true(is_stapled(&harness, TLS13, NULL));
	assert_true(is_stapled(&harness, TLS12 RSA_ONLY, "of rsa"));
	harness_stop(&harness);
}

static void one_that_has_ended_or_has_not_begun_is_not_sent(void **state)
{
	int64_t now = (int64_t)time(NULL);
	struct harness harness;

	(void)state;
	start(&harness);
	harness_staple(&harness, "rsa", "of tomorrow", now + 86400, now + 172800);
	harness_staple(&harness, "ec", "of yesterday", now - 86400, now - 1);
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, are_both_stapled);
	assert_true(is_stapled(&harness, TLS13, NULL));
	assert_true(is_stapled(&harness, TLS12, NULL));
	assert_true(is_stapled(&harness, TLS13 RSA_ONLY, NULL));
	harness_stop(&harness);
}

/* The report comes when it was taken: from then on each handshake looks at the clock itself. */
static void one_that_ends_while_it_is_served_is_sent_no_more(void **state)
{
	int64_t now = (int64_t)time(NULL), until = now + 3;
	struct harness harness;

	(void)state;
	start(&harness);
	harness_staple(&harness, "rsa", "of rsa", now - 60, until);
	harness_staple(&harness, "ec", "of ec", now - 60, until);
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, are_both_stapled);
	while (!is_stapled(&harness, TLS13, NULL))
		assert_true((int64_t)time(NULL) <= until + 30);
	assert_true((int64_t)time(NULL) >= until);
	assert_true(is_stapled(&harness, TLS12, NULL));
	harness_stop(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_certificate_has_its_own_and_a_change_needs_no_restart),
		cmocka_unit_test(one_that_has_ended_or_has_not_begun_is_not_sent),
		cmocka_unit_test(one_that_ends_while_it_is_served_is_sent_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
