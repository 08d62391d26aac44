/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only as far as the cookie: what follows is GnuTLS' business, and that of clients whose address
 * is known to be theirs.
 */
#include "front/tunnel/dtls_hello.h"

#include "base/err.h"

#define RECORD_HEADER 13  /* type, version, epoch, sequence number, length */
#define MESSAGE_HEADER 12 /* type, length, message_seq, fragment_offset, fragment_length */
#define VERSION_AND_RANDOM 34
#define TYPE_HANDSHAKE 22
#define TYPE_CLIENT_HELLO 1

static size_t number16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static size_t number24(const uint8_t *at)
{
	return (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
}

/* A record of a handshake before there are keys (epoch 0). */
static bool is_record(const uint8_t *at, size_t size)
{
	return size >= RECORD_HEADER && at[0] == TYPE_HANDSHAKE && at[1] == 254 &&
	       (at[2] == 255 || at[2] == 253) && number16(at + 3) == 0 &&
	       number16(at + 11) <= size - RECORD_HEADER;
}

/* Whole: a ClientHello in pieces would have to be kept, before its sender is known. */
static bool is_whole_hello(const uint8_t *at, size_t size)
{
	return size >= MESSAGE_HEADER && at[0] == TYPE_CLIENT_HELLO &&
	       number24(at + 1) == size - MESSAGE_HEADER && number24(at + 6) == 0 &&
	       number24(at + 9) == size - MESSAGE_HEADER;
}

int dtls_hello_read(const uint8_t *datagram, size_t size, struct dtls_hello *ret_hello)
{
	struct dtls_hello hello = {0};
	const uint8_t *at = datagram + RECORD_HEADER;
	size_t left;

	if (!is_record(datagram, size))
		return ERR_MALFORMED;
	left = number16(datagram + 11);
	if (!is_whole_hello(at, left))
		return ERR_MALFORMED;
	at += MESSAGE_HEADER;
	left -= MESSAGE_HEADER;
	if (left < VERSION_AND_RANDOM + 1)
		return ERR_MALFORMED;
	at += VERSION_AND_RANDOM;
	left -= VERSION_AND_RANDOM;
	hello.session_id_size = at[0];
	hello.session_id_view = at + 1;
	if (hello.session_id_size > DTLS_SESSION_ID_MAX || left < 2 + hello.session_id_size)
		return ERR_MALFORMED;
	at += 1 + hello.session_id_size;
	left -= 1 + hello.session_id_size;
	if (at[0] > left - 1)
		return ERR_MALFORMED;
	hello.has_cookie = at[0] > 0;
	*ret_hello = hello;
	return 0;
}
