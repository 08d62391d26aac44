/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/core/hello.h"
#include "failover/engine/engine.h"
#include "failover/link_conn.h"
#include "failover/link_tls.h"
#include "wait.h"

/*
 * A whole engine in this process, in a network namespace of its own. Its keeper and its mate are
 * played by the test: the keeper answers each verb at once unless the test holds it back; the mate
 * speaks hello and the failover link. The engine is the primary at 203.0.113.1, the mate the
 * secondary at 203.0.113.2, both on the loopback device. All of it asserts.
 */
#define WORLD_HELD_MAX 256

/* A verb that the keeper took and has not answered. */
struct world_held {
	enum ipc_type type;
	uint32_t id;
};

/* What it calls the plan of a restore. */
#define WORLD_PLAN 5

struct world_keeper {
	struct ipc_channel *channel;
	bool holds[IPC_TYPE__MAX]; /* such a verb waits for world_keeper_answer */
	int codes[IPC_TYPE__MAX];  /* what it is answered with */
	unsigned asked[IPC_TYPE__MAX];
	struct world_held held[WORLD_HELD_MAX];
	size_t n_held;
	struct engine_position position;
	struct buf history;	  /* what it was given to keep */
	const char *proven;	  /* the trustpoint that every proof is of; NULL: there is none */
	struct buf listed;	  /* a record.TrustpointPublic that every list has; empty: none */
	const char *backup_lines; /* of the backup that is restored */
	bool is_backup_same;	  /* nothing of it is to be stored */
	uint64_t closed_plan;
	uint8_t keys; /* every byte of the keys that it derives */
};

struct world_mate {
	struct link *link;
	/* Not 0, before it appears: it speaks this version of the link's protocol, by hand. */
	uint32_t version;
	struct link_config config;
	struct link_conn *older;
	struct link_keys *older_keys;
	struct hello_codec *codec;
	struct path_set *paths;
	struct hello says;  /* with each hello */
	struct hello heard; /* the engine's latest */
	bool is_silent;
	int64_t skew_ns; /* its wall clock minus ours */
	unsigned histories, history_requests;
	uint32_t history_id; /* of the latest of either */
	size_t history_rows;
	const char *reply;	    /* to what it is asked to do; NULL: none */
	unsigned answers, refusals; /* to what it asked to be done; whole ones */
	char answer[256];	    /* the beginning of the latest one */
	unsigned n_ups, n_downs;
	unsigned n_messages[16]; /* by body case */
	uint32_t last_id[16];
	int last_code;
	char last_text[2048]; /* of a command */
	/* VPN sessions: acknowledged at once, unless the test does it. */
	bool holds_sessions;
	bool refuses_sessions; /* acknowledged, but said not to be taken */
	unsigned session_updates, session_acks, session_wholes;
	unsigned staple_states;	     /* of the engine's OCSP staples */
	uint64_t staple_id;	     /* the latest of them */
	unsigned crl_states;	     /* of its CRLs */
	unsigned crl_sets, crl_asks; /* that have a list in them; for one */
	int64_t crl_this_update;
	char crl_number[64];
	uint8_t crl_wanted;
	uint64_t crl_id;
	unsigned crl_parts; /* that it got, the next one of a list each */
	uint32_t crl_part;
	unsigned ca_marks_wanted;		/* of its local CA, again */
	unsigned ca_marks_told, ca_marks_empty; /* of the engine's; that it has none */
	size_t sessions_refused;		/* by the engine */
	uint64_t session_seq;			/* of the latest update */
	unsigned guesses, steps;		/* who guessed, codes that were used */
	bool is_steps_only;			/* the latest of such messages */
	unsigned sessions_live, sessions_ended; /* records that it was told */
	uint8_t session_hash[32];		/* of the latest */
};

struct world {
	sd_event *event;
	struct engine *engine;
	struct world_keeper keeper;
	struct world_mate mate;
	sd_event_source *hello_timer;
	char directory[64], socket_path[96];
	int supervisor_fd;
};

extern struct world world;

#define WAIT_FOR(condition) WAIT_ON(world.event, condition)

/* Once: the namespace and the supervisor's end. */
void world_enter(void);
/* Fixture. The engine has its keeper and, with world_start, its configuration. */
int world_setup(void **state);
int world_teardown(void **state);
/* LINES are added to a configuration with failover on. */
void world_start(const char *lines);
/* A new keeper in place of the one before, as after a crash. */
void world_keeper_attach(void);
void world_keeper_die(void);
/* Answers the oldest verb of TYPE that is held back; with CODE < 0: refuses it. */
void world_keeper_answer(enum ipc_type type, int code);
bool world_keeper_has(enum ipc_type type);
/* The store moved on: to SEQ of TERM. The engine is told. */
void world_keeper_moves(uint64_t term, uint64_t seq);
/* The mate begins to speak: as STATE, at the engine's position, its link up. */
void world_mate_appears(enum fo_state state);
/* Its link, after a test freed it. */
void world_mate_connect(void);
/* A message of the engine's that came to the mate. */
void world_mate_takes(const Asafo__Wire__Link *message);
/* A mate of world.mate.version at the link's other end (engine_older.c), and its end. */
void world_older_connect(void);
void world_older_go(void);
void world_mate_send(Asafo__Wire__Link__BodyCase kind, void *body);
/* A line of the active mate's configuration, and that it was taken. */
void world_mate_commands(const char *text);
/* It has the sessions of update SEQ. */
void world_mate_acknowledge(uint64_t seq);
#define WORLD_GOT(kind) (world.mate.n_messages[ASAFO__WIRE__LINK__BODY_##kind])
#define WORLD_LAST_ID(kind) (world.mate.last_id[ASAFO__WIRE__LINK__BODY_##kind])
/* The engine is active, the mate ready. */
void world_be_active(const char *lines);
/* The engine is standby of an active mate, its bulk replication under way and staged. */
void world_be_staging(const char *lines);
/* Asks the engine over its control socket; FD (or -1) goes along. Returns the connection. */
int world_ask(const char *request, int fd);
/* The same with up to two descriptors. */
int world_ask_with(const char *request, const int *fds, size_t n_fds);
/* A unit that is active, whose history is kept, begins a `write standby`: the socket of who asked.
 */
int world_write_standby(void);
/* The next answer on FD, up to its NUL. */
const char *world_answer(int fd);
