/* SPDX-License-Identifier: Apache-2.0 */
/* The checked conversion: behind it no generated type and no unchecked length. */
#include "front/tls/snapshot.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tls/client_hello.h"
#include "front/tls/name_hash.h"

/* Printable ASCII that fits, NUL included. */
static int text_copy(const char *text, char *ret_text, size_t size)
{
	size_t length = strlen(text);

	if (length >= size)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return ERR_MALFORMED;
	}
	memcpy(ret_text, text, length + 1);
	return 0;
}

static int listen_convert(const Asafo__Ipc__FrontListen *from, struct snapshot_listen *to,
			  struct why *ret_why)
{
	int r = text_copy(from->interface, to->interface, sizeof(to->interface));

	if (r == 0)
		r = text_copy(from->device, to->device, sizeof(to->device));
	if (r < 0)
		return why_set(ret_why, r, "an interface name in the front's configuration: %s",
			       err_text(r));
	if ((from->address.len != 4 && from->address.len != 16) || from->port < 1 ||
	    from->port > 65535)
		return why_set(
			ret_why, ERR_MALFORMED,
			"interface %s: an address of %zu bytes and port %u cannot be listened on",
			to->interface, from->address.len, from->port);
	memcpy(to->address, from->address.data, from->address.len);
	to->address_size = from->address.len;
	to->port = (uint16_t)from->port;
	return 0;
}

static int binding_convert(const Asafo__Ipc__FrontBinding *from, struct snapshot_binding *to,
			   struct why *ret_why)
{
	int r = text_copy(from->trustpoint, to->trustpoint, sizeof(to->trustpoint));

	if (r == 0)
		r = text_copy(from->interface, to->interface, sizeof(to->interface));
	if (r == 0)
		r = text_copy(from->domain, to->domain, sizeof(to->domain));
	to->is_optional = from->is_optional;
	if (r == 0 && to->trustpoint[0] == '\0')
		r = ERR_MALFORMED;
	if (r < 0)
		return why_set(ret_why, r, "a binding in the front's configuration: %s",
			       err_text(r));
	for (char *c = to->domain; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return 0;
}

static int lists_convert(const Asafo__Ipc__FrontConfig *config, struct snapshot *snapshot,
			 struct why *ret_why)
{
	int r = 0;

	snapshot->listens = calloc(config->n_listens + 1, sizeof(*snapshot->listens));
	snapshot->bindings = calloc(config->n_bindings + 1, sizeof(*snapshot->bindings));
	if (!snapshot->listens || !snapshot->bindings)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_listens && r == 0; i++) {
		struct snapshot_listen *to = &snapshot->listens[snapshot->n_listens];
		bool is_new = true;

		r = listen_convert(config->listens[i], to, ret_why);
		for (size_t j = 0; j < snapshot->n_listens; j++)
			is_new &= !snapshot_listen_is_same(to, &snapshot->listens[j]);
		snapshot->n_listens += is_new ? 1 : 0;
	}
	for (size_t i = 0; i < config->n_bindings && r == 0; i++)
		r = binding_convert(config->bindings[i],
				    &snapshot->bindings[snapshot->n_bindings++], ret_why);
	return r;
}

static int suites_convert(const Asafo__Ipc__FrontConfig *config, struct snapshot *snapshot,
			  struct why *ret_why)
{
	if (config->n_cipher_suites > SNAPSHOT_SUITES_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "%zu cipher suites are more than %d",
			       config->n_cipher_suites, SNAPSHOT_SUITES_MAX);
	for (size_t i = 0; i < config->n_cipher_suites; i++) {
		uint32_t code = config->cipher_suites[i];

		if (code > UINT16_MAX || !client_hello_suite_find((uint16_t)code))
			return why_set(ret_why, ERR_MALFORMED,
				       "cipher suite 0x%04x in the front's configuration is not "
				       "served",
				       code);
		snapshot->suites[snapshot->n_suites++] = (uint16_t)code;
	}
	return 0;
}

CLEANUP_DEFINE(struct snapshot *, snapshot_free)

int snapshot_from_config(const Asafo__Ipc__FrontConfig *config, struct snapshot **ret_snapshot,
			 struct why *ret_why)
{
	_cleanup_(snapshot_free_p) struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	int r;

	if (!snapshot)
		return -ENOMEM;
	if (config->n_listens > SNAPSHOT_LISTENS_MAX || config->n_bindings > SNAPSHOT_BINDINGS_MAX)
		return why_set(ret_why, ERR_TOO_LARGE,
			       "%zu listeners and %zu bindings are more than %d and %d",
			       config->n_listens, config->n_bindings, SNAPSHOT_LISTENS_MAX,
			       SNAPSHOT_BINDINGS_MAX);
	r = text_copy(config->hostname, snapshot->hostname, sizeof(snapshot->hostname));
	if (r < 0)
		return why_set(ret_why, r, "the hostname in the front's configuration: %s",
			       err_text(r));
	if (strcmp(config->minimum_tls, "tlsv1.3") == 0)
		snapshot->is_tls13_only = true;
	else if (config->minimum_tls[0] && strcmp(config->minimum_tls, "tlsv1.2") != 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "ssl server-version \"%s\" is neither tlsv1.2 nor tlsv1.3",
			       config->minimum_tls);
	r = lists_convert(config, snapshot, ret_why);
	if (r == 0)
		r = suites_convert(config, snapshot, ret_why);
	if (r < 0)
		return r;
	snapshot_index(snapshot);
	snapshot->generation = config->generation;
	*ret_snapshot = TAKE_PTR(snapshot);
	return 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	free(snapshot->listens);
	free(snapshot->bindings);
	free(snapshot);
}

void snapshot_index(struct snapshot *snapshot)
{
	memset(snapshot->chains, 0, sizeof(snapshot->chains));
	/* From the last one, so that each chain begins with its first one. */
	for (size_t i = snapshot->n_bindings; i > 0; i--) {
		uint32_t hash = name_hash(snapshot->bindings[i - 1].domain);
		uint16_t *chain = &snapshot->chains[hash % SNAPSHOT_CHAINS];

		snapshot->behind[i - 1] = *chain;
		*chain = (uint16_t)i;
	}
}

const struct snapshot_binding *snapshot_next_of(const struct snapshot *snapshot, const char *domain,
						const struct snapshot_binding *binding)
{
	size_t at = binding ? snapshot->behind[binding - snapshot->bindings]
			    : snapshot->chains[name_hash(domain) % SNAPSHOT_CHAINS];

	while (at > 0 && strcasecmp(snapshot->bindings[at - 1].domain, domain) != 0)
		at = snapshot->behind[at - 1];
	return at > 0 ? &snapshot->bindings[at - 1] : NULL;
}

static bool holds_on(const struct snapshot_binding *binding, const char *interface)
{
	return binding->interface[0] == '\0' || strcmp(binding->interface, interface) == 0;
}

bool snapshot_is_domain_of(const struct snapshot *snapshot, size_t index, const char *interface)
{
	const struct snapshot_binding *binding = &snapshot->bindings[index];

	if (binding->domain[0] == '\0' || !holds_on(binding, interface))
		return false;
	for (const struct snapshot_binding *before =
		     snapshot_next_of(snapshot, binding->domain, NULL);
	     before != binding; before = snapshot_next_of(snapshot, binding->domain, before)) {
		if (holds_on(before, interface))
			return false;
	}
	return true;
}

void snapshot_endpoint(const struct snapshot_listen *listen,
		       char ret_text[static SNAPSHOT_ENDPOINT_MAX])
{
	char address[INET6_ADDRSTRLEN] = "?";
	bool is_v6 = listen->address_size == 16;

	(void)inet_ntop(is_v6 ? AF_INET6 : AF_INET, listen->address, address, sizeof(address));
	(void)snprintf(ret_text, SNAPSHOT_ENDPOINT_MAX, is_v6 ? "[%s]:%u" : "%s:%u", address,
		       listen->port);
}

bool snapshot_listen_is_link_local(const struct snapshot_listen *listen)
{
	return listen->address_size == 16 && listen->address[0] == 0xfe &&
	       (listen->address[1] & 0xc0) == 0x80;
}

bool snapshot_listen_is_same(const struct snapshot_listen *a, const struct snapshot_listen *b)
{
	return a->address_size == b->address_size &&
	       memcmp(a->address, b->address, a->address_size) == 0 && a->port == b->port &&
	       (!snapshot_listen_is_link_local(a) || strcmp(a->device, b->device) == 0);
}
