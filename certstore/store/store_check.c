/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells a damaged store from a whole one, beyond the digests of the replicated items: an item
 * of unit/ has a digest of its own, the journal and the meta database have a sum in "check", which
 * every change writes anew. "check" also tells the number of the change that wrote it. A later
 * change than that was made by a version that knows nothing of it: then all of it is made anew. An
 * earlier one than the stamp knows, a small file beside the store, is a store that lost its last
 * changes. The stamp is written after the change is durable and never waited for, so it may lag
 * behind and never runs ahead.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

#define CHECK_KEY "check"
/* Of the bytes that were staged: some ten milliseconds. */
#define WRITTEN_AHEAD_MIN (4u * 1024 * 1024)
#define STAMP_NAME "stamp"
#define STAMP_MAGIC "ASAFOST1"
#define STAMP_BODY 16 /* magic, number of the change */
#define STAMP_SIZE (STAMP_BODY + STORE_DIGEST_SIZE)

/* ---- sums ---- */

int store_sum_add(uint8_t sum[static STORE_DIGEST_SIZE], const MDB_val *key, const MDB_val *value,
		  bool is_gone)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	int r = digest_item(key->mv_data, key->mv_size, value->mv_data, value->mv_size, digest);

	if (r < 0)
		return r == ERR_TOO_LARGE ? ERR_STORE : r;
	if (is_gone)
		digest_subtract(sum, digest);
	else
		digest_add(sum, digest);
	return 0;
}

static int sum_database(MDB_txn *txn, MDB_dbi dbi, const char *but,
			uint8_t ret_sum[static STORE_DIGEST_SIZE])
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int r = store_code(mdb_cursor_open(txn, dbi, &cursor));

	memset(ret_sum, 0, STORE_DIGEST_SIZE);
	while (r == 0) {
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == 0 && but && key.mv_size == strlen(but) &&
		    memcmp(key.mv_data, but, key.mv_size) == 0)
			continue;
		if (r == 0)
			r = store_sum_add(ret_sum, &key, &value, false);
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_check_read(const struct store_replica *replica, MDB_txn *txn,
		     struct store_check *ret_check)
{
	MDB_val key = store_val(CHECK_KEY, strlen(CHECK_KEY)), value;
	Asafo__Record__StoreCheck *message;
	int r = store_code(mdb_get(txn, replica->meta, &key, &value));

	*ret_check = (struct store_check){0};
	if (r < 0)
		return r;
	message = asafo__record__store_check__unpack(NULL, value.mv_size, value.mv_data);
	if (!message)
		return ERR_STORE;
	if (message->meta.len == STORE_DIGEST_SIZE && message->journal.len == STORE_DIGEST_SIZE) {
		ret_check->txn = message->txn;
		memcpy(ret_check->meta, message->meta.data, STORE_DIGEST_SIZE);
		memcpy(ret_check->journal, message->journal.data, STORE_DIGEST_SIZE);
	} else {
		r = ERR_STORE;
	}
	asafo__record__store_check__free_unpacked(message, NULL);
	return r;
}

int store_check_verify_meta(const struct store_replica *replica, MDB_txn *txn,
			    const struct store_check *check)
{
	uint8_t sum[STORE_DIGEST_SIZE];
	int r = sum_database(txn, replica->meta, CHECK_KEY, sum);

	if (r == 0 && memcmp(sum, check->meta, sizeof(sum)) != 0)
		r = ERR_STORE;
	return r;
}

int store_check_verify(const struct store_replica *replica, MDB_txn *txn, struct why *ret_why)
{
	uint8_t sum[STORE_DIGEST_SIZE];
	struct store_check check;
	int r = store_check_read(replica, txn, &check);

	if (r == 0 && store_check_verify_meta(replica, txn, &check) < 0)
		return why_set(ret_why, ERR_STORE, "its own position is damaged");
	if (r == 0)
		r = sum_database(txn, replica->journal, NULL, sum);
	if (r == 0 && memcmp(sum, check.journal, sizeof(sum)) != 0)
		return why_set(ret_why, ERR_STORE, "its journal is damaged");
	return r == ERR_NOT_FOUND ? ERR_STORE : r;
}

static int check_write(struct store_replica *replica, MDB_txn *txn)
{
	Asafo__Record__StoreCheck message = ASAFO__RECORD__STORE_CHECK__INIT;
	MDB_val key = store_val(CHECK_KEY, strlen(CHECK_KEY)), value = {0};
	struct store_check *check = &replica->check;
	int r = sum_database(txn, replica->meta, CHECK_KEY, check->meta);

	if (r < 0)
		return r;
	check->txn = mdb_txn_id(txn);
	message.txn = check->txn;
	message.meta = (ProtobufCBinaryData){STORE_DIGEST_SIZE, check->meta};
	message.journal = (ProtobufCBinaryData){STORE_DIGEST_SIZE, check->journal};
	value.mv_size = asafo__record__store_check__get_packed_size(&message);
	r = store_code(mdb_put(txn, replica->meta, &key, &value, MDB_RESERVE));
	if (r == 0)
		(void)asafo__record__store_check__pack(&message, value.mv_data);
	return r;
}

/* ---- digests of unit/ ---- */

int store_unit_put(struct store *store, MDB_txn *txn, MDB_val *key, MDB_val *value)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	MDB_val d = store_val(digest, sizeof(digest));
	int r = digest_item(key->mv_data, key->mv_size, value->mv_data, value->mv_size, digest);

	if (r == 0)
		r = store_code(mdb_put(txn, store->unit, key, value, 0));
	return r < 0 ? r : store_code(mdb_put(txn, store->unit_digests, key, &d, 0));
}

int store_unit_delete(struct store *store, MDB_txn *txn, MDB_val *key)
{
	int r = store_code(mdb_del(txn, store->unit, key, NULL));

	if (r == 0)
		r = store_code(mdb_del(txn, store->unit_digests, key, NULL));
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int digest_unit(struct store *store, MDB_txn *txn)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int r = store_code(mdb_drop(txn, store->unit_digests, 0));

	if (r == 0)
		r = store_code(mdb_cursor_open(txn, store->unit, &cursor));
	while (r == 0) {
		uint8_t digest[STORE_DIGEST_SIZE];
		MDB_val d = store_val(digest, sizeof(digest));

		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == 0)
			r = digest_item(key.mv_data, key.mv_size, value.mv_data, value.mv_size,
					digest);
		if (r == 0)
			r = store_code(mdb_put(txn, store->unit_digests, &key, &d, 0));
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_check_adopt(struct store *store, MDB_txn *txn, bool *ret_is_changed)
{
	struct store_replica *replica = &store->replica;
	int r = store_check_read(replica, txn, &replica->check);

	if (r == 0 && replica->check.txn + 1 == mdb_txn_id(txn))
		return 0;
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret_is_changed = true;
	r = digest_unit(store, txn);
	return r < 0 ? r : sum_database(txn, replica->journal, NULL, replica->check.journal);
}

/* ---- the stamp ---- */

static int stamp_digest(const uint8_t *body, uint8_t *ret_digest)
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, body, STAMP_BODY, ret_digest) < 0 ? ERR_CRYPTO
										     : 0;
}

bool store_stamp_is_there(int directory_fd)
{
	struct stat info;

	return fstatat(directory_fd, STAMP_NAME, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_stamp_open(struct store_replica *replica)
{
	int fd = openat(replica->directory_fd, STAMP_NAME,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	replica->stamp_fd = fd;
	return 0;
}

/* A stamp that is no stamp says nothing: the next change makes it one. */
static uint64_t stamp_read(const struct store_replica *replica)
{
	uint8_t stamp[STAMP_SIZE], digest[STORE_DIGEST_SIZE];
	uint64_t txn;

	if (pread(replica->stamp_fd, stamp, sizeof(stamp), 0) != (ssize_t)sizeof(stamp) ||
	    memcmp(stamp, STAMP_MAGIC, 8) != 0 || stamp_digest(stamp, digest) < 0 ||
	    memcmp(stamp + STAMP_BODY, digest, sizeof(digest)) != 0)
		return 0;
	memcpy(&txn, stamp + 8, 8);
	return le64toh(txn);
}

static void stamp_write(const struct store_replica *replica)
{
	uint64_t txn = htole64(replica->check.txn);
	uint8_t stamp[STAMP_SIZE] = STAMP_MAGIC;

	memcpy(stamp + 8, &txn, 8);
	if (replica->stamp_fd >= 0 && stamp_digest(stamp, stamp + STAMP_BODY) == 0 &&
	    pwrite(replica->stamp_fd, stamp, sizeof(stamp), 0) < 0)
		return; /* an older one is as true */
}

int store_stamp_check(struct store_replica *replica, MDB_txn *txn, struct why *ret_why)
{
	uint64_t stamped = stamp_read(replica);
	struct store_check check;
	int r = store_check_read(replica, txn, &check);

	if (r < 0)
		return r == ERR_NOT_FOUND && stamped == 0 ? 0 : ERR_STORE;
	if (check.txn < stamped)
		return why_set(ret_why, ERR_STORE,
			       "its last changes are gone (it is at change %llu, and was at %llu)",
			       (unsigned long long)check.txn, (unsigned long long)stamped);
	if (check.txn > stamped) {
		replica->check = check;
		stamp_write(replica);
	}
	return 0;
}

/* ---- changes ---- */

int store_write_begin(struct store_replica *replica, MDB_txn **ret_txn)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	int r;

	if (replica->holder)
		replica->let_go(replica->holder);
	r = store_code(mdb_txn_begin(replica->env, NULL, 0, &txn));
	if (r == 0)
		r = store_check_read(replica, txn, &replica->check);
	if (r == 0)
		*ret_txn = TAKE_PTR(txn);
	return r == ERR_NOT_FOUND ? ERR_STORE : r;
}

int store_write_commit(struct store_replica *replica, MDB_txn *txn)
{
	int r = check_write(replica, txn);

	if (r < 0) {
		mdb_txn_abort(txn);
		return r;
	}
	r = replica->held_bytes >= WRITTEN_AHEAD_MIN ? store_commit_ahead(replica, txn)
						     : mdb_txn_commit(txn);
	r = store_write_code(replica, r);
	if (r == 0)
		stamp_write(replica);
	return r;
}
