/* SPDX-License-Identifier: Apache-2.0 */
/* What is bound, held against what it is bound for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "certstore/x509/identity.h"
#include "failover/engine/usecheck.h"

CLEANUP_DEFINE(struct config *, config_free)

static struct config *make(const char *text)
{
	static const char base[] = "interface eth0\n nameif outside\n"
				   " fqdn fw1a.example.net standby fw1b.example.net\n"
				   "interface eth1\n nameif inside\n";
	struct config *config = NULL;
	struct config_error error = {0};

	assert_int_equal(config_new(&config), 0);
	if (config_apply_text(config, "test", base, strlen(base), &error) != 0 ||
	    config_apply_text(config, "test", text, strlen(text), &error) != 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	return config;
}

/* A good one but for what a test changes. */
static Asafo__Record__TrustpointPublic part_of(char **names, size_t n)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	static char name[] = "vpn";

	part.name = name;
	part.names = names;
	part.n_names = n;
	part.chain_complete = true;
	return part;
}

static void assert_says(const char *config_text, const Asafo__Record__TrustpointPublic *part,
			size_t n, const char *words)
{
	_cleanup_(config_free_p) struct config *config = make(config_text);
	struct usecheck_findings findings = {.n = 0};
	bool is_said = words == NULL;

	usecheck_judge(config, part, &findings);
	for (size_t i = 0; i < findings.n; i++)
		is_said = is_said || strstr(findings.sentences[i].text, words);
	if (findings.n != n || !is_said)
		fail_msg("%zu sentences, the first is: %s", findings.n, findings.sentences[0].text);
}

/* A certificate of very many names is not said to lack one that nobody looked for. */
static void names_that_are_not_listed_are_not_missed(void **state)
{
	char first[] = "fw1a.example.net";
	char *names[] = {first};
	Asafo__Record__TrustpointPublic part = part_of(names, 1);

	(void)state;
	assert_says("ssl trust-point vpn outside\n", &part, 1, "lacks fw1b.example.net");
	part.names_left_out = 1;
	assert_says("ssl trust-point vpn outside\n", &part, 0, NULL);
	assert_says("ssl trust-point vpn domain x.example.net\n", &part, 0, NULL);
}

static void two_host_names_and_a_certificate_with_one_of_them(void **state)
{
	char first[] = "fw1a.example.net", second[] = "FW1B.example.net", all[] = "*.example.net",
	     deep[] = "*.net";
	char *names[] = {first, second}, *wildcard[] = {all}, *too_wide[] = {deep};
	Asafo__Record__TrustpointPublic part = part_of(names, 1);

	(void)state;
	assert_says("ssl trust-point vpn outside\n", &part, 1,
		    "lacks fw1b.example.net, the name of the standby unit's address");
	part = part_of(names, 2);
	assert_says("ssl trust-point vpn outside\n", &part, 0, NULL);
	part = part_of(wildcard, 1);
	assert_says("ssl trust-point vpn\n", &part, 0, NULL);
	part = part_of(too_wide, 1);
	assert_says("ssl trust-point vpn\n", &part, 2, "lacks fw1a.example.net");
	/* Nobody comes by these names where it is bound. */
	part = part_of(names, 0);
	assert_says("ssl trust-point vpn inside\n", &part, 0, NULL);
	assert_says("", &part, 0, NULL);
}

static void a_name_is_the_matter_of_the_certificate_that_is_served_for_it(void **state)
{
	char first[] = "fw1a.example.net";
	char *names[] = {first};
	Asafo__Record__TrustpointPublic part = part_of(names, 1);

	(void)state;
	assert_says("ssl trust-point vpn outside\n"
		    "ssl trust-point other outside domain fw1b.example.net\n",
		    &part, 0, NULL);
	assert_says("ssl trust-point vpn outside\nssl trust-point other domain *.example.net\n",
		    &part, 0, NULL);
	assert_says("ssl trust-point vpn domain vpn.example.net\n", &part, 1,
		    "bound for vpn.example.net, a name that its certificate lacks");
}

static void the_rank_of_bindings_is_the_fronts(void **state)
{
	static const char *const order[] = {"everywhere", "inside",   "wild",
					    "name",	  "wildhere", "here"};
	char text[1024] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		static const char *const places[] = {
			"",
			"outside",
			"domain *.example.net",
			"domain fw1a.example.net",
			"outside domain *.example.net",
			"outside domain fw1a.example.net",
		};
		_cleanup_(config_free_p) struct config *config = NULL;
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "ssl trust-point %s %s\n", order[i], places[i]);
		config = make(text);
		assert_true(usecheck_serves(config, "outside", "fw1a.example.net", order[i]));
		assert_false(i > 0 &&
			     usecheck_serves(config, "outside", "fw1a.example.net", order[i - 1]));
	}
}

static void each_kind_of_key_of_a_place_is_looked_at(void **state)
{
	static const char *const lines = "ssl trust-point vpn outside\n"
					 "ssl trust-point ec outside\n"
					 "ssl trust-point other\n";
	_cleanup_(config_free_p) struct config *config = make(lines);

	(void)state;
	assert_true(usecheck_serves(config, "outside", "fw1a.example.net", "vpn"));
	assert_true(usecheck_serves(config, "outside", "fw1a.example.net", "ec"));
	assert_false(usecheck_serves(config, "outside", "fw1a.example.net", "other"));
}

static void what_clients_refuse_is_said_of_what_is_bound(void **state)
{
	char first[] = "*.example.net";
	char *names[] = {first};
	Asafo__Record__TrustpointPublic part = part_of(names, 1);

	(void)state;
	part.usage_faults = IDENTITY_NO_SERVER_AUTH;
	assert_says("ssl trust-point vpn\n", &part, 1, "leaves out serverAuth");
	part.usage_faults = IDENTITY_NO_DIGITAL_SIGNATURE;
	assert_says("ssl trust-point vpn\n", &part, 1, "leaves out digitalSignature");
	part = part_of(names, 1);
	part.chain_complete = false;
	assert_says("ssl trust-point vpn\n", &part, 1, "no certificate of its issuer");
	part = part_of(names, 0);
	part.is_ca = true;
	assert_says("ssl trust-point vpn\n", &part, 1, "a CA's certificate without a key");
	/* Whoever is not bound is nobody's trouble. */
	assert_says("ssl trust-point other\n", &part, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_not_listed_are_not_missed),
		cmocka_unit_test(two_host_names_and_a_certificate_with_one_of_them),
		cmocka_unit_test(a_name_is_the_matter_of_the_certificate_that_is_served_for_it),
		cmocka_unit_test(the_rank_of_bindings_is_the_fronts),
		cmocka_unit_test(each_kind_of_key_of_a_place_is_looked_at),
		cmocka_unit_test(what_clients_refuse_is_said_of_what_is_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
