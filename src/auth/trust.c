/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

struct trust {
	struct clientcert_cas *cas;
	struct trust_group *groups;
	size_t n_groups;
};

int trust_new(struct trust **ret_trust)
{
	struct trust *trust = calloc(1, sizeof(*trust));

	if (!trust)
		return -ENOMEM;
	*ret_trust = trust;
	return 0;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	clientcert_cas_free(trust->cas);
	free(trust->groups);
	free(trust);
}

static int group_take(const Asafo__Ipc__VpnGroup *from, struct trust_group *to)
{
	int r = vpn_name_from(from->name, to->name, sizeof(to->name));

	if (r == 0)
		r = vpn_name_from(from->group_lock, to->lock, sizeof(to->lock));
	if (r == 0)
		r = vpn_name_from(from->pam_service, to->service, sizeof(to->service));
	to->is_by_pam = from->is_by_pam;
	to->is_local_too = from->is_local_too;
	to->is_by_certificate = from->is_by_certificate || from->is_without_password;
	to->is_without_password = from->is_without_password;
	return r == 0 ? vpn_names_from(from->name_from, from->n_name_from, to->name_from) : r;
}

int trust_take(struct trust *trust, const Asafo__Ipc__VpnTrust *message, size_t *ret_n_ignored)
{
	_cleanup_free_ struct trust_group *groups = calloc(message->n_groups + 1, sizeof(*groups));
	struct clientcert_cas *cas = NULL;
	int r = groups ? 0 : -ENOMEM;

	*ret_n_ignored = 0;
	for (size_t i = 0; i < message->n_groups && r == 0; i++)
		r = group_take(message->groups[i], &groups[i]);
	if (r == 0 && message->is_known)
		r = clientcert_cas_new(message->cas, message->n_cas, message->revocation,
				       message->n_revocation, &cas, ret_n_ignored);
	if (r < 0)
		return r;
	if (message->is_known) {
		clientcert_cas_free(trust->cas);
		trust->cas = cas;
	}
	free(trust->groups);
	trust->groups = TAKE_PTR(groups);
	trust->n_groups = message->n_groups;
	return 0;
}

int trust_group_find(const struct trust *trust, const char *name, struct trust_group *ret_group)
{
	for (size_t i = 0; i < trust->n_groups; i++) {
		if (strcmp(trust->groups[i].name, name) == 0) {
			*ret_group = trust->groups[i];
			return 0;
		}
	}
	*ret_group = (struct trust_group){.name = ""};
	return ERR_NOT_FOUND;
}

int trust_verify(const struct trust *trust, const struct trust_group *group,
		 const ProtobufCBinaryData *chain, size_t n, struct clientcert *ret_certificate,
		 const char **ret_user, struct why *ret_why)
{
	int r = clientcert_verify(trust->cas, chain, n, ret_certificate, ret_why);

	if (r < 0)
		return r;
	*ret_user = clientcert_user(ret_certificate, group->name_from);
	return (*ret_user)[0]
		       ? 0
		       : why_set(ret_why, ERR_DENIED, "names no user where this group looks");
}

/* Revoked goes before everything that is only not known. */
static int check_links(const struct clientcert_links *links, const struct crls *crls, int64_t now,
		       struct why *ret_why)
{
	int worst = 0;

	for (size_t i = 0; i < links->n && worst != ERR_REVOKED; i++) {
		struct why why = {0};
		int r = crls_check(crls, links->links[i].key_id, links->links[i].mark, now, &why);

		if (r == ERR_REVOKED || (r < 0 && worst == 0)) {
			worst = r;
			*ret_why = why;
		}
	}
	return worst;
}

int trust_check_revocation(const struct trust *trust, const struct crls *crls,
			   const ProtobufCBinaryData *chain, size_t n, int64_t now,
			   struct why *ret_warning, struct why *ret_why)
{
	struct clientcert_links links = {.n = 0};
	struct why why = {0};
	int r = clientcert_links(trust->cas, chain, n, &links, &why);

	*ret_warning = (struct why){.text = ""};
	if (r == 0 && links.revocation != VPN_REVOCATION_NONE)
		r = check_links(&links, crls, now, &why);
	/* What the keeper has not told yet may name him: he comes again. */
	if (links.revocation == VPN_REVOCATION_CRL_NONE &&
	    (r == ERR_NOT_FOUND || r == ERR_EXPIRED)) {
		*ret_warning = why;
		return 0;
	}
	if (r < 0)
		*ret_why = why;
	return r;
}
