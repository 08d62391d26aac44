/* SPDX-License-Identifier: Apache-2.0 */
/* Generations and rollback, a CA's certificate alone, and whose local CA issued what. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/keeper_verbs.h"

static void import_all(struct unit *unit)
{
	static const char *const files[] = {"one", "two", "three"};

	for (size_t i = 0; i < 3; i++) {
		make_pkcs12(unit->directory, files[i], "ec -pkeyopt ec_paramgen_curve:P-256");
		assert_int_equal(
			keeper_import(
				unit,
				(struct import){.name = "vpn", .file = files[i], .replace = true},
				NULL),
			0);
	}
}

static void assert_generations(struct unit *unit, const char *wanted)
{
	char text[256];

	keeper_generations(unit, "vpn", text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void a_rollback_is_a_new_generation_with_the_older_contents(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *before, *after;
	char why[512];

	import_all(unit);
	assert_generations(unit, "3<0 2<0 1<0 ");
	before = keeper_certificate(unit->front, "vpn");
	assert_int_equal(keeper_rollback(unit, "vpn", 0, NULL), 0);
	assert_generations(unit, "4<2 3<0 2<0 1<0 ");
	assert_int_equal(keeper_rollback(unit, "vpn", 1, NULL), 0);
	assert_generations(unit, "5<1 4<2 3<0 2<0 1<0 ");
	assert_int_equal(keeper_rollback(unit, "vpn", 3, NULL), 0);
	after = keeper_certificate(unit->front, "vpn");
	assert_int_equal(after->generation, 6);
	assert_int_equal(after->leaf.len, before->leaf.len);
	assert_memory_equal(after->leaf.data, before->leaf.data, before->leaf.len);
	assert_int_equal(keeper_sign_and_verify(unit, after, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(before);
	keeper_part_free(after);
	/* Five are kept, the oldest goes. */
	assert_generations(unit, "6<3 5<1 4<2 3<0 2<0 1<0 ");
	assert_int_equal(keeper_rollback(unit, "vpn", 0, NULL), 0);
	assert_generations(unit, "7<5 6<3 5<1 4<2 3<0 2<0 ");
	assert_int_equal(keeper_rollback(unit, "vpn", 1, why), ERR_NOT_FOUND);
	assert_non_null(strstr(why, "asafo history vpn"));
	assert_int_equal(keeper_rollback(unit, "vpn", 7, why), ERR_EXISTS);
	assert_non_null(strstr(why, "the present one"));
	/* A crash loses nothing of it. */
	unit_kill(unit);
	unit_start(unit);
	assert_generations(unit, "7<5 6<3 5<1 4<2 3<0 2<0 ");
}

static void a_rollback_is_replicated_as_an_import_is(void **state)
{
	struct unit *unit = *state;
	struct unit *mate = unit + 1;

	keeper_set_failover_key(unit, "shared");
	keeper_set_failover_key(mate, "shared");
	import_all(unit);
	(void)keeper_replicate(unit, mate);
	assert_int_equal(keeper_rollback(unit, "vpn", 1, NULL), 0);
	assert_int_equal(keeper_replicate(unit, mate), ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	assert_generations(mate, "4<1 3<0 2<0 1<0 ");
}

static void without_an_earlier_generation_there_is_nothing_to_return_to(void **state)
{
	struct unit *unit = *state;
	char why[512];

	make_pkcs12(unit->directory, "one", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "one"}, NULL),
			 0);
	assert_int_equal(keeper_rollback(unit, "vpn", 0, why), ERR_NOT_FOUND);
	assert_non_null(strstr(why, "no earlier generation"));
	assert_int_equal(keeper_rollback(unit, "nothing", 0, why), ERR_NOT_FOUND);
	assert_non_null(strstr(why, "no trustpoint nothing"));
	assert_generations(unit, "1<0 ");
}

static int drop_staple(struct unit *unit, bool is_active, char *ret_why)
{
	Asafo__Ipc__StapleDrop request = ASAFO__IPC__STAPLE_DROP__INIT;
	char name[] = "vpn";

	request.name = name;
	request.is_active = is_active;
	return unit_call_status(unit->engine, IPC_STAPLE_DROP, &request.base, NULL, 0, ret_why);
}

static void a_standby_changes_no_staple_of_what_both_units_share(void **state)
{
	struct unit *unit = *state;
	char why[512];

	import_all(unit);
	assert_int_equal(drop_staple(unit, false, why), ERR_NOT_ACTIVE);
	assert_non_null(strstr(why, "on the active unit"));
	assert_int_equal(drop_staple(unit, true, why), ERR_NOT_FOUND);
}

static void make_ca(const struct unit *unit, const char *name, const char *constraint)
{
	assert_true(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
			"-days 30 -subj /CN=%s -addext basicConstraints=critical,CA:%s "
			"-keyout %s/%s.key -out %s/%s.crt",
			name, constraint, unit->directory, name, unit->directory, name));
}

static void a_ca_certificate_is_kept_without_a_key_and_replicated(void **state)
{
	struct unit *unit = *state;
	struct unit *mate = unit + 1;
	const struct import import = {.name = "root", .file = "root", .is_ca = true};
	Asafo__Record__TrustpointPublic *part;
	char why[512];

	keeper_set_failover_key(unit, "shared");
	keeper_set_failover_key(mate, "shared");
	make_ca(unit, "root", "TRUE");
	make_ca(unit, "leaf", "FALSE");
	make_pkcs12(unit->directory, "one", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, import, NULL), 0);
	part = keeper_certificate(unit->front, "root");
	assert_true(part->is_ca);
	assert_int_not_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(part);
	(void)keeper_replicate(unit, mate);
	part = keeper_certificate(mate->front, "root");
	assert_non_null(part);
	assert_true(part->is_ca);
	keeper_part_free(part);
	assert_int_equal(keeper_import(unit,
				       (struct import){.name = "x", .file = "leaf", .is_ca = true},
				       why),
			 ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "is not a CA's"));
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "root", .file = "one", .replace = true},
			      why),
		ERR_EXISTS);
	assert_non_null(strstr(why, "holds a CA's certificate and no key"));
}

static Asafo__Ipc__LocalCaMarksReply *marks(struct unit *unit, ProtobufCBinaryData *mates, size_t n)
{
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;
	Asafo__Ipc__LocalCaMarksReply *reply;

	request.mates = mates;
	request.n_mates = n;
	reply = (Asafo__Ipc__LocalCaMarksReply *)unit_call(unit->engine, IPC_LOCALCA_MARKS,
							   &request.base, NULL, 0);
	assert_int_equal(reply->status->code, 0);
	return reply;
}

static void issue(struct unit *unit, const char *name)
{
	Asafo__Ipc__LocalCaCreate create = ASAFO__IPC__LOCAL_CA_CREATE__INIT;
	Asafo__Ipc__LocalCaIssue request = ASAFO__IPC__LOCAL_CA_ISSUE__INIT;
	char user[] = "user";
	int fds[2] = {text_fd(""), text_fd("secret\n")};

	(void)unit_call_status(unit->engine, IPC_LOCALCA_CREATE, &create.base, NULL, 0, NULL);
	request.subject = user;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_ISSUE, &request.base, fds, 2, NULL), 0);
	assert_true(
		run("cp /proc/%d/fd/%d %s/%s.p12", (int)getpid(), fds[0], unit[1].directory, name));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Leaf only, under another name, by another tool: what is signed stays. */
static void pack_anew(const struct unit *unit)
{
	assert_true(
		run("cd %s && openssl pkcs12 -in issued.p12 -passin pass:secret -nodes -clcerts "
		    "-out all.pem && openssl pkcs12 -export -in all.pem -passout pass:secret "
		    "-name other -out bare.p12",
		    unit->directory));
}

static void what_the_mates_local_ca_issued_is_known_by_its_marks(void **state)
{
	struct unit *owner = *state;
	struct unit *unit = owner + 1;
	static const char *const files[] = {"issued", "bare"};
	Asafo__Ipc__LocalCaMarksReply *own;
	char text[256];

	issue(owner, "issued");
	pack_anew(unit);
	own = marks(owner, NULL, 0);
	assert_int_equal(own->n_own, 1);
	assert_true(own->own[0].len < 80);
	for (int i = 0; i < 2; i++) /* told twice, kept once */
		asafo__ipc__local_ca_marks_reply__free_unpacked(marks(unit, own->own, own->n_own),
								NULL);
	asafo__ipc__local_ca_marks_reply__free_unpacked(own, NULL);
	unit_kill(unit);
	unit_start(unit);
	for (size_t i = 0; i < 2; i++) {
		Asafo__Record__TrustpointPublic *part;

		assert_int_equal(keeper_import(unit,
					       (struct import){.name = files[i], .file = files[i]},
					       NULL),
				 0);
		part = keeper_certificate(unit->front, files[i]);
		assert_non_null(strstr(part->kept_home, "the mate's local CA"));
		keeper_part_free(part);
	}
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "bare 1 u issued 1 u ");
	/* Somebody else's is not taken for it. */
	make_pkcs12(unit->directory, "one", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "one", .file = "one"}, NULL),
			 0);
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "bare 1 u issued 1 u one 1 r ");
}

/* Takes all places with files that do not come; whoever comes then waits. Closes *RET_END: they
 * end.
 */
static void take_all_places(struct unit *unit, int *ret_end)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (uint32_t i = 0; i < 16; i++) {
		Asafo__Ipc__Import request = ASAFO__IPC__IMPORT__INIT;
		char name[8];

		(void)snprintf(name, sizeof(name), "w%u", i);
		request.name = name;
		unit_send(unit->engine, IPC_IMPORT, 100 + i, &request.base, ends, 1);
	}
	(void)close(ends[0]);
	*ret_end = ends[1];
}

static void what_is_told_of_the_mates_local_ca_counts_for_an_import_that_waits(void **state)
{
	struct unit *owner = *state;
	struct unit *unit = owner + 1;
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;
	Asafo__Ipc__LocalCaMarksReply *own;
	Asafo__Record__TrustpointPublic *part;
	uint32_t id = 0;
	int end;

	issue(owner, "issued");
	own = marks(owner, NULL, 0);
	take_all_places(unit, &end);
	keeper_import_send(unit, 1, (struct import){.name = "issued", .file = "issued"});
	request.mates = own->own;
	request.n_mates = own->n_own;
	unit_send(unit->engine, IPC_LOCALCA_MARKS, 2, &request.base, NULL, 0);
	asafo__ipc__local_ca_marks_reply__free_unpacked(own, NULL);
	while (id != 2) {
		bool has_more;

		protobuf_c_message_free_unpacked(unit_receive(unit->engine, &id, &has_more), NULL);
	}
	(void)close(end);
	while (id != 1) {
		bool has_more;

		protobuf_c_message_free_unpacked(unit_receive(unit->engine, &id, &has_more), NULL);
	}
	part = keeper_certificate(unit->front, "issued");
	assert_non_null(part);
	assert_non_null(strstr(part->kept_home, "the mate's local CA"));
	keeper_part_free(part);
}

/* Its key alone: in a certificate that it signs itself, and as a CA's that issues another one. */
static void reuse_key(const struct unit *unit)
{
	assert_true(
		run("cd %s && openssl pkcs12 -in issued.p12 -passin pass:secret -nodes -nocerts "
		    "-out issued.key && openssl req -x509 -new -key issued.key -subj /CN=anew "
		    "-addext basicConstraints=critical,CA:TRUE -days 99 -out self.pem && "
		    "openssl pkcs12 -export -inkey issued.key -in self.pem -passout pass:secret "
		    "-out self.p12",
		    unit->directory));
	assert_true(run("cd %s && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
			"-nodes -subj /CN=below -keyout below.key -out below.csr && "
			"openssl x509 -req -in below.csr -CA self.pem -CAkey issued.key -days 9 "
			"-set_serial 7 -out below.pem && openssl pkcs12 -export -inkey below.key "
			"-in below.pem -certfile self.pem -passout pass:secret -out below.p12",
			unit->directory));
}

static void assert_stays(struct unit *unit, const char *file, const char *why)
{
	Asafo__Record__TrustpointPublic *part;
	char text[256], wanted[80];

	assert_int_equal(keeper_import(unit, (struct import){.name = file, .file = file}, NULL), 0);
	part = keeper_certificate(unit->front, file);
	assert_non_null(strstr(part->kept_home, why));
	keeper_part_free(part);
	keeper_list(unit, false, text, sizeof(text));
	(void)snprintf(wanted, sizeof(wanted), "%s 1 u ", file);
	assert_string_equal(text, wanted);
	assert_int_equal(keeper_remove_trustpoint(unit, file), 0);
}

static void a_key_that_a_local_ca_certified_stays_home_in_any_certificate(void **state)
{
	struct unit *owner = *state;
	struct unit *unit = owner + 1;
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;
	Asafo__Ipc__LocalCaMarksReply *own;

	/* The list of what was issued is read for it, before there is anything on it. */
	make_pkcs12(owner->directory, "one", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(owner, (struct import){.name = "one", .file = "one"}, NULL),
			 0);
	assert_int_equal(keeper_remove_trustpoint(owner, "one"), 0);
	issue(owner, "issued");
	reuse_key(unit);
	assert_true(run("cp %s/self.p12 %s/below.p12 %s", unit->directory, unit->directory,
			owner->directory));
	assert_stays(owner, "self", "certificate that this unit's local CA issued");
	assert_stays(owner, "below", "certificate that this unit's local CA issued");
	own = marks(owner, NULL, 0);
	assert_int_equal(own->n_issued, 1);
	request.issued = own->issued;
	request.n_issued = 1;
	for (int i = 0; i < 2; i++) /* told twice, kept once */
		assert_int_equal(unit_call_status(unit->engine, IPC_LOCALCA_MARKS, &request.base,
						  NULL, 0, NULL),
				 0);
	asafo__ipc__local_ca_marks_reply__free_unpacked(own, NULL);
	unit_kill(unit);
	unit_start(unit);
	assert_stays(unit, "self", "certificate that the mate's local CA issued");
	assert_stays(unit, "below", "certificate that the mate's local CA issued");
}

static void marks_that_are_none_are_refused(void **state)
{
	struct unit *unit = *state;
	uint8_t bytes[] = {0x0a, 0x02, 0x01, 0x02};
	ProtobufCBinaryData mark = {sizeof(bytes), bytes};
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;

	request.mates = &mark;
	request.n_mates = 1;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_MARKS, &request.base, NULL, 0, NULL),
		ERR_MALFORMED);
	request.n_mates = 0;
	request.issued = &mark;
	request.n_issued = 1;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_MARKS, &request.base, NULL, 0, NULL),
		ERR_MALFORMED);
}

int main(void)
{
#define IN_PAIR(test) cmocka_unit_test_setup_teardown(test, keepers_setup, keepers_teardown)
	const struct CMUnitTest tests[] = {
		IN_PAIR(a_rollback_is_a_new_generation_with_the_older_contents),
		IN_PAIR(a_rollback_is_replicated_as_an_import_is),
		IN_PAIR(without_an_earlier_generation_there_is_nothing_to_return_to),
		IN_PAIR(a_standby_changes_no_staple_of_what_both_units_share),
		IN_PAIR(a_ca_certificate_is_kept_without_a_key_and_replicated),
		IN_PAIR(what_the_mates_local_ca_issued_is_known_by_its_marks),
		IN_PAIR(what_is_told_of_the_mates_local_ca_counts_for_an_import_that_waits),
		IN_PAIR(a_key_that_a_local_ca_certified_stays_home_in_any_certificate),
		IN_PAIR(marks_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
