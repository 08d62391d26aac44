/* SPDX-License-Identifier: Apache-2.0 */
/* Which certificates of a client's chain are looked up, where, and what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/crls.h"
#include "auth/trust.h"
#include "base/err.h"

#define DAY 86400

struct party {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t der;
	uint8_t key_id[CRLS_KEY_ID_SIZE];
	uint8_t mark[CRLMARK_SIZE];
};

/* With the key of KEY; NULL: with one of its own. Until UNTIL_S from now. */
static void make_until(struct party *party, const char *name, uint8_t serial,
		       const struct party *issuer, bool is_ca, const struct party *key, int until_s)
{
	const struct party *by = issuer ? issuer : party;
	size_t size = sizeof(party->key_id);
	time_t now = time(NULL);

	assert_int_equal(gnutls_x509_privkey_init(&party->key), 0);
	if (key)
		assert_int_equal(gnutls_x509_privkey_cpy(party->key, key->key), 0);
	else
		assert_int_equal(gnutls_x509_privkey_generate(
					 party->key, GNUTLS_PK_ECDSA,
					 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
				 0);
	assert_int_equal(gnutls_x509_crt_init(&party->certificate), 0);
	assert_int_equal(gnutls_x509_crt_set_version(party->certificate, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(party->certificate, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(party->certificate, now - 2 * DAY), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(party->certificate, now + until_s), 0);
	assert_int_equal(gnutls_x509_crt_set_key(party->certificate, party->key), 0);
	assert_int_equal(gnutls_x509_crt_set_basic_constraints(party->certificate, is_ca, -1), 0);
	assert_int_equal(gnutls_x509_crt_set_dn_by_oid(party->certificate,
						       GNUTLS_OID_X520_COMMON_NAME, 0, name,
						       (unsigned)strlen(name)),
			 0);
	assert_int_equal(gnutls_x509_crt_sign2(party->certificate, by->certificate, by->key,
					       GNUTLS_DIG_SHA256, 0),
			 0);
	assert_int_equal(
		gnutls_x509_crt_export2(party->certificate, GNUTLS_X509_FMT_DER, &party->der), 0);
	assert_int_equal(gnutls_x509_crt_get_key_id(party->certificate, GNUTLS_KEYID_USE_SHA256,
						    party->key_id, &size),
			 0);
	assert_int_equal(crlmark_of(&serial, 1, party->mark), 0);
}

static void make_with(struct party *party, const char *name, uint8_t serial,
		      const struct party *issuer, bool is_ca, const struct party *key)
{
	make_until(party, name, serial, issuer, is_ca, key, DAY);
}

static void make(struct party *party, const char *name, uint8_t serial, const struct party *issuer,
		 bool is_ca)
{
	make_with(party, name, serial, issuer, is_ca, NULL);
}

static void done(struct party *party)
{
	gnutls_free(party->der.data);
	gnutls_x509_crt_deinit(party->certificate);
	gnutls_x509_privkey_deinit(party->key);
}

/* Root, a CA below it, a client of each; another CA with the root's name. */
struct place {
	struct party root, middle, client, far, twin;
	struct trust *trust;
	struct crls *crls;
	ProtobufCBinaryData chain[3];
	struct why why, warning;
	int64_t now;
};

/* SECOND is trusted, too, and none of its clients is looked up. */
static void trust_both(struct place *place, const struct party *second,
		       enum vpn_revocation revocation)
{
	Asafo__Ipc__VpnTrust message = ASAFO__IPC__VPN_TRUST__INIT;
	ProtobufCBinaryData cas[] = {{place->root.der.size, place->root.der.data},
				     {second->der.size, second->der.data}};
	uint32_t checks[] = {revocation, VPN_REVOCATION_NONE};
	size_t n_ignored = 0;

	message.is_known = true;
	message.cas = cas;
	message.n_cas = 2;
	message.revocation = checks;
	message.n_revocation = 2;
	assert_int_equal(trust_take(place->trust, &message, &n_ignored), 0);
	assert_int_equal(n_ignored, 0);
}

static void trust(struct place *place, enum vpn_revocation revocation)
{
	trust_both(place, &place->twin, revocation);
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	make(&place->root, "Root", 1, NULL, true);
	make(&place->twin, "Root", 1, NULL, true);
	make(&place->middle, "Middle", 0x7b, &place->root, true);
	make(&place->client, "ada", 5, &place->root, false);
	make(&place->far, "bert", 5, &place->middle, false);
	assert_int_equal(trust_new(&place->trust), 0);
	assert_int_equal(crls_new(&place->crls), 0);
	place->now = (int64_t)time(NULL);
	trust(place, VPN_REVOCATION_CRL);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	trust_free(place->trust);
	crls_free(place->crls);
	done(&place->root);
	done(&place->twin);
	done(&place->middle);
	done(&place->client);
	done(&place->far);
	free(place);
	return 0;
}

/* ---- lists ---- */

enum { FIRST = 1, LAST = 2 };

/* CA (NULL: none) has revoked N certificates, with MARKS, of which SIZE bytes come now. The list is
 * of AGE_S before now, and holds for two days. */
static int tell_aged(struct place *place, int which, const struct party *ca, int64_t age_s,
		     uint32_t number, uint64_t n, const uint8_t *marks, size_t size)
{
	Asafo__Ipc__CrlTell message = ASAFO__IPC__CRL_TELL__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
	Asafo__Record__Crl crl = ASAFO__RECORD__CRL__INIT;

	if (ca) {
		crl.key_id =
			(ProtobufCBinaryData){CRLS_KEY_ID_SIZE, (uint8_t *)(uintptr_t)ca->key_id};
		crl.this_update = place->now - age_s;
		crl.next_update = place->now - age_s + 2 * DAY;
		crl.revoked = n;
		part.crl = &crl;
		part.part = number;
		part.marks = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)marks};
		message.part = &part;
	}
	message.is_reset = (which & FIRST) != 0;
	message.is_last = (which & LAST) != 0;
	return crls_take(place->crls, &message);
}

static int tell_part(struct place *place, int which, const struct party *ca, uint32_t number,
		     uint64_t n, const uint8_t *marks, size_t size)
{
	return tell_aged(place, which, ca, DAY, number, n, marks, size);
}

static void tell(struct place *place, int which, const struct party *ca, const struct party *whom)
{
	assert_int_equal(tell_part(place, which, ca, 0, whom ? 1 : 0, whom ? whom->mark : NULL,
				   whom ? CRLMARK_SIZE : 0),
			 0);
}

static int check_at(struct place *place, const struct party *leaf, const struct party *above,
		    int64_t after_s)
{
	place->chain[0] = (ProtobufCBinaryData){leaf->der.size, leaf->der.data};
	if (above)
		place->chain[1] = (ProtobufCBinaryData){above->der.size, above->der.data};
	place->why.text[0] = '\0';
	return trust_check_revocation(place->trust, place->crls, place->chain, above ? 2 : 1,
				      place->now + after_s, &place->warning, &place->why);
}

static int check(struct place *place, const struct party *leaf, const struct party *above)
{
	return check_at(place, leaf, above, 0);
}

/* ---- tests ---- */

/* The auth helper is new, or the store is damaged: what it does not know may name him. */
static void before_anything_was_told_nobody_is_let_in_by_crl_none_either(void **state)
{
	struct place *place = *state;

	trust(place, VPN_REVOCATION_CRL_NONE);
	assert_int_equal(check(place, &place->client, NULL), ERR_NOT_READY);
	assert_string_equal(place->warning.text, "");
	tell(place, FIRST | LAST, NULL, NULL);
	assert_int_equal(check(place, &place->client, NULL), 0);
}

/* One that both units share, and one that stays home. */
static void of_two_lists_of_one_ca_each_is_searched_and_the_later_one_holds(void **state)
{
	struct place *place = *state;
	const struct party *root = &place->root;
	const uint8_t *mark = place->client.mark;

	for (int i = 0; i < 2; i++) {
		/* In either order. */
		int64_t first = i == 0 ? 60 : DAY, second = i == 0 ? DAY : 60;

		assert_int_equal(tell_aged(place, FIRST, root, first, 0, 0, NULL, 0), 0);
		assert_int_equal(tell_aged(place, LAST, root, second, 0, 1, mark, CRLMARK_SIZE), 0);
		assert_int_equal(crls_count(place->crls), 2);
		assert_int_equal(check(place, &place->client, NULL), ERR_REVOKED);
		assert_int_equal(tell_aged(place, FIRST, root, first, 0, 1, mark, CRLMARK_SIZE), 0);
		assert_int_equal(tell_aged(place, LAST, root, second, 0, 0, NULL, 0), 0);
		assert_int_equal(check(place, &place->client, NULL), ERR_REVOKED);
		/* That one of them has ended is no matter. */
		assert_int_equal(
			tell_aged(place, FIRST, root, i == 0 ? 60 : 5 * DAY, 0, 0, NULL, 0), 0);
		assert_int_equal(tell_aged(place, LAST, root, i == 0 ? 5 * DAY : 60, 0, 0, NULL, 0),
				 0);
		assert_int_equal(check(place, &place->client, NULL), 0);
	}
}

static int check_three(struct place *place, const struct party *second, const struct party *third)
{
	const struct party *parties[] = {&place->client, second, third};

	for (size_t i = 0; i < 3; i++)
		place->chain[i] = (ProtobufCBinaryData){parties[i]->der.size, parties[i]->der.data};
	return trust_check_revocation(place->trust, place->crls, place->chain, 3, place->now,
				      &place->warning, &place->why);
}

/* Whoever sends more than his chain is not refused for it: nor for what is above a CA that is
 * trusted itself. */
static void what_is_above_a_trusted_ca_or_beside_the_chain_is_not_looked_up(void **state)
{
	struct place *place = *state;
	struct party above, crossed;

	make(&above, "Above", 3, NULL, true);
	make_with(&crossed, "Root", 4, &above, true, &place->root);
	/* There is no list of Middle's, nor of Above's. */
	tell(place, FIRST | LAST, &place->root, NULL);
	assert_int_equal(check_three(place, &place->far, &place->middle), 0);
	assert_int_equal(check_three(place, &crossed, &above), 0);
	tell(place, FIRST | LAST, &place->root, &place->middle);
	assert_int_equal(check_three(place, &place->far, &place->middle), 0);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
	done(&above);
	done(&crossed);
}

/* It was renewed: the chain is the one by the CA above. */
static void a_trusted_ca_that_has_expired_hides_nothing_above_it(void **state)
{
	struct place *place = *state;
	struct party expired;

	make_until(&expired, "Middle", 9, &place->root, true, &place->middle, -DAY);
	trust_both(place, &expired, VPN_REVOCATION_CRL);
	tell(place, FIRST, &place->middle, NULL);
	tell(place, LAST, &place->root, NULL);
	assert_int_equal(check(place, &place->far, &place->middle), 0);
	tell(place, FIRST, &place->middle, NULL);
	tell(place, LAST, &place->root, &place->middle);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
	done(&expired);
}

static void who_is_on_the_list_of_the_ca_is_revoked(void **state)
{
	struct place *place = *state;

	tell(place, FIRST | LAST, &place->root, &place->middle);
	assert_int_equal(crls_count(place->crls), 1);
	assert_int_equal(check(place, &place->client, NULL), 0);
	assert_string_equal(place->warning.text, "");
	tell(place, FIRST | LAST, &place->root, &place->client);
	assert_int_equal(check(place, &place->client, NULL), ERR_REVOKED);
	assert_non_null(strstr(place->why.text, "is revoked"));
}

static void without_revocation_check_nobody_is_looked_up(void **state)
{
	struct place *place = *state;

	trust(place, VPN_REVOCATION_NONE);
	assert_int_equal(check(place, &place->client, NULL), 0);
	tell(place, FIRST | LAST, &place->root, &place->client);
	assert_int_equal(check(place, &place->client, NULL), 0);
	assert_string_equal(place->warning.text, "");
}

static void a_number_that_is_not_known_is_the_strictest(void **state)
{
	struct place *place = *state;

	trust(place, VPN_REVOCATION__MAX);
	assert_int_equal(check(place, &place->client, NULL), ERR_NOT_READY);
}

static void without_a_list_nobody_is_let_in_or_everybody_with_a_warning(void **state)
{
	struct place *place = *state;

	assert_int_equal(check(place, &place->client, NULL), ERR_NOT_READY);
	tell(place, FIRST | LAST, NULL, NULL);
	assert_int_equal(check(place, &place->client, NULL), ERR_NOT_FOUND);
	assert_non_null(strstr(place->why.text, "there is no CRL"));
	trust(place, VPN_REVOCATION_CRL_NONE);
	assert_int_equal(check(place, &place->client, NULL), 0);
	assert_non_null(strstr(place->warning.text, "there is no CRL"));
}

static void a_list_that_has_ended_refuses_whom_it_names_and_knows_of_nobody_else(void **state)
{
	struct place *place = *state;

	tell(place, FIRST | LAST, &place->root, &place->client);
	assert_int_equal(check_at(place, &place->client, NULL, 3 * DAY), ERR_REVOKED);
	trust(place, VPN_REVOCATION_CRL_NONE);
	assert_int_equal(check_at(place, &place->client, NULL, 3 * DAY), ERR_REVOKED);
	tell(place, FIRST | LAST, &place->root, &place->middle);
	assert_int_equal(check_at(place, &place->client, NULL, 3 * DAY), 0);
	assert_non_null(strstr(place->warning.text, "ended at"));
	trust(place, VPN_REVOCATION_CRL);
	assert_int_equal(check_at(place, &place->client, NULL, 3 * DAY), ERR_EXPIRED);
	assert_int_equal(check_at(place, &place->client, NULL, DAY + 60), 0);
	assert_int_equal(check_at(place, &place->client, NULL, -2 * DAY), ERR_EXPIRED);
	assert_non_null(strstr(place->why.text, "begins at"));
}

static void each_ca_of_the_chain_counts(void **state)
{
	struct place *place = *state;

	/* The same serial number, of another CA. */
	tell(place, FIRST, &place->root, &place->far);
	tell(place, LAST, &place->middle, NULL);
	assert_int_equal(check(place, &place->far, &place->middle), 0);
	tell(place, FIRST, &place->root, NULL);
	tell(place, LAST, &place->middle, &place->far);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
	tell(place, FIRST, &place->root, &place->middle);
	tell(place, LAST, &place->middle, NULL);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
	tell(place, FIRST | LAST, &place->root, NULL);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_NOT_FOUND);
	tell(place, FIRST | LAST, &place->middle, NULL);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_NOT_FOUND);
}

static void revoked_is_said_before_what_is_not_known(void **state)
{
	struct place *place = *state;

	tell(place, FIRST | LAST, &place->root, &place->middle);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
	trust(place, VPN_REVOCATION_CRL_NONE);
	assert_int_equal(check(place, &place->far, &place->middle), ERR_REVOKED);
}

static void another_ca_of_the_same_name_has_its_own_list(void **state)
{
	struct place *place = *state;

	tell(place, FIRST, &place->twin, &place->client);
	tell(place, LAST, &place->root, NULL);
	assert_int_equal(check(place, &place->client, NULL), 0);
}

static void lists_hold_when_all_of_them_have_come(void **state)
{
	struct place *place = *state;
	uint8_t marks[3][CRLMARK_SIZE] = {{0}, {1}, {255, 255, 255, 255, 255, 255, 255, 255}};

	tell(place, FIRST | LAST, &place->root, NULL);
	assert_int_equal(check(place, &place->client, NULL), 0);
	memcpy(marks[1], place->client.mark, CRLMARK_SIZE);
	assert_int_equal(tell_part(place, FIRST, &place->root, 0, 3, marks[0], CRLMARK_SIZE), 0);
	assert_int_equal(check(place, &place->client, NULL), 0);
	assert_int_equal(tell_part(place, LAST, &place->root, 1, 3, marks[1], 2 * CRLMARK_SIZE), 0);
	assert_int_equal(check(place, &place->client, NULL), ERR_REVOKED);
}

static void half_a_list_is_none_and_those_before_hold(void **state)
{
	struct place *place = *state;
	const uint8_t *mark = place->client.mark;

	tell(place, FIRST | LAST, &place->root, &place->client);
	/* Too few, too many, a second part without a first, more than there may be. */
	assert_int_equal(tell_part(place, FIRST | LAST, &place->root, 0, 2, mark, CRLMARK_SIZE),
			 ERR_MALFORMED);
	assert_int_equal(tell_part(place, FIRST | LAST, &place->root, 0, 0, mark, CRLMARK_SIZE),
			 ERR_MALFORMED);
	assert_int_equal(tell_part(place, FIRST | LAST, &place->root, 1, 1, mark, CRLMARK_SIZE),
			 ERR_MALFORMED);
	assert_int_equal(tell_part(place, FIRST, &place->root, 0, UINT64_MAX, mark, CRLMARK_SIZE),
			 ERR_TOO_LARGE);
	/* What follows on what was not taken is not taken, either. */
	assert_int_equal(tell_part(place, 0, &place->root, 0, 0, NULL, 0), 0);
	assert_int_equal(tell_part(place, LAST, NULL, 0, 0, NULL, 0), 0);
	assert_int_equal(crls_count(place->crls), 1);
	assert_int_equal(check(place, &place->client, NULL), ERR_REVOKED);
	tell(place, FIRST | LAST, &place->root, NULL);
	assert_int_equal(check(place, &place->client, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(before_anything_was_told_nobody_is_let_in_by_crl_none_either),
		TEST(of_two_lists_of_one_ca_each_is_searched_and_the_later_one_holds),
		TEST(what_is_above_a_trusted_ca_or_beside_the_chain_is_not_looked_up),
		TEST(a_trusted_ca_that_has_expired_hides_nothing_above_it),
		TEST(who_is_on_the_list_of_the_ca_is_revoked),
		TEST(without_revocation_check_nobody_is_looked_up),
		TEST(a_number_that_is_not_known_is_the_strictest),
		TEST(without_a_list_nobody_is_let_in_or_everybody_with_a_warning),
		TEST(a_list_that_has_ended_refuses_whom_it_names_and_knows_of_nobody_else),
		TEST(each_ca_of_the_chain_counts),
		TEST(revoked_is_said_before_what_is_not_known),
		TEST(another_ca_of_the_same_name_has_its_own_list),
		TEST(lists_hold_when_all_of_them_have_come),
		TEST(half_a_list_is_none_and_those_before_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
