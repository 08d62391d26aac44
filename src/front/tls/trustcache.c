/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry a name, at most one question about it under way: notices that come meanwhile only mark
 * it, so that a bulk replication of ten thousand trustpoints asks for the few in use a few times. A
 * keeper that let one signature time out is not asked again for a second: a handshake then fails at
 * once, and the loop stays free for the others.
 */
#include "front/tls/trustcache.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "front/tls/name_hash.h"
#include "src/ipc/ipc.pb-c.h"

#define STALL_MS 1000
#define SIGNATURE_MAX 4096
#define CHAINS 1024u

struct entry {
	struct entry *next;
	struct entry *behind; /* in the chain of its name */
	char *name;
	struct credential *credential;
	struct why why;
	bool is_marked, is_pending, is_stale, is_answered;
};

struct trustcache {
	struct ipc_channel *keeper;
	struct entry *entries;
	struct entry *chains[CHAINS];
	struct monotime stalled_until;
	struct monotime silent_since; /* asked, or gone; MONOTIME_NEVER: neither */
	bool is_probing;
	struct credential_signer signer;
	struct resumption *resumption;
	trustcache_change_fn on_change;
	void *userdata;
};

/* What a question carries, independent of the entry's life. */
struct question {
	struct trustcache *cache;
	char *name;
};

static void entry_ask(struct trustcache *cache, struct entry *entry);

static struct entry *entry_find(const struct trustcache *cache, const char *name)
{
	struct entry *entry = cache->chains[name_hash(name) % CHAINS];

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->behind;
	return entry;
}

static void entry_link(struct trustcache *cache, struct entry *entry)
{
	struct entry **chain = &cache->chains[name_hash(entry->name) % CHAINS];

	entry->next = cache->entries;
	cache->entries = entry;
	entry->behind = *chain;
	*chain = entry;
}

/* From its chain; its place in the list is who walks that one's. */
static void entry_unlink(struct trustcache *cache, const struct entry *entry)
{
	struct entry **at = &cache->chains[name_hash(entry->name) % CHAINS];

	while (*at != entry)
		at = &(*at)->behind;
	*at = entry->behind;
}

static void entry_free(struct entry *entry)
{
	credential_unref(entry->credential);
	free(entry->name);
	free(entry);
}

static void question_free(struct question *question)
{
	free(question->name);
	free(question);
}

/* Nothing is known any more: the keeper has said so. */
static bool entry_empty(struct entry *entry, const char *why)
{
	bool is_new = entry->credential != NULL || strcmp(entry->why.text, why) != 0;

	credential_unref(TAKE_PTR(entry->credential));
	(void)why_set(&entry->why, 0, "%s", why);
	return is_new;
}

static bool entry_fill(struct trustcache *cache, struct entry *entry,
		       const ProtobufCBinaryData *part, const Asafo__Record__Staple *staple)
{
	struct credential *credential = NULL;
	struct why why = {""};
	int r;

	if (entry->credential && credential_is_from(entry->credential, part->data, part->len) &&
	    credential_has_staple(entry->credential, staple))
		return false;
	r = credential_new(part->data, part->len, &cache->signer, &credential, &why);
	/* Where there is no memory for it, the certificate goes without. */
	if (r == 0)
		(void)credential_staple(credential, staple);
	if (r < 0)
		return entry_empty(entry, why.text[0] ? why.text : err_text(r));
	credential_unref(entry->credential);
	entry->credential = credential;
	entry->why.text[0] = '\0';
	return true;
}

static bool reply_apply(struct trustcache *cache, struct entry *entry,
			const Asafo__Ipc__CertificateReply *reply)
{
	int code = reply->status ? reply->status->code : 0;

	if (code == 0 && reply->public_part.len > 0)
		return entry_fill(cache, entry, &reply->public_part, reply->staple);
	if (code == 0 || code == ERR_NOT_FOUND)
		return entry_empty(entry, entry->name[0]
						  ? "the trustpoint is not in the store"
						  : "there is no self-signed certificate yet");
	/* A keeper in trouble says nothing about the certificate. */
	if (entry->credential)
		return false;
	return entry_empty(entry, reply->status->why[0] ? reply->status->why : err_text(code));
}

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct question *question = userdata;
	struct trustcache *cache = question->cache;
	struct entry *entry = entry_find(cache, question->name);
	bool is_new = false;

	if (has_more)
		return;
	question_free(question);
	if (!entry)
		return;
	entry->is_pending = false;
	if (code == 0) {
		is_new = !entry->is_answered;
		entry->is_answered = true;
		is_new |= reply_apply(cache, entry, (const Asafo__Ipc__CertificateReply *)body);
		if (entry->is_stale)
			entry_ask(cache, entry);
	} else if (!entry->credential) {
		(void)why_set(&entry->why, 0, "the keeper does not answer: %s", err_text(code));
		is_new = true;
	}
	if (is_new)
		cache->on_change(cache->userdata);
}

static void entry_ask(struct trustcache *cache, struct entry *entry)
{
	Asafo__Ipc__Certificate body = ASAFO__IPC__CERTIFICATE__INIT;
	struct question *question;

	entry->is_stale = entry->is_pending;
	if (entry->is_pending || !cache->keeper)
		return;
	question = calloc(1, sizeof(*question));
	if (!question)
		return;
	question->cache = cache;
	question->name = strdup(entry->name);
	body.name = entry->name;
	entry->is_pending = true;
	if (!question->name || ipc_channel_call(cache->keeper, IPC_CERTIFICATE, &body.base, NULL, 0,
						on_certificate, question) < 0) {
		entry->is_pending = false;
		question_free(question);
	}
}

static void ask_all(struct trustcache *cache)
{
	for (struct entry *entry = cache->entries; entry; entry = entry->next)
		entry_ask(cache, entry);
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct trustcache *cache = userdata;

	(void)channel;
	/* Where they cannot be taken, those before hold. */
	if (frame->type == IPC_RESUMPTION_KEYS)
		(void)resumption_set(cache->resumption, (const Asafo__Ipc__ResumptionKeys *)body,
				     monotime_now(), NULL);
	else
		ask_all(cache);
}

static void keeper_drop(struct trustcache *cache)
{
	struct ipc_channel *channel = TAKE_PTR(cache->keeper);

	ipc_channel_free(channel);
	cache->stalled_until = (struct monotime){0};
}

static void on_probe(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct trustcache *cache = userdata;

	(void)body;
	if (has_more)
		return;
	cache->is_probing = false;
	/* One that went away is silent until its successor has answered. */
	if (code == 0)
		cache->silent_since = MONOTIME_NEVER;
}

uint64_t trustcache_probe(struct trustcache *cache)
{
	Asafo__Ipc__Certificate body = ASAFO__IPC__CERTIFICATE__INIT;
	struct monotime now = monotime_now();

	if (cache->silent_since.ns == MONOTIME_NEVER.ns)
		cache->silent_since = now;
	if (cache->keeper && !cache->is_probing)
		cache->is_probing = ipc_channel_call(cache->keeper, IPC_CERTIFICATE, &body.base,
						     NULL, 0, on_probe, cache) == 0;
	return monotime_since(now, cache->silent_since) / MONOTIME_NS_PER_MS;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct trustcache *cache = userdata;

	(void)code;
	if (cache->keeper == channel)
		keeper_drop(cache);
	cache->on_change(cache->userdata);
}

static int signature_take(const Asafo__Ipc__SignReply *reply, struct buf *ret_signature)
{
	if (reply->status && reply->status->code != 0)
		return reply->status->code;
	if (reply->signature.len == 0 || reply->signature.len > SIGNATURE_MAX)
		return ERR_MALFORMED;
	return buf_append(ret_signature, reply->signature.data, reply->signature.len);
}

static int on_sign(const uint8_t key_id[static 32], gnutls_sign_algorithm_t algorithm,
		   bool is_digest, const uint8_t *data, size_t size, struct buf *ret_signature,
		   void *userdata)
{
	struct trustcache *cache = userdata;
	Asafo__Ipc__Sign body = ASAFO__IPC__SIGN__INIT;
	ProtobufCMessage *reply = NULL;
	int r;

	if (!cache->keeper)
		return ERR_CLOSED;
	if (!monotime_reached(monotime_now(), cache->stalled_until))
		return ERR_TIMEOUT;
	body.key_id = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)key_id};
	body.algorithm = (uint32_t)algorithm;
	body.data = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)data};
	body.is_digest = is_digest;
	r = ipc_channel_call_sync(cache->keeper, IPC_SIGN, &body.base, TRUSTCACHE_SIGN_MS, &reply);
	if (r == ERR_TIMEOUT)
		cache->stalled_until = monotime_add_ms(monotime_now(), STALL_MS);
	if (r < 0)
		return r;
	r = signature_take((const Asafo__Ipc__SignReply *)reply, ret_signature);
	protobuf_c_message_free_unpacked(reply, NULL);
	return r;
}

int trustcache_new(trustcache_change_fn on_change, void *userdata, struct trustcache **ret_cache)
{
	struct trustcache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	if (resumption_new(&cache->resumption) < 0) {
		free(cache);
		return -ENOMEM;
	}
	cache->on_change = on_change;
	cache->userdata = userdata;
	cache->silent_since = MONOTIME_NEVER;
	cache->signer = (struct credential_signer){on_sign, cache};
	*ret_cache = cache;
	return 0;
}

static void entries_remove(struct trustcache *cache, bool only_unmarked)
{
	struct entry **at = &cache->entries;

	while (*at) {
		struct entry *entry = *at;

		if (only_unmarked && entry->is_marked) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		entry_unlink(cache, entry);
		entry_free(entry);
	}
}

void trustcache_free(struct trustcache *cache)
{
	if (!cache)
		return;
	entries_remove(cache, false);
	keeper_drop(cache);
	resumption_free(cache->resumption);
	free(cache);
}

int trustcache_attach(struct trustcache *cache, sd_event *event, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {
		[IPC_CHANGED] = true, [IPC_RESUMPTION_KEYS] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	int r;

	keeper_drop(cache);
	r = ipc_channel_new(event, fd, &ops, cache, &cache->keeper);
	if (r == 0)
		ask_all(cache);
	return r;
}

const struct resumption *trustcache_resumption(const struct trustcache *cache)
{
	return cache->resumption;
}

bool trustcache_is_attached(const struct trustcache *cache)
{
	return cache->keeper != NULL;
}

void trustcache_mark(struct trustcache *cache)
{
	for (struct entry *entry = cache->entries; entry; entry = entry->next)
		entry->is_marked = false;
}

int trustcache_want(struct trustcache *cache, const char *name)
{
	struct entry *entry = entry_find(cache, name);

	if (entry) {
		entry->is_marked = true;
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->name = strdup(name);
	if (!entry->name) {
		free(entry);
		return -ENOMEM;
	}
	entry->is_marked = true;
	(void)why_set(&entry->why, 0, "the keeper has not answered yet");
	entry_link(cache, entry);
	entry_ask(cache, entry);
	return 0;
}

void trustcache_sweep(struct trustcache *cache)
{
	entries_remove(cache, true);
}

bool trustcache_is_loading(const struct trustcache *cache)
{
	for (const struct entry *entry = cache->entries; entry; entry = entry->next) {
		if (entry->is_pending && !entry->is_answered)
			return true;
	}
	return false;
}

struct credential *trustcache_get(const struct trustcache *cache, const char *name,
				  const char **ret_why)
{
	const struct entry *entry = entry_find(cache, name);

	if (ret_why)
		*ret_why = entry ? entry->why.text : "the trustpoint is not in use";
	return entry ? entry->credential : NULL;
}
