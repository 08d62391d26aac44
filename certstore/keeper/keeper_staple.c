/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP staples: items of the unit's own, by the leaf that they are about, so that a renewal or a
 * rollback never has another's. As the keys of session tickets they cross under every mode of
 * replication, and two units are no different for them. A new one is parsed in another process; one
 * of the mate's was, there.
 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/log.h"
#include "certstore/keeper/keeper_staple.h"
#include "certstore/keeper/keeper_verbs.h"
#include "certstore/pkcs12/parser.h"
#include "certstore/x509/staple.h"

#define FORGET_AFTER_S (30 * 24 * 3600) /* that they ended */
/* That one was revoked is known for as long as an older answer may still be in its time. */
#define FORGET_REVOKED_AFTER_S (400 * 24 * 3600)

struct keeper_staple_job {
	struct keeper_staple_job *next;
	struct keeper *keeper; /* NULL: it was freed */
	struct keeper_ticket ticket;
	char name[TRUSTPOINT_NAME_MAX + 1];
	uint8_t fingerprint[KEEPER_FINGERPRINT_SIZE];
	uint64_t term;
	bool is_dry_run, is_home, is_active, is_fetched;
	char source[STAPLE_SOURCE_MAX + 1];
};

void keeper_staple_free(Asafo__Record__Staple *staple)
{
	asafo__record__staple__free_unpacked(staple, NULL);
}

void keeper_staple_key(bool is_home, const uint8_t fingerprint[static KEEPER_FINGERPRINT_SIZE],
		       char ret_key[static KEEPER_STAPLE_KEY_SIZE])
{
	const char *prefix = is_home ? KEEPER_STAPLES_HOME : KEEPER_STAPLES_SHARED;
	size_t length = strlen(prefix);

	memcpy(ret_key, prefix, length);
	hex_encode(fingerprint, KEEPER_FINGERPRINT_SIZE, ret_key + length);
}

Asafo__Record__Staple *keeper_staple_unpack(const uint8_t *value, size_t size)
{
	Asafo__Record__Staple *staple = asafo__record__staple__unpack(NULL, size, value);

	if (staple &&
	    (staple->fingerprint.len != KEEPER_FINGERPRINT_SIZE || staple->response.len == 0)) {
		keeper_staple_free(staple);
		return NULL;
	}
	return staple;
}

/* NULL: there is none that can be read. */
static Asafo__Record__Staple *find(struct keeper *keeper, bool is_home,
				   const uint8_t fingerprint[static KEEPER_FINGERPRINT_SIZE])
{
	_cleanup_(buf_done) struct buf value = {0};
	char key[KEEPER_STAPLE_KEY_SIZE];

	keeper_staple_key(is_home, fingerprint, key);
	return store_unit_get(keeper->store, key, &value) == 0
		       ? keeper_staple_unpack(value.data, value.size)
		       : NULL;
}

Asafo__Record__Staple *keeper_staple_find(struct keeper *keeper, bool is_home,
					  const ProtobufCBinaryData *fingerprint)
{
	return fingerprint->len == KEEPER_FINGERPRINT_SIZE
		       ? find(keeper, is_home, fingerprint->data)
		       : NULL;
}

/* ---- changes ---- */

struct outdated {
	struct keeper_key_list keys;
	int64_t now;
};

static int collect_outdated(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct outdated *outdated = userdata;
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *staple =
		keeper_staple_unpack(value, size);

	if (staple &&
	    staple->next_update >
		    outdated->now - (staple->is_revoked ? FORGET_REVOKED_AFTER_S : FORGET_AFTER_S))
		return 0;
	return keeper_key_list_add(&outdated->keys, key);
}

int keeper_staple_delete(struct keeper *keeper, const struct keeper_key_list *keys, struct why *why)
{
	_cleanup_free_ struct store_change *changes = calloc(keys->n + 1, sizeof(*changes));

	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < keys->n; i++)
		changes[i] = (struct store_change){keys->keys[i], NULL, 0};
	return keys->n > 0 ? store_unit_change(keeper->store, changes, keys->n, why) : 0;
}

int keeper_staple_count(struct keeper *keeper, struct why *why)
{
	uint64_t n_shared = 0, n_home = 0;
	int r = store_unit_count(keeper->store, KEEPER_STAPLES_SHARED, &n_shared);

	if (r == 0)
		r = store_unit_count(keeper->store, KEEPER_STAPLES_HOME, &n_home);
	if (r == 0 && n_shared + n_home >= KEEPER_STAPLES_MAX)
		r = why_set(why, ERR_TOO_LARGE,
			    "there are %u OCSP staples already: remove some (asafo ocsp remove)",
			    KEEPER_STAPLES_MAX);
	return r;
}

/* What ended long ago makes room. */
int keeper_staple_make_room(struct keeper *keeper, struct why *why)
{
	struct outdated outdated = {.now = (int64_t)time(NULL)};
	int r = store_unit_each(keeper->store, KEEPER_STAPLES_SHARED, collect_outdated, &outdated);

	if (r == 0)
		r = store_unit_each(keeper->store, KEEPER_STAPLES_HOME, collect_outdated,
				    &outdated);
	if (r == 0)
		r = keeper_staple_delete(keeper, &outdated.keys, why);
	keeper_key_list_done(&outdated.keys);
	return r == 0 ? keeper_staple_count(keeper, why) : r;
}

int keeper_staple_keep(struct keeper *keeper, bool is_home, const Asafo__Record__Staple *staple,
		       struct why *why)
{
	_cleanup_(buf_done) struct buf packed = {0};
	struct store_change change = {0};
	char key[KEEPER_STAPLE_KEY_SIZE];
	int r = buf_reserve(&packed, asafo__record__staple__get_packed_size(staple));

	if (r < 0)
		return r;
	keeper_staple_key(is_home, staple->fingerprint.data, key);
	packed.size = asafo__record__staple__pack(staple, packed.data);
	change = (struct store_change){key, packed.data, packed.size};
	return store_unit_change(keeper->store, &change, 1, why);
}

/* ---- as messages ---- */

static void digest_of(const Asafo__Record__Staple *staple, uint8_t ret_digest[static 32])
{
	memset(ret_digest, 0, 32);
	(void)gnutls_hash_fast(GNUTLS_DIG_SHA256, staple->response.data, staple->response.len,
			       ret_digest);
}

/* All but the response; borrows from STAPLE and DIGEST. */
Asafo__Record__Staple keeper_staple_brief(const Asafo__Record__Staple *staple, bool is_home,
					  uint8_t digest[static 32])
{
	Asafo__Record__Staple message = *staple;

	digest_of(staple, digest);
	message.response = (ProtobufCBinaryData){0, NULL};
	message.digest = (ProtobufCBinaryData){32, digest};
	message.is_home = is_home;
	return message;
}

static void reply(const struct keeper_staple_job *job, const Asafo__Record__Staple *staple,
		  bool is_unchanged)
{
	Asafo__Ipc__StapleReply message = ASAFO__IPC__STAPLE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	uint8_t digest[32];
	Asafo__Record__Staple shown = keeper_staple_brief(staple, job->is_home, digest);

	message.status = &status;
	message.staple = &shown;
	message.unchanged = is_unchanged;
	keeper_reply(job->keeper, &job->ticket, &message.base, false);
}

/* Whatever the configuration says of the trustpoint: a standby that changed what it shares would
 * serve another staple than the active unit. */
static int check_role(const struct keeper_item *item, const char *name, bool is_active,
		      struct why *why)
{
	if (item->is_unit || is_active)
		return 0;
	return why_set(why, ERR_NOT_ACTIVE,
		       "trustpoint %s is shared by both units: its OCSP staple is changed on the "
		       "active unit",
		       name);
}

/* ---- import ---- */

static void job_unlink(struct keeper_staple_job *job)
{
	struct keeper_staple_job **at = &job->keeper->staple_jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
}

/* The parser still answers each; it finds nobody. */
void keeper_staples_drop(struct keeper *keeper)
{
	while (keeper->staple_jobs) {
		struct keeper_staple_job *job = keeper->staple_jobs;

		keeper->staple_jobs = job->next;
		job->keeper = NULL;
	}
}

/* The file was parsed in its own time: is it still that leaf, and this unit's to change? */
static int check_still(const struct keeper_staple_job *job, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	int r = keeper_trustpoint_get(job->keeper, job->name, &item);

	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", job->name, err_text(r));
	if (item.public_part->fingerprint.len != KEEPER_FINGERPRINT_SIZE ||
	    memcmp(item.public_part->fingerprint.data, job->fingerprint, KEEPER_FINGERPRINT_SIZE) !=
		    0)
		return why_set(why, ERR_BUSY,
			       "trustpoint %s got another certificate meanwhile: try again",
			       job->name);
	if (item.is_unit != job->is_home)
		return why_set(
			why, ERR_BUSY, "trustpoint %s became %s meanwhile: try again", job->name,
			item.is_unit ? "one of this unit only" : "one that both units share");
	r = check_role(&item, job->name, job->is_active, why);
	return r < 0 || job->is_home ? r : keeper_check_term(job->keeper, job->term, why);
}

static int check_older(const Asafo__Record__Staple *present, const Asafo__Record__Staple *staple,
		       struct why *why)
{
	if (present && present->is_revoked && staple->this_update <= present->this_update)
		return why_set(why, ERR_REVOKED,
			       "the issuer has revoked the certificate since it gave this OCSP "
			       "response: clients will refuse it, have another one issued");
	if (!present || present->this_update <= staple->this_update)
		return 0;
	return why_set(why, ERR_EXISTS,
		       "the OCSP staple that is there is newer than this one: nothing was changed");
}

static void store_staple(struct keeper_staple_job *job, const Asafo__Record__Staple *parsed)
{
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *present =
		find(job->keeper, job->is_home, job->fingerprint);
	Asafo__Record__Staple staple = *parsed;
	struct why why = {0};
	int r = check_still(job, &why);

	staple.fingerprint = (ProtobufCBinaryData){KEEPER_FINGERPRINT_SIZE, job->fingerprint};
	staple.source = job->source;
	staple.taken_at = (int64_t)time(NULL);
	staple.trustpoint = job->name;
	if (r == 0 && present && present->response.len == staple.response.len &&
	    memcmp(present->response.data, staple.response.data, staple.response.len) == 0) {
		reply(job, present, true);
		return;
	}
	if (r == 0)
		r = check_older(present, &staple, &why);
	if (r == 0 && !present && !job->is_dry_run)
		r = keeper_staple_make_room(job->keeper, &why);
	if (r == 0 && !job->is_dry_run)
		r = keeper_staple_keep(job->keeper, job->is_home, &staple, &why);
	if (r < 0) {
		keeper_reply_status(job->keeper, &job->ticket, r, &why);
		return;
	}
	reply(job, &staple, false);
	if (!job->is_dry_run)
		keeper_tell_changed(job->keeper);
}

/* What it said before is not sent any more, and not taken again. */
static void keep_revoked(struct keeper_staple_job *job, const Asafo__Record__Staple *parsed,
			 bool is_new)
{
	Asafo__Record__Staple staple = *parsed;
	struct why why = {0};
	int r = is_new ? keeper_staple_make_room(job->keeper, &why) : 0;

	staple.fingerprint = (ProtobufCBinaryData){KEEPER_FINGERPRINT_SIZE, job->fingerprint};
	staple.source = job->source;
	staple.taken_at = (int64_t)time(NULL);
	staple.trustpoint = job->name;
	if (r == 0)
		r = keeper_staple_keep(job->keeper, job->is_home, &staple, &why);
	if (r < 0)
		log_line(LOG_ERR, "that trustpoint %s is revoked cannot be kept: %s", job->name,
			 why.text[0] ? why.text : err_text(r));
	else
		keeper_tell_changed(job->keeper);
}

/* The issuer says so, and it signed that. Returns what is answered, with WHY. */
static int revoked(struct keeper_staple_job *job, const Asafo__Record__Staple *parsed,
		   struct why *why)
{
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *present =
		find(job->keeper, job->is_home, job->fingerprint);
	struct why unused;

	if (!parsed)
		return ERR_REVOKED;
	if (present && !present->is_revoked && present->this_update > parsed->this_update)
		return why_set(why, ERR_EXISTS,
			       "the response says revoked, and the OCSP staple that is there is "
			       "newer and says good: nothing was changed");
	log_line(LOG_ALERT, "trustpoint %s: %s", job->name, why->text);
	if (job->is_fetched && !job->is_dry_run && check_still(job, &unused) == 0 &&
	    (!present || !present->is_revoked || present->this_update < parsed->this_update))
		keep_revoked(job, parsed, !present);
	return ERR_REVOKED;
}

static void on_parsed(int code, const Asafo__Record__Staple *staple, const struct why *said,
		      void *userdata)
{
	_cleanup_free_ struct keeper_staple_job *job = userdata;
	struct why why = *said;

	if (!job->keeper)
		return;
	job_unlink(job);
	if (code == ERR_REVOKED)
		code = revoked(job, staple, &why);
	if (!keeper_ticket_channel(job->keeper, &job->ticket))
		log_line(LOG_WARNING, "the OCSP staple of %s is dropped: who asked for it is gone",
			 job->name);
	else if (code < 0)
		keeper_reply_status(job->keeper, &job->ticket, code, &why);
	else
		store_staple(job, staple);
}

static int check_request(struct keeper *keeper, const char *name, int file_fd,
			 struct keeper_item *ret_item, struct why *why)
{
	int r;

	if (file_fd < 0)
		return why_set(why, ERR_MALFORMED, "no file came with the request");
	if (!keeper->parser)
		return why_set(why, ERR_NOT_READY, "the parser could not be started (see the log)");
	r = keeper_trustpoint_get(keeper, name, ret_item);
	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", name, err_text(r));
	if (ret_item->public_part->is_ca)
		return why_set(why, ERR_UNSUPPORTED,
			       "trustpoint %s holds a CA's certificate: it is never served, and "
			       "needs no staple",
			       name);
	if (ret_item->public_part->n_chain == 0)
		return why_set(
			why, ERR_NO_CERTIFICATE,
			"trustpoint %s holds no certificate of its issuer, against whose key "
			"the response is checked: import it with its chain (--replace)",
			name);
	return 0;
}

static int start(struct keeper *keeper, const struct keeper_ticket *ticket,
		 const Asafo__Ipc__StapleImport *request, int file_fd, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	struct staple_question question = {.now = (int64_t)time(NULL)};
	struct keeper_staple_job *job;
	int r = check_request(keeper, request->name, file_fd, &item, why);

	if (r == 0)
		r = check_role(&item, request->name, request->is_active, why);
	if (r < 0)
		return r;
	question.leaf = item.public_part->leaf.data;
	question.leaf_size = item.public_part->leaf.len;
	question.issuer = item.public_part->chain[0].data;
	question.issuer_size = item.public_part->chain[0].len;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct keeper_staple_job){
		.keeper = keeper,
		.ticket = *ticket,
		.term = request->term,
		.is_dry_run = request->dry_run,
		.is_home = item.is_unit,
		.is_active = request->is_active,
		.is_fetched = request->response.len > 0,
	};
	(void)snprintf(job->source, sizeof(job->source), "%s",
		       job->is_fetched ? request->source : "file");
	memcpy(job->name, request->name, strlen(request->name) + 1);
	memcpy(job->fingerprint, item.public_part->fingerprint.data, KEEPER_FINGERPRINT_SIZE);
	r = parser_staple(keeper->parser, file_fd, &question, on_parsed, job);
	if (r < 0) {
		free(job);
		return why_set(why, r, "the file cannot be parsed now: %s", err_text(r));
	}
	job->next = keeper->staple_jobs;
	keeper->staple_jobs = job;
	return 0;
}

/* The parser's child reads nothing but a descriptor. */
static int as_file(const ProtobufCBinaryData *bytes, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("staple", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_full(fd, bytes->data, bytes->len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

void keeper_on_staple_import(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__StapleImport *request = (const Asafo__Ipc__StapleImport *)body;
	_cleanup_close_ int file_fd = -1;
	struct why why = {0};
	int r = 0;

	if (request->response.len > 0)
		r = as_file(&request->response, &file_fd);
	else
		file_fd = ipc_frame_take_fd(frame, 0);
	if (r == 0)
		r = start(keeper, ticket, request, file_fd, &why);
	if (r < 0)
		keeper_reply_status(keeper, ticket, r, &why);
}

/* ---- removal ---- */

static int drop(struct keeper *keeper, const Asafo__Ipc__StapleDrop *request, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *present = NULL;
	struct store_change change = {0};
	char key[KEEPER_STAPLE_KEY_SIZE];
	int r = keeper_trustpoint_get(keeper, request->name, &item);

	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", request->name, err_text(r));
	r = check_role(&item, request->name, request->is_active, why);
	if (r < 0)
		return r;
	present = keeper_staple_find(keeper, item.is_unit, &item.public_part->fingerprint);
	if (!present || present->is_revoked)
		return why_set(why, ERR_NOT_FOUND, "trustpoint %s has no OCSP staple%s",
			       request->name,
			       present ? ": its issuer has revoked the certificate, which is "
					 "remembered"
				       : "");
	r = item.is_unit ? 0 : keeper_check_term(keeper, request->term, why);
	if (r < 0)
		return r;
	keeper_staple_key(item.is_unit, present->fingerprint.data, key);
	change.key = key;
	return store_unit_change(keeper->store, &change, 1, why);
}

void keeper_on_staple_drop(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	int r = drop(keeper, (const Asafo__Ipc__StapleDrop *)body, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
	if (r == 0)
		keeper_tell_changed(keeper);
}
