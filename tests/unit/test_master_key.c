/* SPDX-License-Identifier: Apache-2.0 */
/* Another master key, killed at each system call of the change; and where the master key comes from
 * and goes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/keys/keyring.h"
#include "certstore/keys/keyring_private.h"
#include "src/folders.h"
#include "tests/unit/store_fixture.h"

#define CALLS_MAX 5000

struct unit {
	char *directory;
	char path[600];
	struct store *store;
	struct keyring *ring;
	struct keyring_master master;
	struct keyring_link_keys link;
};

static const char *const names[] = {"trustpoint/home", "localca/ca", "localca/issued/01"};

static void unit_open(struct unit *unit, int credential)
{
	assert_int_equal(store_open(unit->directory, &unit->store, NULL), 0);
	assert_int_equal(keyring_open_store(unit->store, credential, unit->path, &unit->ring,
					    &unit->master, NULL),
			 0);
}

static void unit_close(struct unit *unit)
{
	keyring_free(unit->ring);
	store_close(unit->store);
	unit->ring = NULL;
	unit->store = NULL;
}

static void seal(struct keyring *ring, enum keyring_kek which, const char *name, struct buf *bytes)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	struct secret key = {0};

	part.name = (char *)(uintptr_t)name;
	assert_int_equal(secret_init_copy(&key, "a private key", 13), 0);
	assert_int_equal(keyring_seal(ring, which, &part, &key, bytes), 0);
	secret_done(&key);
}

static void put(struct store *store, bool is_unit, const char *key, const struct buf *bytes)
{
	struct store_change change = {key, bytes->data, bytes->size};

	assert_int_equal(is_unit ? store_unit_change(store, &change, 1, NULL)
				 : store_change(store, 1, &change, 1, NULL),
			 0);
}

static void fill(struct unit *unit)
{
	struct buf bytes = {0};

	assert_int_equal(keyring_failover_key_make(unit->ring, NULL), 0);
	assert_int_equal(keyring_rekey_prepare(unit->ring, NULL), 0);
	assert_int_equal(keyring_link_keys(unit->ring, &unit->link), 0);
	for (size_t i = 0; i < 3; i++) {
		seal(unit->ring, KEYRING_UNIT, names[i], &bytes);
		put(unit->store, true, names[i], &bytes);
		buf_done(&bytes);
	}
	seal(unit->ring, KEYRING_PAIR, "vpn", &bytes);
	put(unit->store, false, "trustpoint/vpn", &bytes);
	/* An orphan is sealed as it was in the pair's part; and not everything is a record. */
	put(unit->store, true, "orphan/1/trustpoint/vpn", &bytes);
	buf_done(&bytes);
	assert_int_equal(buf_append(&bytes, "\xff\xff\xff", 3), 0);
	put(unit->store, true, "history", &bytes);
	buf_done(&bytes);
}

static void assert_opens(struct unit *unit, bool is_unit, const char *name)
{
	struct buf bytes = {0};
	struct secret key = {0};
	Asafo__Record__Record *record;

	assert_int_equal(is_unit ? store_unit_get(unit->store, name, &bytes)
				 : store_get(unit->store, name, &bytes),
			 0);
	record = asafo__record__record__unpack(NULL, bytes.size, bytes.data);
	assert_non_null(record);
	assert_int_equal(keyring_open(unit->ring, record, &key), 0);
	assert_int_equal(key.size, 13);
	assert_memory_equal(key.data, "a private key", 13);
	secret_done(&key);
	asafo__record__record__free_unpacked(record, NULL);
	buf_done(&bytes);
}

static void assert_whole(struct unit *unit)
{
	struct keyring_link_keys link;
	struct keyring_rekey rekey;

	for (size_t i = 0; i < 3; i++)
		assert_opens(unit, true, names[i]);
	assert_opens(unit, false, "trustpoint/vpn");
	assert_opens(unit, true, "orphan/1/trustpoint/vpn");
	assert_int_equal(keyring_link_keys(unit->ring, &link), 0);
	assert_memory_equal(&link, &unit->link, sizeof(link));
	keyring_rekey_status(unit->ring, &rekey);
	assert_int_equal(rekey.phase, KEYRING_REKEY_PREPARED);
	assert_true(rekey.is_leading);
}

static int setup(void **state)
{
	struct unit *unit = calloc(1, sizeof(*unit));

	unit->directory = fixture_directory();
	(void)snprintf(unit->path, sizeof(unit->path), "%s/master.key", unit->directory);
	unit_open(unit, -1);
	fill(unit);
	*state = unit;
	return 0;
}

static int teardown(void **state)
{
	struct unit *unit = *state;

	unit_close(unit);
	fixture_remove(unit->directory);
	free(unit);
	return 0;
}

static void read_key(const struct unit *unit, uint8_t ret_key[static SEAL_KEY_SIZE])
{
	struct buf bytes = {0};

	assert_int_equal(io_read_file(unit->path, SEAL_KEY_SIZE, &bytes), 0);
	assert_int_equal(bytes.size, SEAL_KEY_SIZE);
	memcpy(ret_key, bytes.data, SEAL_KEY_SIZE);
	buf_done(&bytes);
}

static void assert_alone(const struct unit *unit)
{
	static const char *const suffixes[] = {KEYRING_MASTER_NEXT, KEYRING_MASTER_OLD};
	char path[700];
	struct stat info;

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", unit->path, suffixes[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(stat(unit->path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
}

static int file_with(const char *path, const uint8_t *key)
{
	assert_int_equal(io_replace_file(path, 0600, key, SEAL_KEY_SIZE), 0);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void another_master_key_opens_everything_and_the_old_one_nothing(void **state)
{
	struct unit *unit = *state;
	uint8_t old[SEAL_KEY_SIZE], new[SEAL_KEY_SIZE];
	struct secret master = {0};
	struct keyring *ring = NULL;
	struct buf before = {0}, after = {0};

	read_key(unit, old);
	assert_true(keyring_times(unit->ring)->master_at > 0);
	assert_int_equal(store_get(unit->store, "trustpoint/vpn", &before), 0);
	assert_int_equal(keyring_master_rotate(unit->ring, unit->path, NULL), 0);
	read_key(unit, new);
	assert_memory_not_equal(old, new, sizeof(old));
	assert_alone(unit);
	assert_whole(unit);
	unit_close(unit);
	unit_open(unit, -1);
	assert_whole(unit);
	assert_true(keyring_times(unit->ring)->master_at > 0);
	assert_int_equal(secret_init_copy(&master, old, sizeof(old)), 0);
	assert_int_equal(keyring_new(unit->store, &master, &ring, NULL), ERR_INTEGRITY);
	secret_done(&master);
	/* What the mate has as well was not touched. */
	assert_int_equal(store_get(unit->store, "trustpoint/vpn", &after), 0);
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, before.size);
	buf_done(&before);
	buf_done(&after);
}

static void nothing_of_this_unit_is_readable_with_the_old_master_key(void **state)
{
	struct unit *unit = *state;
	struct buf bytes = {0};
	uint8_t old[SEAL_ID_SIZE];

	memcpy(old, unit->ring->unit.id, sizeof(old));
	assert_int_equal(keyring_master_rotate(unit->ring, unit->path, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(store_unit_get(unit->store, names[i], &bytes), 0);
		assert_null(memmem(bytes.data, bytes.size, old, sizeof(old)));
		buf_done(&bytes);
	}
}

static void a_damaged_record_of_this_unit_is_named_and_the_key_stays(void **state)
{
	struct unit *unit = *state;
	uint8_t old[SEAL_KEY_SIZE], now[SEAL_KEY_SIZE];
	struct buf bytes = {0};
	struct why why = {0};

	read_key(unit, old);
	assert_int_equal(store_unit_get(unit->store, "localca/ca", &bytes), 0);
	bytes.data[bytes.size - 1] ^= 1;
	put(unit->store, true, "localca/ca", &bytes);
	assert_int_equal(keyring_master_rotate(unit->ring, unit->path, &why), ERR_INTEGRITY);
	assert_non_null(strstr(why.text, "localca/ca"));
	read_key(unit, now);
	assert_memory_equal(old, now, sizeof(old));
	assert_alone(unit);
	assert_opens(unit, true, "trustpoint/home");
	buf_done(&bytes);
}

static void a_key_that_lies_beside_its_place_is_not_written_over(void **state)
{
	struct unit *unit = *state;
	uint8_t old[SEAL_KEY_SIZE], new[SEAL_KEY_SIZE], beside[SEAL_KEY_SIZE];
	char next[PATH_MAX];
	struct why why = {0};

	/* As after a change whose files could not be put in order. */
	(void)snprintf(next, sizeof(next), "%s.new", unit->path);
	read_key(unit, old);
	assert_int_equal(keyring_master_rotate(unit->ring, unit->path, NULL), 0);
	read_key(unit, new);
	assert_int_equal(rename(unit->path, next), 0);
	assert_int_equal(io_replace_file(unit->path, 0600, old, sizeof(old)), 0);

	assert_int_equal(keyring_master_rotate(unit->ring, unit->path, &why), ERR_NOT_READY);
	assert_non_null(strstr(why.text, "restart the service"));
	assert_int_equal(rename(next, unit->path), 0);
	read_key(unit, beside);
	assert_memory_equal(beside, new, sizeof(new));
	assert_whole(unit);
}

static void a_key_that_cannot_be_written_changes_nothing(void **state)
{
	struct unit *unit = *state;
	struct why why = {0};

	assert_true(keyring_master_rotate(unit->ring, "/nonexistent/master.key", &why) < 0);
	assert_non_null(strstr(why.text, "the master key stays"));
	unit_close(unit);
	unit_open(unit, -1);
	assert_whole(unit);
}

/* The process that is killed. */
static void rotate_traced(struct unit *unit)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(3);
	if (store_open(unit->directory, &unit->store, NULL) < 0 ||
	    keyring_open_store(unit->store, -1, unit->path, &unit->ring, &unit->master, NULL) < 0)
		_exit(4);
	(void)raise(SIGSTOP);
	_exit(keyring_master_rotate(unit->ring, unit->path, NULL) < 0 ? 5 : 0);
}

/* Kills it at its STOP-th stop, which is the entry to or the exit from a system call; false: it
 * came to its end before. */
static bool killed_at(struct unit *unit, unsigned stop)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		rotate_traced(unit);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	for (unsigned i = 0; i < stop; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		assert_true(WIFSTOPPED(status));
	}
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return true;
}

static void killed_at_any_system_call_the_old_or_the_new_key_opens_the_store(void **state)
{
	struct unit *unit = *state;
	uint8_t before[SEAL_KEY_SIZE], after[SEAL_KEY_SIZE];
	unsigned n_old = 0, n_new = 0;
	bool is_killed = true;

	unit_close(unit);
	for (unsigned stop = 1; is_killed; stop++) {
		assert_true(stop < CALLS_MAX);
		read_key(unit, before);
		is_killed = killed_at(unit, stop);
		unit_open(unit, -1);
		assert_whole(unit);
		assert_alone(unit);
		read_key(unit, after);
		if (memcmp(before, after, sizeof(before)) == 0)
			n_old++;
		else
			n_new++;
		unit_close(unit);
	}
	unit_open(unit, -1);
	/* Both sides of the moment where it changes were met. */
	assert_true(n_old > 10 && n_new > 10);
}

static void what_is_wiped_is_overwritten_before_it_goes(void **state)
{
	struct unit *unit = *state;
	uint8_t bytes[SEAL_KEY_SIZE], zeros[SEAL_KEY_SIZE] = {0};
	char path[700];
	int fd;

	(void)snprintf(path, sizeof(path), "%s.copy", unit->path);
	memset(bytes, 7, sizeof(bytes));
	fd = file_with(path, bytes);
	assert_int_equal(keyring_master_wipe(path), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_memory_equal(bytes, zeros, sizeof(bytes));
	assert_int_equal(keyring_master_wipe(path), 0);
	(void)close(fd);
}

/* As systemd starts the service with LoadCredentialEncrypted=asafo.master-key. */
static void
the_credential_that_systemd_passes_opens_the_store_and_becomes_a_file_again(void **state)
{
	struct unit *unit = *state;
	uint8_t key[SEAL_KEY_SIZE], again[SEAL_KEY_SIZE], wrong[SEAL_KEY_SIZE] = {9};
	char folder[620], path[700];
	struct why why = {0};
	int fd = -1, other;

	(void)snprintf(folder, sizeof(folder), "%s/credentials", unit->directory);
	(void)snprintf(path, sizeof(path), "%s/asafo.master-key", folder);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(folders_master_key_open(&fd), ERR_NOT_FOUND);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	assert_int_equal(folders_master_key_open(&fd), ERR_NOT_FOUND);
	read_key(unit, key);
	(void)close(file_with(path, key));
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(folders_master_key_open(&fd), 0);
	unit_close(unit);
	unit_open(unit, fd);
	assert_true(unit->master.is_credential && unit->master.has_file);
	assert_int_equal(unit->master.file_owner, geteuid());
	assert_whole(unit);
	/* The file goes, and the credential alone opens the store. */
	assert_int_equal(keyring_master_wipe(unit->path), 0);
	unit_close(unit);
	unit_open(unit, fd);
	assert_true(unit->master.is_credential && !unit->master.has_file);
	assert_whole(unit);
	/* Back: only the key that opened it is written. */
	(void)snprintf(path, sizeof(path), "%s/wrong", folder);
	other = file_with(path, wrong);
	assert_int_equal(keyring_master_to_file(unit->ring, other, unit->path, &why),
			 ERR_INTEGRITY);
	assert_non_null(strstr(why.text, "nothing was written"));
	assert_int_equal(access(unit->path, F_OK), -1);
	assert_int_equal(keyring_master_to_file(unit->ring, fd, unit->path, NULL), 0);
	read_key(unit, again);
	assert_memory_equal(key, again, sizeof(key));
	assert_alone(unit);
	(void)close(fd);
	(void)close(other);
	unit_close(unit);
	unit_open(unit, -1);
	assert_whole(unit);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/asafo.master-key", folder);
	(void)unlink(path);
	(void)rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_master_key_opens_everything_and_the_old_one_nothing),
		TEST(nothing_of_this_unit_is_readable_with_the_old_master_key),
		TEST(a_damaged_record_of_this_unit_is_named_and_the_key_stays),
		TEST(a_key_that_lies_beside_its_place_is_not_written_over),
		TEST(a_key_that_cannot_be_written_changes_nothing),
		TEST(killed_at_any_system_call_the_old_or_the_new_key_opens_the_store),
		TEST(what_is_wiped_is_overwritten_before_it_goes),
		TEST(the_credential_that_systemd_passes_opens_the_store_and_becomes_a_file_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
