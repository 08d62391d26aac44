/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One error domain for the whole program: 0 is success, a negated errno is that errno, and asafo's
 * own codes start at -1000. A foreign library's code is translated at that library's border, never
 * passed on: GNUTLS_E_AGAIN is -28, which is also -ENOSPC.
 */
enum err {
	ERR_OK = 0,
	ERR_MALFORMED = -1000,	/* bytes that do not follow their format */
	ERR_TOO_LARGE = -1001,	/* beyond a limit that is ours */
	ERR_DENIED = -1002,	/* the caller may not ask this */
	ERR_NOT_ACTIVE = -1003, /* only the active unit takes this */
	ERR_NO_MATE = -1004,	/* no mate on the failover link */
	ERR_BUSY = -1005,	/* the same thing is already under way */
	ERR_NOT_FOUND = -1006,
	ERR_EXISTS = -1007,
	ERR_IN_USE = -1008, /* still bound */
	ERR_BAD_PASSPHRASE = -1009,
	ERR_NO_KEY = -1010,	    /* no private key in the file */
	ERR_NO_CERTIFICATE = -1011, /* no certificate in the file */
	ERR_KEY_MISMATCH = -1012,   /* the key is not the certificate's */
	ERR_EXPIRED = -1013,
	ERR_NOT_YET_VALID = -1014,
	ERR_WEAK = -1015, /* refused by policy: key size, algorithm, iterations */
	ERR_UNSUPPORTED = -1016,
	ERR_INTEGRITY = -1017, /* authentication tag, digest or signature is wrong */
	ERR_DIFFERS = -1018,   /* digests that must agree do not */
	ERR_TIMEOUT = -1019,
	ERR_CLOSED = -1020,    /* the other end is gone */
	ERR_SYNTAX = -1021,    /* a command line that the grammar does not know */
	ERR_VERSION = -1022,   /* the other end speaks another protocol version */
	ERR_CRYPTO = -1023,    /* a cryptographic library failed for no reason of the input's */
	ERR_STORE = -1024,     /* the store's file is damaged or not writable */
	ERR_NOT_READY = -1025, /* not in the state that this needs */
	ERR_NOT_EXPORTABLE = -1026,
	ERR_NO_MAC = -1027,  /* PKCS#12 without integrity protection */
	ERR_REVOKED = -1028, /* the issuer has taken the certificate back */
};

/* A short English text for CODE, lower case, no full stop; never NULL. Thread-safe. */
const char *err_text(int code);

/* The code's symbolic name for machines ("NotActive", "ENOSPC"); never NULL. */
const char *err_name(int code);
