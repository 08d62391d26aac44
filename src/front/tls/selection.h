/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tls/snapshot.h"

/* Which binding a connection gets: a pure function, used by the handshake and by the report alike.
 */
enum selection_rule {
	SELECTION_DOMAIN_INTERFACE,   /* `ssl trust-point NAME IF domain FQDN`, the name itself */
	SELECTION_WILDCARD_INTERFACE, /* ... a wildcard that covers the name */
	SELECTION_DOMAIN,	      /* `ssl trust-point NAME domain FQDN` */
	SELECTION_WILDCARD,
	SELECTION_INTERFACE, /* `ssl trust-point NAME IF` */
	SELECTION_GLOBAL,    /* `ssl trust-point NAME` */
	SELECTION_FALLBACK,  /* no binding: the self-signed certificate */
	SELECTION__MAX,
};

/* How many bindings of one place count; of more the last ones. */
#define SELECTION_MAX 8

typedef bool (*selection_wanted_fn)(const struct snapshot_binding *binding, const void *userdata);
/*
 * The bindings that fulfil the first rule of the enum's order that one of them fulfils, in the
 * order of the configuration, and each trustpoint once. They are all of one place (interface and
 * domain): which of them holds for a client is a matter of its kinds of keys. SERVER_NAME may be
 * NULL or empty (no SNI); IS_WANTED may be NULL. Returns how many.
 */
size_t selection_find(const struct snapshot *snapshot, const char *interface,
		      const char *server_name, selection_wanted_fn is_wanted, const void *userdata,
		      const struct snapshot_binding *ret_bindings[static SELECTION_MAX],
		      enum selection_rule *ret_rule);
/* "bound by interface"; never NULL. */
const char *selection_rule_text(enum selection_rule rule);
