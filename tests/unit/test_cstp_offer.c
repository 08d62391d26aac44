/* SPDX-License-Identifier: Apache-2.0 */
/* What a client is told to send into its tunnel, and how much at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "front/tunnel/cstp_offer.h"

static struct vpn_address inside_v4 = {.size = 4, .prefix = 24, .bytes = {192, 0, 2}};
static struct vpn_address inside_v6 = {.size = 16, .prefix = 32, .bytes = {0x20, 1, 0xd, 0xb8}};
static struct buf head;

static const char *offer(struct vpn_address *networks, size_t n, enum vpn_split split,
			 struct cstp_request request)
{
	struct vpn_policy policy = {.split = split, .networks = networks, .n_networks = n};
	struct vpn_session session = {
		.v4 = {.size = 4, .prefix = 16, .bytes = {10, 9, 1, 7}},
		.v6 = {.size = 16, .prefix = 64, .bytes = {0xfd, 0, [15] = 7}},
		.ends_at = MONOTIME_NEVER,
	};
	struct cstp_offer said = {
		.request = &request, .session = &session, .policy = &policy, .hostname = ""};

	buf_clear(&head);
	assert_int_equal(cstp_offer_append(&said, &head), 0);
	return buf_text(&head);
}

static bool says(const char *text, const char *line)
{
	return strstr(text, line) != NULL;
}

#define OWN_V4 "X-CSTP-Split-Include: 10.9.1.7/255.255.255.255\r\n"
#define OWN_V6 "X-CSTP-Split-Include-IP6: fd00::7/128\r\n"

static void a_list_of_one_family_sends_nothing_else_of_the_other_into_the_tunnel(void **state)
{
	const struct cstp_request both = {.wants_v4 = true, .wants_v6 = true};
	const char *text;

	(void)state;
	text = offer(&inside_v4, 1, VPN_SPLIT_TUNNEL_SPECIFIED, both);
	assert_true(says(text, "X-CSTP-Split-Include: 192.0.2.0/255.255.255.0\r\n"));
	assert_true(says(text, OWN_V6) && !says(text, OWN_V4));
	text = offer(&inside_v6, 1, VPN_SPLIT_TUNNEL_SPECIFIED, both);
	assert_true(says(text, "X-CSTP-Split-Include-IP6: 2001:db8::/32\r\n"));
	assert_true(says(text, OWN_V4) && !says(text, OWN_V6));
}

static void nothing_is_added_where_the_list_or_the_client_says_it_already(void **state)
{
	struct vpn_address both_networks[] = {inside_v4, inside_v6};
	const struct cstp_request both = {.wants_v4 = true, .wants_v6 = true};
	const struct cstp_request only_v4 = {.wants_v4 = true};
	const char *text;

	(void)state;
	text = offer(both_networks, 2, VPN_SPLIT_TUNNEL_SPECIFIED, both);
	assert_false(says(text, OWN_V4) || says(text, OWN_V6));
	text = offer(&inside_v4, 1, VPN_SPLIT_TUNNEL_SPECIFIED, only_v4);
	assert_false(says(text, "IP6"));
	text = offer(&inside_v4, 1, VPN_SPLIT_EXCLUDE_SPECIFIED, both);
	assert_false(says(text, "Split-Include") || says(text, "fd00::7/128"));
	text = offer(NULL, 0, VPN_SPLIT_TUNNEL_ALL, both);
	assert_false(says(text, "Split"));
}

static void a_packet_fits_one_segment_of_the_path_that_the_client_sees(void **state)
{
	const struct cstp_request request = {.base_mtu = 1400};
	struct cstp_way way = {.mss = 1460, .overhead = 22};

	(void)state;
	/* 1400 less IP and TCP, TLS, and CSTP's own eight bytes. */
	assert_int_equal(cstp_mtu(&way, 1406, false, &request), 1400 - 40 - 22 - 8);
	way.is_v6 = true;
	assert_int_equal(cstp_mtu(&way, 1406, false, &request), 1400 - 60 - 22 - 8);
	/* The segments of the connection itself are known. */
	way.mss = 1300;
	assert_int_equal(cstp_mtu(&way, 1406, false, &request), 1300 - 22 - 8);
	assert_int_equal(cstp_mtu(&way, 1406, true, &request), 1280);
}

static int done(void **state)
{
	(void)state;
	buf_done(&head);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_list_of_one_family_sends_nothing_else_of_the_other_into_the_tunnel),
		cmocka_unit_test(nothing_is_added_where_the_list_or_the_client_says_it_already),
		cmocka_unit_test(a_packet_fits_one_segment_of_the_path_that_the_client_sees),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
