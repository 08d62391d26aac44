/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <inttypes.h>
#include <limits.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "certstore/keeper/keeper.h"
#include "certstore/store/keyindex.h"
#include "certstore/keys/keyring.h"
#include "certstore/replica/replica.h"
#include "certstore/keys/resumption.h"
#include "certstore/keys/signer.h"
#include "certstore/store/store.h"
#include "ipc/channel.h"
#include "src/ipc/ipc.pb-c.h"

/* What the keeper_*.c share: one file a concern, one handler a verb (keeper_verbs.h). Nobody else
 * includes it, but the test of what they do in the background. */

#define KEEPER_FRAME_BYTES (120u * 1024) /* of payload in one frame of several */
#define KEEPER_ORPHAN_PREFIX "orphan/"	 /* then the term, a slash, the key that it had */
#define KEEPER_ORPHAN_TERM_DIGITS 20
#define KEEPER_NAME_KEY_SIZE 128 /* "generation/NAME/0000000001" and the like */

struct keeper_peer {
	struct keeper_peer *next;
	struct keeper *keeper;
	struct ipc_channel *channel;
	enum ipc_peer kind;
	unsigned instance;
	uint64_t serial; /* a later channel of the same peer has another */
};

/* Where an answer goes. It stays valid when the peer went away: then the answer goes nowhere. */
struct keeper_ticket {
	uint64_t serial;
	enum ipc_type type;
	uint32_t id;
};

struct keeper_replication {
	struct replica_sender *sender;
	sd_event_source *sender_timeout;
	struct replica_stage *stage;
	uint8_t stage_kek[SEAL_ID_SIZE];
	bool has_stage_kek;
	char manifest_after[STORE_KEY_MAX + 1];
};

/* How far the index is made: of the step (prefix and family) what lies up to AFTER. */
struct keeper_indexing {
	sd_event_source *source;
	size_t step;
	char after[STORE_KEY_MAX + 1];
};

/* The keys of what this unit's local CA issued; read when they are first needed. */
struct keeper_issued {
	struct buf own; /* sorted */
	bool is_read;
};

/* How far the store is looked through. */
struct keeper_scrub {
	sd_event_source *source;
	char after[STORE_KEY_MAX + 1];
	bool is_unit;
	unsigned n_turns;
	bool is_disk_hidden;	       /* it cannot be read past the system's memory */
	bool is_failure_said;	       /* of a look at it, since one succeeded */
	struct keeper_disk_look *look; /* NULL: none was begun yet */
};

/* How far what was put aside is compared with what the active has. */
struct keeper_sweep {
	sd_event_source *source;
	char after[STORE_KEY_MAX + 1];
	size_t n_dropped;
	bool is_done; /* since something was put aside */
};

/* What is done by a thread, while this one waits. */
struct keeper_wait {
	void (*on_alive)(void *userdata); /* NULL: nobody looks for a sign of life */
	void *userdata;
	struct keeper_thread *thread; /* NULL: none was needed yet */
	bool has_no_thread;	      /* it could not be made */
	bool is_under_way;
	bool is_told;	  /* the engine was told of a slow disk, and not yet that it is over */
	unsigned n_steps; /* of what takes its time */
};

struct keeper_counts {
	uint64_t unit_changes; /* store_unit_changes when these were counted; 0: not yet */
	uint64_t unit_trustpoints, orphans;
	bool has_fallback;
};

struct keeper_crl_job;
struct keeper_crl_stage;

#define KEEPER_CRL_KEY_ID_SIZE 32
/* Of those that the pair shares, and again of those that stay home. */
#define KEEPER_CRLS_MAX 16u

/* Lists that were found whole when the unit's own had this many changes. */
struct keeper_crls_whole {
	uint64_t unit_changes;
	size_t n;
	uint8_t key_ids[KEEPER_CRLS_MAX][KEEPER_CRL_KEY_ID_SIZE], digests[KEEPER_CRLS_MAX][32];
};

struct keeper_crls {
	struct keeper_crl_job *jobs;	   /* files that are parsed */
	struct keeper_crl_stage *stage;	   /* one of the mate's, on its way; NULL: none */
	uint64_t newer_said;		   /* which lists the active unit has not, or older */
	sd_event_source *retell;	   /* what the auth helper did not take; NULL: nothing */
	struct keeper_crls_whole whole[2]; /* [is_home] */
};

struct keeper_import;
struct keeper_staple_job;
struct keeper_orphans;
struct keeper_listing;
struct keeper_backup;
struct keeper_restore;

struct keeper {
	sd_event *event;
	char *state_dir, *config_path;
	struct parser *parser;
	struct store *store;
	struct keyring *ring;
	struct keyring_master master;
	struct signer *signer;
	struct keyindex *index;
	struct keeper_indexing indexing;
	int credential_fd;
	int failure;
	struct why failure_why;
	struct keeper_peer *peers;
	uint64_t next_serial;
	struct keeper_import *imports;
	struct keeper_staple_job *staple_jobs;
	struct keeper_crls crls;
	struct keeper_listing *listings;
	struct keeper_replication replication;
	struct keeper_counts counts;
	struct resumption resumption;
	struct keeper_orphans *orphans; /* on their way aside */
	sd_event_source *trim;
	struct keeper_sweep sweep;
	struct keeper_scrub scrub;
	struct keeper_wait wait;
	struct keeper_issued issued;
	struct keeper_backup *backup;	/* on its way out */
	struct keeper_restore *restore; /* on its way in */
};

/* BODY is of the type's schema, NULL where it has none. Descriptors may be taken out of FRAME. */
typedef void (*keeper_handler_fn)(struct keeper *keeper, const struct keeper_ticket *ticket,
				  struct ipc_frame *frame, const ProtobufCMessage *body);

/* Answers. The status of a reply that is sent with keeper_reply is set by the caller. */
void keeper_reply(struct keeper *keeper, const struct keeper_ticket *ticket,
		  const ProtobufCMessage *message, bool has_more);
/* A reply of the ticket's type with nothing but its status; CODE 0: success. */
void keeper_reply_status(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
			 const struct why *why);
/* Sets WHY and fails with it in one. */
void keeper_refuse(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The channel of a ticket; NULL: gone. */
struct ipc_channel *keeper_ticket_channel(struct keeper *keeper,
					  const struct keeper_ticket *ticket);

/* keeper_item.c: records, and what is found by name. */
struct keeper_item {
	bool is_unit; /* the family it lies in */
	char key[KEEPER_NAME_KEY_SIZE];
	struct buf bytes; /* of the record */
	Asafo__Record__Record *record;
	Asafo__Record__TrustpointPublic *public_part;
};
void keeper_item_done(struct keeper_item *item);
/* Errors: ERR_NOT_FOUND, ERR_STORE, -ENOMEM. */
int keeper_item_get(struct keeper *keeper, bool is_unit, const char *key,
		    struct keeper_item *ret_item);
/* trustpoint/NAME of either family; the pair's goes first. */
int keeper_trustpoint_get(struct keeper *keeper, const char *name, struct keeper_item *ret_item);
/* In the family's own transaction. */
int keeper_change(struct keeper *keeper, bool is_unit, uint64_t term,
		  const struct store_change *changes, size_t n_changes, struct why *ret_why);
/* Trustpoints changed: forgets what was derived from them and tells every peer. */
void keeper_changed(struct keeper *keeper);
/* Tells every peer alone: what belongs to trustpoints changed. */
void keeper_tell_changed(struct keeper *keeper);
int keeper_each(struct keeper *keeper, bool is_unit, const char *prefix, const char *after,
		int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata),
		void *userdata);
/* keeper_index.c: the index of key ids, made anew by and by; or one record. */
int keeper_index_rebuild(struct keeper *keeper);
void keeper_index_drop(struct keeper *keeper);
int keeper_index_add(struct keeper *keeper, bool is_unit, const char *key, const uint8_t *record,
		     size_t size);
/* signer_load_fn with the keeper as USERDATA. */
int keeper_load_key(const uint8_t key_id[static 32], struct secret *ret_pkcs8, void *userdata);
/* Replaces a string field of a protobuf-c message that owns it. Errors: -ENOMEM. */
int keeper_set_text(char **field, const char *text);

/* keeper_generation.c */
#define KEEPER_GENERATION_KEY "generation/%s/%010" PRIu64

struct keeper_key_list {
	char **keys;
	size_t n, n_room;
};
void keeper_key_list_done(struct keeper_key_list *list);
/* A copy of KEY. Errors: -ENOMEM. */
int keeper_key_list_add(struct keeper_key_list *list, const char *key);
/* Every generation of NAME that the family has, the oldest first. Errors: ERR_STORE, -ENOMEM. */
int keeper_generations_get(struct keeper *keeper, const char *name, bool is_unit,
			   struct keeper_key_list *ret_list);
/* Those of them that go when NEWEST, the key of one more, comes to them; NULL: all, since they
 * belong to nothing that is there. */
int keeper_generations_to_drop(struct keeper *keeper, const char *name, bool is_unit,
			       const char *newest, struct keeper_key_list *ret_list);
/* ERR_TOO_LARGE: no generation comes after PRESENT's. */
int keeper_generation_check_next(const Asafo__Record__TrustpointPublic *present,
				 struct why *ret_why);
/*
 * Stores RECORD as NAME, what was there (OLD, may be empty) as a generation, and drops the oldest
 * generations, in one transaction.
 */
int keeper_replace(struct keeper *keeper, const char *name, bool is_unit, uint64_t term,
		   const struct keeper_item *old, const struct buf *record, struct why *why);

/* keeper_ca.c: by what an import recognises what a local CA issued, this unit's or the mate's. */
#define KEEPER_MATE_CAS_MAX 8
struct keeper_cas {
	struct buf own; /* DER; empty: there is none */
	struct identity_ca_mark mates[KEEPER_MATE_CAS_MAX];
	Asafo__Record__LocalCaMark *messages[KEEPER_MATE_CAS_MAX];
	size_t n_mates;
};
int keeper_cas_get(struct keeper *keeper, struct keeper_cas *ret_cas);
void keeper_cas_done(struct keeper_cas *cas);

/* keeper_issued.c: the keys of what local CAs issued (x509_key_id). */
#define KEEPER_ISSUED_BATCH 256
enum keeper_issuer { KEEPER_ISSUER_NONE, KEEPER_ISSUER_OWN, KEEPER_ISSUER_MATE };
/* This unit's, each behind the other, sorted, and borrowed until the next one is issued. Errors:
 * those of the store, -ENOMEM. */
int keeper_issued_own(struct keeper *keeper, const struct buf **ret_ids);
/* One was issued just now. */
void keeper_issued_add(struct keeper *keeper, const ProtobufCBinaryData *id);
/* More than that changed, or this keeper ends: they are read again when they are needed. */
void keeper_issued_forget(struct keeper *keeper);
/* All of them, of both units. Goes through the mate's. Errors: as above. */
int keeper_issued_count(struct keeper *keeper, uint64_t *ret_count);
/* Whose local CA issued a certificate for the key. Errors: as above. */
int keeper_issued_by(struct keeper *keeper, const uint8_t id[static IDENTITY_KEY_ID_SIZE],
		     enum keeper_issuer *ret_issuer);
/* Keeps what the mate says of its own, at most KEEPER_ISSUED_BATCH. Errors: ERR_MALFORMED,
 * ERR_TOO_LARGE, those of the store. */
int keeper_issued_keep(struct keeper *keeper, const ProtobufCBinaryData *ids, size_t n,
		       struct why *ret_why);

/* keeper_file.c: descriptors that came along. Pipes get a second, files what their disk needs; both
 * wait as keeper_wait does. */
int keeper_read_passphrase(struct keeper *keeper, int fd, struct secret *ret_passphrase,
			   struct why *ret_why);
int keeper_write_output(struct keeper *keeper, int fd, const uint8_t *data, size_t size,
			struct why *ret_why);

/* What WORK waits for. */
enum keeper_wait_kind {
	KEEPER_WAIT_DISK, /* this unit's own: a slow one is a trouble, one that hangs ends this */
	/* The same for a bad block that is written anew, however long the drive tries: nothing is
	 * ended for it, for the next keeper would find the same block, and wait as this one does.
	 */
	KEEPER_WAIT_CHECK,
	KEEPER_WAIT_OTHER, /* a key that is expensive on purpose, or a file of somebody else's */
};

/*
 * keeper_wait.c: WORK, which writes about BYTES to a disk and is called WHAT in the log, is done by
 * a thread. Returns what it returned. This one waits, and meanwhile serves fronts what only reads,
 * and shows the supervisor that it lives: up to a time that is enough for any disk. Errors: those
 * of WORK; ERR_BUSY: another one is under way, and nothing was done.
 */
int keeper_wait(struct keeper *keeper, enum keeper_wait_kind kind, const char *what, uint64_t bytes,
		store_work_fn work, void *work_userdata);
/* Tells the engine what it could not be told when a wait was over. */
void keeper_wait_settle(struct keeper *keeper);
/* The same of a change of the store: a store_runner_fn. */
int keeper_store_run(store_work_fn work, void *work_userdata, uint64_t bytes, void *userdata);
/* Ends the thread: for keeper_free, before the store is closed. */
void keeper_wait_drop(struct keeper *keeper);
/* For what takes its time in memory, now and then: what a wait does meanwhile, once. */
void keeper_breathe(struct keeper *keeper);

/* keeper_term.c. Durable on return; terms only rise. */
int keeper_raise_terms(struct keeper *keeper, uint64_t promised, uint64_t activated,
		       struct why *ret_why);
/* ERR_NOT_ACTIVE: a later term than TERM was activated meanwhile, here or on the mate. */
int keeper_check_term(struct keeper *keeper, uint64_t term, struct why *ret_why);
/* What the store has of them; 0: nothing yet. Errors: ERR_STORE. */
int keeper_terms_get(struct keeper *keeper, uint64_t *ret_promised, uint64_t *ret_activated);

/* keeper_import.c: an identity that was in a store before, as if it were imported now; answers
 * TICKET. */
struct keeper_restored {
	const char *name;
	uint64_t term;
	bool is_replacing, is_exportable;
};
void keeper_import_identity(struct keeper *keeper, const struct keeper_ticket *ticket,
			    const struct keeper_restored *restored, struct identity *identity);

/* keeper_trim.c: after a large change, gives back the memory of it once nothing else is to be done.
 */
void keeper_trim_later(struct keeper *keeper);
void keeper_trim_drop(struct keeper *keeper);

/* keeper_scrub.c: the store is looked through in the background, over and over. */
int keeper_scrub_begin(struct keeper *keeper);
void keeper_scrub_drop(struct keeper *keeper);
/* When the disk began to be read: who writes to the same file may have to wait for that. NULL: it
 * is not being read. */
const struct monotime *keeper_scrub_look_begun(const struct keeper *keeper);

/* keeper_sweep.c: the active's records were committed; compares what was put aside with them. */
void keeper_sweep_begin(struct keeper *keeper);
void keeper_sweep_drop(struct keeper *keeper);

/* Ends what is under way: for keeper_free. */
void keeper_orphans_drop(struct keeper *keeper);
void keeper_backup_drop(struct keeper *keeper);
void keeper_restore_drop(struct keeper *keeper);
void keeper_imports_drop(struct keeper *keeper);
void keeper_staples_drop(struct keeper *keeper);
void keeper_crls_drop(struct keeper *keeper);
/* keeper_crl_list.c: all trustpoints are known by their keys from now on. */
void keeper_crls_indexed(struct keeper *keeper);
/* keeper_crl_sync.c */
void keeper_crl_stage_drop(struct keeper *keeper);
void keeper_listings_drop(struct keeper *keeper);
void keeper_replication_drop(struct keeper *keeper);

/* keeper_master.c */
void keeper_master_path(const struct keeper *keeper, char ret_path[static PATH_MAX]);

/* keeper_login.c: tells the auth helper its key. */
void keeper_login_tell(struct keeper *keeper);
/* keeper_crl.c: tells the auth helper which certificates are revoked. */
void keeper_crl_tell(struct keeper *keeper);
/* keeper_staple.c: what is there for a leaf, be it still good or not; NULL: nothing. The caller's.
 */
Asafo__Record__Staple *keeper_staple_find(struct keeper *keeper, bool is_home,
					  const ProtobufCBinaryData *fingerprint);
/* keeper_resumption.c: tells PEER, or every front (NULL). */
void keeper_resumption_tell(struct keeper *keeper, const struct keeper_peer *peer);
