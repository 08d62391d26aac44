/* SPDX-License-Identifier: Apache-2.0 */
/* CRLs in the store: their parts, what is damaged, what there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "certstore/keeper/keeper_crl.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/wait.h"

#define PART_MARKS (CRL_PART_SIZE / CRLMARK_SIZE)

struct place {
	struct fixture_stores *stores;
	struct keeper keeper;
	uint8_t key_id[KEEPER_CRL_KEY_ID_SIZE], digest[32];
	Asafo__Record__Crl crl;
	struct why why;
};

static struct place place;

/* Of the CA whose key is WHICH. */
static void be_list(uint8_t which, uint64_t revoked)
{
	memset(place.key_id, which, sizeof(place.key_id));
	asafo__record__crl__init(&place.crl);
	place.crl.key_id = (ProtobufCBinaryData){sizeof(place.key_id), place.key_id};
	place.crl.digest = (ProtobufCBinaryData){sizeof(place.digest), place.digest};
	place.crl.this_update = 1000;
	place.crl.next_update = 2000;
	place.crl.revoked = revoked;
}

static int setup(void **state)
{
	void *stores = NULL;

	assert_int_equal(fixture_setup(&stores), 0);
	place = (struct place){.stores = stores};
	place.keeper.store = place.stores->a;
	be_list(1, 0);
	*state = stores;
	return 0;
}

static void keep(bool is_home, uint8_t which, uint64_t revoked)
{
	size_t size = revoked * CRLMARK_SIZE;
	uint8_t *marks = malloc(size + 1);

	assert_non_null(marks);
	for (size_t i = 0; i < size; i++)
		marks[i] = (uint8_t)(i % CRLMARK_SIZE == 0   ? i / CRLMARK_SIZE >> 16
				     : i % CRLMARK_SIZE == 1 ? i / CRLMARK_SIZE >> 8
				     : i % CRLMARK_SIZE == 2 ? i / CRLMARK_SIZE
							     : 0);
	be_list(which, revoked);
	assert_int_equal(crl_digest(&place.crl, marks, size, place.digest), 0);
	assert_int_equal(
		keeper_crl_keep(&place.keeper, is_home, &place.crl, marks, size, &place.why), 0);
	free(marks);
}

static uint64_t count(const char *prefix)
{
	uint64_t n = 99;

	assert_int_equal(store_unit_count(place.keeper.store, prefix, &n), 0);
	return n;
}

static bool is_whole(bool is_home)
{
	return keeper_crl_is_whole(&place.keeper, is_home, &place.crl);
}

static void remove_list(bool is_home, uint8_t which, int64_t removed_at)
{
	be_list(which, 0);
	place.crl.removed_at = removed_at;
	assert_int_equal(keeper_crl_delete(&place.keeper, is_home, &place.crl, &place.why), 0);
}

/* A NULL value: it goes. */
static void spoil(const char *prefix, const char *behind, const char *value)
{
	char key[KEEPER_CRL_KEY_SIZE];
	struct store_change change = {.key = key,
				      .value = (const uint8_t *)value,
				      .value_size = value ? strlen(value) : 0};
	size_t n = 0;

	n = (size_t)snprintf(key, sizeof(key), "%s", prefix);
	for (size_t i = 0; i < sizeof(place.key_id); i++)
		n += (size_t)snprintf(key + n, sizeof(key) - n, "%02x", place.key_id[i]);
	(void)snprintf(key + n, sizeof(key) - n, "%s", behind);
	assert_int_equal(store_unit_change(place.keeper.store, &change, 1, &place.why), 0);
}

static int count_one(const Asafo__Record__Crl *crl, void *userdata)
{
	(void)crl;
	++*(unsigned *)userdata;
	return 0;
}

/* ---- tests ---- */

static void a_list_lies_in_parts_and_leaves_none_behind(void **state)
{
	_cleanup_(buf_done) struct buf marks = {0};

	(void)state;
	keep(false, 1, 2 * PART_MARKS + 1);
	assert_int_equal(count("crl/"), 1);
	assert_int_equal(count("crl-part/"), 3);
	assert_true(is_whole(false));
	assert_int_equal(keeper_crl_part_get(&place.keeper, false, &place.crl.key_id, 2, &marks),
			 0);
	assert_int_equal(marks.size, CRLMARK_SIZE);
	assert_int_equal(keeper_crl_part_get(&place.keeper, false, &place.crl.key_id, 3, &marks),
			 ERR_NOT_FOUND);
	/* The one after it is shorter. */
	keep(false, 1, 5);
	assert_int_equal(count("crl-part/"), 1);
	assert_true(is_whole(false));
	keep(false, 1, 0);
	assert_int_equal(count("crl-part/"), 0);
	assert_true(is_whole(false));
	keep(false, 1, PART_MARKS);
	assert_int_equal(count("crl-part/"), 1);
	remove_list(false, 1, 1);
	assert_int_equal(count("crl/") + count("crl-part/"), 0);
}

static void what_stays_home_lies_beside_what_the_pair_shares(void **state)
{
	(void)state;
	keep(false, 1, 3);
	keep(true, 1, 4);
	assert_true(is_whole(true));
	assert_false(is_whole(false));
	remove_list(true, 1, 1);
	assert_int_equal(count("home-crl/") + count("home-crl-part/"), 0);
	/* Nobody else had it. */
	assert_int_equal(count("crl-gone/"), 0);
	assert_int_equal(count("crl/"), 1);
	keep(false, 1, 3);
	assert_true(is_whole(false));
}

static void a_part_that_is_lost_or_another_makes_a_damaged_list(void **state)
{
	(void)state;
	keep(false, 1, PART_MARKS + 1);
	/* What was seen of it before does not count. */
	assert_true(is_whole(false));
	spoil("crl-part/", "/00001", "another.");
	assert_false(is_whole(false));
	spoil("crl-part/", "/00001", NULL);
	assert_false(is_whole(false));
	keep(false, 1, PART_MARKS + 1);
	assert_true(is_whole(false));
}

static void a_head_that_cannot_be_read_is_an_error_and_goes_with_its_parts(void **state)
{
	unsigned n = 0;

	(void)state;
	keep(false, 2, 1);
	keep(false, 1, 2 * PART_MARKS);
	spoil("crl/", "", "\xff\xff");
	assert_null(keeper_crl_find(&place.keeper, false, &place.crl.key_id));
	assert_true(keeper_crl_exists(&place.keeper, false, place.key_id));
	assert_int_equal(keeper_crl_each(&place.keeper, false, count_one, &n), ERR_STORE);
	n = 0;
	assert_int_equal(keeper_crl_each_readable(&place.keeper, false, count_one, &n), 0);
	assert_int_equal(n, 1);
	/* It is no reason to refuse the one that heals it. */
	assert_int_equal(keeper_crl_check_room(&place.keeper, false, &place.crl, &place.why), 0);
	remove_list(false, 1, 1);
	assert_int_equal(count("crl/"), 1);
	assert_int_equal(count("crl-part/"), 1);
}

static void there_is_room_for_so_many_lists_and_again_at_home(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < KEEPER_CRLS_MAX; i++)
		keep(true, i, 0);
	be_list(100, KEEPER_CRL_ENTRIES_MAX);
	assert_int_equal(keeper_crl_check_room(&place.keeper, true, &place.crl, &place.why),
			 ERR_TOO_LARGE);
	assert_non_null(strstr(place.why.text, "asafo crl remove"));
	assert_int_equal(keeper_crl_check_room(&place.keeper, false, &place.crl, &place.why), 0);
	be_list(3, KEEPER_CRL_ENTRIES_MAX);
	assert_int_equal(keeper_crl_check_room(&place.keeper, true, &place.crl, &place.why), 0);
	keep(true, 4, 1);
	be_list(3, KEEPER_CRL_ENTRIES_MAX);
	assert_int_equal(keeper_crl_check_room(&place.keeper, true, &place.crl, &place.why),
			 ERR_TOO_LARGE);
}

static void that_one_was_removed_is_known_until_it_is_there_again(void **state)
{
	Asafo__Record__Crl *gone;

	(void)state;
	keep(false, 1, 3);
	remove_list(false, 1, 777);
	gone = keeper_crl_find_gone(&place.keeper, &place.crl.key_id);
	assert_non_null(gone);
	assert_int_equal(gone->removed_at, 777);
	keeper_crl_free(gone);
	keep(false, 1, 3);
	assert_null(keeper_crl_find_gone(&place.keeper, &place.crl.key_id));
	assert_int_equal(count("crl-gone/"), 0);
}

static void of_too_many_that_were_removed_the_eldest_is_forgotten(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < KEEPER_CRLS_MAX; i++)
		remove_list(false, i, i == 5 ? 100 : 1000 + i);
	remove_list(false, 7, 2000);
	assert_int_equal(count("crl-gone/"), KEEPER_CRLS_MAX);
	remove_list(false, 50, 2001);
	assert_int_equal(count("crl-gone/"), KEEPER_CRLS_MAX);
	be_list(5, 0);
	assert_null(keeper_crl_find_gone(&place.keeper, &place.crl.key_id));
}

/* ---- an auth helper that does not read ---- */

struct helper {
	sd_event *event;
	struct ipc_channel *channel;
	unsigned n_parts, n_resets, n_ends;
};

static struct helper helper;

static void on_told(struct ipc_channel *channel, struct ipc_frame *frame,
		    const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__CrlTell *told = (const Asafo__Ipc__CrlTell *)body;

	(void)channel;
	(void)userdata;
	assert_int_equal(frame->type, IPC_CRL_TELL);
	helper.n_parts += told->part != NULL;
	helper.n_resets += told->is_reset != 0;
	helper.n_ends += told->is_last != 0;
}

static void on_gone(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)userdata;
	fail_msg("the channel is closed: %d", code);
}

/* Until the channel takes no more. */
static unsigned fill_channel(struct ipc_channel *channel)
{
	static uint8_t marks[CRL_PART_SIZE];
	Asafo__Ipc__CrlTell message = ASAFO__IPC__CRL_TELL__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
	unsigned n = 0;
	int r;

	be_list(9, PART_MARKS);
	part.crl = &place.crl;
	part.marks = (ProtobufCBinaryData){sizeof(marks), marks};
	message.part = &part;
	while ((r = ipc_channel_send(channel, IPC_CRL_TELL, &message.base, NULL, 0)) == 0)
		n++;
	assert_int_equal(r, ERR_BUSY);
	return n;
}

static void what_the_auth_helper_could_not_be_told_it_is_told_again(void **state)
{
	static bool permitted[IPC_TYPE__MAX];
	static const struct ipc_channel_ops ops = {permitted, on_told, on_gone};
	struct keeper_peer peer = {.keeper = &place.keeper, .kind = IPC_PEER_AUTH};
	unsigned n;
	int fds[2];

	(void)state;
	keep(false, 1, 3);
	permitted[IPC_CRL_TELL] = true;
	helper = (struct helper){.n_parts = 0};
	assert_true(sd_event_new(&helper.event) >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ipc_channel_new(helper.event, fds[0], &ops, NULL, &peer.channel), 0);
	place.keeper.event = helper.event;
	place.keeper.peers = &peer;
	n = fill_channel(peer.channel);
	keeper_crl_tell(&place.keeper);
	assert_non_null(place.keeper.crls.retell);
	/* It reads again, and has none of the list. */
	assert_int_equal(ipc_channel_new(helper.event, fds[1], &ops, NULL, &helper.channel), 0);
	WAIT_ON(helper.event, helper.n_parts == n && ipc_channel_queued(peer.channel) == 0);
	assert_int_equal(helper.n_resets + helper.n_ends, 0);
	/* In a while. */
	assert_non_null(place.keeper.crls.retell);
	assert_true(sd_event_source_set_time_relative(place.keeper.crls.retell, 0) >= 0);
	WAIT_ON(helper.event, helper.n_ends == 1);
	assert_int_equal(helper.n_parts, n + 1);
	assert_int_equal(helper.n_resets, 1);
	assert_null(place.keeper.crls.retell);
	place.keeper.peers = NULL;
	ipc_channel_free(peer.channel);
	ipc_channel_free(helper.channel);
	sd_event_unref(helper.event);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_list_lies_in_parts_and_leaves_none_behind),
		TEST(what_stays_home_lies_beside_what_the_pair_shares),
		TEST(a_part_that_is_lost_or_another_makes_a_damaged_list),
		TEST(a_head_that_cannot_be_read_is_an_error_and_goes_with_its_parts),
		TEST(there_is_room_for_so_many_lists_and_again_at_home),
		TEST(that_one_was_removed_is_known_until_it_is_there_again),
		TEST(of_too_many_that_were_removed_the_eldest_is_forgotten),
		TEST(what_the_auth_helper_could_not_be_told_it_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
