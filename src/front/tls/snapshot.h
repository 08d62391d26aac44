/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/why.h"
#include "src/ipc/ipc.pb-c.h"

#define SNAPSHOT_LISTENS_MAX 2048
#define SNAPSHOT_BINDINGS_MAX 1024
#define SNAPSHOT_SUITES_MAX 16
#define SNAPSHOT_NAME_MAX 64 /* nameif, trustpoint: bytes with the NUL */
#define SNAPSHOT_DOMAIN_MAX 256
#define SNAPSHOT_CHAINS 1024

/* What the engine wants served: a checked, immutable copy of FRONT_CONFIG, swapped whole. */
struct snapshot_listen {
	char interface[SNAPSHOT_NAME_MAX];
	char device[SNAPSHOT_NAME_MAX];
	uint8_t address[16];
	size_t address_size; /* 4 or 16 */
	uint16_t port;
};

struct snapshot_binding {
	char trustpoint[SNAPSHOT_NAME_MAX];
	char interface[SNAPSHOT_NAME_MAX]; /* "": any */
	char domain[SNAPSHOT_DOMAIN_MAX]; /* lower case; "": any; "*.example.org": one label more */
	bool is_optional; /* where its trustpoint is not there, the next one holds */
};

struct snapshot {
	char hostname[256];
	struct snapshot_listen *listens;
	size_t n_listens;
	struct snapshot_binding *bindings;
	size_t n_bindings;
	bool is_tls13_only;
	uint16_t suites[SNAPSHOT_SUITES_MAX]; /* known ones, preferred first */
	size_t n_suites;		      /* 0: the defaults */
	uint64_t generation;
	/*
	 * The bindings by their domains, so that a handshake looks at those of its name alone:
	 * where each chain begins, and what comes behind a binding in it. Places in BINDINGS,
	 * counted from 1; 0: the end.
	 */
	uint16_t chains[SNAPSHOT_CHAINS], behind[SNAPSHOT_BINDINGS_MAX];
};

/* Errors: ERR_MALFORMED, ERR_TOO_LARGE with a sentence; -ENOMEM. */
int snapshot_from_config(const Asafo__Ipc__FrontConfig *config, struct snapshot **ret_snapshot,
			 struct why *ret_why);
void snapshot_free(struct snapshot *snapshot);
/* Makes the chains; for who fills a snapshot by hand. */
void snapshot_index(struct snapshot *snapshot);
/* The bindings of DOMAIN ("": those without one), letters in either case, in the order of the
 * configuration: the one behind BINDING, or with NULL the first. NULL: there is none. */
const struct snapshot_binding *snapshot_next_of(const struct snapshot *snapshot, const char *domain,
						const struct snapshot_binding *binding);
/* Whether the binding at INDEX has a domain that is bound on INTERFACE, and no earlier one has the
 * same. */
bool snapshot_is_domain_of(const struct snapshot *snapshot, size_t index, const char *interface);
/* "198.51.100.10:443", "[2001:db8::1]:443" */
#define SNAPSHOT_ENDPOINT_MAX 64
void snapshot_endpoint(const struct snapshot_listen *listen,
		       char ret_text[static SNAPSHOT_ENDPOINT_MAX]);
/* The same address and port (and device, where the address needs one to be reachable). */
bool snapshot_listen_is_same(const struct snapshot_listen *a, const struct snapshot_listen *b);
/* Whether the address means nothing without its device: fe80::/10. */
bool snapshot_listen_is_link_local(const struct snapshot_listen *listen);
