/* SPDX-License-Identifier: Apache-2.0 */
/* Which binding wins; which configuration is taken; how handshakes are counted. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "front/tls/credential.h"
#include "front/tls/selection.h"
#include "front/net/sources.h"

static struct snapshot_binding bindings[] = {
	{"global", "", "", false},
	{"interface", "outside", "", false},
	{"wildcard", "", "*.example.org", false},
	{"domain", "", "vpn.example.org", false},
	{"wildcard-here", "outside", "*.example.org", false},
	{"domain-here", "outside", "vpn.example.org", false},
	{"elsewhere", "inside", "vpn.example.org", false},
};

/* The choice among the first N bindings. */
static const char *choice(size_t n, const char *interface, const char *server_name)
{
	struct snapshot snapshot = {.bindings = bindings, .n_bindings = n};
	enum selection_rule rule = SELECTION__MAX;
	const struct snapshot_binding *found[SELECTION_MAX];
	size_t n_found;

	snapshot_index(&snapshot);
	n_found = selection_find(&snapshot, interface, server_name, NULL, NULL, found, &rule);
	assert_true(n_found <= 1);
	assert_int_equal(n_found == 0, rule == SELECTION_FALLBACK);
	return n_found > 0 ? found[0]->trustpoint : "fallback";
}

static void the_more_exact_binding_wins(void **state)
{
	(void)state;
	assert_string_equal(choice(0, "outside", "vpn.example.org"), "fallback");
	assert_string_equal(choice(1, "outside", "vpn.example.org"), "global");
	assert_string_equal(choice(2, "outside", "vpn.example.org"), "interface");
	assert_string_equal(choice(3, "outside", "vpn.example.org"), "wildcard");
	assert_string_equal(choice(4, "outside", "vpn.example.org"), "domain");
	assert_string_equal(choice(5, "outside", "vpn.example.org"), "wildcard-here");
	assert_string_equal(choice(7, "outside", "vpn.example.org"), "domain-here");
	assert_string_equal(choice(7, "inside", "VPN.Example.Org"), "elsewhere");
}

static void without_a_server_name_only_bindings_without_a_domain_count(void **state)
{
	(void)state;
	assert_string_equal(choice(7, "outside", NULL), "interface");
	assert_string_equal(choice(7, "dmz", ""), "global");
}

static void all_of_a_place_are_found_each_once(void **state)
{
	static struct snapshot_binding several[] = {
		{"first", "outside", "", false},  {"global", "", "", false},
		{"second", "outside", "", false}, {"named", "", "vpn.example.org", false},
		{"first", "outside", "", false},
	};
	struct snapshot snapshot = {.bindings = several, .n_bindings = 5};
	const struct snapshot_binding *found[SELECTION_MAX];
	enum selection_rule rule;

	(void)state;
	snapshot_index(&snapshot);
	assert_int_equal(selection_find(&snapshot, "outside", NULL, NULL, NULL, found, &rule), 2);
	assert_int_equal(rule, SELECTION_INTERFACE);
	assert_string_equal(found[0]->trustpoint, "second");
	assert_string_equal(found[1]->trustpoint, "first");
	assert_int_equal(
		selection_find(&snapshot, "outside", "vpn.example.org", NULL, NULL, found, &rule),
		1);
	assert_string_equal(found[0]->trustpoint, "named");
}

/* ---- what a client knows ---- */

#define TLS13_SUITES "\x13\x01\x13\x02"
#define BOTH_SUITES "\xc0\x2b\xc0\x2f"

/* A ClientHello with these lists of codes; NULL: without the extension. */
static struct client_hello hello_of(const char *suites, size_t n_suites, const char *signatures,
				    size_t n_signatures, bool is_tls13, const char *groups)
{
	uint8_t bytes[512] = {3, 3}, *at = bytes + 34, *extensions;
	struct client_hello hello;

#define PUT16(value) (*at++ = (uint8_t)((value) >> 8), *at++ = (uint8_t)(value))
	*at++ = 0;
	PUT16(n_suites);
	memcpy(at, suites, n_suites);
	at += n_suites;
	*at++ = 1;
	*at++ = 0;
	extensions = at;
	at += 2;
	if (signatures) {
		PUT16(13);
		PUT16(n_signatures + 2);
		PUT16(n_signatures);
		memcpy(at, signatures, n_signatures);
		at += n_signatures;
	}
	if (groups) {
		PUT16(10);
		PUT16(4);
		PUT16(2);
		memcpy(at, groups, 2);
		at += 2;
	}
	if (is_tls13) {
		static const uint8_t versions[] = {0, 43, 0, 5, 4, 3, 4, 3, 3};

		memcpy(at, versions, sizeof(versions));
		at += sizeof(versions);
	}
	extensions[0] = (uint8_t)((at - extensions - 2) >> 8);
	extensions[1] = (uint8_t)(at - extensions - 2);
	client_hello_read(bytes, (size_t)(at - bytes), &hello);
	return hello;
}

static bool takes_ecdsa(const struct client_hello *hello)
{
	return client_hello_suits(hello, UINT16_MAX, GNUTLS_PK_ECDSA, 256);
}

static bool takes_rsa(const struct client_hello *hello)
{
	return client_hello_suits(hello, UINT16_MAX, GNUTLS_PK_RSA, 2048);
}

static void in_tls13_the_signature_schemes_say_which_keys_a_client_takes(void **state)
{
	struct client_hello hello = hello_of(TLS13_SUITES, 4, "\x04\x03\x08\x04", 4, true, NULL);

	(void)state;
	assert_true(takes_ecdsa(&hello) && takes_rsa(&hello));
	/* Of another curve. */
	assert_false(client_hello_suits(&hello, UINT16_MAX, GNUTLS_PK_ECDSA, 384));
	assert_false(client_hello_suits(&hello, UINT16_MAX, GNUTLS_PK_EDDSA_ED25519, 256));
	hello = hello_of(TLS13_SUITES, 4, "\x08\x04\x04\x01", 4, true, NULL);
	assert_true(!takes_ecdsa(&hello) && takes_rsa(&hello));
	/* PKCS#1 is no signature of TLS 1.3. */
	hello = hello_of(TLS13_SUITES, 4, "\x04\x03\x04\x01", 4, true, NULL);
	assert_true(takes_ecdsa(&hello) && !takes_rsa(&hello));
	hello = hello_of(TLS13_SUITES, 4, NULL, 0, true, NULL);
	assert_false(takes_ecdsa(&hello) || takes_rsa(&hello));
}

static void in_tls12_cipher_suites_and_curves_count_too(void **state)
{
	static const char both[] = "\x04\x03\x04\x01";
	struct client_hello hello = hello_of(BOTH_SUITES, 4, both, 4, false, NULL);

	(void)state;
	assert_true(takes_ecdsa(&hello) && takes_rsa(&hello));
	hello = hello_of(&BOTH_SUITES[2], 2, both, 4, false, NULL);
	assert_true(!takes_ecdsa(&hello) && takes_rsa(&hello));
	hello = hello_of(BOTH_SUITES, 2, both, 4, false, "\x00\x17");
	assert_true(takes_ecdsa(&hello) && !takes_rsa(&hello));
	hello = hello_of(BOTH_SUITES, 4, both, 4, false, "\x00\x18");
	assert_true(!takes_ecdsa(&hello) && takes_rsa(&hello));
	/* A suite that this server does not speak is as good as none. */
	assert_false(client_hello_suits(&hello, 0, GNUTLS_PK_RSA, 2048));
}

static const char *covered(const char *domain, const char *server_name)
{
	struct snapshot_binding binding = {.trustpoint = "bound"};
	struct snapshot snapshot = {.bindings = &binding, .n_bindings = 1};
	const struct snapshot_binding *found[SELECTION_MAX];
	enum selection_rule rule;

	memcpy(binding.domain, domain, strlen(domain));
	snapshot_index(&snapshot);
	(void)selection_find(&snapshot, "outside", server_name, NULL, NULL, found, &rule);
	return selection_rule_text(rule);
}

static void a_wildcard_covers_one_label(void **state)
{
	static const char no[] = "no trustpoint is bound", yes[] = "bound by wildcard domain";

	(void)state;
	assert_string_equal(covered("*.example.org", "a.example.org"), yes);
	assert_string_equal(covered("*.example.org", "A.EXAMPLE.org"), yes);
	assert_string_equal(covered("*.example.org", "example.org"), no);
	assert_string_equal(covered("*.example.org", ".example.org"), no);
	assert_string_equal(covered("*.example.org", "a.b.example.org"), no);
	assert_string_equal(covered("*.example.org", ""), no);
	assert_string_equal(covered("a.example.org", "b.example.org"), no);
}

#define MANY SNAPSHOT_BINDINGS_MAX

/* More than there are chains would be no other case: some share one, others are alone. */
static void each_of_many_names_is_found_and_no_other(void **state)
{
	struct snapshot_binding *many = calloc(MANY, sizeof(*many));
	struct snapshot snapshot = {.bindings = many, .n_bindings = MANY};
	const struct snapshot_binding *found[SELECTION_MAX];
	enum selection_rule rule;
	char name[64];

	(void)state;
	assert_non_null(many);
	for (unsigned i = 0; i < MANY; i++) {
		/* Each name twice, for two trustpoints. */
		(void)snprintf(many[i].trustpoint, sizeof(many[i].trustpoint), "tp%u", i);
		(void)snprintf(many[i].domain, sizeof(many[i].domain), "name%u.example.org",
			       i % (MANY / 2));
	}
	snapshot_index(&snapshot);
	for (unsigned i = 0; i < MANY / 2; i++) {
		(void)snprintf(name, sizeof(name), "Name%u.Example.org", i);
		assert_int_equal(
			selection_find(&snapshot, "outside", name, NULL, NULL, found, &rule), 2);
		assert_ptr_equal(found[0], &many[i]);
		assert_ptr_equal(found[1], &many[i + MANY / 2]);
	}
	assert_int_equal(
		selection_find(&snapshot, "outside", "name.example.org", NULL, NULL, found, &rule),
		0);
	assert_true(snapshot_is_domain_of(&snapshot, 7, "outside"));
	assert_false(snapshot_is_domain_of(&snapshot, 7 + MANY / 2, "outside"));
	free(many);
}

static int convert(Asafo__Ipc__FrontListen *listen, Asafo__Ipc__FrontBinding *binding,
		   const char *minimum_tls, struct snapshot **ret_snapshot)
{
	Asafo__Ipc__FrontConfig config = ASAFO__IPC__FRONT_CONFIG__INIT;
	struct why why = {""};
	int r;

	config.listens = &listen;
	config.n_listens = listen ? 1 : 0;
	config.bindings = &binding;
	config.n_bindings = binding ? 1 : 0;
	config.minimum_tls = (char *)(uintptr_t)minimum_tls;
	r = snapshot_from_config(&config, ret_snapshot, &why);
	assert_int_equal(r != 0, why.text[0] != '\0');
	return r;
}

static void a_configuration_that_cannot_be_is_refused_with_a_sentence(void **state)
{
	static uint8_t address[16] = {192, 0, 2, 1};
	static char dirty[] = "out side",
		    long_name[] = "a-name-that-is-a-good-deal-longer-than-any-interface-or-"
				  "trustpoint-name-may-be-here";
	Asafo__Ipc__FrontListen listen = ASAFO__IPC__FRONT_LISTEN__INIT;
	Asafo__Ipc__FrontBinding binding = ASAFO__IPC__FRONT_BINDING__INIT;
	struct snapshot *snapshot = NULL;

	(void)state;
	assert_int_equal(convert(NULL, NULL, "tlsv1.1", &snapshot), ERR_MALFORMED);
	assert_int_equal(convert(NULL, &binding, "", &snapshot), ERR_MALFORMED);
	binding.trustpoint = long_name;
	assert_int_equal(convert(NULL, &binding, "", &snapshot), ERR_TOO_LARGE);
	listen.address = (ProtobufCBinaryData){5, address};
	listen.port = 443;
	assert_int_equal(convert(&listen, NULL, "", &snapshot), ERR_MALFORMED);
	listen.address.len = 4;
	listen.port = 65536;
	assert_int_equal(convert(&listen, NULL, "", &snapshot), ERR_MALFORMED);
	listen.port = 443;
	listen.interface = dirty;
	assert_int_equal(convert(&listen, NULL, "", &snapshot), ERR_MALFORMED);
	assert_null(snapshot);
	listen.interface = (char *)(uintptr_t)protobuf_c_empty_string;
	assert_int_equal(convert(&listen, NULL, "tlsv1.3", &snapshot), 0);
	assert_true(snapshot->is_tls13_only);
	snapshot_free(snapshot);
}

static void an_endpoint_is_written_as_people_write_it(void **state)
{
	struct snapshot_listen listen = {
		.address = {198, 51, 100, 10}, .address_size = 4, .port = 443};
	char text[SNAPSHOT_ENDPOINT_MAX];

	(void)state;
	snapshot_endpoint(&listen, text);
	assert_string_equal(text, "198.51.100.10:443");
	listen = (struct snapshot_listen){.address_size = 16, .port = 8443};
	(void)inet_pton(AF_INET6, "2001:db8:100::10", listen.address);
	snapshot_endpoint(&listen, text);
	assert_string_equal(text, "[2001:db8:100::10]:8443");
}

static struct source_key source_of(int family, const char *text)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	(void)inet_pton(family, text,
			family == AF_INET ? (void *)&in.sin_addr : (void *)&in6.sin6_addr);
	if (family == AF_INET)
		memcpy(&address, &in, sizeof(in));
	else
		memcpy(&address, &in6, sizeof(in6));
	return sources_key(&address);
}

static void a_source_is_an_ipv4_address_or_an_ipv6_network(void **state)
{
	struct source_key a = source_of(AF_INET, "192.0.2.1"), b = source_of(AF_INET, "192.0.2.2");
	struct source_key c = source_of(AF_INET6, "2001:db8::1"),
			  d = source_of(AF_INET6, "2001:db8::2:3");
	struct sources *sources = NULL;

	(void)state;
	assert_int_equal(sources_new(2, &sources), 0);
	assert_int_equal(sources_add(sources, &a), 0);
	assert_int_equal(sources_add(sources, &a), 0);
	assert_int_equal(sources_add(sources, &a), ERR_BUSY);
	assert_int_equal(sources_add(sources, &b), 0);
	sources_remove(sources, &a);
	assert_int_equal(sources_add(sources, &a), 0);
	assert_int_equal(sources_add(sources, &c), 0);
	assert_int_equal(sources_add(sources, &d), 0);
	assert_int_equal(sources_add(sources, &c), ERR_BUSY);
	sources_free(sources);
}

static void the_keeper_is_asked_for_a_plain_algorithm_over_a_plain_digest(void **state)
{
	/* DigestInfo of SHA-256 (RFC 8017 section 9.2, note 1) */
	uint8_t info[19 + 32] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20, 0x77};
	gnutls_sign_algorithm_t algorithm = GNUTLS_SIGN_UNKNOWN;
	uint8_t digest[64];
	size_t size = 0;

	(void)state;
	assert_int_equal(credential_sign_normalize(GNUTLS_SIGN_RSA_RAW, info, sizeof(info),
						   &algorithm, digest, &size),
			 0);
	assert_int_equal(algorithm, GNUTLS_SIGN_RSA_SHA256);
	assert_int_equal(size, 32);
	assert_memory_equal(digest, info + 19, 32);
	assert_int_equal(
		credential_sign_normalize(GNUTLS_SIGN_RSA_RAW, info, 20, &algorithm, digest, &size),
		ERR_MALFORMED);
	assert_int_equal(credential_sign_normalize(GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, info, 48,
						   &algorithm, digest, &size),
			 0);
	assert_int_equal(algorithm, GNUTLS_SIGN_ECDSA_SHA384);
	assert_int_equal(credential_sign_normalize(GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, info, 65,
						   &algorithm, digest, &size),
			 ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_more_exact_binding_wins),
		cmocka_unit_test(without_a_server_name_only_bindings_without_a_domain_count),
		cmocka_unit_test(all_of_a_place_are_found_each_once),
		cmocka_unit_test(in_tls13_the_signature_schemes_say_which_keys_a_client_takes),
		cmocka_unit_test(in_tls12_cipher_suites_and_curves_count_too),
		cmocka_unit_test(a_wildcard_covers_one_label),
		cmocka_unit_test(each_of_many_names_is_found_and_no_other),
		cmocka_unit_test(a_configuration_that_cannot_be_is_refused_with_a_sentence),
		cmocka_unit_test(an_endpoint_is_written_as_people_write_it),
		cmocka_unit_test(a_source_is_an_ipv4_address_or_an_ipv6_network),
		cmocka_unit_test(the_keeper_is_asked_for_a_plain_algorithm_over_a_plain_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
