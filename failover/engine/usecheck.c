/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/usecheck.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "certstore/x509/identity.h"

bool usecheck_covers(const Asafo__Record__TrustpointPublic *part, const char *name)
{
	const char *rest = strchr(name, '.');

	for (size_t i = 0; i < part->n_names; i++) {
		const char *pattern = part->names[i];

		if (strcasecmp(pattern, name) == 0)
			return true;
		if (rest && rest != name && pattern[0] == '*' && pattern[1] == '.' &&
		    strcasecmp(pattern + 1, rest) == 0)
			return true;
	}
	/* It may be among those that are not listed: nobody is accused. */
	return part->names_left_out > 0;
}

static bool domain_fits(const char *domain, const char *name)
{
	const char *rest = strchr(name, '.');

	return strcasecmp(domain, name) == 0 ||
	       (domain[0] == '*' && rest && rest != name && strcasecmp(domain + 1, rest) == 0);
}

/* How well BINDING fits, 0: not at all; in the order of the front's rules (front/tls/selection.c).
 */
static int fitness(const struct config_binding *binding, const char *interface, const char *name)
{
	bool is_here = binding->interface[0];

	if (binding->interface[0] && strcmp(binding->interface, interface) != 0)
		return 0;
	if (binding->domain[0] && !domain_fits(binding->domain, name))
		return 0;
	if (!binding->domain[0])
		return is_here ? 2 : 1;
	if (binding->domain[0] == '*')
		return is_here ? 5 : 3;
	return is_here ? 6 : 4;
}

bool usecheck_serves(const struct config *config, const char *interface, const char *name,
		     const char *trustpoint)
{
	int best_fitness = 0;
	bool is_served = false;

	for (size_t i = 0; i < config->n_bindings; i++) {
		const struct config_binding *binding = &config->bindings[i];
		int fit = fitness(binding, interface, name);

		if (fit == 0 || fit < best_fitness)
			continue;
		is_served = (fit == best_fitness && is_served) ||
			    strcmp(binding->trustpoint, trustpoint) == 0;
		best_fitness = fit;
	}
	return is_served;
}

struct why *usecheck_next(struct usecheck_findings *findings)
{
	return findings->n < USECHECK_SENTENCES_MAX ? &findings->sentences[findings->n++] : NULL;
}

static void judge_name(const struct config *config, const Asafo__Record__TrustpointPublic *part,
		       const struct config_interface *interface, const char *name, const char *unit,
		       struct usecheck_findings *findings)
{
	if (!usecheck_serves(config, interface->name, name, part->name) ||
	    usecheck_covers(part, name))
		return;
	(void)why_set(
		usecheck_next(findings), 0,
		"trustpoint %s is served on %s, but its certificate lacks %s, the name of the "
		"%s unit's address: have it issued with that name, too, or bind another "
		"(ssl trust-point NAME %s domain %s)",
		part->name, interface->name, name, unit, interface->name, name);
}

static void judge_names(const struct config *config, const Asafo__Record__TrustpointPublic *part,
			struct usecheck_findings *findings)
{
	for (size_t i = 0; i < config->n_fqdns; i++) {
		const struct config_fqdn *fqdn = &config->fqdns[i];

		for (size_t j = 0; j < config->n_interfaces; j++) {
			const struct config_interface *interface = &config->interfaces[j];

			if (strcmp(interface->device, fqdn->device) != 0 || !interface->name[0])
				continue;
			judge_name(config, part, interface, fqdn->active, "active", findings);
			if (fqdn->standby[0])
				judge_name(config, part, interface, fqdn->standby, "standby",
					   findings);
		}
	}
}

/* A binding for a name that its certificate has not: every client that it is for refuses it. */
static void judge_domains(const struct config *config, const Asafo__Record__TrustpointPublic *part,
			  struct usecheck_findings *findings)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		const struct config_binding *binding = &config->bindings[i];

		if (strcmp(binding->trustpoint, part->name) != 0 || !binding->domain[0] ||
		    usecheck_covers(part, binding->domain))
			continue;
		(void)why_set(usecheck_next(findings), 0,
			      "trustpoint %s is bound for %s, a name that its certificate lacks: "
			      "clients will refuse it",
			      part->name, binding->domain);
	}
}

static void judge_certificate(const Asafo__Record__TrustpointPublic *part,
			      struct usecheck_findings *findings)
{
	static const struct {
		uint32_t fault;
		const char *words;
	} faults[] = {
		{IDENTITY_NO_SERVER_AUTH, "extended key usage leaves out serverAuth"},
		{IDENTITY_NO_DIGITAL_SIGNATURE, "key usage leaves out digitalSignature"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (part->usage_faults & faults[i].fault)
			(void)why_set(usecheck_next(findings), 0,
				      "trustpoint %s is bound, and its certificate's %s: clients "
				      "will refuse it",
				      part->name, faults[i].words);
	}
	if (part->n_chain == 0 && !part->chain_complete)
		(void)why_set(usecheck_next(findings), 0,
			      "trustpoint %s is bound, and holds no certificate of its issuer: "
			      "most clients need the chain (import it with the chain, --replace)",
			      part->name);
}

bool usecheck_is_bound(const struct config *config, const char *trustpoint)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		if (strcmp(config->bindings[i].trustpoint, trustpoint) == 0)
			return true;
	}
	return false;
}

void usecheck_judge(const struct config *config, const Asafo__Record__TrustpointPublic *part,
		    struct usecheck_findings *findings)
{
	if (!usecheck_is_bound(config, part->name))
		return;
	if (part->is_ca) {
		(void)why_set(usecheck_next(findings), 0,
			      "trustpoint %s is bound, and holds a CA's certificate without a key: "
			      "the self-signed fallback is served",
			      part->name);
		return;
	}
	judge_names(config, part, findings);
	judge_domains(config, part, findings);
	judge_certificate(part, findings);
}
