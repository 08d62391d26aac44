/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is parsed in another process; what comes back is stored in one transaction or not at
 * all. An import whose asker is gone when the parser answers stores nothing: nobody would know that
 * it did.
 */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "certstore/keeper/keeper_verbs.h"

struct keeper_import {
	struct keeper_import *next;
	struct keeper *keeper; /* NULL: it was freed */
	struct keeper_ticket ticket;
	char name[TRUSTPOINT_NAME_MAX + 1];
	uint64_t term;
	bool replace, dry_run, non_exportable;
	char keep_home[160]; /* not empty: it stays on this unit, and why */
	bool allow_no_mac, allow_weak, wants_ca;
	char *friendly_name;
	bool has_mate_clock;
	int64_t mate_ahead; /* seconds */
	struct keeper_cas cas;
};

static void import_free(struct keeper_import *import)
{
	keeper_cas_done(&import->cas);
	free(import->friendly_name);
	free(import);
}

CLEANUP_DEFINE(struct keeper_import *, import_free)

/* Into which family it goes. */
static bool stays_home(const struct keeper_import *import, const struct identity *identity)
{
	return identity->is_local_ca || import->keep_home[0];
}

static void import_unlink(struct keeper_import *import)
{
	struct keeper_import **at = &import->keeper->imports;

	while (*at != import)
		at = &(*at)->next;
	*at = import->next;
}

/* The parser still answers each; it finds nobody. */
void keeper_imports_drop(struct keeper *keeper)
{
	while (keeper->imports) {
		struct keeper_import *import = keeper->imports;

		keeper->imports = import->next;
		import->keeper = NULL;
	}
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool is_same(const Asafo__Record__TrustpointPublic *a,
		    const Asafo__Record__TrustpointPublic *b)
{
	if (!same_bytes(&a->leaf, &b->leaf) || !same_bytes(&a->key_id, &b->key_id) ||
	    a->n_chain != b->n_chain || a->exportable != b->exportable)
		return false;
	for (size_t i = 0; i < a->n_chain; i++) {
		if (!same_bytes(&a->chain[i], &b->chain[i]))
			return false;
	}
	return true;
}

/* Whose local CA issued a certificate for one of the keys: what is known by its signature is known
 * already. */
static int find_issuer(struct keeper *keeper, const struct identity *identity,
		       enum keeper_issuer *ret_issuer)
{
	int r = 0;

	*ret_issuer = KEEPER_ISSUER_NONE;
	if (identity->is_local_ca)
		return 0;
	for (size_t i = 0; r == 0 && i < identity->n_key_ids && *ret_issuer == KEEPER_ISSUER_NONE;
	     i++)
		r = keeper_issued_by(keeper, identity->key_ids[i], ret_issuer);
	return r;
}

static const char *reason_to_stay(const struct keeper_import *import,
				  const struct identity *identity, enum keeper_issuer issuer)
{
	if (issuer == KEEPER_ISSUER_OWN)
		return "its key is in a certificate that this unit's local CA issued: it stays on "
		       "this unit and is never replicated";
	if (issuer == KEEPER_ISSUER_MATE)
		return "its key is in a certificate that the mate's local CA issued: it stays on "
		       "this unit and is never replicated";
	if (identity->is_mate_ca)
		return "issued by the mate's local CA: it stays on this unit and is never "
		       "replicated";
	return identity->is_local_ca ? "issued by this unit's local CA: it stays on this unit and "
				       "is never replicated"
				     : import->keep_home;
}

static int fill_public(const struct keeper_import *import, struct identity *identity,
		       const struct keeper_item *old)
{
	Asafo__Record__TrustpointPublic *part = identity->public_part;
	enum keeper_issuer issuer;
	int r = find_issuer(import->keeper, identity, &issuer);

	if (r == 0)
		r = keeper_set_text(&part->name, import->name);
	if (r == 0)
		r = keeper_set_text(&part->kept_home, reason_to_stay(import, identity, issuer));
	identity->is_local_ca = identity->is_local_ca || issuer != KEEPER_ISSUER_NONE;
	part->generation = old->public_part ? old->public_part->generation + 1 : 1;
	part->imported_at = (int64_t)time(NULL);
	part->exportable = !import->non_exportable;
	part->origin = identity->is_local_ca ? ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA
					     : ASAFO__RECORD__ORIGIN__ORIGIN_IMPORTED;
	return r;
}

static int check_existing(const struct keeper_import *import, const struct identity *identity,
			  const struct keeper_item *old, struct why *why)
{
	if (!old->public_part)
		return 0;
	if (old->is_unit != stays_home(import, identity))
		return why_set(why, ERR_EXISTS,
			       "the name %s belongs to a trustpoint that %s: remove that one "
			       "first (asafo remove %s), or choose another name",
			       import->name,
			       old->is_unit ? "stays on this unit (asafo why says the rule)"
					    : "is shared with the standby, and would be lost there",
			       import->name);
	if (old->public_part->is_ca != identity->public_part->is_ca)
		return why_set(why, ERR_EXISTS,
			       old->public_part->is_ca
				       ? "trustpoint %s holds a CA's certificate and no key: "
					 "choose another name, or remove it first"
				       : "trustpoint %s holds a key and its certificate: choose "
					 "another name for the CA's, or remove it first",
			       import->name);
	if (!import->replace)
		return why_set(why, ERR_EXISTS,
			       "trustpoint %s exists already with another certificate, key or "
			       "chain: use --replace "
			       "to replace it (the old one is kept as an earlier generation)",
			       import->name);
	return keeper_generation_check_next(old->public_part, why);
}

static int seal_and_store(struct keeper_import *import, const struct identity *identity,
			  const struct keeper_item *old, struct why *why)
{
	_cleanup_(buf_done) struct buf record = {0};
	bool is_unit = stays_home(import, identity);
	int r = keyring_seal(import->keeper->ring, is_unit ? KEYRING_UNIT : KEYRING_PAIR,
			     identity->public_part, &identity->key, &record);

	if (r < 0)
		return why_set(why, r, "the key cannot be sealed: %s", err_text(r));
	if (record.size > STORE_VALUE_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "certificate, chain and key together have %zu bytes, %u are stored "
			       "at most: leave "
			       "certificates out of the file that do not belong to the chain",
			       record.size, STORE_VALUE_MAX);
	return import->dry_run ? 0
			       : keeper_replace(import->keeper, import->name, is_unit, import->term,
						old, &record, why);
}

static void reply(const struct keeper_import *import, const struct identity *identity,
		  const Asafo__Record__TrustpointPublic *part, bool is_unchanged)
{
	Asafo__Ipc__ImportReply message = ASAFO__IPC__IMPORT_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	char *warnings[IDENTITY_WARNINGS_MAX];
	_cleanup_free_ uint8_t *packed =
		malloc(asafo__record__trustpoint_public__get_packed_size(part) + 1);
	struct store_position now;

	if (!packed) {
		keeper_reply_status(import->keeper, &import->ticket, -ENOMEM, NULL);
		return;
	}
	store_position(import->keeper->store, &now);
	store_position_pack(&now, &position);
	for (size_t i = 0; i < identity->n_warnings; i++)
		warnings[i] = (char *)(uintptr_t)identity->warnings[i];
	message.status = &status;
	message.public_part.len = asafo__record__trustpoint_public__pack(part, packed);
	message.public_part.data = packed;
	message.unchanged = is_unchanged;
	message.position = &position;
	message.warnings = warnings;
	message.n_warnings = identity->n_warnings;
	keeper_reply(import->keeper, &import->ticket, &message.base, false);
}

static void import_identity(struct keeper_import *import, struct identity *identity)
{
	_cleanup_(keeper_item_done) struct keeper_item old = {0};
	struct keeper *keeper = import->keeper;
	struct why why = {0};
	int r = keeper_trustpoint_get(keeper, import->name, &old);

	if (r == 0 || r == ERR_NOT_FOUND)
		r = fill_public(import, identity, &old);
	if (r < 0) {
		keeper_refuse(keeper, &import->ticket, r, "trustpoint %s cannot be imported: %s",
			      import->name, err_text(r));
		return;
	}
	if (old.public_part && is_same(old.public_part, identity->public_part)) {
		reply(import, identity, old.public_part, true);
		return;
	}
	r = check_existing(import, identity, &old, &why);
	if (r == 0)
		r = seal_and_store(import, identity, &old, &why);
	if (r < 0) {
		keeper_reply_status(keeper, &import->ticket, r, &why);
		return;
	}
	reply(import, identity, identity->public_part, false);
	if (!import->dry_run)
		keeper_changed(keeper);
}

void keeper_import_identity(struct keeper *keeper, const struct keeper_ticket *ticket,
			    const struct keeper_restored *restored, struct identity *identity)
{
	struct keeper_import import = {.keeper = keeper, .ticket = *ticket};

	(void)snprintf(import.name, sizeof(import.name), "%s", restored->name);
	import.term = restored->term;
	import.replace = restored->is_replacing;
	import.non_exportable = !restored->is_exportable;
	import_identity(&import, identity);
}

static void on_parsed(int code, struct identity *identity, const struct why *why, void *userdata)
{
	_cleanup_(import_free_p) struct keeper_import *import = userdata;

	if (!import->keeper)
		return;
	import_unlink(import);
	if (!keeper_ticket_channel(import->keeper, &import->ticket))
		log_line(LOG_WARNING, "the import of %s is dropped: who asked for it is gone",
			 import->name);
	else if (code < 0)
		keeper_reply_status(import->keeper, &import->ticket, code, why);
	else
		import_identity(import, identity);
}

static int check_request(struct keeper *keeper, const Asafo__Ipc__Import *request, int file_fd,
			 struct why *why)
{
	if (!identity_name_is_valid(request->name))
		return why_set(why, ERR_MALFORMED,
			       "a trustpoint's name has 1 to %d of the characters A-Z a-z 0-9 . _ "
			       "- and begins with "
			       "none of - and .",
			       TRUSTPOINT_NAME_MAX);
	if (file_fd < 0)
		return why_set(why, ERR_MALFORMED, "no file came with the request");
	for (struct keeper_import *import = keeper->imports; import; import = import->next) {
		if (strcmp(import->name, request->name) == 0)
			return why_set(why, ERR_BUSY,
				       "an import of %s is under way already: try again when it is "
				       "done",
				       request->name);
	}
	if (!keeper->parser)
		return why_set(why, ERR_NOT_READY, "the parser could not be started (see the log)");
	return 0;
}

/* As of now: clocks go on, and the mate may have told of its local CA since. */
static int fill_policy(struct keeper_import *import, struct identity_policy *ret_policy,
		       struct why *why)
{
	int64_t now = (int64_t)time(NULL);
	int r;

	keeper_cas_done(&import->cas);
	r = keeper_cas_get(import->keeper, &import->cas);
	if (r < 0)
		return why_set(why, r, "the local CA cannot be read: %s", err_text(r));
	*ret_policy = (struct identity_policy){
		.now = now,
		.mate_now = import->has_mate_clock ? now + import->mate_ahead : 0,
		.allow_no_mac = import->allow_no_mac,
		.allow_weak = import->allow_weak,
		.friendly_name = import->friendly_name,
		.wants_ca = import->wants_ca,
		.local_cas = &import->cas.own,
		.n_local_cas = import->cas.own.size > 0,
		.mate_cas = import->cas.mates,
		.n_mate_cas = import->cas.n_mates,
	};
	return 0;
}

/* Whoever waited for his turn. */
static int on_turn(struct identity_policy *ret_policy, struct why *ret_why, void *userdata)
{
	struct keeper_import *import = userdata;
	int r = 0;

	if (!import->keeper || !keeper_ticket_channel(import->keeper, &import->ticket))
		return ERR_CLOSED;
	if (!import->keep_home[0])
		r = keeper_check_term(import->keeper, import->term, ret_why);
	return r < 0 ? r : fill_policy(import, ret_policy, ret_why);
}

static struct keeper_import *import_new(struct keeper *keeper, const struct keeper_ticket *ticket,
					const Asafo__Ipc__Import *request)
{
	bool has_mate_clock = !request->keep_home[0] && request->mate_now != 0;
	struct keeper_import *import = calloc(1, sizeof(*import));
	char *friendly_name = strdup(request->friendly_name);

	if (!import || !friendly_name) {
		free(import);
		free(friendly_name);
		return NULL;
	}
	*import = (struct keeper_import){
		.keeper = keeper,
		.ticket = *ticket,
		.term = request->term,
		.replace = request->replace,
		.dry_run = request->dry_run,
		.non_exportable = request->non_exportable,
		.allow_no_mac = request->allow_no_mac,
		.allow_weak = request->allow_weak,
		.wants_ca = request->is_ca,
		.friendly_name = friendly_name,
		.has_mate_clock = has_mate_clock,
		.mate_ahead = has_mate_clock ? request->mate_now - (int64_t)time(NULL) : 0,
	};
	memcpy(import->name, request->name, strlen(request->name) + 1);
	(void)snprintf(import->keep_home, sizeof(import->keep_home), "%s", request->keep_home);
	return import;
}

static int start(struct keeper *keeper, const struct keeper_ticket *ticket,
		 const Asafo__Ipc__Import *request, int file_fd, int passphrase_fd, struct why *why)
{
	_cleanup_(import_free_p) struct keeper_import *import = import_new(keeper, ticket, request);
	struct identity_policy policy;
	int r = import ? fill_policy(import, &policy, why) : -ENOMEM;

	if (r < 0)
		return r;
	parser_set_on_turn(keeper->parser, on_turn);
	r = parser_import(keeper->parser, file_fd, passphrase_fd, &policy, on_parsed, import);
	if (r < 0)
		return r == ERR_BUSY
			       ? why_set(why, r,
					 "too many imports are under way: try again when "
					 "some of them are done")
			       : why_set(why, r, "the file cannot be parsed now: %s", err_text(r));
	import->next = keeper->imports;
	keeper->imports = TAKE_PTR(import);
	return 0;
}

void keeper_on_import(struct keeper *keeper, const struct keeper_ticket *ticket,
		      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Import *request = (const Asafo__Ipc__Import *)body;
	_cleanup_close_ int file_fd = ipc_frame_take_fd(frame, 0);
	_cleanup_close_ int passphrase_fd = ipc_frame_take_fd(frame, 1);
	struct why why = {0};
	int r = check_request(keeper, request, file_fd, &why);

	if (r == 0)
		r = start(keeper, ticket, request, file_fd, passphrase_fd, &why);
	if (r < 0)
		keeper_reply_status(keeper, ticket, r, &why);
}
