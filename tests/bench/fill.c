/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill --state DIR --count N [--files DIR]: puts N RSA-2048 trustpoints with a two-certificate
 * chain into the store of a unit that is off, sealed as an import would; and the same bytes as
 * files, for the yardstick. A few keys and leaves serve all of them: what is measured is bytes, not
 * key generation.
 */
#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/x509/identity.h"
#include "certstore/keys/keyring.h"
#include "certstore/store/store.h"

#define LEAVES 32
#define BATCH 500
#define CHAIN 3

struct party {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	struct buf der;
	struct secret pkcs8;
};

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "fill: %s: %s\n", what, r > -1000 ? gnutls_strerror(r) : err_text(r));
	exit(EXIT_FAILURE);
}

static void party_make(struct party *party, const char *name, const struct party *issuer,
		       unsigned serial)
{
	uint8_t number[4] = {1, (uint8_t)(serial >> 16), (uint8_t)(serial >> 8), (uint8_t)serial};
	gnutls_datum_t out;
	time_t now = time(NULL);

	check(gnutls_x509_privkey_init(&party->key), "key");
	check(gnutls_x509_privkey_generate(party->key, GNUTLS_PK_RSA, 2048, 0), "key");
	check(gnutls_x509_crt_init(&party->certificate), "certificate");
	check(gnutls_x509_crt_set_version(party->certificate, 3), "version");
	check(gnutls_x509_crt_set_serial(party->certificate, number, sizeof(number)), "serial");
	check(gnutls_x509_crt_set_dn_by_oid(party->certificate, GNUTLS_OID_X520_COMMON_NAME, 0,
					    name, (unsigned)strlen(name)),
	      "name");
	check(gnutls_x509_crt_set_activation_time(party->certificate, now - 60), "dates");
	check(gnutls_x509_crt_set_expiration_time(party->certificate, now + 86400 * 365), "dates");
	check(gnutls_x509_crt_set_basic_constraints(party->certificate, serial < 2, -1),
	      "constraints");
	check(gnutls_x509_crt_set_subject_alt_name(party->certificate, GNUTLS_SAN_DNSNAME, name,
						   (unsigned)strlen(name), GNUTLS_FSAN_SET),
	      "names");
	check(gnutls_x509_crt_set_key(party->certificate, party->key), "public key");
	check(gnutls_x509_crt_sign2(party->certificate,
				    issuer ? issuer->certificate : party->certificate,
				    issuer ? issuer->key : party->key, GNUTLS_DIG_SHA256, 0),
	      "signature");
	check(gnutls_x509_crt_export2(party->certificate, GNUTLS_X509_FMT_DER, &out), "DER");
	check(buf_append(&party->der, out.data, out.size), "DER");
	gnutls_free(out.data);
	check(gnutls_x509_privkey_export2_pkcs8(party->key, GNUTLS_X509_FMT_DER, NULL,
						GNUTLS_PKCS_PLAIN, &out),
	      "PKCS#8");
	check(secret_init_copy(&party->pkcs8, out.data, out.size), "PKCS#8");
	gnutls_free(out.data);
}

static void party_done(struct party *party)
{
	gnutls_x509_privkey_deinit(party->key);
	gnutls_x509_crt_deinit(party->certificate);
	buf_done(&party->der);
	secret_done(&party->pkcs8);
}

static void seal_one(struct keyring *ring, const struct party *leaf, const struct party *chain,
		     const char *name, struct buf *ret_record)
{
	struct buf certificates[CHAIN] = {leaf->der, chain[1].der, chain[0].der};
	Asafo__Record__TrustpointPublic *public_part = NULL;

	check(identity_describe(certificates, CHAIN, &public_part), "description");
	public_part->name = strdup(name);
	public_part->generation = 1;
	public_part->exportable = true;
	public_part->imported_at = time(NULL);
	check(keyring_seal(ring, KEYRING_PAIR, public_part, &leaf->pkcs8, ret_record), "seal");
	asafo__record__trustpoint_public__free_unpacked(public_part, NULL);
}

static void file_write(const char *folder, const char *name, const struct buf *record)
{
	char path[4096];
	FILE *file;

	if (!folder)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file || fwrite(record->data, 1, record->size, file) != record->size ||
	    fclose(file) != 0)
		check(-EIO, path);
}

static void fill(struct store *store, struct keyring *ring, unsigned count, const char *folder)
{
	struct party chain[2] = {0}, leaves[LEAVES] = {0};
	struct store_change changes[BATCH];
	struct buf records[BATCH] = {0};
	char keys[BATCH][64];
	struct why why = {0};

	party_make(&chain[0], "bench root", NULL, 0);
	party_make(&chain[1], "bench intermediate", &chain[0], 1);
	for (unsigned i = 0; i < LEAVES; i++)
		party_make(&leaves[i], "vpn.bench.example.net", &chain[1], 2 + i);
	for (unsigned done = 0; done < count;) {
		unsigned n = count - done < BATCH ? count - done : BATCH;

		for (unsigned i = 0; i < n; i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "bench-%06u", done + i);
			(void)snprintf(keys[i], sizeof(keys[i]), "trustpoint/%s", name);
			buf_clear(&records[i]);
			seal_one(ring, &leaves[(done + i) % LEAVES], chain, name, &records[i]);
			file_write(folder, name, &records[i]);
			changes[i] =
				(struct store_change){keys[i], records[i].data, records[i].size};
		}
		check(store_change(store, 2, changes, n, &why), why.text);
		done += n;
	}
	for (unsigned i = 0; i < BATCH; i++)
		buf_done(&records[i]);
	for (unsigned i = 0; i < LEAVES; i++)
		party_done(&leaves[i]);
	party_done(&chain[0]);
	party_done(&chain[1]);
}

int main(int argc, char **argv)
{
	const char *state = NULL, *folder = NULL;
	unsigned long count = 0;
	char path[4096], master_path[4096];
	struct store *store = NULL;
	struct keyring *ring = NULL;
	struct secret master = {0};
	struct why why = {0};

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--state") == 0)
			state = argv[i + 1];
		else if (strcmp(argv[i], "--files") == 0)
			folder = argv[i + 1];
		else if (strcmp(argv[i], "--count") == 0)
			count = strtoul(argv[i + 1], NULL, 10);
	}
	if (!state || count == 0 || count > 1000000) {
		(void)fprintf(stderr, "usage: fill --state DIR --count N [--files DIR]\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/store", state);
	(void)snprintf(master_path, sizeof(master_path), "%s/master.key", state);
	check(store_open(path, &store, &why), why.text);
	check(keyring_master_key(store, -1, master_path, &master, &why), why.text);
	check(keyring_new(store, &master, &ring, &why), why.text);
	fill(store, ring, (unsigned)count, folder);
	keyring_free(ring);
	secret_done(&master);
	store_close(store);
	return 0;
}
