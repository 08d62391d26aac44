/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"
#include "auth/crls.h"
#include "ipc/clientcert.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * What the groups want of who logs in, and which CAs may say who a client is, as the engine told
 * last. A group is known before its users are: the engine tells of groups first.
 */
struct trust;

struct trust_group {
	char name[VPN_NAME_MAX];
	bool is_by_certificate, is_without_password;
	enum vpn_name_from name_from[VPN_NAMES_FROM];
	bool is_by_pam, is_local_too;
	char service[VPN_NAME_MAX]; /* of PAM's */
	char lock[VPN_NAME_MAX]; /* the only group for those who have no lock of their own; "": any
				  */
};

int trust_new(struct trust **ret_trust);
void trust_free(struct trust *trust);
/* Errors: ERR_MALFORMED, ERR_TOO_LARGE, -ENOMEM, ERR_CRYPTO; then all stays as it was. */
int trust_take(struct trust *trust, const Asafo__Ipc__VpnTrust *message, size_t *ret_n_ignored);
/* Errors: ERR_NOT_FOUND: there is none of this name, or the engine has told of none yet. */
int trust_group_find(const struct trust *trust, const char *name, struct trust_group *ret_group);
/* As clientcert_verify, and whom of GROUP's users it names: RET_USER is not empty. */
int trust_verify(const struct trust *trust, const struct trust_group *group,
		 const ProtobufCBinaryData *chain, size_t n, struct clientcert *ret_certificate,
		 const char **ret_user, struct why *ret_why);
/*
 * Whether one of a CHAIN that was verified is revoked, as the CA's trustpoint wants it known. 0
 * with an empty RET_WARNING: none is, or nobody asked; with a text, the end of a sentence that
 * begins with "the certificate": it is not known, and need not be. Errors: those of crls_check and
 * of clientcert_links.
 */
int trust_check_revocation(const struct trust *trust, const struct crls *crls,
			   const ProtobufCBinaryData *chain, size_t n, int64_t now,
			   struct why *ret_warning, struct why *ret_why);
