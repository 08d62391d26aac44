/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "config/apply.h"

static int set_hostname(struct apply *apply, const struct grammar_match *match)
{
	(void)snprintf(apply->config->hostname, sizeof(apply->config->hostname), "%s",
		       match->is_negated ? "asafo" : apply_text(match, "hostname"));
	return 0;
}

static int remove_trustpoint(struct apply *apply, const struct value *name, size_t index)
{
	struct config *config = apply->config;

	if (index == config->n_trustpoints)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "the configuration has no such trustpoint");
	config->n_trustpoints--;
	memmove(&config->trustpoints[index], &config->trustpoints[index + 1],
		(config->n_trustpoints - index) * sizeof(config->trustpoints[0]));
	return 0;
}

static int set_trustpoint(struct apply *apply, const struct grammar_match *match)
{
	struct config *config = apply->config;
	const struct value *name = grammar_match_value(match, "name");
	size_t index = 0;

	while (index < config->n_trustpoints &&
	       strcmp(config->trustpoints[index].name, name->text) != 0)
		index++;
	if (match->is_negated)
		return remove_trustpoint(apply, name, index);
	if (index == CONFIG_TRUSTPOINTS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name, "more than %d trustpoints",
				    CONFIG_TRUSTPOINTS_MAX);
	if (index == config->n_trustpoints) {
		config->trustpoints[index] = (struct config_trustpoint){0};
		(void)snprintf(config->trustpoints[index].name, CONFIG_NAME_MAX, "%s", name->text);
		config->n_trustpoints++;
	}
	apply->index = index;
	apply->mode = COMMAND_MODE_TRUSTPOINT;
	return 0;
}

static int set_scope(struct apply *apply, const struct grammar_match *match)
{
	struct config_trustpoint *trustpoint = &apply->config->trustpoints[apply->index];

	trustpoint->is_of_unit =
		!match->is_negated && strcmp(apply_text(match, "scope"), "unit") == 0;
	return 0;
}

/* Without it stays what the word says on IOS, too: at home. */
static int set_redundancy(struct apply *apply, const struct grammar_match *match)
{
	struct config_trustpoint *trustpoint = &apply->config->trustpoints[apply->index];

	trustpoint->is_home =
		match->is_negated || strcmp(apply_text(match, "redundancy"), "no") == 0;
	return 0;
}

static int set_validation_usage(struct apply *apply, const struct grammar_match *match)
{
	apply->config->trustpoints[apply->index].is_for_clients = !match->is_negated;
	return 0;
}

static int set_revocation_check(struct apply *apply, const struct grammar_match *match)
{
	struct config_trustpoint *trustpoint = &apply->config->trustpoints[apply->index];
	bool is_crl = !match->is_negated && strcmp(apply_text(match, "method"), "crl") == 0;
	bool has_fallback = grammar_match_value(match, "fallback") != NULL;

	if (has_fallback && !is_crl && !match->is_negated)
		return apply_refuse(apply, ERR_SYNTAX, grammar_match_value(match, "fallback"),
				    "revocation-check none has nothing behind it: it looks at no "
				    "CRL already");
	trustpoint->revocation = !is_crl	? CONFIG_REVOCATION_NONE
				 : has_fallback ? CONFIG_REVOCATION_CRL_NONE
						: CONFIG_REVOCATION_CRL;
	return 0;
}

static int set_ocsp_fetch(struct apply *apply, const struct grammar_match *match)
{
	apply->config->trustpoints[apply->index].is_fetched = !match->is_negated;
	return 0;
}

bool config_is_url(const char *text)
{
	static const char scheme[] = "http://";
	size_t size = strlen(text);

	if (size < sizeof(scheme) || size >= CONFIG_URL_MAX ||
	    strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] <= ' ' || text[i] > '~' || strchr("@\"\\", text[i]))
			return false;
	}
	return true;
}

static int set_ocsp_url(struct apply *apply, const struct grammar_match *match)
{
	struct config_trustpoint *trustpoint = &apply->config->trustpoints[apply->index];
	const struct value *url = grammar_match_value(match, "url");

	if (!match->is_negated && !config_is_url(url->text))
		return apply_refuse(
			apply, ERR_SYNTAX, url,
			"the URL of an OCSP responder begins with http:// (its answers "
			"are signed, TLS would need one first), has no user in it, and at "
			"most %d visible characters",
			CONFIG_URL_MAX - 1);
	memset(trustpoint->ocsp_url, 0, sizeof(trustpoint->ocsp_url));
	if (!match->is_negated)
		memcpy(trustpoint->ocsp_url, url->text, strlen(url->text));
	return 0;
}

const struct config_trustpoint *config_trustpoint_find(const struct config *config,
						       const char *name)
{
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		if (strcmp(config->trustpoints[i].name, name) == 0)
			return &config->trustpoints[i];
	}
	return NULL;
}

static int set_binding(struct apply *apply, const struct grammar_match *match)
{
	const struct value *interface = grammar_match_value(match, "interface");
	const char *trustpoint = apply_text(match, "trustpoint");
	const char *domain = apply_text(match, "domain");
	struct why why = {0};
	int r;

	if (match->is_negated)
		r = config_unbind(apply->config, trustpoint, apply_text(match, "interface"), domain,
				  &why);
	else
		r = config_bind(apply->config, trustpoint, apply_text(match, "interface"), domain,
				&why);
	if (r == 0)
		return 0;
	return apply_refuse(
		apply, r,
		interface && r == ERR_NOT_FOUND ? interface : grammar_match_value(match, "trustpoint"),
		"%s", why.text);
}

static int set_version(struct apply *apply, const struct grammar_match *match)
{
	(void)snprintf(apply->config->minimum_tls, sizeof(apply->config->minimum_tls), "%s",
		       match->is_negated ? "tlsv1.2" : apply_text(match, "version"));
	return 0;
}

/* "A:B", with or without quotes around it. */
static int set_custom(struct apply *apply, const struct value *value,
		      enum config_cipher_version version, struct config_cipher *cipher)
{
	size_t size = strlen(value->text);
	bool is_quoted = size > 1 && value->text[0] == '"' && value->text[size - 1] == '"';
	char list[CONFIG_CIPHERS_TEXT_MAX];
	struct why why = {""};

	if (size >= sizeof(list))
		return apply_refuse(apply, ERR_SYNTAX, value,
				    "a list of cipher suites has at most %d bytes",
				    CONFIG_CIPHERS_TEXT_MAX - 1);
	(void)snprintf(list, sizeof(list), "%.*s", (int)(is_quoted ? size - 2 : size),
		       value->text + is_quoted);
	if (config_cipher_check(list, version, &why) < 0)
		return apply_refuse(apply, ERR_SYNTAX, value, "%s", why.text);
	*cipher = (struct config_cipher){.level = CONFIG_CIPHER_CUSTOM};
	memcpy(cipher->custom, list, sizeof(list));
	return 0;
}

static int set_cipher(struct apply *apply, const struct grammar_match *match)
{
	enum config_cipher_version version = strcmp(apply_text(match, "version"), "tlsv1.3") == 0
						     ? CONFIG_CIPHER_TLS13
						     : CONFIG_CIPHER_TLS12;
	struct config_cipher *cipher = &apply->config->ciphers[version];
	const struct value *custom = grammar_match_value(match, "ciphers");
	enum config_cipher_level level = CONFIG_CIPHER_MEDIUM;

	if (custom && !match->is_negated)
		return set_custom(apply, custom, version, cipher);
	if (!match->is_negated)
		(void)config_cipher_level_find(apply_text(match, "level"), &level);
	*cipher = (struct config_cipher){.level = level};
	return 0;
}

static int set_alerts(struct apply *apply, const struct grammar_match *match)
{
	const struct value *begin = grammar_match_value(match, "begin");
	const struct value *repeat = grammar_match_value(match, "repeat");

	apply->config->alert_begin_days =
		begin && !match->is_negated ? (uint32_t)begin->number : 60;
	apply->config->alert_repeat_days =
		repeat && !match->is_negated ? (uint32_t)repeat->number : 7;
	return 0;
}

static int set_weak_crypto(struct apply *apply, const struct grammar_match *match)
{
	apply->config->is_weak_permitted = !match->is_negated;
	return 0;
}

static int set_webvpn(struct apply *apply, const struct grammar_match *match)
{
	if (match->is_negated) {
		apply->config->webvpn = (struct config_webvpn){.port = 443};
		apply->config->vpn.is_enabled = false;
	} else {
		apply->mode = COMMAND_MODE_WEBVPN;
	}
	return 0;
}

static int remove_enabled(struct apply *apply, const struct value *name, size_t index)
{
	struct config_webvpn *webvpn = &apply->config->webvpn;

	if (index == webvpn->n_enabled)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "webvpn is not enabled there");
	webvpn->n_enabled--;
	memmove(webvpn->enabled_on[index], webvpn->enabled_on[index + 1],
		(webvpn->n_enabled - index) * sizeof(webvpn->enabled_on[0]));
	return 0;
}

static int set_enabled(struct apply *apply, const struct grammar_match *match)
{
	struct config_webvpn *webvpn = &apply->config->webvpn;
	const struct value *name = grammar_match_value(match, "interface");
	size_t index = 0;

	while (index < webvpn->n_enabled && strcmp(webvpn->enabled_on[index], name->text) != 0)
		index++;
	if (match->is_negated)
		return remove_enabled(apply, name, index);
	if (index < webvpn->n_enabled)
		return 0;
	if (!config_interface_find(apply->config, name->text))
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "no interface above has this name (\"nameif %s\")", name->text);
	/* Never full: every entry is the name of another interface. */
	(void)snprintf(webvpn->enabled_on[webvpn->n_enabled++], CONFIG_NAME_MAX, "%s", name->text);
	return 0;
}

static int set_port(struct apply *apply, const struct grammar_match *match)
{
	const struct value *port = grammar_match_value(match, "port");

	apply->config->webvpn.port = match->is_negated ? 443 : (uint16_t)port->number;
	return 0;
}

apply_fn apply_service_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_HOSTNAME] = set_hostname,
		[COMMAND_TRUSTPOINT] = set_trustpoint,
		[COMMAND_EXPIRATION_ALERTS] = set_alerts,
		[COMMAND_SCOPE] = set_scope,
		[COMMAND_VALIDATION_USAGE] = set_validation_usage,
		[COMMAND_REVOCATION_CHECK] = set_revocation_check,
		[COMMAND_OCSP_FETCH] = set_ocsp_fetch,
		[COMMAND_OCSP_URL] = set_ocsp_url,
		[COMMAND_WEAK_CRYPTO] = set_weak_crypto,
		[COMMAND_REDUNDANCY] = set_redundancy,
		[COMMAND_SSL_TRUSTPOINT] = set_binding,
		[COMMAND_SSL_VERSION] = set_version,
		[COMMAND_SSL_CIPHER] = set_cipher,
		[COMMAND_WEBVPN] = set_webvpn,
		[COMMAND_WEBVPN_ENABLE] = set_enabled,
		[COMMAND_WEBVPN_PORT] = set_port,
	};

	return handlers[id];
}
