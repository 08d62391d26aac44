/* SPDX-License-Identifier: Apache-2.0 */
/* Trustpoints with keys of several kinds at one place: which client gets which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "front_harness.h"

static void is_served(const struct harness *harness, const char *priority, const char *trustpoint)
{
	struct client client;

	client_open(&client, harness->port, NULL, priority);
	assert_int_equal(client.handshake, 0);
	assert_true(client_was_given(&client, harness_fingerprint(harness, trustpoint)));
	client_close(&client);
}

#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define RSA_ONLY ":-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256"
#define ECDSA_ONLY ":-SIGN-ALL:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256"

static bool are_both_proven(const Asafo__Ipc__FrontReport *report)
{
	bool has_rsa = false, has_ecdsa = false;

	for (size_t i = 0; i < report->n_served; i++) {
		const Asafo__Ipc__FrontServed *served = report->served[i];

		if (served->tested_at == 0 || served->test_code < 0 || served->is_idle)
			continue;
		has_rsa |= strcmp(served->trustpoint, "rsa") == 0 &&
			   strstr(served->why, "for clients that take RSA and not ECDSA");
		has_ecdsa |= strcmp(served->trustpoint, "ec") == 0 &&
			     strstr(served->why, "for clients that take ECDSA");
	}
	return report->n_served == 2 && has_rsa && has_ecdsa;
}

static void keys_of_two_kinds_are_served_side_by_side(void **state)
{
	struct harness harness;
	struct harness_config config = {
		.interfaces = {"outside"},
		.bindings = {{"rsa", "outside", ""}, {"ec", "outside", ""}}};

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_trustpoint_make(&harness, "rsa", GNUTLS_PK_RSA);
	harness_trustpoint_make(&harness, "ec", GNUTLS_PK_ECDSA);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, are_both_proven);
	is_served(&harness, NULL, "ec");
	is_served(&harness, TLS12, "ec");
	is_served(&harness, TLS13 ECDSA_ONLY, "ec");
	is_served(&harness, TLS12 ECDSA_ONLY, "ec");
	is_served(&harness, TLS13 RSA_ONLY, "rsa");
	is_served(&harness, TLS12 RSA_ONLY, "rsa");
	is_served(&harness, TLS12 ":-ECDHE-ECDSA", "rsa");
	is_served(&harness, TLS12 ":-ECDHE-RSA", "ec");
	/* The server's groups do not have the first one: HelloRetryRequest. */
	is_served(&harness, TLS13 RSA_ONLY ":-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X25519", "rsa");
	harness_stop(&harness);
}

static bool is_missing_one_idle(const Asafo__Ipc__FrontReport *report)
{
	for (size_t i = 0; i < report->n_served; i++) {
		if (strcmp(report->served[i]->trustpoint, "ec") == 0)
			return report->served[i]->is_idle &&
			       strstr(report->served[i]->why, "clients get rsa");
	}
	return false;
}

static bool is_older_one_idle(const Asafo__Ipc__FrontReport *report)
{
	for (size_t i = 0; i < report->n_served; i++) {
		if (strcmp(report->served[i]->trustpoint, "rsa") == 0)
			return report->served[i]->is_idle &&
			       strstr(report->served[i]->why, "ec goes first there");
	}
	return false;
}

static void of_two_bindings_one_that_cannot_be_served_is_said_and_costs_no_client(void **state)
{
	struct harness harness;
	struct harness_config config = {
		.interfaces = {"outside"},
		.bindings = {{"rsa", "outside", ""}, {"ec", "outside", ""}}};

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_trustpoint_make(&harness, "rsa", GNUTLS_PK_RSA);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, is_missing_one_idle);
	is_served(&harness, NULL, "rsa");
	is_served(&harness, TLS12, "rsa");
	/* It comes, and is of the same kind: the one that was bound last. */
	harness_trustpoint_make(&harness, "ec", GNUTLS_PK_RSA);
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, is_older_one_idle);
	is_served(&harness, NULL, "ec");
	harness_stop(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_two_kinds_are_served_side_by_side),
		cmocka_unit_test(
			of_two_bindings_one_that_cannot_be_served_is_said_and_costs_no_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
