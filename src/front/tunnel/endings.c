/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list: there are as many as people who log out at this moment, or did while the engine was gone.
 * An engine that does not know the session has perhaps not heard of it yet: it is asked again when
 * it has told of it, and believed once it has them all.
 */
#include "front/tunnel/endings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tunnel/vpn.h"

struct ending {
	struct ending *next;
	struct endings *endings; /* NULL: they are gone, the engine's answer is not */
	uint8_t hash[VPN_HASH_SIZE];
	enum vpn_end reason;
	ending_fn on_done; /* NULL: nobody waits */
	void *userdata;
	bool is_asked; /* the engine, which has not answered yet */
};

struct endings {
	struct ending *first;
	struct ipc_channel *engine;
	const struct vpn *vpn;
};

static void ending_unlink(const struct ending *ending)
{
	struct ending **at = &ending->endings->first;

	while (*at != ending)
		at = &(*at)->next;
	*at = ending->next;
}

static void tell(struct ending *ending, int code)
{
	ending_fn on_done = ending->on_done;

	ending->on_done = NULL;
	if (on_done)
		on_done(code, ending->userdata);
}

static void on_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct ending *ending = userdata;

	(void)has_more;
	ending->is_asked = false;
	if (!ending->endings) {
		free(ending);
		return;
	}
	if (code == 0 && reply && reply->status)
		code = reply->status->code;
	if (code == ERR_NOT_FOUND && vpn_is_complete(ending->endings->vpn))
		code = 0;
	if (code == 0)
		ending_unlink(ending);
	tell(ending, code);
	if (code == 0)
		free(ending);
}

static int ask(struct ending *ending)
{
	Asafo__Ipc__VpnSessionEnd message = ASAFO__IPC__VPN_SESSION_END__INIT;
	int r;

	if (!ending->endings->engine)
		return ERR_CLOSED;
	message.cookie_hash.data = ending->hash;
	message.cookie_hash.len = VPN_HASH_SIZE;
	message.reason = ending->reason;
	r = ipc_channel_call(ending->endings->engine, IPC_VPN_SESSION_END, &message.base, NULL, 0,
			     on_reply, ending);
	ending->is_asked = r == 0;
	return r;
}

void endings_retry(struct endings *endings)
{
	for (struct ending *ending = endings->first; ending; ending = ending->next) {
		if (!ending->is_asked &&
		    (vpn_is_complete(endings->vpn) || vpn_find(endings->vpn, ending->hash)))
			(void)ask(ending);
	}
}

/* One that nobody waits for, or none. */
static struct ending *find_idle(const struct endings *endings,
				const uint8_t hash[static VPN_HASH_SIZE])
{
	struct ending *ending = endings->first;

	while (ending && (ending->on_done || memcmp(ending->hash, hash, sizeof(ending->hash)) != 0))
		ending = ending->next;
	return ending;
}

int endings_add(struct endings *endings, const uint8_t hash[static VPN_HASH_SIZE],
		enum vpn_end reason, ending_fn on_done, void *userdata, struct ending **ret_ending)
{
	struct ending *ending = find_idle(endings, hash);
	int r = 0;

	if (!ending) {
		ending = calloc(1, sizeof(*ending));
		if (!ending)
			return -ENOMEM;
		ending->endings = endings;
		memcpy(ending->hash, hash, sizeof(ending->hash));
		ending->reason = reason;
		ending->next = endings->first;
		endings->first = ending;
	}
	if (!ending->is_asked)
		r = ask(ending);
	if (r < 0)
		return r;
	ending->on_done = on_done;
	ending->userdata = userdata;
	if (ret_ending)
		*ret_ending = ending;
	return 0;
}

void ending_forget(struct ending *ending)
{
	if (ending)
		ending->on_done = NULL;
}

void endings_attach(struct endings *endings, struct ipc_channel *engine)
{
	endings->engine = engine;
}

size_t endings_count(const struct endings *endings)
{
	size_t n = 0;

	for (const struct ending *ending = endings->first; ending; ending = ending->next)
		n++;
	return n;
}

int endings_new(const struct vpn *vpn, struct endings **ret_endings)
{
	struct endings *endings = calloc(1, sizeof(*endings));

	if (!endings)
		return -ENOMEM;
	endings->vpn = vpn;
	*ret_endings = endings;
	return 0;
}

void endings_free(struct endings *endings)
{
	if (!endings)
		return;
	while (endings->first) {
		struct ending *ending = endings->first;

		endings->first = ending->next;
		ending->endings = NULL;
		ending->on_done = NULL;
		if (!ending->is_asked)
			free(ending);
	}
	free(endings);
}
