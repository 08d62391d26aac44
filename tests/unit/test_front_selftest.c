/* SPDX-License-Identifier: Apache-2.0 */
/* The front's handshakes with itself, as its report tells of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "front_harness.h"

static bool is_well(const Asafo__Ipc__FrontReport *report)
{
	return report->self_tests > 0 && report->self_test_code == 0;
}

static bool has_tried_both(const Asafo__Ipc__FrontReport *report)
{
	return report->self_tests >= 2 && report->self_test_code == 0;
}

static bool has_tried_both_twice(const Asafo__Ipc__FrontReport *report)
{
	return report->self_tests >= 4 && report->self_test_code == 0;
}

static bool has_failed(const Asafo__Ipc__FrontReport *report)
{
	return report->self_test_code < 0 && strstr(report->self_test_why, "interface outside") &&
	       strstr(report->self_test_why, "the handshake failed");
}

static bool is_each_proven(const Asafo__Ipc__FrontReport *report)
{
	for (size_t i = 0; i < report->n_served; i++) {
		if (report->served[i]->tested_at == 0 || report->served[i]->test_code < 0)
			return false;
	}
	return report->n_served == 2;
}

static bool is_nothing_proven(const Asafo__Ipc__FrontReport *report)
{
	for (size_t i = 0; i < report->n_served; i++) {
		if (report->served[i]->test_code == 0)
			return false;
	}
	return report->n_served == 2;
}

static void each_binding_has_its_own_proof_and_its_time(void **state)
{
	struct harness harness;
	struct harness_config config = {
		.interfaces = {"outside"},
		.bindings = {{"vpn", "outside", ""}, {"vpn", "", "*.example.net"}}};

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, is_each_proven);
	/* One that fails does not put off the other. */
	harness_keeper_mute(&harness, true);
	harness_wait_report(&harness, is_nothing_proven);
	harness_keeper_mute(&harness, false);
	harness_wait_report(&harness, is_each_proven);
	harness_stop(&harness);
}

static void every_kind_of_key_shakes_hands_with_itself(void **state)
{
	static const gnutls_pk_algorithm_t algorithms[] = {GNUTLS_PK_RSA, GNUTLS_PK_ECDSA,
							   GNUTLS_PK_EDDSA_ED25519};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct harness harness;

		harness_start(&harness, NULL, &front_limits_default);
		harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
		harness_trustpoint_make(&harness, "vpn", algorithms[i]);
		harness_bind(&harness, "vpn");
		harness_wait_report(&harness, is_well);
		harness_stop(&harness);
	}
}

static void each_domain_is_tried(void **state)
{
	struct harness harness;
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"vpn", "-", "*.example.net"}}};

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, has_tried_both);
	harness_stop(&harness);
}

/* An address a turn, in turns of two seconds, would take more than a minute. */
static void many_addresses_and_bindings_do_not_put_off_the_next_test(void **state)
{
	struct harness harness;
	struct harness_config config = {.interfaces = {"outside", "outside", "outside", "inside"}};

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	for (size_t i = 0; i < ARRAY_SIZE(config.bindings); i++)
		memcpy(config.bindings[i], ((const char *[3]){"vpn", "elsewhere", "example.net"}),
		       sizeof(config.bindings[i]));
	for (size_t i = 0; i < ARRAY_SIZE(config.ports); i++)
		config.ports[i] = i == 0 ? harness.port : harness_free_port();
	harness_configure(&harness, &config);
	harness_wait_report(&harness, has_tried_both_twice);
	harness_stop(&harness);
}

static void
a_keeper_that_does_not_sign_fails_the_test_and_one_that_does_again_passes_it(void **state)
{
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	harness_bind(&harness, "vpn");
	harness_wait_report(&harness, is_well);
	harness_keeper_mute(&harness, true);
	harness_wait_report(&harness, has_failed);
	harness_keeper_mute(&harness, false);
	harness_wait_report(&harness, is_well);
	harness_stop(&harness);
}

static bool has_a_failed_proof(const Asafo__Ipc__FrontReport *report)
{
	return report->n_served == 1 && report->served[0]->tested_at != 0 &&
	       report->served[0]->test_code < 0;
}

/* What a new configuration binds is tried several times in a turn of the loop; meanwhile nothing is
 * heard of the keeper. */
static void a_key_that_is_removed_before_this_is_heard_of_is_no_failure_of_the_unit(void **state)
{
	struct harness harness;
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"vpn", "outside", ""}}};

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	harness_bind(&harness, "vpn");
	harness_trustpoint_remove(&harness, "vpn");
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, has_a_failed_proof);
	assert_int_equal(harness.report->self_test_code, 0);
	harness_keeper_changed(&harness);
	harness_wait_served(&harness, "outside", "", harness_fingerprint(&harness, ""));
	harness_wait_report(&harness, is_well);
	harness_stop(&harness);
}

static struct harness *changing;

/* Another change behind each failure. */
static bool has_failed_while_all_changes(const Asafo__Ipc__FrontReport *report)
{
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"vpn", "outside", ""}}};

	config.ports[0] = changing->port;
	if (has_a_failed_proof(report))
		harness_configure(changing, &config);
	return has_failed(report);
}

static void one_that_cannot_sign_is_a_failure_also_under_one_change_after_the_other(void **state)
{
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &front_limits_default);
	harness_trustpoint_make(&harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	harness_bind(&harness, "vpn");
	harness_wait_report(&harness, is_well);
	harness_keeper_mute(&harness, true);
	changing = &harness;
	harness_wait_report(&harness, has_failed_while_all_changes);
	harness_stop(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_key_shakes_hands_with_itself),
		cmocka_unit_test(each_domain_is_tried),
		cmocka_unit_test(each_binding_has_its_own_proof_and_its_time),
		cmocka_unit_test(many_addresses_and_bindings_do_not_put_off_the_next_test),
		cmocka_unit_test(
			a_keeper_that_does_not_sign_fails_the_test_and_one_that_does_again_passes_it),
		cmocka_unit_test(
			a_key_that_is_removed_before_this_is_heard_of_is_no_failure_of_the_unit),
		cmocka_unit_test(
			one_that_cannot_sign_is_a_failure_also_under_one_change_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
