/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit's local CA: "localca/ca" is its certificate and sealed key, "localca/issued/SERIAL" what
 * it issued, without keys. All of it in the unit's family, and sealed under the unit's own key:
 * nothing here has a way to the mate.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/hex.h"
#include "certstore/keeper/keeper_verbs.h"
#include "certstore/x509/localca.h"

#define CA_KEY "localca/ca"
#define ISSUED_PREFIX "localca/issued/"
#define SERIAL_MAX 20 /* RFC 5280 section 4.1.2.2 */
#define LIFETIME_DAYS_MAX 36500u

static unsigned lifetime(uint32_t wanted, unsigned usual)
{
	if (wanted == 0)
		return usual;
	return wanted < LIFETIME_DAYS_MAX ? wanted : LIFETIME_DAYS_MAX;
}

/* ---- create ---- */

static int store_ca(struct keeper *keeper, const char *name, struct identity *ca, struct why *why)
{
	_cleanup_(buf_done) struct buf record = {0};
	struct store_change change = {.key = CA_KEY};
	Asafo__Record__TrustpointPublic *part = ca->public_part;
	int r = keeper_set_text(&part->name, name);

	if (r == 0)
		r = keeper_set_text(&part->kept_home,
				    "this unit's local CA: it stays on this unit");
	part->origin = ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA;
	part->generation = 1;
	part->imported_at = (int64_t)time(NULL);
	part->exportable = false;
	if (r == 0)
		r = keyring_seal(keeper->ring, KEYRING_UNIT, part, &ca->key, &record);
	if (r < 0)
		return why_set(why, r, "the CA's key cannot be sealed: %s", err_text(r));
	change.value = record.data;
	change.value_size = record.size;
	return store_unit_change(keeper->store, &change, 1, why);
}

static int create(struct keeper *keeper, const Asafo__Ipc__LocalCaCreate *request, struct why *why)
{
	_cleanup_(identity_done) struct identity ca = {0};
	_cleanup_(keeper_item_done) struct keeper_item there = {0};
	const char *name = *request->name ? request->name : "localca";
	int r = keeper_item_get(keeper, true, CA_KEY, &there);

	/* Nothing that an expired one issued is valid any more. */
	if (r == 0 && there.public_part->not_after > (int64_t)time(NULL))
		return why_set(why, ERR_EXISTS,
			       "this unit has a local CA already: asafo localca list shows it (one "
			       "that has expired is replaced)");
	if (r < 0 && r != ERR_NOT_FOUND)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	if (!identity_name_is_valid(name))
		return why_set(why, ERR_MALFORMED,
			       "a CA server's name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
			       TRUSTPOINT_NAME_MAX);
	r = localca_create(*request->subject ? request->subject : name,
			   lifetime(request->lifetime_days, 3650), (int64_t)time(NULL), &ca, why);
	return r < 0 ? r : store_ca(keeper, name, &ca, why);
}

void keeper_on_localca_create(struct keeper *keeper, const struct keeper_ticket *ticket,
			      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	int r = create(keeper, (const Asafo__Ipc__LocalCaCreate *)body, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
}

/* ---- issue ---- */

static int issue_identity(struct keeper *keeper, const Asafo__Ipc__LocalCaIssue *request,
			  struct identity *ret_identity, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item ca = {0};
	_cleanup_(secret_done) struct secret ca_key = {0};
	int r = keeper_item_get(keeper, true, CA_KEY, &ca);

	if (r == ERR_NOT_FOUND)
		return why_set(why, r,
			       "this unit has no local CA: create it first (asafo localca "
			       "create)");
	if (r == 0)
		r = keyring_open(keeper->ring, ca.record, &ca_key);
	if (r < 0)
		return why_set(why, r, "the local CA's key cannot be unsealed: %s", err_text(r));
	return localca_issue(ca.public_part, &ca_key, request->subject,
			     (const char *const *)request->names, request->n_names,
			     lifetime(request->lifetime_days, 365), (int64_t)time(NULL),
			     ret_identity, why);
}

static int issued_key(const Asafo__Record__TrustpointPublic *part,
		      char ret_key[static KEEPER_NAME_KEY_SIZE])
{
	char serial[2 * SERIAL_MAX + 1];

	if (part->serial.len == 0 || part->serial.len > SERIAL_MAX)
		return ERR_CRYPTO;
	hex_encode(part->serial.data, part->serial.len, serial);
	(void)snprintf(ret_key, KEEPER_NAME_KEY_SIZE, ISSUED_PREFIX "%s", serial);
	return 0;
}

/* Known before it is handed out: what somebody holds is always on the list. */
static int record_issued(struct keeper *keeper, Asafo__Record__TrustpointPublic *part,
			 bool is_issued, struct why *why)
{
	_cleanup_free_ uint8_t *packed =
		malloc(asafo__record__trustpoint_public__get_packed_size(part) + 1);
	char key[KEEPER_NAME_KEY_SIZE];
	struct store_change change = {.key = key};
	int r = packed ? issued_key(part, key) : -ENOMEM;

	if (r < 0)
		return why_set(why, r, "the certificate cannot be recorded: %s", err_text(r));
	if (is_issued) {
		change.value_size = asafo__record__trustpoint_public__pack(part, packed);
		change.value = packed;
	}
	r = store_unit_change(keeper->store, &change, 1, why);
	if (r < 0)
		return r;
	if (is_issued)
		keeper_issued_add(keeper, &part->key_id);
	else
		keeper_issued_forget(keeper);
	return 0;
}

static int issue(struct keeper *keeper, const Asafo__Ipc__LocalCaIssue *request, int output_fd,
		 int passphrase_fd, struct identity *ret_identity, struct why *why)
{
	_cleanup_(secret_done) struct secret passphrase = {0};
	_cleanup_(buf_wipe) struct buf file = {0};
	struct identity *identity = ret_identity;
	int r;

	if (output_fd < 0)
		return why_set(why, ERR_MALFORMED, "no file to write to came with the request");
	r = keeper_read_passphrase(keeper, passphrase_fd, &passphrase, why);
	if (r == 0)
		r = issue_identity(keeper, request, identity, why);
	if (r < 0)
		return r;
	identity->public_part->origin = ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA;
	identity->public_part->imported_at = (int64_t)time(NULL);
	r = keeper_set_text(&identity->public_part->name, "issued");
	if (r == 0)
		r = identity_to_pkcs12(identity->public_part, &identity->key, &passphrase, &file,
				       why);
	if (r == 0)
		r = record_issued(keeper, identity->public_part, true, why);
	if (r < 0)
		return r;
	r = keeper_write_output(keeper, output_fd, file.data, file.size, why);
	/* Nobody has it, and its key is gone. */
	if (r < 0)
		(void)record_issued(keeper, identity->public_part, false, NULL);
	return r;
}

void keeper_on_localca_issue(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__LocalCaIssueReply message = ASAFO__IPC__LOCAL_CA_ISSUE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_close_ int output_fd = ipc_frame_take_fd(frame, 0);
	_cleanup_close_ int passphrase_fd = ipc_frame_take_fd(frame, 1);
	_cleanup_(identity_done) struct identity identity = {0};
	struct why why = {0};
	int r = issue(keeper, (const Asafo__Ipc__LocalCaIssue *)body, output_fd, passphrase_fd,
		      &identity, &why);

	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.fingerprint = identity.public_part->fingerprint;
	message.serial = identity.public_part->serial;
	message.key_id = identity.public_part->key_id;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- list ---- */

#define LIST_ENTRIES_MAX 256

struct issued_list {
	struct keeper *keeper;
	const struct keeper_ticket *ticket;
	ProtobufCBinaryData ca_public;
	bool exists;
	ProtobufCBinaryData issued[LIST_ENTRIES_MAX];
	size_t n, bytes;
};

static void list_send(struct issued_list *list, bool has_more)
{
	Asafo__Ipc__LocalCaListReply message = ASAFO__IPC__LOCAL_CA_LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	message.status = &status;
	message.exists = list->exists;
	message.ca_public = list->ca_public;
	message.issued = list->issued;
	message.n_issued = list->n;
	keeper_reply(list->keeper, list->ticket, &message.base, has_more);
	for (size_t i = 0; i < list->n; i++)
		free(list->issued[i].data);
	list->n = 0;
	list->bytes = 0;
}

static int list_add(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct issued_list *list = userdata;
	uint8_t *copy = malloc(size ? size : 1);

	(void)key;
	if (!copy)
		return -ENOMEM;
	if (list->n == LIST_ENTRIES_MAX ||
	    (list->n > 0 && list->bytes + size > KEEPER_FRAME_BYTES / 2))
		list_send(list, true);
	memcpy(copy, value, size);
	list->issued[list->n++] = (ProtobufCBinaryData){size, copy};
	list->bytes += size;
	return 0;
}

void keeper_on_localca_list(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_(keeper_item_done) struct keeper_item ca = {0};
	struct issued_list list = {.keeper = keeper, .ticket = ticket};
	int r = keeper_item_get(keeper, true, CA_KEY, &ca);

	(void)frame;
	(void)body;
	if (r == 0) {
		list.exists = true;
		list.ca_public = ca.record->public_part;
		r = store_unit_each(keeper->store, ISSUED_PREFIX, list_add, &list);
	} else if (r == ERR_NOT_FOUND) {
		r = 0;
	}
	if (r == 0) {
		list_send(&list, false);
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		free(list.issued[i].data);
	keeper_refuse(keeper, ticket, r, "the local CA cannot be read: %s", err_text(r));
}
