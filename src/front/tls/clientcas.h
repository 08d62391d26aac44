/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/x509.h>

#include "ipc/clientcert.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * The CAs that may say who a client is, as the engine told last: named to clients when they are
 * asked for a certificate, and what comes is judged by them. None: nobody is asked.
 */
struct clientcas;

int clientcas_new(struct clientcas **ret_cas);
void clientcas_free(struct clientcas *cas);
/* Errors: ERR_TOO_LARGE, ERR_CRYPTO, -ENOMEM; then those before stay. */
int clientcas_take(struct clientcas *cas, const Asafo__Ipc__VpnTrust *message);
/* For clientcert_verify; NULL: there are none. */
const struct clientcert_cas *clientcas_trusted(const struct clientcas *cas);
/* Another number whenever they are others. */
unsigned clientcas_revision(const struct clientcas *cas);
/* A list of its own, for GnuTLS to name them; the caller's. Errors: -ENOMEM. */
int clientcas_list(const struct clientcas *cas, gnutls_x509_trust_list_t *ret_list);
