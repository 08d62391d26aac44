/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, group policies, tunnel groups and users in the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "config/password.h"

#define SEALED "$t1$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/=="
#define HASH "$y$j9T$abcdefghijklmnopqrstuv$0123456789"

static const char text[] = "hostname gw\n"
			   "!\n"
			   "no failover\n"
			   "failover lan unit secondary\n"
			   "failover replication trustpoint off\n"
			   "!\n"
			   "webvpn\n"
			   " anyconnect enable\n"
			   "!\n"
			   "ip local pool STAFF 10.9.0.10-10.9.1.9 mask 255.255.0.0\n"
			   "ipv6 local pool STAFF6 fd00:9::10/64 256\n"
			   "group-policy DfltGrpPolicy attributes\n"
			   " dns-server value 192.0.2.53\n"
			   " vpn-idle-timeout 60\n"
			   "group-policy STAFF internal\n"
			   "group-policy STAFF attributes\n"
			   " dns-server value 192.0.2.54 2001:db8::53\n"
			   " default-domain value example.net\n"
			   " banner value Be kind; \"all\" is logged!\n"
			   " split-tunnel-policy tunnelspecified\n"
			   " split-tunnel-network-list value 10.0.0.0/8\n"
			   " split-tunnel-network-list value 2001:db8::/32\n"
			   " address-pools value STAFF\n"
			   " ipv6-address-pools value STAFF6\n"
			   " vpn-session-timeout none\n"
			   " vpn-simultaneous-logins 2\n"
			   " anyconnect ssl dtls none\n"
			   " group-lock value staff\n"
			   "group-policy GUEST internal\n"
			   "tunnel-group staff type remote-access\n"
			   "tunnel-group staff general-attributes\n"
			   " address-pool STAFF\n"
			   " ipv6-address-pool STAFF6\n"
			   " authentication-server-group PAM LOCAL\n"
			   " pam-service vpn-staff\n"
			   " default-group-policy STAFF\n"
			   "tunnel-group staff webvpn-attributes\n"
			   " group-alias Employees enable\n"
			   "tunnel-group guests type remote-access\n"
			   "username ada password " HASH "\n"
			   "username ada attributes\n"
			   " vpn-group-policy GUEST\n"
			   " group-lock none\n"
			   "username bob password " HASH "\n"
			   "username eve\n"
			   "username eve attributes\n"
			   " vpn-group-policy GUEST\n";

static int apply(struct config *config, const char *lines, char *ret_why, size_t size)
{
	struct config_error error = {0};
	int r = config_apply_text(config, "test", lines, strlen(lines), &error);

	if (r == 0)
		r = config_check(config, &error.why);
	(void)snprintf(ret_why, size, "%s", error.why.text);
	return r;
}

static struct config *make(const char *lines)
{
	struct config *config = NULL;
	char why[WHY_TEXT_MAX];

	assert_int_equal(config_new(&config), 0);
	if (apply(config, lines, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return config;
}

static void what_is_rendered_is_what_was_typed(void **state)
{
	struct config *config = make(text);
	struct buf rendered = {0};

	(void)state;
	assert_int_equal(config_render(config, CONFIG_PART_ALL, &rendered), 0);
	assert_string_equal(buf_text(&rendered), text);
	buf_done(&rendered);
	config_free(config);
}

static void what_is_at_its_default_can_be_read_back(void **state)
{
	struct config *config = make(text), *again;
	struct buf all = {0}, plain = {0};

	(void)state;
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &all), 0);
	again = make(buf_text(&all));
	assert_string_equal(again->vpn.policies[0].name, "DfltGrpPolicy");
	buf_clear(&all);
	assert_int_equal(config_render(again, CONFIG_PART_DEFAULTS, &all), 0);
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &plain), 0);
	assert_string_equal(buf_text(&all), buf_text(&plain));
	buf_done(&all);
	buf_done(&plain);
	config_free(config);
	config_free(again);
}

/* libpam opens the file of a service by its name in lower case, wherever that leads. */
static void a_service_of_pam_is_a_plain_name_in_lower_case(void **state)
{
	static const char *const names[] = {"Asafo", "asafO", ".asafo", "../asafo", "a/b", "a b"};
	struct config *config = make(text);
	struct config_group *group = &config->vpn.groups[0];
	char line[160], why[WHY_TEXT_MAX];

	(void)state;
	assert_string_equal(group->pam_service, "vpn-staff");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(line, sizeof(line),
			       "tunnel-group staff general-attributes\n pam-service %s\n",
			       names[i]);
		assert_true(apply(config, line, why, sizeof(why)) < 0);
	}
	assert_int_equal(apply(config,
			       "tunnel-group staff general-attributes\n pam-service asafo\n", why,
			       sizeof(why)),
			 0);
	assert_string_equal(group->pam_service, "");
	assert_true(group->is_by_pam && group->is_local_too && config_group_takes_others(group));
	assert_int_equal(apply(config,
			       "tunnel-group staff general-attributes\n"
			       " authentication-server-group PAM\n",
			       why, sizeof(why)),
			 0);
	assert_true(group->is_by_pam && !group->is_local_too);
	memcpy(group->pam_service, "Asafo", sizeof("Asafo"));
	assert_true(config_check(config, NULL) < 0);
	config_free(config);
}

static void a_user_may_have_no_password_here(void **state)
{
	struct config *config = make(text);
	struct buf shown = {0};
	char why[WHY_TEXT_MAX];

	(void)state;
	assert_string_equal(config_user_find(&config->vpn, "eve")->hash, "");
	/* The line alone takes none away. */
	assert_int_equal(apply(config, "username bob\n", why, sizeof(why)), 0);
	assert_string_equal(config_user_find(&config->vpn, "bob")->hash, HASH);
	/* This does, and nothing else of the user's. */
	assert_int_equal(apply(config, "username ada attributes\n no password\n", why, sizeof(why)),
			 0);
	assert_string_equal(config_user_find(&config->vpn, "ada")->hash, "");
	assert_true(config_user_find(&config->vpn, "ada")->policy[0]);
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &shown), 0);
	assert_non_null(strstr(buf_text(&shown), "username ada\nusername ada attributes\n"));
	buf_done(&shown);
	assert_int_equal(apply(config, "username eve password " HASH "\n", why, sizeof(why)), 0);
	assert_string_equal(config_user_find(&config->vpn, "eve")->hash, HASH);
	config_free(config);
}

/* "" for any; of who is decided by the group: that of the group. */
static const char *lock_of(const struct config *config, const char *user, const char *group)
{
	const struct config_vpn *vpn = &config->vpn;
	const char *lock = NULL;

	if (!config_user_lock(vpn, config_user_find(vpn, user), &lock))
		lock = config_group_lock(vpn, config_group_find(vpn, group));
	assert_non_null(lock);
	return lock;
}

static void the_nearest_group_lock_holds(void **state)
{
	static const char more[] =
		"group-policy DfltGrpPolicy attributes\n group-lock value guests\n"
		"username eve password " HASH "\nusername eve attributes\n vpn-group-policy STAFF\n"
		"username kim password " HASH "\nusername kim attributes\n vpn-group-policy GUEST\n"
		"username ned password " HASH
		"\nusername ned attributes\n group-lock value guests\n";
	struct config *config = make(text);
	char why[WHY_TEXT_MAX];

	(void)state;
	/* bob has that of the policy of the group that he comes to, ada one that lets her. */
	assert_string_equal(lock_of(config, "bob", "staff"), "staff");
	assert_string_equal(lock_of(config, "bob", "guests"), "");
	assert_string_equal(lock_of(config, "ada", "staff"), "");
	assert_int_equal(apply(config, more, why, sizeof(why)), 0);
	assert_string_equal(lock_of(config, "bob", "guests"), "guests");
	assert_string_equal(lock_of(config, "ada", "staff"), "");
	assert_string_equal(lock_of(config, "eve", "guests"), "staff");
	assert_string_equal(lock_of(config, "kim", "staff"), "guests");
	assert_string_equal(lock_of(config, "ned", "staff"), "guests");
	assert_int_equal(
		apply(config, "username ned attributes\n no group-lock\n", why, sizeof(why)), 0);
	assert_string_equal(lock_of(config, "ned", "staff"), "staff");
	assert_int_equal(apply(config, "username ned attributes\n group-lock value nowhere\n", why,
			       sizeof(why)),
			 ERR_NOT_FOUND);
	assert_string_equal(why, "username ned: group-lock: there is no tunnel-group nowhere");
	config_free(config);
	/* A group that somebody may only use stays. */
	config = make(text);
	assert_int_equal(apply(config, "no tunnel-group staff\n", why, sizeof(why)), ERR_NOT_FOUND);
	assert_string_equal(why, "group-policy STAFF: group-lock: there is no tunnel-group staff");
	config_free(config);
}

static void a_policy_has_from_the_default_one_what_it_does_not_say(void **state)
{
	struct config *config = make(text);
	struct config_policy policy;

	(void)state;
	config_policy_resolve(&config->vpn, config_policy_find(&config->vpn, "STAFF"), &policy);
	assert_int_equal(policy.n_dns, 2);
	assert_int_equal(policy.idle_minutes, 60);
	assert_int_equal(policy.session_minutes, 0);
	assert_int_equal(policy.logins, 2);
	assert_int_equal(policy.dtls, 0);
	assert_string_equal(policy.banner, "Be kind; \"all\" is logged!");
	config_policy_resolve(&config->vpn, config_policy_find(&config->vpn, "GUEST"), &policy);
	assert_int_equal(policy.n_dns, 1);
	assert_int_equal(policy.idle_minutes, 60);
	assert_int_equal(policy.logins, 3);
	assert_int_equal(policy.dtls, 1);
	assert_int_equal(policy.split, 0);
	config_free(config);
}

static void a_pool_counts_its_addresses(void **state)
{
	struct config *config = make(text);
	const struct config_pool *pool = config_pool_find(&config->vpn, "STAFF");
	struct config_address address;
	char word[INET6_ADDRSTRLEN];
	uint32_t index = 0;

	(void)state;
	assert_int_equal(pool->count, 256);
	address = config_pool_address(pool, 250);
	config_address_format(&address, word);
	assert_string_equal(word, "10.9.1.4");
	assert_true(config_pool_index(pool, &address, &index));
	assert_int_equal(index, 250);
	assert_true(config_address_parse("10.9.1.10", AF_INET, &address));
	assert_false(config_pool_index(pool, &address, &index));
	pool = config_pool_find(&config->vpn, "STAFF6");
	address = config_pool_address(pool, 255);
	config_address_format(&address, word);
	assert_string_equal(word, "fd00:9::10f");
	assert_true(config_pool_index(pool, &address, &index));
	assert_int_equal(index, 255);
	config_free(config);
}

static void every_line_can_be_undone(void **state)
{
	struct config *config = make(text), *fresh = make("hostname gw\n");
	struct buf undone = {0}, plain = {0};
	char why[WHY_TEXT_MAX];
	static const char undo[] =
		"webvpn\n no anyconnect enable\n"
		"no username ada\nno username bob password x\nno username eve\n"
		"tunnel-group staff webvpn-attributes\n no group-alias employees\n"
		"tunnel-group staff general-attributes\n no address-pool\n no ipv6-address-pool X\n"
		" no authentication-server-group PAM LOCAL\n no pam-service\n"
		" no default-group-policy\n"
		"no tunnel-group staff type remote-access\nno tunnel-group guests\n"
		"group-policy STAFF attributes\n no dns-server\n no default-domain\n no banner\n"
		" no split-tunnel-policy\n no split-tunnel-network-list value 10.0.0.0/8\n"
		" no split-tunnel-network-list\n no address-pools\n no ipv6-address-pools\n"
		" no vpn-idle-timeout\n no vpn-session-timeout none\n no vpn-simultaneous-logins "
		"2\n no anyconnect ssl dtls none\n"
		"no group-policy STAFF\nno group-policy GUEST internal\n"
		"no group-policy DfltGrpPolicy\n"
		"no ip local pool STAFF\nno ipv6 local pool STAFF6\n";

	(void)state;
	if (apply(config, undo, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &undone), 0);
	assert_int_equal(config_render(fresh, CONFIG_PART_DEFAULTS, &plain), 0);
	assert_string_equal(buf_text(&undone), buf_text(&plain));
	buf_done(&undone);
	buf_done(&plain);
	config_free(config);
	config_free(fresh);
}

static void what_does_not_fit_is_refused_and_named(void **state)
{
	static const struct {
		const char *lines, *why;
	} cases[] = {
		{"ip local pool B 10.9.0.20-10.9.0.10", "a range of at most 65536 addresses"},
		{"ip local pool B 10.0.0.0-10.1.0.0", "a range of at most 65536 addresses"},
		{"ip local pool B 10.9.0.20-10.9.0.30", "pool B overlaps with pool STAFF"},
		{"ip local pool B 10.8.0.250-10.8.1.5 mask 255.255.255.0", "not in one network"},
		{"ipv6 local pool B fd00:9::ffff:fff0/64 256", "it has too many addresses"},
		{"no ip local pool STAFF", "there is no pool STAFF"},
		{"no group-policy GUEST", "username ada: there is no group-policy GUEST"},
		{"group-policy GUEST attributes\n address-pools value STAFF6",
		 "pool STAFF6 is not one of IPv4 addresses"},
		{"group-policy GUEST attributes\n default-domain value *.example.net",
		 "searched in one domain"},
		{"group-policy GUEST attributes\n split-tunnel-network-list value 10.0.0.1/8",
		 "a network such as"},
		{"group-policy GUEST attributes\n vpn-idle-timeout 0", "a number from 1 to"},
		{"group-policy X attributes", "give \"group-policy X internal\" first"},
		{"tunnel-group X general-attributes", "type remote-access\" first"},
		{"username eve password secret", "a password in clear is not kept"},
		{"username zed attributes", "there is no such user"},
		{"interface eth0\n nameif inside\n ip address 10.9.0.20 255.255.255.0",
		 "pool STAFF has an address of interface eth0 in it"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = make(text);
		char why[WHY_TEXT_MAX];

		assert_true(apply(config, cases[i].lines, why, sizeof(why)) < 0);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].lines, why);
		assert_null(strstr(why, "secret"));
		config_free(config);
	}
}

static void a_list_of_networks_that_is_full_says_so(void **state)
{
	struct config *config = make(text);
	char lines[128], why[WHY_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i <= CONFIG_NETWORKS_MAX; i++) {
		(void)snprintf(lines, sizeof(lines),
			       "group-policy GUEST attributes\n"
			       " split-tunnel-network-list value 10.%u.0.0/16\n",
			       i);
		assert_int_equal(apply(config, lines, why, sizeof(why)),
				 i < CONFIG_NETWORKS_MAX ? 0 : ERR_TOO_LARGE);
	}
	assert_non_null(strstr(why, "the list has 64 networks"));
	/* One that is on it is no other. */
	assert_int_equal(apply(config,
			       "group-policy GUEST attributes\n"
			       " split-tunnel-network-list value 10.1.0.0/16\n",
			       why, sizeof(why)),
			 0);
	config_free(config);
}

static void a_password_in_clear_becomes_its_hash(void **state)
{
	static const char lines[] = "hostname gw\n  userna eve  pass  s3cret \n!username x\n"
				    "username bob password " HASH "\nusername z password a b\n"
				    "no username ada password x";
	struct config *config = make(text);
	struct buf hashed = {0};
	char why[WHY_TEXT_MAX];
	const char *made;

	(void)state;
	assert_int_equal(config_hash_passwords(lines, strlen(lines), NULL, NULL, &hashed), 0);
	made = buf_text(&hashed);
	assert_null(strstr(made, "s3cret"));
	assert_ptr_equal(strstr(made, "hostname gw\n  userna eve  pass  $y$"), made);
	/* What is a hash, no such line, or wrong stays as it was. */
	assert_non_null(strstr(made, " \n!username x\nusername bob password " HASH
				     "\nusername z password a b\nno username ada password x"));
	*strstr((char *)(uintptr_t)made, "username z") = '!';
	if (apply(config, made, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_string_equal(crypt("s3cret", config_user_find(&config->vpn, "eve")->hash),
			    config_user_find(&config->vpn, "eve")->hash);
	buf_done(&hashed);
	config_free(config);
}

static void who_may_only_look_sees_no_hash_and_no_secret(void **state)
{
	static const char lines[] = "hostname gw\nusername ada password " HASH "\n"
				    "username ada attributes\n totp " SEALED "\n"
				    " vpn-group-policy GP\nusername bob password " HASH;
	static const char shown[] = "hostname gw\nusername ada password *****\n"
				    "username ada attributes\n totp *****\n"
				    " vpn-group-policy GP\nusername bob password *****";
	struct config *config = make(text);
	struct buf masked = {0}, hashed = {0};
	char why[WHY_TEXT_MAX];

	(void)state;
	assert_int_equal(config_mask(lines, &masked), 0);
	assert_string_equal(buf_text(&masked), shown);
	/* Pasted elsewhere it is no password of five asterisks. */
	assert_int_equal(config_hash_passwords(shown, strlen(shown), NULL, NULL, &hashed), 0);
	assert_string_equal(buf_text(&hashed), shown);
	assert_int_equal(apply(config, "username eve password *****\n", why, sizeof(why)),
			 ERR_SYNTAX);
	assert_non_null(strstr(why, "who may only look"));
	buf_done(&masked);
	buf_done(&hashed);
	config_free(config);
}

static int seal(const char *user, const char *secret, struct buf *ret_text, void *userdata)
{
	(void)userdata;
	return strcmp(secret, "WRONG") == 0
		       ? ERR_MALFORMED
		       : buf_append_format(ret_text, "<%s:%zu>", user, strlen(secret));
}

static void a_secret_in_clear_is_sealed_for_its_user(void **state)
{
	static const char lines[] =
		"username bob attributes\n vpn-group-policy GP\n tot  JBSWY3DP \n"
		" no totp JBSWY3DP\nhostname gw\n totp JBSWY3DP\n"
		"usern eve attr\n totp " SEALED "\n totp MZXW6\n";
	static const char wrong[] = "username bob attributes\n totp WRONG";
	struct config *config = make(text);
	struct buf sealed = {0};
	char why[WHY_TEXT_MAX];

	(void)state;
	assert_int_equal(config_hash_passwords(lines, strlen(lines), seal, NULL, &sealed), 0);
	assert_string_equal(buf_text(&sealed),
			    "username bob attributes\n vpn-group-policy GP\n tot  <bob:8> \n"
			    " no totp JBSWY3DP\nhostname gw\n totp JBSWY3DP\n"
			    "usern eve attr\n totp " SEALED "\n totp <eve:5>\n");
	buf_clear(&sealed);
	assert_int_equal(config_hash_passwords(wrong, strlen(wrong), seal, NULL, &sealed),
			 ERR_MALFORMED);
	buf_done(&sealed);
	assert_true(apply(config, "username ada attributes\n totp JBSWY3DP\n", why, sizeof(why)) <
		    0);
	assert_non_null(strstr(why, "asafo username ada totp"));
	assert_null(strstr(why, "JBSWY3DP"));
	assert_int_equal(
		apply(config, "username ada attributes\n totp " SEALED "\n", why, sizeof(why)), 0);
	assert_string_equal(config_user_find(&config->vpn, "ada")->totp, SEALED);
	assert_int_equal(apply(config, "username ada attributes\n no totp\n", why, sizeof(why)), 0);
	assert_string_equal(config_user_find(&config->vpn, "ada")->totp, "");
	config_free(config);
}

static void an_empty_file_has_no_password(void **state)
{
	struct buf hashed = {0};

	(void)state;
	assert_int_equal(config_hash_passwords(NULL, 0, NULL, NULL, &hashed), 0);
	assert_int_equal(hashed.size, 0);
	buf_done(&hashed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_rendered_is_what_was_typed),
		cmocka_unit_test(what_is_at_its_default_can_be_read_back),
		cmocka_unit_test(a_policy_has_from_the_default_one_what_it_does_not_say),
		cmocka_unit_test(the_nearest_group_lock_holds),
		cmocka_unit_test(a_service_of_pam_is_a_plain_name_in_lower_case),
		cmocka_unit_test(a_user_may_have_no_password_here),
		cmocka_unit_test(a_pool_counts_its_addresses),
		cmocka_unit_test(every_line_can_be_undone),
		cmocka_unit_test(what_does_not_fit_is_refused_and_named),
		cmocka_unit_test(a_list_of_networks_that_is_full_says_so),
		cmocka_unit_test(a_password_in_clear_becomes_its_hash),
		cmocka_unit_test(a_secret_in_clear_is_sealed_for_its_user),
		cmocka_unit_test(who_may_only_look_sees_no_hash_and_no_secret),
		cmocka_unit_test(an_empty_file_has_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
