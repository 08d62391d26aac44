/* SPDX-License-Identifier: Apache-2.0 */
/* The hello datagram, from the outside: what a mate, a recorder and a stranger can make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "core/hello.h"
#include "core/hello_body.h"
#include "failover/core/wire.pb-c.h"
#include "tests/unit/hello_pair.h"

static struct hello sample(void)
{
	struct hello hello = {
		.view = {.state = FO_STATE_STANDBY_READY,
			 .term = 41,
			 .position =
				 {.term = 40, .seq = 1234, .lineage = UINT64_MAX, .has_data = true},
			 .health = {.score = 980,
				    .failed_interfaces = 2,
				    .is_failing = true,
				    .cause = FO_CAUSE_TRACK},
			 .is_maintenance = true,
			 .is_forced = true,
			 .may_activate = true,
			 .wants_active = true,
			 .is_serving = true,
			 .served_term = 39,
			 .stretch = {.asked_ms = 24, .fence_ms = 12, .judged_ms = 48},
			 .hold_ms = 15000},
		.sent_realtime_ns = 1234567890,
		.software = "0.1.0",
	};

	memset(hello.digest, 0x5a, sizeof(hello.digest));
	return hello;
}

static struct datagram seal(struct hello_codec *codec)
{
	struct hello hello = sample();

	return seal_hello(codec, &hello);
}

static void acquaint(struct hello_codec *a, struct hello_codec *b)
{
	struct hello hello = sample();

	acquaint_by(a, b, &hello);
}

static void what_is_sealed_is_what_is_opened(void **state)
{
	struct pair *pair = *state;
	struct hello hello, sent = sample();
	struct datagram datagram;
	bool is_current;

	acquaint(pair->a, pair->b);
	datagram = seal(pair->a);
	assert_int_equal(take(pair->b, 3, &datagram, &hello, &is_current), 0);
	assert_true(is_current);
	assert_true(hello.is_newest);
	assert_int_equal(hello.unit, FO_UNIT_PRIMARY);
	assert_int_equal(hello.boot, BOOT_A);
	assert_int_equal(hello.counter, 3);
	assert_int_equal(hello.echo_boot, BOOT_B);
	assert_int_equal(hello.echo_counter, 1);
	assert_int_equal(hello.view.state, sent.view.state);
	assert_int_equal(hello.view.term, 41);
	assert_int_equal(hello.view.position.term, 40);
	assert_int_equal(hello.view.position.seq, 1234);
	assert_true(hello.view.position.lineage == UINT64_MAX);
	assert_true(hello.view.position.has_data);
	assert_int_equal(hello.view.health.failed_interfaces, 2);
	assert_int_equal(hello.view.health.score, 980);
	assert_true(hello.view.health.is_failing);
	assert_int_equal(hello.view.health.cause, FO_CAUSE_TRACK);
	assert_true(hello.view.is_maintenance && hello.view.is_forced);
	assert_true(hello.view.may_activate && hello.view.wants_active && hello.view.is_serving);
	assert_int_equal(hello.view.served_term, 39);
	assert_int_equal(hello.view.stretch.asked_ms, 24);
	assert_int_equal(hello.view.stretch.fence_ms, 12);
	assert_int_equal(hello.view.stretch.judged_ms, 48);
	assert_false(hello.view.is_leaving || hello.view.wants_mate_active);
	assert_memory_equal(hello.digest, sent.digest, sizeof(sent.digest));
	assert_int_equal(hello.sent_realtime_ns, sent.sent_realtime_ns);
	assert_int_equal(hello.view.hold_ms, 15000);
	assert_string_equal(hello.software, "0.1.0");
}

static void a_version_without_a_score_is_judged_by_its_failed_interfaces(void **state)
{
	static const struct {
		uint32_t failed, score;
		bool is_failing;
	} CASES[] = {{0, 1000, false}, {3, 970, true}, {UINT32_MAX, 501, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		Asafo__Wire__Hello message = ASAFO__WIRE__HELLO__INIT;
		uint8_t digest[32] = {0}, data[HELLO_SIZE_MAX];
		struct hello hello;

		message.digest = (ProtobufCBinaryData){sizeof(digest), digest};
		message.failed_interfaces = CASES[i].failed;
		assert_true(asafo__wire__hello__get_packed_size(&message) <= sizeof(data));
		assert_int_equal(
			hello_body_unpack(data, asafo__wire__hello__pack(&message, data), &hello),
			0);
		assert_int_equal(hello.view.health.score, CASES[i].score);
		assert_int_equal(hello.view.health.is_failing, CASES[i].is_failing);
	}
}

static void a_cause_of_a_later_version_reads_as_an_interface(void **state)
{
	Asafo__Wire__Hello message = ASAFO__WIRE__HELLO__INIT;
	uint8_t digest[32] = {0}, data[HELLO_SIZE_MAX];
	struct hello hello;

	(void)state;
	message.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	message.score = 971;
	message.failing = true;
	message.failing_cause = FO_CAUSE__MAX;
	assert_int_equal(hello_body_unpack(data, asafo__wire__hello__pack(&message, data), &hello),
			 0);
	assert_int_equal(hello.view.health.cause, FO_CAUSE_INTERFACES);
	assert_true(hello.view.health.is_failing);
}

static void the_contents_are_not_readable_on_the_wire(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = seal(pair->a);

	assert_null(memmem(datagram.data, datagram.size, "0.1.0", 5));
}

static void another_key_is_an_integrity_error(void **state)
{
	struct pair *pair = *state;
	uint8_t other[HELLO_KEY_SIZE] = "another key";
	struct hello_codec *stranger = NULL;
	struct datagram datagram;

	assert_int_equal(hello_codec_new(other, FO_UNIT_PRIMARY, BOOT_A, &stranger), 0);
	datagram = seal(stranger);
	assert_int_equal(take_code(pair->b, 0, &datagram), ERR_INTEGRITY);
	hello_codec_free(stranger);
}

static void every_flipped_bit_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram;

	acquaint(pair->a, pair->b);
	datagram = seal(pair->a);
	for (size_t i = 0; i < datagram.size * 8; i++) {
		datagram.data[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_true(take_code(pair->b, 0, &datagram) < 0);
		datagram.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(take_code(pair->b, 0, &datagram), 0);
}

static void another_version_is_named_as_such(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = seal(pair->a);

	datagram.data[4] = HELLO_VERSION + 1;
	assert_int_equal(take_code(pair->b, 0, &datagram), ERR_VERSION);
}

static void every_truncation_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = seal(pair->a);

	for (size_t size = 0; size < datagram.size; size++) {
		struct datagram cut = datagram;

		cut.size = size;
		assert_true(take_code(pair->b, 0, &cut) < 0);
	}
	assert_int_equal(take_code(pair->b, 0, &datagram), 0);
}

static void a_path_that_does_not_exist_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = seal(pair->a);

	assert_true(take_code(pair->b, HELLO_PATHS_MAX, &datagram) < 0);
}

static void a_replay_is_refused_on_the_same_path_only(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	datagram = seal(pair->a);
	assert_int_equal(take(pair->b, 0, &datagram, &hello, &is_current), 0);
	assert_true(hello.is_newest);
	assert_int_equal(take_code(pair->b, 0, &datagram), ERR_EXISTS);
	assert_int_equal(take(pair->b, 1, &datagram, &hello, &is_current), 0);
	assert_true(is_current);
	assert_false(hello.is_newest);
	assert_int_equal(take_code(pair->b, 1, &datagram), ERR_EXISTS);
}

static void a_copy_on_another_path_says_the_same_and_an_altered_one_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram, altered;
	struct hello first, hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	datagram = seal(pair->a);
	assert_int_equal(take(pair->b, 0, &datagram, &first, &is_current), 0);
	for (size_t bit = 0; bit < datagram.size * 8; bit++) {
		altered = datagram;
		altered.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(take_code(pair->b, 1, &altered) < 0);
	}
	altered = datagram;
	altered.size--;
	assert_true(take_code(pair->b, 1, &altered) < 0);
	assert_int_equal(take(pair->b, 1, &datagram, &hello, &is_current), 0);
	assert_true(is_current);
	assert_true(first.is_newest && !hello.is_newest);
	assert_int_equal(hello.counter, first.counter);
	assert_int_equal(hello.boot, first.boot);
	assert_int_equal(hello.view.state, first.view.state);
	assert_memory_equal(hello.digest, first.digest, sizeof(hello.digest));
	assert_string_equal(hello.software, first.software);
}

static void reordering_is_borne_within_sixty_four_counters(void **state)
{
	struct pair *pair = *state;
	struct datagram datagrams[70];
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	for (size_t i = 0; i < 70; i++)
		datagrams[i] = seal(pair->a);
	assert_int_equal(take_code(pair->b, 0, &datagrams[69]), 0);
	assert_int_equal(take(pair->b, 0, &datagrams[6], &hello, &is_current), 0);
	assert_false(hello.is_newest);
	assert_int_equal(take_code(pair->b, 0, &datagrams[6]), ERR_EXISTS);
	assert_int_equal(take_code(pair->b, 0, &datagrams[5]), ERR_EXISTS);
	assert_int_equal(take_code(pair->b, 0, &datagrams[68]), 0);
}

static void our_own_datagram_reflected_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = seal(pair->a);

	assert_int_equal(take_code(pair->a, 0, &datagram), ERR_EXISTS);
	datagram.data[5] = FO_UNIT_SECONDARY;
	assert_int_equal(take_code(pair->a, 0, &datagram), ERR_INTEGRITY);
}

static void a_recording_from_before_our_start_is_not_believed(void **state)
{
	struct pair *pair = *state;
	struct datagram recorded;
	struct hello_codec *restarted;
	struct hello hello;
	bool is_current = true;

	acquaint(pair->a, pair->b);
	recorded = seal(pair->a);
	restarted = codec_of(FO_UNIT_SECONDARY, BOOT_B2);
	assert_int_equal(take(restarted, 0, &recorded, &hello, &is_current), 0);
	assert_false(is_current);
	assert_false(hello.is_newest);
	acquaint(pair->a, restarted);
	hello_codec_free(restarted);
}

static void a_rebooted_mate_is_believed_again_after_one_exchange(void **state)
{
	struct pair *pair = *state;
	struct hello_codec *restarted = codec_of(FO_UNIT_SECONDARY, BOOT_B2);
	struct datagram one, two, three;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	one = seal(restarted);
	assert_int_equal(take(pair->a, 0, &one, &hello, &is_current), 0);
	assert_false(is_current);
	two = seal(pair->a);
	assert_int_equal(take(restarted, 0, &two, &hello, &is_current), 0);
	three = seal(restarted);
	assert_int_equal(take(pair->a, 0, &three, &hello, &is_current), 0);
	assert_true(is_current);
	assert_true(hello.is_newest);
	hello_codec_free(restarted);
}

/* The new boot was proven by an older counter of ours than the one that the old boot heard last. */
static void the_last_words_of_a_boot_do_not_displace_the_next_one(void **state)
{
	struct pair *pair = *state;
	struct hello_codec *restarted = codec_of(FO_UNIT_SECONDARY, BOOT_B2);
	struct datagram early, late, last_words, proof;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	early = seal(pair->a);
	late = seal(pair->a);
	assert_int_equal(take_code(pair->b, 0, &late), 0);
	last_words = seal(pair->b);
	assert_int_equal(take_code(restarted, 0, &early), 0);
	proof = seal(restarted);
	assert_int_equal(take(pair->a, 0, &proof, &hello, &is_current), 0);
	assert_true(is_current);
	assert_int_equal(take(pair->a, 0, &last_words, &hello, &is_current), 0);
	assert_false(is_current);
	hello_codec_free(restarted);
}

static void a_boot_that_a_later_one_replaced_is_never_believed_again(void **state)
{
	struct pair *pair = *state;
	struct hello_codec *restarted = codec_of(FO_UNIT_SECONDARY, BOOT_B2);
	struct datagram withheld, one, two, three;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	withheld = seal(pair->b);
	one = seal(restarted);
	assert_int_equal(take_code(pair->a, 0, &one), 0);
	two = seal(pair->a);
	assert_int_equal(take_code(restarted, 0, &two), 0);
	three = seal(restarted);
	assert_int_equal(take(pair->a, 0, &three, &hello, &is_current), 0);
	assert_true(is_current);
	assert_int_equal(take(pair->a, 0, &withheld, &hello, &is_current), 0);
	assert_false(is_current);
	hello_codec_free(restarted);
}

static void the_last_words_of_a_boot_never_believed_do_not_displace_the_next_one(void **state)
{
	struct pair *pair = *state;
	struct hello_codec *restarted = codec_of(FO_UNIT_SECONDARY, BOOT_B2);
	struct datagram early = seal(pair->a), later = seal(pair->a), last, first;
	struct hello hello;
	bool is_current;

	assert_int_equal(take_code(pair->b, 0, &later), 0);
	last = seal(pair->b);
	assert_int_equal(take_code(restarted, 0, &early), 0);
	first = seal(restarted);
	assert_int_equal(take(pair->a, 0, &first, &hello, &is_current), 0);
	assert_true(is_current);
	assert_int_equal(take(pair->a, 0, &last, &hello, &is_current), 0);
	assert_false(is_current);
	hello_codec_free(restarted);
}

static void replayed_candidates_do_not_displace_the_proven_mate(void **state)
{
	struct pair *pair = *state;
	struct hello hello;
	struct datagram datagram;
	bool is_current;

	acquaint(pair->a, pair->b);
	for (uint64_t boot = 1; boot <= 20; boot++) {
		struct hello_codec *old = codec_of(FO_UNIT_PRIMARY, boot);

		datagram = seal(old);
		assert_int_equal(take(pair->b, 0, &datagram, &hello, &is_current), 0);
		assert_false(is_current);
		hello_codec_free(old);
	}
	datagram = seal(pair->a);
	assert_int_equal(take(pair->b, 0, &datagram, &hello, &is_current), 0);
	assert_true(is_current && hello.is_newest);
}

static void random_bytes_are_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram = {.size = HELLO_SIZE_MAX};
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 20000; i++) {
		for (size_t j = 0; j < sizeof(datagram.data); j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			datagram.data[j] = (uint8_t)x;
		}
		datagram.size = (size_t)(x % (HELLO_SIZE_MAX + 1));
		if (i % 2) {
			memcpy(datagram.data, "AFHO", 4);
			datagram.data[4] = HELLO_VERSION;
			datagram.data[5] &= 1;
		}
		assert_true(take_code(pair->a, 0, &datagram) < 0);
	}
}

static void a_body_outside_its_ranges_is_malformed(void **state)
{
	struct hello hello = sample(), unpacked;
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;

	(void)state;
	hello.view.state = FO_STATE__MAX;
	assert_int_equal(hello_body_pack(&hello, sizeof(data), data, &size), 0);
	assert_int_equal(hello_body_unpack(data, size, &unpacked), ERR_MALFORMED);
	hello = sample();
	hello.unit = FO_UNIT__MAX;
	assert_int_equal(hello_body_pack(&hello, sizeof(data), data, &size), 0);
	assert_int_equal(hello_body_unpack(data, size, &unpacked), ERR_MALFORMED);
	assert_int_equal(hello_body_unpack(data, 0, &unpacked), ERR_MALFORMED);
}

/* What only a newer version says is passed over, whatever type it has (protobuf's four). */
static void fields_of_a_newer_version_are_ignored(void **state)
{
	static const uint8_t newer[] = {0xc0, 0x3e, 0x96, 0x01,		  /* 1000: varint */
					0xca, 0x3e, 0x03, 'n',	'e', 'w', /* 1001: bytes */
					0xd5, 0x3e, 1,	  2,	3,   4,	  /* 1002: 32 bits */
					0xd9, 0x3e, 1,	  2,	3,   4,
					5,    6,    7,	  8}; /* 1003: 64 */
	struct hello hello = sample(), unpacked = {0};
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;

	(void)state;
	assert_int_equal(hello_body_pack(&hello, sizeof(data) - sizeof(newer), data, &size), 0);
	memcpy(data + size, newer, sizeof(newer));
	assert_int_equal(hello_body_unpack(data, size + sizeof(newer), &unpacked), 0);
	assert_string_equal(unpacked.software, hello.software);
	assert_int_equal(unpacked.view.term, hello.view.term);
	assert_int_equal(unpacked.view.hold_ms, hello.view.hold_ms);
}

static void control_characters_of_a_mate_do_not_reach_a_terminal(void **state)
{
	struct hello hello = sample(), unpacked;
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;

	(void)state;
	memcpy(hello.software, "\033[2J", 5);
	assert_int_equal(hello_body_pack(&hello, sizeof(data), data, &size), 0);
	assert_int_equal(hello_body_unpack(data, size, &unpacked), 0);
	assert_string_equal(unpacked.software, "?[2J");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

/* A hello that does not fit is not sent at all: who adds a field learns it here. */
static void the_largest_hello_fits(void **state)
{
	struct pair *pair = *state;
	struct hello largest, opened;
	struct datagram datagram;
	bool is_current;

	/* Integers are longest where every bit is set. */
	memset(&largest, 0xff, sizeof(largest));
	largest.view = (struct fo_mate_view){
		.state = FO_STATE__MAX - 1,
		.term = UINT64_MAX,
		.position = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, true},
		.health = {.score = UINT32_MAX - 1,
			   .failed_interfaces = UINT32_MAX,
			   .is_failing = true,
			   .cause = FO_CAUSE__MAX - 1},
		.may_activate = true,
		.is_leaving = true,
		.is_maintenance = true,
		.is_term_pending = true,
		.wants_active = true,
		.is_forced = true,
		.wants_mate_active = true,
		.is_serving = true,
		.served_term = UINT64_MAX,
		.stretch = {UINT32_MAX, UINT32_MAX, UINT32_MAX},
	};
	largest.n_reports = HELLO_REPORTS_MAX;
	largest.n_interfaces = HELLO_INTERFACES_MAX;
	memset(largest.software, 'v', sizeof(largest.software));
	datagram = seal(pair->b);
	assert_int_equal(hello_open(pair->a, 0, datagram.data, datagram.size, &opened, &is_current),
			 0);
	assert_int_equal(hello_seal(pair->a, &largest, datagram.data, &datagram.size), 0);
	/* The counter that it echoes may be as long as ten bytes, too. */
	assert_true(datagram.size + 10 <= HELLO_SIZE_MAX);
	assert_int_equal(hello_open(pair->b, 0, datagram.data, datagram.size, &opened, &is_current),
			 0);
	assert_int_equal(opened.n_reports, HELLO_REPORTS_MAX);
	assert_int_equal(opened.n_interfaces, HELLO_INTERFACES_MAX);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		TEST(a_version_without_a_score_is_judged_by_its_failed_interfaces),
		TEST(a_cause_of_a_later_version_reads_as_an_interface),
		TEST(what_is_sealed_is_what_is_opened),
		TEST(the_contents_are_not_readable_on_the_wire),
		TEST(another_key_is_an_integrity_error),
		TEST(every_flipped_bit_is_refused),
		TEST(another_version_is_named_as_such),
		TEST(every_truncation_is_refused),
		TEST(a_path_that_does_not_exist_is_refused),
		TEST(a_replay_is_refused_on_the_same_path_only),
		TEST(a_copy_on_another_path_says_the_same_and_an_altered_one_is_refused),
		TEST(reordering_is_borne_within_sixty_four_counters),
		TEST(our_own_datagram_reflected_is_refused),
		TEST(a_recording_from_before_our_start_is_not_believed),
		TEST(a_rebooted_mate_is_believed_again_after_one_exchange),
		TEST(a_boot_that_a_later_one_replaced_is_never_believed_again),
		TEST(the_last_words_of_a_boot_do_not_displace_the_next_one),
		TEST(the_last_words_of_a_boot_never_believed_do_not_displace_the_next_one),
		TEST(replayed_candidates_do_not_displace_the_proven_mate),
		TEST(random_bytes_are_refused),
		TEST(a_body_outside_its_ranges_is_malformed),
		TEST(control_characters_of_a_mate_do_not_reach_a_terminal),
		TEST(fields_of_a_newer_version_are_ignored),
		TEST(the_largest_hello_fits),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
