/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/x509.h>

#include "certstore/pkcs12/p12.h"

/*
 * Verifies a PBMAC1 (RFC 9579) over the authenticated safe of the job's file, which neither
 * GnuTLS 3.7 nor libcrypto 3.0 can. Errors: ERR_BAD_PASSPHRASE without a sentence (try the next
 * spelling); others are final and have one.
 */
int p12_pbmac1_verify(struct p12_job *job, const X509_ALGOR *algorithm,
		      const ASN1_OCTET_STRING *mac, const char *passphrase);
