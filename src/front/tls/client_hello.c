/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message is read before GnuTLS has read it: the choices that follow from it cannot be made
 * later. Signature schemes, cipher suites and curves are kept as bits, by their row in a table;
 * those that are in no table are none that this server speaks.
 */
#include "front/tls/client_hello.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_GROUPS 10
#define EXTENSION_SIGNATURES 13
#define EXTENSION_SESSION_TICKET 35
#define EXTENSION_PRE_SHARED_KEY 41
#define EXTENSION_VERSIONS 43
#define TLS13 0x0304

/* RFC 8446 section 4.2.3. Of TLS 1.3 each ECDSA scheme is for one curve. */
static const struct {
	uint16_t code;
	gnutls_pk_algorithm_t algorithm;
	unsigned bits; /* 0: any */
	bool is_tls12_only;
} schemes[] = {
	{0x0403, GNUTLS_PK_ECDSA, 256, false},	   {0x0503, GNUTLS_PK_ECDSA, 384, false},
	{0x0603, GNUTLS_PK_ECDSA, 521, false},	   {0x0807, GNUTLS_PK_EDDSA_ED25519, 0, false},
	{0x0808, GNUTLS_PK_EDDSA_ED448, 0, false}, {0x0804, GNUTLS_PK_RSA, 0, false},
	{0x0805, GNUTLS_PK_RSA, 0, false},	   {0x0806, GNUTLS_PK_RSA, 0, false},
	{0x0809, GNUTLS_PK_RSA_PSS, 0, false},	   {0x080a, GNUTLS_PK_RSA_PSS, 0, false},
	{0x080b, GNUTLS_PK_RSA_PSS, 0, false},	   {0x0401, GNUTLS_PK_RSA, 0, true},
	{0x0501, GNUTLS_PK_RSA, 0, true},	   {0x0601, GNUTLS_PK_RSA, 0, true},
};

static const struct suite suites[] = {
	{0x1301, SUITE_TLS13, "AES-128-GCM", 1 << 0},
	{0x1302, SUITE_TLS13, "AES-256-GCM", 1 << 1},
	{0x1303, SUITE_TLS13, "CHACHA20-POLY1305", 1 << 2},
	{0xc02b, SUITE_ECDSA, "AES-128-GCM", 1 << 3},
	{0xc02c, SUITE_ECDSA, "AES-256-GCM", 1 << 4},
	{0xcca9, SUITE_ECDSA, "CHACHA20-POLY1305", 1 << 5},
	{0xc02f, SUITE_RSA, "AES-128-GCM", 1 << 6},
	{0xc030, SUITE_RSA, "AES-256-GCM", 1 << 7},
	{0xcca8, SUITE_RSA, "CHACHA20-POLY1305", 1 << 8},
};

static const struct {
	uint16_t code;
	unsigned bits;
} groups[] = {{0x0017, 256}, {0x0018, 384}, {0x0019, 521}};

struct span {
	const uint8_t *data;
	size_t size;
};

/* The vector with a length of N bytes at the beginning of FROM, which moves behind it. */
static bool take_vector(struct span *from, size_t n, struct span *ret_span)
{
	size_t length = 0;

	if (from->size < n)
		return false;
	for (size_t i = 0; i < n; i++)
		length = length << 8 | from->data[i];
	if (from->size - n < length)
		return false;
	*ret_span = (struct span){from->data + n, length};
	from->data += n + length;
	from->size -= n + length;
	return true;
}

static bool take_code(struct span *from, uint16_t *ret_code)
{
	if (from->size < 2)
		return false;
	*ret_code = (uint16_t)(from->data[0] << 8 | from->data[1]);
	from->data += 2;
	from->size -= 2;
	return true;
}

/* RFC 6066 section 3. */
static void read_name(struct span body, struct client_hello *hello)
{
	struct span list, name;

	if (!take_vector(&body, 2, &list) || list.size < 1 || list.data[0] != 0)
		return;
	list.data++;
	list.size--;
	if (!take_vector(&list, 2, &name) || name.size >= sizeof(hello->server_name))
		return;
	for (size_t i = 0; i < name.size; i++) {
		if (!isgraph(name.data[i]))
			return;
	}
	memcpy(hello->server_name, name.data, name.size);
	hello->server_name[name.size] = '\0';
}

static void read_ticket(struct span ticket, struct client_hello *hello)
{
	if (ticket.size < sizeof(hello->ticket_name))
		return;
	memcpy(hello->ticket_name, ticket.data, sizeof(hello->ticket_name));
	hello->has_ticket = true;
}

static void read_signatures(struct span body, struct client_hello *hello)
{
	struct span list;
	uint16_t code;

	if (!take_vector(&body, 2, &list))
		return;
	while (take_code(&list, &code)) {
		for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
			if (schemes[i].code == code)
				hello->schemes |= (uint16_t)(1u << i);
		}
	}
}

static void read_groups(struct span body, struct client_hello *hello)
{
	struct span list;
	uint16_t code;

	if (!take_vector(&body, 2, &list))
		return;
	hello->has_groups = true;
	while (take_code(&list, &code)) {
		for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
			if (groups[i].code == code)
				hello->groups |= (uint8_t)(1u << i);
		}
	}
}

static void read_versions(struct span body, struct client_hello *hello)
{
	struct span list;
	uint16_t code;

	if (!take_vector(&body, 1, &list))
		return;
	while (take_code(&list, &code))
		hello->is_tls13 |= code == TLS13;
}

static int on_extension(void *context, unsigned type, const unsigned char *data, unsigned size)
{
	struct client_hello *hello = context;
	struct span body = {data, size}, list, identity;

	if (type == EXTENSION_SERVER_NAME)
		read_name(body, hello);
	else if (type == EXTENSION_GROUPS)
		read_groups(body, hello);
	else if (type == EXTENSION_SIGNATURES)
		read_signatures(body, hello);
	else if (type == EXTENSION_VERSIONS)
		read_versions(body, hello);
	else if (type == EXTENSION_SESSION_TICKET)
		read_ticket(body, hello);
	else if (type == EXTENSION_PRE_SHARED_KEY && take_vector(&body, 2, &list) &&
		 take_vector(&list, 2, &identity))
		read_ticket(identity, hello); /* the last extension: it goes before a TLS 1.2 one */
	return 0;
}

const struct suite *client_hello_known_suites(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(suites);
	return suites;
}

const struct suite *client_hello_suite_find(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		if (suites[i].code == code)
			return &suites[i];
	}
	return NULL;
}

/* Behind the version, the random bytes and the session's id. */
static void read_suites(struct span body, struct client_hello *hello)
{
	struct span id, list;
	uint16_t code;

	if (body.size < 34)
		return;
	body.data += 34;
	body.size -= 34;
	if (!take_vector(&body, 1, &id) || !take_vector(&body, 2, &list))
		return;
	while (take_code(&list, &code)) {
		const struct suite *suite = client_hello_suite_find(code);

		hello->suites |= suite ? suite->bit : 0;
	}
}

void client_hello_read(const uint8_t *hello, size_t size, struct client_hello *ret_hello)
{
	gnutls_datum_t body = {(unsigned char *)(uintptr_t)hello, (unsigned)size};

	*ret_hello = (struct client_hello){0};
	read_suites((struct span){hello, size}, ret_hello);
	if (gnutls_ext_raw_parse(ret_hello, on_extension, &body,
				 GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0)
		ret_hello->has_ticket = false;
}

static bool has_suite(uint16_t bits, enum suite_class class)
{
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		if ((bits & suites[i].bit) != 0 && suites[i].class == class)
			return true;
	}
	return false;
}

/* Of TLS 1.2 only: the curve of the certificate is one that the client has named. */
static bool knows_curve(const struct client_hello *hello, unsigned bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (groups[i].bits == bits)
			return !hello->has_groups || (hello->groups & 1u << i) != 0;
	}
	return false;
}

static bool verifies(const struct client_hello *hello, bool is_tls13,
		     gnutls_pk_algorithm_t algorithm, unsigned bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if ((hello->schemes & 1u << i) == 0 || schemes[i].algorithm != algorithm)
			continue;
		if (!is_tls13 || (!schemes[i].is_tls12_only &&
				  (schemes[i].bits == 0 || schemes[i].bits == bits)))
			return true;
	}
	return false;
}

bool client_hello_suits(const struct client_hello *hello, uint16_t ours,
			gnutls_pk_algorithm_t algorithm, unsigned bits)
{
	uint16_t common = hello->suites & ours;
	bool is_rsa = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS;

	if (hello->is_tls13 && has_suite(ours, SUITE_TLS13))
		return has_suite(common, SUITE_TLS13) && verifies(hello, true, algorithm, bits);
	return has_suite(common, is_rsa ? SUITE_RSA : SUITE_ECDSA) &&
	       verifies(hello, false, algorithm, bits) &&
	       (algorithm != GNUTLS_PK_ECDSA || knows_curve(hello, bits));
}
