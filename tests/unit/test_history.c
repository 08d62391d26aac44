/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine remembers and compares, without the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "failover/engine/engine.h"
#include "failover/engine/history.h"

static void add(struct history *history, uint64_t at)
{
	struct history_row row = {.realtime_ns = at,
				  .from = FO_STATE_NEGOTIATION,
				  .to = FO_STATE_ACTIVE,
				  .reason = FO_REASON_NO_ACTIVE_FOUND};

	history_add(history, &row);
}

static void an_empty_history_has_no_row(void **state)
{
	struct history history = {0};

	(void)state;
	assert_null(history_get(&history, 0));
	assert_null(history_get(&history, SIZE_MAX));
}

static void rows_come_back_as_they_happened_oldest_first(void **state)
{
	struct history history = {0};

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		add(&history, 100 + i);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(history_get(&history, i)->realtime_ns, 100 + i);
	assert_null(history_get(&history, 3));
	assert_int_equal(history_get(&history, 0)->from, FO_STATE_NEGOTIATION);
	assert_int_equal(history_get(&history, 0)->to, FO_STATE_ACTIVE);
	assert_int_equal(history_get(&history, 0)->reason, FO_REASON_NO_ACTIVE_FOUND);
}

/* At every fill level, once round and beyond: the newest rows stay, and their order. */
static void a_full_history_forgets_the_oldest_row_only(void **state)
{
	struct history history = {0};

	(void)state;
	for (uint64_t n = 1; n <= 3 * HISTORY_ROWS + 1; n++) {
		uint64_t kept = n < HISTORY_ROWS ? n : HISTORY_ROWS;

		add(&history, n);
		for (uint64_t i = 0; i < kept; i++)
			assert_int_equal(history_get(&history, i)->realtime_ns, n - kept + 1 + i);
		assert_null(history_get(&history, kept));
	}
}

static void a_position_without_its_whole_digest_is_no_parity(void **state)
{
	uint8_t digest[ENGINE_DIGEST_SIZE];
	Asafo__Record__Position message = ASAFO__RECORD__POSITION__INIT;
	struct engine_position whole, cut, nothing;

	(void)state;
	memset(digest, 0x5a, sizeof(digest));
	message.term = 3;
	message.seq = 7;
	message.count = 2;
	message.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	whole = engine_position_from(&message);
	message.digest.len--;
	cut = engine_position_from(&message);
	nothing = engine_position_from(NULL);
	assert_int_equal(whole.term, 3);
	assert_int_equal(whole.seq, 7);
	assert_int_equal(whole.count, 2);
	assert_memory_equal(whole.digest, digest, sizeof(digest));
	assert_true(engine_position_equal(&whole, &whole));
	assert_false(engine_position_equal(&whole, &cut));
	assert_false(engine_position_equal(&whole, &nothing));
}

static void equal_positions_agree_in_term_sequence_and_digest(void **state)
{
	struct engine_position a = {.term = 3, .seq = 7, .count = 2}, b = a;

	(void)state;
	b.count = 0; /* a hello does not carry it */
	assert_true(engine_position_equal(&a, &b));
	b.term++;
	assert_false(engine_position_equal(&a, &b));
	b = a;
	b.seq--;
	assert_false(engine_position_equal(&a, &b));
	b = a;
	b.digest[ENGINE_DIGEST_SIZE - 1] ^= 1;
	assert_false(engine_position_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_history_has_no_row),
		cmocka_unit_test(rows_come_back_as_they_happened_oldest_first),
		cmocka_unit_test(a_full_history_forgets_the_oldest_row_only),
		cmocka_unit_test(a_position_without_its_whole_digest_is_no_parity),
		cmocka_unit_test(equal_positions_agree_in_term_sequence_and_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
