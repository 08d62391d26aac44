/* SPDX-License-Identifier: Apache-2.0 */
/* The engine between its keeper, its mate and its operator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine_world.h"
#include "netns.h"
#include "failover/methods/methods.h"
#include "failover/replication/replication.h"

static const char import_request[] =
	"{\"method\":\"asafo.Import\",\"parameters\":{\"name\":\"vpn\"}}";

static void mate_asks(uint32_t id)
{
	Asafo__Wire__SyncRequest request = ASAFO__WIRE__SYNC_REQUEST__INIT;
	unsigned before = WORLD_GOT(SYNC_DONE);

	request.id = id;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_REQUEST, &request);
	WAIT_FOR(WORLD_GOT(SYNC_DONE) == before + 1);
}

static void mate_has(uint32_t id, const struct engine_position *position)
{
	Asafo__Wire__SyncResult result = ASAFO__WIRE__SYNC_RESULT__INIT;
	Asafo__Record__Position message = ASAFO__RECORD__POSITION__INIT;

	message.term = position->term;
	message.seq = position->seq;
	message.digest = (ProtobufCBinaryData){sizeof(position->digest),
					       (uint8_t *)(uintptr_t)position->digest};
	result.id = id;
	result.position = &message;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &result);
}

static void mate_commits(void)
{
	Asafo__Wire__SyncDone done = ASAFO__WIRE__SYNC_DONE__INIT;
	Asafo__Record__Position position = ASAFO__RECORD__POSITION__INIT;
	uint8_t digest[32] = {5};

	position.term = 101;
	position.seq = 5;
	position.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	done.id = WORLD_LAST_ID(SYNC_REQUEST);
	done.position = &position;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_DONE, &done);
}

static void an_import_is_said_to_be_on_both_only_when_a_later_replication_brought_it(void **state)
{
	struct engine_position before, after;
	int operator, writer, file[2];

	(void)state;
	world_be_active("failover replication trustpoint sync\n");
	before = world.engine->store.position;
	writer = world_ask("{\"method\":\"asafo.WriteStandby\"}", -1);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 1);
	mate_asks(WORLD_LAST_ID(SYNC_START)); /* the snapshot is taken */
	assert_int_equal(pipe(file), 0);
	world.keeper.holds[IPC_IMPORT] = true;
	operator= world_ask(import_request, file[0]);
	WAIT_FOR(world_keeper_has(IPC_IMPORT));
	world.keeper.position.seq = 2;
	world.keeper.position.digest[0] = 2;
	after = world.keeper.position;
	world_keeper_answer(IPC_IMPORT, 0);
	WAIT_FOR(world.engine->lacking.n == 1);
	world_keeper_moves(after.term, after.seq);
	mate_has(WORLD_LAST_ID(SYNC_START), &before);
	assert_non_null(strstr(world_answer(writer), "\"digest\""));
	WAIT_FOR(WORLD_GOT(SYNC_START) == 2);
	assert_int_equal(recv(operator, &(char){0}, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	mate_asks(WORLD_LAST_ID(SYNC_START));
	mate_has(WORLD_LAST_ID(SYNC_START), &after);
	assert_non_null(strstr(world_answer(operator), "durably"));
	(void)close(file[0]);
	(void)close(file[1]);
	(void)close(operator);
	(void)close(writer);
}

static void what_could_not_be_replicated_follows_when_the_link_is_back(void **state)
{
	struct link *link;

	(void)state;
	world_be_active("failover replication trustpoint async\n");
	link = world.mate.link;
	world.mate.link = NULL;
	link_free(link);
	WAIT_FOR(!link_is_up(world.engine->pair.link));
	world_keeper_moves(world.engine->fsm.term, 2);
	WAIT_FOR(world.engine->store.position.seq == 2);
	path_set_free(world.mate.paths);
	hello_codec_free(world.mate.codec);
	world.keeper.position.seq = 1; /* where the mate still is */
	world.keeper.position.digest[0] = 1;
	world_mate_appears(FO_STATE_STANDBY_READY);
	WAIT_FOR(world.mate.n_ups == 2);
	WAIT_FOR(WORLD_GOT(SYNC_START) > 0);
}

static void a_planned_switchover_waits_for_the_standbys_hello(void **state)
{
	struct engine_position after;
	int operator;

	(void)state;
	world_be_active("");
	world_keeper_moves(world.engine->fsm.term, 2);
	WAIT_FOR(world.engine->store.position.seq == 2);
	after = world.engine->store.position;
	operator= world_ask("{\"method\":\"asafo.FailoverStandby\"}", -1);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 1);
	mate_asks(WORLD_LAST_ID(SYNC_START));
	mate_has(WORLD_LAST_ID(SYNC_START), &after);
	WAIT_FOR(WORLD_GOT(SYNC_RESULT) == 1); /* acknowledged; its hellos do not say so yet */
	world.mate.says.view.position.seq = 2;
	world.mate.says.digest[0] = 2;
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	world.mate.says.view.state = FO_STATE_ACTIVE;
	world.mate.says.view.is_serving = true;
	world.mate.says.view.term = 101;
	assert_non_null(strstr(world_answer(operator), "standby"));
	(void)close(operator);
}

struct flushed {
	unsigned n;
	int code;
	uint64_t seq;
};

static void on_flushed(const struct replication_result *result, bool is_done, void *userdata)
{
	struct flushed *flushed = userdata;

	assert_true(is_done);
	flushed->n++;
	flushed->code = result->code;
	flushed->seq = result->seq;
}

static void a_flush_waits_for_what_the_one_under_way_does_not_bring(void **state)
{
	struct engine_position before, after;
	struct flushed flushed = {0};

	(void)state;
	world_be_active(""); /* import-time replication is off */
	before = world.engine->store.position;
	assert_int_equal(
		replication_push(world.engine->replication, "test", true, NULL, NULL, NULL), 0);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 1);
	mate_asks(WORLD_LAST_ID(SYNC_START));
	world_keeper_moves(world.engine->fsm.term, 2);
	WAIT_FOR(world.engine->store.position.seq == 2);
	after = world.engine->store.position;
	replication_flush(world.engine, 5000, on_flushed, &flushed);
	mate_has(WORLD_LAST_ID(SYNC_START), &before);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 2);
	assert_int_equal(flushed.n, 0);
	mate_asks(WORLD_LAST_ID(SYNC_START));
	mate_has(WORLD_LAST_ID(SYNC_START), &after);
	WAIT_FOR(flushed.n == 1);
	assert_int_equal(flushed.code, 0);
	assert_int_equal(flushed.seq, 2);
}

static void a_flush_ends_at_its_limit_and_says_at_once_when_there_is_no_mate(void **state)
{
	struct flushed slow = {0}, alone = {0};

	(void)state;
	world_be_active("");
	replication_flush(world.engine, 100, on_flushed, &slow); /* the mate never asks */
	WAIT_FOR(slow.n == 1);
	assert_int_equal(slow.code, ERR_TIMEOUT);
	link_free(TAKE_PTR(world.mate.link));
	WAIT_FOR(!link_is_up(world.engine->pair.link));
	replication_flush(world.engine, 5000, on_flushed, &alone);
	assert_int_equal(alone.n, 1);
	assert_int_equal(alone.code, ERR_NO_MATE);
}

static void a_mate_whose_hellos_stopped_is_not_waited_for_though_its_link_looks_well(void **state)
{
	struct flushed flushed = {0};
	int operator;

	(void)state;
	world_be_active("");
	world.mate.is_silent = true;
	WAIT_FOR(!engine_hears_mate(world.engine));
	assert_true(link_is_up(world.engine->pair.link));
	replication_flush(world.engine, 5000, on_flushed, &flushed);
	assert_int_equal(flushed.n, 1);
	assert_int_equal(flushed.code, ERR_NO_MATE);
	operator= world_ask("{\"method\":\"asafo.WriteStandby\"}", -1);
	assert_non_null(strstr(world_answer(operator), "no hello from it"));
	(void)close(operator);
}

static void a_command_is_not_undone_by_a_bulk_that_began_before_it(void **state)
{
	(void)state;
	world_be_staging("");
	world_mate_commands("hostname newer\n");
	mate_commits();
	WAIT_FOR(WORLD_GOT(SYNC_RESULT) == 1);
	assert_int_equal(world.mate.last_code, 0);
	assert_string_equal(world.engine->config->hostname, "newer");
}

static void a_bulk_brings_the_configuration(void **state)
{
	(void)state;
	world_be_staging("");
	mate_commits();
	WAIT_FOR(WORLD_GOT(SYNC_RESULT) == 1);
	assert_string_equal(world.engine->config->hostname, "staged");
	mate_has(WORLD_LAST_ID(SYNC_RESULT), &world.keeper.position);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	assert_int_equal(world.engine->fsm.position.seq, 5);
}

/* The mate stays the active one: it grants nothing. */
static void a_primary_asks_for_its_role_where_the_configuration_says_preempt(void **state)
{
	(void)state;
	world_be_staging("");
	mate_commits();
	WAIT_FOR(WORLD_GOT(SYNC_RESULT) == 1);
	mate_has(WORLD_LAST_ID(SYNC_RESULT), &world.keeper.position);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	world.mate.says.view.position = world.engine->fsm.position;
	WAIT_FOR(world.mate.heard.view.state == FO_STATE_STANDBY_READY);
	assert_false(world.mate.heard.view.wants_active);
	world_mate_commands("failover preempt delay 1\n");
	assert_int_equal(world.engine->fsm.params.preempt_delay_ms, 1000);
	WAIT_FOR(world.mate.heard.view.wants_active);
	world_mate_commands("no failover preempt\n");
	WAIT_FOR(!world.mate.heard.view.wants_active);
}

static void a_command_about_interfaces_leaves_the_link_up(void **state)
{
	unsigned downs;

	(void)state;
	world_be_staging("");
	downs = world.mate.n_downs;
	world_mate_commands("interface va\n nameif outside\n"
			    " ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n");
	assert_int_equal(path_set_count(world.engine->pair.paths), 3);
	WAIT_FOR(sd_event_run(world.event, 0) == 0);
	assert_int_equal(world.mate.n_downs, downs);
	assert_int_equal(world.mate.n_ups, 1);
	assert_int_equal(world.engine->fsm.state, FO_STATE_BULK_SYNC);
}

static void a_link_that_is_set_up_anew_ends_the_bulk_at_once(void **state)
{
	struct monotime begin;
	struct config *config;

	(void)state;
	world_be_staging("");
	assert_int_equal(config_copy(world.engine->config, &config), 0);
	config->failover.n_links = 0;
	begin = monotime_now();
	engine_apply_config(world.engine, config);
	WAIT_FOR(world.engine->fsm.state != FO_STATE_BULK_SYNC);
	assert_true(monotime_since(monotime_now(), begin) < MONOTIME_NS_PER_SEC);
	assert_false(replication_is_busy(world.engine->replication));
}

static void items_on_their_way_to_the_keeper_outlive_the_link(void **state)
{
	Asafo__Wire__SyncItems items = ASAFO__WIRE__SYNC_ITEMS__INIT;
	struct config *config;

	(void)state;
	world_be_staging("");
	world.keeper.holds[IPC_STAGE_ITEMS] = true;
	items.id = WORLD_LAST_ID(SYNC_REQUEST);
	for (int i = 0; i < 64; i++)
		world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_ITEMS, &items);
	WAIT_FOR(world.keeper.asked[IPC_STAGE_ITEMS] == 64);
	assert_int_equal(config_copy(world.engine->config, &config), 0);
	config->failover.n_links = 0;
	engine_apply_config(world.engine, config);
	assert_null(world.engine->pair.link);
	while (world_keeper_has(IPC_STAGE_ITEMS))
		world_keeper_answer(IPC_STAGE_ITEMS, 0);
	WAIT_FOR(world.engine->fsm.state != FO_STATE_BULK_SYNC);
}

static void a_new_keeper_leaves_the_link_and_the_hellos_alone(void **state)
{
	unsigned downs;
	uint64_t boot;

	(void)state;
	world_be_active("");
	boot = world.engine->pair.boot;
	downs = world.mate.n_downs;
	world_keeper_die();
	world_keeper_attach();
	WAIT_FOR(world.keeper.asked[IPC_LINK_KEYS] == 2 && world.keeper.n_held == 0);
	WAIT_FOR(sd_event_run(world.event, 0) == 0);
	assert_true(world.engine->pair.boot == boot);
	assert_int_equal(world.mate.n_downs, downs);
}

static void keys_that_cannot_be_read_after_a_step_of_a_rekey_are_asked_for_again(void **state)
{
	struct engine_rekey *rekey;
	unsigned asked;

	(void)state;
	world_be_active("");
	rekey = &world.engine->rekey;
	rekey->own.current = rekey->mate.current = 1;
	rekey->is_mate_known = true;
	WAIT_FOR(world.engine->pair.link && link_is_up(world.engine->pair.link));
	asked = world.keeper.asked[IPC_LINK_KEYS];
	world.keeper.codes[IPC_LINK_KEYS] = ERR_STORE;
	assert_int_equal(engine_rekey_start(world.engine, NULL, NULL, NULL), 0);
	WAIT_FOR(world.keeper.asked[IPC_LINK_KEYS] == asked + 1);
	WAIT_FOR(sd_event_run(world.event, 0) == 0);
	/* Nothing is begun with what was known before. */
	assert_true(rekey->is_busy && rekey->is_unread);
	world.keeper.codes[IPC_LINK_KEYS] = 0;
	assert_true(sd_event_source_set_time_relative(rekey->timer, 0) >= 0);
	WAIT_FOR(world.keeper.asked[IPC_LINK_KEYS] == asked + 2);
	WAIT_FOR(!rekey->is_busy && !rekey->is_unread);
}

static void a_keeper_that_cannot_read_its_keys_does_not_silence_the_engine(void **state)
{
	uint64_t counter;

	(void)state;
	world_be_active("");
	world_keeper_die();
	world.keeper.codes[IPC_LINK_KEYS] = world.keeper.codes[IPC_KEEPER_STATUS] = ERR_STORE;
	world_keeper_attach();
	WAIT_FOR(world.keeper.asked[IPC_LINK_KEYS] == 2);
	WAIT_FOR(world.engine->fsm.flags.is_store_failed);
	counter = world.mate.heard.counter;
	WAIT_FOR(world.mate.heard.counter > counter + 3);
	assert_true(world.engine->pair.has_keys);
}

static void a_store_that_failed_for_a_moment_is_asked_again(void **state)
{
	(void)state;
	world_be_active("");
	world.keeper.codes[IPC_KEEPER_STATUS] = ERR_BUSY;
	engine_store_refresh(world.engine);
	WAIT_FOR(world.engine->fsm.flags.is_store_failed);
	world.keeper.codes[IPC_KEEPER_STATUS] = 0;
	WAIT_FOR(!world.engine->fsm.flags.is_store_failed);
}

/* The engine was active in term 2, the mate in 101. */
static void meet_a_newer_active(void)
{
	world_start("");
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	world_keeper_moves(world.engine->fsm.term, 9);
	WAIT_FOR(world.engine->store.position.seq == 9);
	world.keeper.holds[IPC_ORPHAN_KEEP] = true;
	world_mate_appears(FO_STATE_ACTIVE);
	WAIT_FOR(world_keeper_has(IPC_ORPHAN_KEEP));
}

static void the_mates_state_does_not_come_before_what_only_this_unit_had_is_kept(void **state)
{
	(void)state;
	meet_a_newer_active();
	world_keeper_die();
	world_keeper_attach();
	WAIT_FOR(world_keeper_has(IPC_ORPHAN_KEEP)); /* again */
	assert_int_equal(WORLD_GOT(SYNC_REQUEST), 0);
	world_keeper_answer(IPC_ORPHAN_KEEP, -28);
	WAIT_FOR(world_keeper_has(IPC_ORPHAN_KEEP)); /* and again */
	assert_int_equal(WORLD_GOT(SYNC_REQUEST), 0);
	world_keeper_answer(IPC_ORPHAN_KEEP, 0);
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) > 0);
}

static void write_standby_does_not_come_before_it_either(void **state)
{
	Asafo__Wire__SyncStart start = ASAFO__WIRE__SYNC_START__INIT;

	(void)state;
	meet_a_newer_active();
	WAIT_FOR(world.mate.n_ups == 1);
	start.id = 77;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_START, &start);
	world_mate_commands("hostname later\n");
	assert_int_equal(WORLD_GOT(SYNC_REQUEST), 0);
	world_keeper_answer(IPC_ORPHAN_KEEP, 0);
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) == 1);
	assert_int_equal(WORLD_LAST_ID(SYNC_REQUEST), 77);
}

static void mate_answers_command(int code)
{
	Asafo__Wire__CommandResult result = ASAFO__WIRE__COMMAND_RESULT__INIT;
	char why[] = "no space left";

	result.id = WORLD_LAST_ID(COMMAND);
	result.code = code;
	result.why = why;
	world_mate_send(ASAFO__WIRE__LINK__BODY_COMMAND_RESULT, &result);
}

static void a_configuration_is_saved_on_the_mate_when_the_mate_says_so(void **state)
{
	static const int codes[] = {-28, 0};
	const char *text;
	unsigned n;
	int fd;

	(void)state;
	world_be_active("");
	for (size_t i = 0; i < 2; i++) {
		n = WORLD_GOT(COMMAND);
		fd = world_ask("{\"method\":\"asafo.WriteMemory\"}", -1);
		WAIT_FOR(WORLD_GOT(COMMAND) == n + 1);
		mate_answers_command(codes[i]);
		text = world_answer(fd);
		assert_true(!strstr(text, "\"saved\"") == (codes[i] < 0));
		assert_true(!strstr(text, "no space left") == (codes[i] == 0));
		(void)close(fd);
	}
	fd = world_ask("{\"method\":\"asafo.WriteMemory\"}", -1);
	WAIT_FOR(WORLD_GOT(COMMAND) == n + 2);
	link_free(world.mate.link);
	world.mate.link = NULL;
	assert_non_null(strstr(world_answer(fd), "not reachable"));
	(void)close(fd);
}

static void a_standby_says_saved_when_it_is_on_its_disk(void **state)
{
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	char kind[] = "write-memory";

	(void)state;
	world_be_staging("");
	world.keeper.holds[IPC_FILE_WRITE] = true;
	command.id = 5;
	command.kind = kind;
	world_mate_send(ASAFO__WIRE__LINK__BODY_COMMAND, &command);
	WAIT_FOR(world_keeper_has(IPC_FILE_WRITE));
	assert_int_equal(WORLD_GOT(COMMAND_RESULT), 0);
	world_keeper_answer(IPC_FILE_WRITE, -28);
	WAIT_FOR(WORLD_GOT(COMMAND_RESULT) == 1);
	assert_int_equal(WORLD_LAST_ID(COMMAND_RESULT), 5);
	assert_int_equal(world.mate.last_code, -28);
}

static void a_removal_that_fails_keeps_the_bindings(void **state)
{
	static const char request[] = "{\"method\":\"asafo.Remove\",\"parameters\":"
				      "{\"name\":\"vpn\",\"force\":true}}";
	int fd;

	(void)state;
	world_be_active("ssl trust-point vpn\n");
	assert_int_equal(world.engine->config->n_bindings, 1);
	world.keeper.codes[IPC_REMOVE] = -28;
	fd = world_ask(request, -1);
	assert_non_null(strstr(world_answer(fd), "error"));
	(void)close(fd);
	assert_int_equal(world.engine->config->n_bindings, 1);
	world.keeper.codes[IPC_REMOVE] = 0;
	fd = world_ask(request, -1);
	assert_null(strstr(world_answer(fd), "error"));
	(void)close(fd);
	assert_int_equal(world.engine->config->n_bindings, 0);
}

/* A port of a bridge carries no macvlan. */
static void a_mac_address_that_the_kernel_refuses_costs_no_address(void **state)
{
	const struct vip_address *held;
	bool is_there = false;
	size_t n;
	int fd;

	(void)state;
	assert_int_equal(netns_run("ip link add port0 type veth peer name port1"), 0);
	assert_int_equal(netns_run("ip link add bridge0 type bridge"), 0);
	assert_int_equal(netns_run("ip link set port0 master bridge0 up"), 0);
	world_start("interface port0\n nameif test\n ip address 198.51.100.10 255.255.255.0\n"
		    "failover mac address port0 0200.0000.0001 0200.0000.0002\n");
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	held = vip_current(world.engine->addresses.vip, &n);
	for (size_t i = 0; i < n; i++)
		is_there |= held[i].is_active && strcmp(held[i].device, "port0") == 0;
	assert_true(is_there);
	fd = world_ask("{\"method\":\"asafo.ShowFailover\"}", -1);
	assert_non_null(strstr(world_answer(fd), "the virtual MAC address of port0 cannot be set"));
	(void)close(fd);
	assert_int_equal(netns_run("ip link delete bridge0"), 0);
	assert_int_equal(netns_run("ip link delete port0"), 0);
}

static void an_engine_may_end_whatever_is_under_way(void **state)
{
	int file[2], fds[4];

	(void)state;
	world_be_active("failover replication trustpoint sync\n");
	memset(world.keeper.holds, 1, sizeof(world.keeper.holds));
	assert_int_equal(pipe(file), 0);
	fds[0] = world_ask("{\"method\":\"asafo.WriteStandby\"}", -1);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 1);
	fds[1] = world_ask("{\"method\":\"asafo.PairOffer\",\"more\":true}", -1);
	fds[2] = world_ask(import_request, file[0]);
	fds[3] = world_ask("{\"method\":\"asafo.FailoverActive\"}", -1);
	engine_store_refresh(world.engine);
	engine_keys_refresh(world.engine);
	world.engine->store.has_fallback = false;
	replication_on_active(world.engine->replication);
	WAIT_FOR(world_keeper_has(IPC_PAIR_OFFER) && world_keeper_has(IPC_IMPORT) &&
		 world_keeper_has(IPC_FALLBACK_MAKE));
	engine_free(world.engine);
	world.engine = NULL;
	for (size_t i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(file[0]);
	(void)close(file[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_import_is_said_to_be_on_both_only_when_a_later_replication_brought_it),
		TEST(what_could_not_be_replicated_follows_when_the_link_is_back),
		TEST(a_planned_switchover_waits_for_the_standbys_hello),
		TEST(a_flush_waits_for_what_the_one_under_way_does_not_bring),
		TEST(a_flush_ends_at_its_limit_and_says_at_once_when_there_is_no_mate),
		TEST(a_mate_whose_hellos_stopped_is_not_waited_for_though_its_link_looks_well),
		TEST(a_command_is_not_undone_by_a_bulk_that_began_before_it),
		TEST(a_bulk_brings_the_configuration),
		TEST(a_primary_asks_for_its_role_where_the_configuration_says_preempt),
		TEST(a_command_about_interfaces_leaves_the_link_up),
		TEST(a_link_that_is_set_up_anew_ends_the_bulk_at_once),
		TEST(items_on_their_way_to_the_keeper_outlive_the_link),
		TEST(a_new_keeper_leaves_the_link_and_the_hellos_alone),
		TEST(keys_that_cannot_be_read_after_a_step_of_a_rekey_are_asked_for_again),
		TEST(a_keeper_that_cannot_read_its_keys_does_not_silence_the_engine),
		TEST(a_store_that_failed_for_a_moment_is_asked_again),
		TEST(the_mates_state_does_not_come_before_what_only_this_unit_had_is_kept),
		TEST(write_standby_does_not_come_before_it_either),
		TEST(a_configuration_is_saved_on_the_mate_when_the_mate_says_so),
		TEST(a_standby_says_saved_when_it_is_on_its_disk),
		TEST(a_removal_that_fails_keeps_the_bindings),
		TEST(a_mac_address_that_the_kernel_refuses_costs_no_address),
		TEST(an_engine_may_end_whatever_is_under_way),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
