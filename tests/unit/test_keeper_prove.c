/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's proof that a key can be used; that it can after another master key came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>

#include "base/err.h"
#include "tests/unit/keeper_verbs.h"

static Asafo__Ipc__ProveReply *ask(struct unit *unit, const Asafo__Ipc__Prove *request)
{
	Asafo__Ipc__ProveReply *reply = (Asafo__Ipc__ProveReply *)unit_call(
		unit->engine, IPC_PROVE, &request->base, NULL, 0);

	assert_non_null(reply);
	assert_int_equal(reply->status->code, 0);
	return reply;
}

static void import(struct unit *unit, const char *name, const char *algorithm)
{
	make_pkcs12(unit->directory, name, algorithm);
	assert_int_equal(keeper_import(unit, (struct import){.name = name, .file = name}, NULL), 0);
}

static void every_kind_of_key_is_proven_at_a_time_of_now(void **state)
{
	static const struct {
		const char *name, *algorithm;
	} kinds[] = {
		{"a-rsa", "rsa:2048"},
		{"b-p256", "ec -pkeyopt ec_paramgen_curve:P-256"},
		{"c-p521", "ec -pkeyopt ec_paramgen_curve:P-521"},
		{"d-ed25519", "ed25519"},
	};
	struct unit *unit = *state;
	Asafo__Ipc__Prove request = ASAFO__IPC__PROVE__INIT;
	Asafo__Ipc__ProveReply *reply;
	int64_t before = (int64_t)time(NULL);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		import(unit, kinds[i].name, kinds[i].algorithm);
	request.max_ms = 10000;
	reply = ask(unit, &request);
	assert_int_equal(reply->n_proofs, sizeof(kinds) / sizeof(kinds[0]));
	assert_true(reply->is_last);
	for (size_t i = 0; i < reply->n_proofs; i++) {
		const Asafo__Ipc__Proof *proof = reply->proofs[i];

		assert_string_equal(proof->name, kinds[i].name);
		assert_string_equal(proof->why, "");
		assert_int_equal(proof->code, 0);
		assert_true(proof->is_replicated);
		assert_int_equal(proof->digest.len, 32);
		assert_int_equal(proof->fingerprint.len, 32);
		assert_true(proof->at >= before);
	}
	asafo__ipc__prove_reply__free_unpacked(reply, NULL);
}

static void a_list_that_takes_too_long_goes_on_where_it_ended(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__Prove request = ASAFO__IPC__PROVE__INIT;
	Asafo__Ipc__ProveReply *reply;
	char after[64] = "";
	static const char *const names[] = {"a", "b", "c"};

	for (size_t i = 0; i < 3; i++)
		import(unit, names[i], "ec -pkeyopt ec_paramgen_curve:P-256");
	for (size_t i = 0; i < 3; i++) {
		request.after = after;
		request.max_ms = 0; /* one in any case */
		reply = ask(unit, &request);
		assert_int_equal(reply->n_proofs, 1);
		assert_string_equal(reply->proofs[0]->name, names[i]);
		assert_false(reply->is_last);
		(void)snprintf(after, sizeof(after), "%s", reply->proofs[0]->name);
		asafo__ipc__prove_reply__free_unpacked(reply, NULL);
	}
	reply = ask(unit, &request);
	assert_int_equal(reply->n_proofs, 0);
	assert_true(reply->is_last);
	asafo__ipc__prove_reply__free_unpacked(reply, NULL);
}

static void names_are_proven_in_their_order_and_a_missing_one_is_said_to_be(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__Prove request = ASAFO__IPC__PROVE__INIT;
	Asafo__Ipc__ProveReply *reply;
	char vpn[] = "vpn", none[] = "none", strange[] = "../strange";
	char *names[] = {none, vpn, strange};

	import(unit, "vpn", "rsa:2048");
	request.names = names;
	request.n_names = 3;
	request.max_ms = 10000;
	reply = ask(unit, &request);
	assert_int_equal(reply->n_proofs, 3);
	assert_true(reply->is_last);
	assert_int_equal(reply->proofs[0]->code, ERR_NOT_FOUND);
	assert_int_equal(reply->proofs[0]->digest.len, 0);
	assert_non_null(strstr(reply->proofs[0]->why, "none of this name"));
	assert_int_equal(reply->proofs[1]->code, 0);
	assert_string_equal(reply->proofs[1]->name, "vpn");
	assert_int_equal(reply->proofs[2]->code, ERR_NOT_FOUND);
	asafo__ipc__prove_reply__free_unpacked(reply, NULL);
}

static void both_units_of_a_pair_prove_the_same_record(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__Prove request = ASAFO__IPC__PROVE__INIT;
	Asafo__Ipc__ProveReply *here, *there;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	import(&units[0], "vpn", "rsa:2048");
	assert_true(keeper_replicate(&units[0], &units[1]) >= 0);
	here = ask(&units[0], &request);
	there = ask(&units[1], &request);
	assert_int_equal(there->n_proofs, 1);
	assert_int_equal(there->proofs[0]->code, 0);
	assert_memory_equal(here->proofs[0]->digest.data, there->proofs[0]->digest.data, 32);
	asafo__ipc__prove_reply__free_unpacked(here, NULL);
	asafo__ipc__prove_reply__free_unpacked(there, NULL);
}

static int master_key_step(struct unit *unit, Asafo__Ipc__MasterKey__Step step, bool *ret_changed)
{
	Asafo__Ipc__MasterKey request = ASAFO__IPC__MASTER_KEY__INIT;
	const Asafo__Ipc__MasterKeyReply *reply;
	ProtobufCMessage *message;
	int r;

	request.step = step;
	message = unit_call(unit->engine, IPC_MASTER_KEY, &request.base, NULL, 0);
	reply = (const Asafo__Ipc__MasterKeyReply *)message;
	r = reply->status->code;
	*ret_changed = reply->is_changed;
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static void another_master_key_is_used_at_once_and_after_a_crash(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *part;
	bool is_changed = false;

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "a", .file = "vpn"}, NULL), 0);
	assert_true(run("cp %s/state/master.key %s/old.key", unit->directory, unit->directory));
	assert_int_equal(master_key_step(unit, ASAFO__IPC__MASTER_KEY__STEP__ROTATE, &is_changed),
			 0);
	assert_true(is_changed);
	unit_kill(unit);
	assert_true(
		run("! cmp -s %s/state/master.key %s/old.key", unit->directory, unit->directory));
	unit_start(unit);
	part = keeper_certificate(unit->front, "a");
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256), 0);
	keeper_part_free(part);
	/* It is a file, and without a credential the file stays. */
	assert_int_equal(master_key_step(unit, ASAFO__IPC__MASTER_KEY__STEP__TO_FILE, &is_changed),
			 0);
	assert_false(is_changed);
	assert_int_equal(
		master_key_step(unit, ASAFO__IPC__MASTER_KEY__STEP__DROP_FILE, &is_changed), 0);
	assert_false(is_changed);
	assert_true(run("test -s %s/state/master.key", unit->directory));
	assert_int_equal(master_key_step(unit, (Asafo__Ipc__MasterKey__Step)9, &is_changed),
			 ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_of_key_is_proven_at_a_time_of_now,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(a_list_that_takes_too_long_goes_on_where_it_ended,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(
			names_are_proven_in_their_order_and_a_missing_one_is_said_to_be,
			keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(both_units_of_a_pair_prove_the_same_record,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(
			another_master_key_is_used_at_once_and_after_a_crash, keepers_setup,
			keepers_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
