/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/pkcs12/chain.h"
#include "certstore/pkcs12/p12_select.h"

/* A sentence beside what is imported; more than IDENTITY_WARNINGS_MAX are left out. */
void p12_warn(struct identity *identity, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* All that is to be said of what was taken out of a file. N_IGNORED: entries that are neither
 * certificate nor key. */
void p12_warn_of_import(struct identity *identity, const struct p12_choice *choice,
			const struct chain *chain, const struct identity_policy *policy,
			size_t n_ignored);
