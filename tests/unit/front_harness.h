/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "front/front.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * A front in a process of its own, started as the supervisor would start it, between an engine
 * (this test's own thread) and a keeper (a thread) that are played. Every wait is for an event,
 * with a limit of ten seconds.
 */
#define HARNESS_WAIT_MS 10000
#define HARNESS_TRUSTPOINTS_MAX 8

struct harness_trustpoint {
	char name[32];
	struct buf record; /* TrustpointPublic */
	gnutls_privkey_t key;
	uint8_t fingerprint[32];
	uint8_t key_id[32];
	const char *staple; /* what its OCSP response is said to be; NULL: there is none */
	int64_t staple_from, staple_until;
};

struct harness_keeper {
	pthread_t thread;
	pthread_mutex_t lock;
	int fd;	      /* the keeper's end */
	bool is_mute; /* takes requests to sign and does not answer */
	struct harness_trustpoint trustpoints[HARNESS_TRUSTPOINTS_MAX];
	size_t n_trustpoints;
};

struct harness {
	pid_t pid;
	int supervisor; /* our ends */
	int engine;
	struct harness_keeper keeper;
	uint16_t port;
	uint64_t generation;
	Asafo__Ipc__FrontReport *report; /* the last one */
};

/* For tests whose point is not a deadline: a machine under load must not fail them. */
extern const struct front_limits harness_patient;

/* PROGRAM NULL: the library in a forked child with LIMITS; otherwise the program itself. Starts
 * with engine and keeper. */
void harness_start(struct harness *harness, const char *program, const struct front_limits *limits);
void harness_stop(struct harness *harness);
/* Makes a certificate and key that the keeper has from now on; the empty name is the fallback. */
void harness_trustpoint_make(struct harness *harness, const char *name,
			     gnutls_pk_algorithm_t algorithm);
/* The keeper has TEXT (a literal; empty: nothing) for an OCSP response about NAME's certificate. */
void harness_staple(struct harness *harness, const char *name, const char *text, int64_t from,
		    int64_t until);
void harness_trustpoint_remove(struct harness *harness, const char *name);
const uint8_t *harness_fingerprint(const struct harness *harness, const char *name);
void harness_keeper_changed(struct harness *harness);
void harness_keeper_leave(struct harness *harness);
void harness_keeper_return(struct harness *harness);
void harness_keeper_mute(struct harness *harness, bool is_mute);
void harness_engine_leave(struct harness *harness);
void harness_engine_return(struct harness *harness);

/* Another process that the supervisor joins with the front; *RET_OURS is its end. */
void harness_peer_give(struct harness *harness, enum ipc_peer kind, int *ret_ours);

/* FRONT_CONFIG with listeners on 127.0.0.1: "nameif" at PORTS; bindings as "trustpoint interface
 * domain", "-" for none. */
struct harness_config {
	const char *interfaces[4];
	uint16_t ports[4];
	const char *bindings[8][3];
	const char *minimum_tls;
};
void harness_configure(struct harness *harness, const struct harness_config *config);
/* The usual one: "outside" at harness->port, with one binding for the interface (NULL: none). */
void harness_bind(struct harness *harness, const char *trustpoint);
void harness_role(struct harness *harness, const char *role, uint64_t term);
/* Until a report about the configuration sent last says that INTERFACE and DOMAIN get this
 * fingerprint. */
void harness_wait_served(struct harness *harness, const char *interface, const char *domain,
			 const uint8_t fingerprint[static 32]);
/* Until there is a report that TEST likes. */
void harness_wait_report(struct harness *harness,
			 bool (*test)(const Asafo__Ipc__FrontReport *report));
uint16_t harness_free_port(void);

/* ---- a client ---- */
struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	int handshake; /* GnuTLS' code */
	int alert;     /* that the server sent */
	struct buf in;
};
int client_tcp(uint16_t port);
/* -errno. In a thread of a test's, which must not assert. */
int client_tcp_try(uint32_t source, uint16_t port);
/* From another address of 127.0.0.0/8. */
int client_tcp_from(uint32_t source, uint16_t port);
/* PRIORITY and SERVER_NAME may be NULL. */
void client_open(struct client *client, uint16_t port, const char *server_name,
		 const char *priority);
/* The same on a connection that is there: takes over FD. */
void client_open_on(struct client *client, int fd, const char *server_name, const char *priority);
void client_close(struct client *client);
bool client_was_given(const struct client *client, const uint8_t fingerprint[static 32]);
void client_say(struct client *client, const char *text);
/* One response into RET_TEXT (a caller's buffer); IS_HEAD: without body. The status; 0: the server
 * has closed. */
int client_hear(struct client *client, bool is_head, char *ret_text, size_t size);
/* Whether the server closes the stream, in an orderly way, and sends nothing before. */
bool client_is_closed(struct client *client);
