/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/keeper_verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

void keeper_import_send(struct unit *unit, uint32_t id, struct import import)
{
	Asafo__Ipc__Import request = ASAFO__IPC__IMPORT__INIT;
	char path[1200];
	int fds[2];

	(void)snprintf(path, sizeof(path), "%s/%s.%s", unit->directory, import.file,
		       import.is_ca ? "crt" : "p12");
	request.is_ca = import.is_ca;
	fds[0] = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fds[0] >= 0);
	fds[1] = text_fd(import.passphrase ? import.passphrase : "secret\n");
	request.name = (char *)(uintptr_t)import.name;
	request.replace = import.replace;
	request.dry_run = import.dry_run;
	request.non_exportable = import.non_exportable;
	request.term = 2;
	unit_send(unit->engine, IPC_IMPORT, id, &request.base, fds, 2);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

Asafo__Ipc__ImportReply *keeper_import_reply(struct unit *unit, struct import import)
{
	keeper_import_send(unit, 5, import);
	return (Asafo__Ipc__ImportReply *)unit_receive(unit->engine, NULL, NULL);
}

int keeper_import(struct unit *unit, struct import import, char *ret_why)
{
	Asafo__Ipc__ImportReply *reply = keeper_import_reply(unit, import);
	int code = reply->status->code;

	if (ret_why)
		(void)snprintf(ret_why, 512, "%s", reply->status->why);
	asafo__ipc__import_reply__free_unpacked(reply, NULL);
	return code;
}

Asafo__Record__TrustpointPublic *keeper_certificate(int channel, const char *name)
{
	Asafo__Ipc__Certificate request = ASAFO__IPC__CERTIFICATE__INIT;
	Asafo__Record__TrustpointPublic *part = NULL;
	Asafo__Ipc__CertificateReply *reply;

	request.name = (char *)(uintptr_t)name;
	reply = (Asafo__Ipc__CertificateReply *)unit_call(channel, IPC_CERTIFICATE, &request.base,
							  NULL, 0);
	assert_true(reply->status->code == 0 || reply->status->code == ERR_NOT_FOUND);
	if (reply->status->code == 0)
		part = asafo__record__trustpoint_public__unpack(NULL, reply->public_part.len,
								reply->public_part.data);
	asafo__ipc__certificate_reply__free_unpacked(reply, NULL);
	return part;
}

void keeper_part_free(Asafo__Record__TrustpointPublic *part)
{
	asafo__record__trustpoint_public__free_unpacked(part, NULL);
}

static bool verifies(const ProtobufCBinaryData *leaf, unsigned algorithm, const uint8_t *digest,
		     const ProtobufCBinaryData *signature)
{
	gnutls_datum_t der = {leaf->data, (unsigned)leaf->len},
		       hash = {(uint8_t *)(uintptr_t)digest, 32};
	gnutls_datum_t sig = {signature->data, (unsigned)signature->len};
	gnutls_x509_crt_t crt;
	gnutls_pubkey_t key;
	bool is_good;

	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_x509(key, crt, 0), 0);
	is_good = gnutls_pubkey_verify_hash2(key, (gnutls_sign_algorithm_t)algorithm, 0, &hash,
					     &sig) >= 0;
	gnutls_pubkey_deinit(key);
	gnutls_x509_crt_deinit(crt);
	return is_good;
}

int keeper_sign_and_verify(struct unit *unit, const Asafo__Record__TrustpointPublic *part,
			   unsigned algorithm)
{
	Asafo__Ipc__Sign request = ASAFO__IPC__SIGN__INIT;
	Asafo__Ipc__SignReply *reply;
	uint8_t digest[32];
	int code;

	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, "hello", 5, digest), 0);
	request.key_id = part->key_id;
	request.algorithm = algorithm;
	request.is_digest = true;
	request.data = (ProtobufCBinaryData){sizeof(digest), digest};
	reply = (Asafo__Ipc__SignReply *)unit_call(unit->front, IPC_SIGN, &request.base, NULL, 0);
	code = reply->status->code;
	if (code == 0)
		assert_true(verifies(&part->leaf, algorithm, digest, &reply->signature));
	asafo__ipc__sign_reply__free_unpacked(reply, NULL);
	return code;
}

void keeper_set_failover_key(struct unit *unit, const char *text)
{
	Asafo__Ipc__FailoverKeySet request = ASAFO__IPC__FAILOVER_KEY_SET__INIT;

	request.secret = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
	assert_int_equal(
		unit_call_status(unit->engine, IPC_FAILOVER_KEY_SET, &request.base, NULL, 0, NULL),
		0);
}

int keeper_remove_trustpoint(struct unit *unit, const char *name)
{
	Asafo__Ipc__Remove request = ASAFO__IPC__REMOVE__INIT;

	request.name = (char *)(uintptr_t)name;
	request.term = 2;
	return unit_call_status(unit->engine, IPC_REMOVE, &request.base, NULL, 0, NULL);
}

void keeper_list(struct unit *unit, bool with_generations, char *ret_text, size_t size)
{
	Asafo__Ipc__List request = ASAFO__IPC__LIST__INIT;
	bool has_more = true;
	size_t at = 0;

	request.with_generations = with_generations;
	unit_send(unit->engine, IPC_LIST, 9, &request.base, NULL, 0);
	ret_text[0] = 0;
	while (has_more) {
		Asafo__Ipc__ListReply *reply =
			(Asafo__Ipc__ListReply *)unit_receive(unit->engine, NULL, &has_more);

		assert_int_equal(reply->status->code, 0);
		assert_int_equal(reply->n_public_parts, reply->n_is_replicated);
		for (size_t i = 0; i < reply->n_public_parts; i++) {
			Asafo__Record__TrustpointPublic *part =
				asafo__record__trustpoint_public__unpack(
					NULL, reply->public_parts[i].len,
					reply->public_parts[i].data);

			at += (size_t)snprintf(ret_text + at, size - at, "%s %u %c ", part->name,
					       (unsigned)part->generation,
					       reply->is_replicated[i] ? 'r' : 'u');
			assert_true(at < size);
			keeper_part_free(part);
		}
		asafo__ipc__list_reply__free_unpacked(reply, NULL);
	}
}

/* ---- replication, as the two engines do it ---- */

static void manifest_over(struct unit *from, struct unit *to)
{
	Asafo__Ipc__ManifestNext next = ASAFO__IPC__MANIFEST_NEXT__INIT;
	bool is_last = false;

	next.max_bytes = 300;
	next.restart = true;
	while (!is_last) {
		Asafo__Ipc__ReplicaManifest give = ASAFO__IPC__REPLICA_MANIFEST__INIT;
		Asafo__Ipc__ManifestReply *piece = (Asafo__Ipc__ManifestReply *)unit_call(
			to->engine, IPC_MANIFEST_NEXT, &next.base, NULL, 0);

		assert_int_equal(piece->status->code, 0);
		is_last = piece->is_last;
		give.manifest = piece->manifest;
		give.is_last = is_last;
		assert_int_equal(unit_call_status(from->engine, IPC_REPLICA_MANIFEST, &give.base,
						  NULL, 0, NULL),
				 0);
		asafo__ipc__manifest_reply__free_unpacked(piece, NULL);
		next.restart = false;
	}
}

static void items_over(struct unit *from, struct unit *to)
{
	Asafo__Ipc__ReplicaNext next = ASAFO__IPC__REPLICA_NEXT__INIT;
	bool is_last = false;

	next.max_bytes = 100000;
	while (!is_last) {
		Asafo__Ipc__StageItems stage = ASAFO__IPC__STAGE_ITEMS__INIT;
		Asafo__Ipc__ReplicaBatchReply *batch = (Asafo__Ipc__ReplicaBatchReply *)unit_call(
			from->engine, IPC_REPLICA_NEXT, &next.base, NULL, 0);

		assert_int_equal(batch->status->code, 0);
		is_last = batch->is_last;
		stage.batch = batch->batch;
		assert_int_equal(
			unit_call_status(to->engine, IPC_STAGE_ITEMS, &stage.base, NULL, 0, NULL),
			0);
		asafo__ipc__replica_batch_reply__free_unpacked(batch, NULL);
	}
}

Asafo__Ipc__ReplicaOpenReply *keeper_stage_over(struct unit *from, struct unit *to)
{
	Asafo__Ipc__ReplicaOpen open_request = ASAFO__IPC__REPLICA_OPEN__INIT;
	Asafo__Ipc__StageOpen stage = ASAFO__IPC__STAGE_OPEN__INIT;
	Asafo__Ipc__KeeperStatusReply *mate = unit_status(to);
	Asafo__Ipc__ReplicaOpenReply *offer;

	open_request.mate = mate->position;
	offer = (Asafo__Ipc__ReplicaOpenReply *)unit_call(from->engine, IPC_REPLICA_OPEN,
							  &open_request.base, NULL, 0);
	assert_int_equal(offer->status->code, 0);
	if (offer->mode == ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST)
		manifest_over(from, to);
	stage.kek = offer->kek;
	assert_int_equal(unit_call_status(to->engine, IPC_STAGE_OPEN, &stage.base, NULL, 0, NULL),
			 0);
	if (offer->mode != ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__EQUAL)
		items_over(from, to);
	asafo__ipc__keeper_status_reply__free_unpacked(mate, NULL);
	return offer;
}

static void assert_same_position(struct unit *a, struct unit *b)
{
	Asafo__Ipc__KeeperStatusReply *sa = unit_status(a), *sb = unit_status(b);

	assert_int_equal(sa->position->term, sb->position->term);
	assert_int_equal(sa->position->seq, sb->position->seq);
	assert_int_equal(sa->position->count, sb->position->count);
	assert_true(sa->position->lineage == sb->position->lineage);
	assert_memory_equal(sa->position->digest.data, sb->position->digest.data, 32);
	asafo__ipc__keeper_status_reply__free_unpacked(sa, NULL);
	asafo__ipc__keeper_status_reply__free_unpacked(sb, NULL);
}

int keeper_replicate(struct unit *from, struct unit *to)
{
	Asafo__Ipc__ReplicaOpenReply *offer = keeper_stage_over(from, to);
	Asafo__Ipc__StageCommit commit = ASAFO__IPC__STAGE_COMMIT__INIT;
	int mode = (int)offer->mode;

	commit.position = offer->position;
	commit.adopt_term = true;
	assert_int_equal(
		unit_call_status(to->engine, IPC_STAGE_COMMIT, &commit.base, NULL, 0, NULL), 0);
	asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
	assert_same_position(from, to);
	return mode;
}

int keeper_rollback(struct unit *unit, const char *name, uint64_t generation, char *ret_why)
{
	Asafo__Ipc__Rollback request = ASAFO__IPC__ROLLBACK__INIT;
	Asafo__Ipc__ImportReply *reply;
	int code;

	request.name = (char *)(uintptr_t)name;
	request.generation = generation;
	request.term = 2;
	reply = (Asafo__Ipc__ImportReply *)unit_call(unit->engine, IPC_ROLLBACK, &request.base,
						     NULL, 0);
	code = reply->status->code;
	if (ret_why)
		(void)snprintf(ret_why, 512, "%s", reply->status->why);
	asafo__ipc__import_reply__free_unpacked(reply, NULL);
	return code;
}

void keeper_generations(struct unit *unit, const char *name, char *ret_text, size_t size)
{
	Asafo__Ipc__Generations request = ASAFO__IPC__GENERATIONS__INIT;
	bool has_more = true;
	size_t length = 0;

	request.name = (char *)(uintptr_t)name;
	unit_send(unit->engine, IPC_GENERATIONS, 9, &request.base, NULL, 0);
	*ret_text = 0;
	while (has_more) {
		Asafo__Ipc__ListReply *reply =
			(Asafo__Ipc__ListReply *)unit_receive(unit->engine, NULL, &has_more);

		assert_int_equal(reply->status->code, 0);
		for (size_t i = 0; i < reply->n_public_parts; i++) {
			Asafo__Record__TrustpointPublic *part =
				asafo__record__trustpoint_public__unpack(
					NULL, reply->public_parts[i].len,
					reply->public_parts[i].data);

			length += (size_t)snprintf(ret_text + length, size - length, "%llu<%llu ",
						   (unsigned long long)part->generation,
						   (unsigned long long)part->restored_from);
			assert_true(length < size);
			keeper_part_free(part);
		}
		asafo__ipc__list_reply__free_unpacked(reply, NULL);
	}
}
