/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

static int set_failover(struct apply *apply, const struct grammar_match *match)
{
	apply->config->failover.is_enabled = !match->is_negated;
	return 0;
}

static int set_unit(struct apply *apply, const struct grammar_match *match)
{
	bool is_primary = !match->is_negated && strcmp(apply_text(match, "unit"), "primary") == 0;

	apply->config->failover.unit = is_primary ? FO_UNIT_PRIMARY : FO_UNIT_SECONDARY;
	return 0;
}

static int set_key(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *key = grammar_match_value(match, "key");
	const struct value *hex = grammar_match_value(match, "hexkey");

	/* What `show running-config` shows: there is a key, and it stays. */
	if (key && strcmp(key->text, "*****") == 0) {
		failover->has_key = true;
		return 0;
	}
	explicit_bzero(failover->new_key, sizeof(failover->new_key));
	failover->is_new_key_hex = hex != NULL;
	if (match->is_negated)
		failover->has_key = false;
	else
		(void)snprintf(failover->new_key, sizeof(failover->new_key), "%s",
			       hex ? hex->text : key->text);
	return 0;
}

/* The time of NAME-ms or NAME-s, in milliseconds; RET_VALUE is the word that says it. 0: neither.
 */
static uint32_t read_time(const struct grammar_match *match, const char *ms, const char *s,
			  const struct value **ret_value)
{
	const struct value *in_ms = grammar_match_value(match, ms);
	const struct value *in_s = grammar_match_value(match, s);

	*ret_value = in_ms ? in_ms : in_s;
	if (in_ms)
		return (uint32_t)in_ms->number;
	return in_s ? (uint32_t)in_s->number * 1000 : 0;
}

static int set_polltime(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *poll_value, *hold_value;
	uint32_t poll = read_time(match, "poll-ms", "poll-s", &poll_value);
	uint32_t hold = read_time(match, "hold-ms", "hold-s", &hold_value);

	if (match->is_negated) {
		failover->poll_ms = 100;
		failover->hold_ms = 500;
		return 0;
	}
	if (hold == 0)
		hold = poll * 5 > 45000 ? 45000 : poll * 5;
	if (hold < 3 * poll)
		return apply_refuse(apply, ERR_SYNTAX, hold_value,
				    "the holdtime must be at least 3 polltimes, here %u ms",
				    3 * poll);
	failover->poll_ms = poll;
	failover->hold_ms = hold;
	return 0;
}

static int set_interface_polltime(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *poll_value, *hold_value;
	uint32_t poll = read_time(match, "poll-ms", "poll-s", &poll_value);
	uint32_t hold = read_time(match, "hold-ms", "hold-s", &hold_value);

	if (match->is_negated) {
		failover->interface_poll_ms = 200;
		failover->interface_hold_ms = 1000;
		return 0;
	}
	if (hold == 0)
		hold = poll * 5;
	if (hold < 5 * poll)
		return apply_refuse(
			apply, ERR_SYNTAX, hold_value,
			"the interface holdtime must be at least 5 polltimes, here %u ms",
			5 * poll);
	failover->interface_poll_ms = poll;
	failover->interface_hold_ms = hold;
	return 0;
}

static int set_interface_policy(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *count = grammar_match_value(match, "count");
	const struct value *percent = grammar_match_value(match, "percent");

	failover->interface_policy = count && !match->is_negated ? (uint32_t)count->number : 1;
	failover->interface_policy_percent =
		percent && !match->is_negated ? (uint32_t)percent->number : 0;
	return 0;
}

static int set_replication(struct apply *apply, const struct grammar_match *match)
{
	const char *mode = apply_text(match, "mode");
	enum config_replication replication = CONFIG_REPLICATION_OFF;

	if (!match->is_negated && strcmp(mode, "async") == 0)
		replication = CONFIG_REPLICATION_ASYNC;
	if (!match->is_negated && strcmp(mode, "sync") == 0)
		replication = CONFIG_REPLICATION_SYNC;
	apply->config->failover.replication = replication;
	return 0;
}

static int set_maintenance(struct apply *apply, const struct grammar_match *match)
{
	apply->config->failover.is_maintenance = !match->is_negated;
	return 0;
}

static int set_preempt(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *delay = grammar_match_value(match, "delay");

	failover->is_preempt = !match->is_negated;
	failover->preempt_delay_s = delay && failover->is_preempt ? (uint32_t)delay->number : 0;
	return 0;
}

static int set_config_lock(struct apply *apply, const struct grammar_match *match)
{
	apply->config->failover.is_config_open = match->is_negated;
	return 0;
}

apply_fn apply_failover_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_FAILOVER] = set_failover,
		[COMMAND_FAILOVER_UNIT] = set_unit,
		[COMMAND_FAILOVER_KEY] = set_key,
		[COMMAND_FAILOVER_POLLTIME] = set_polltime,
		[COMMAND_FAILOVER_POLLTIME_INTERFACE] = set_interface_polltime,
		[COMMAND_FAILOVER_INTERFACE_POLICY] = set_interface_policy,
		[COMMAND_FAILOVER_REPLICATION] = set_replication,
		[COMMAND_FAILOVER_MAINTENANCE] = set_maintenance,
		[COMMAND_FAILOVER_PREEMPT] = set_preempt,
		[COMMAND_FAILOVER_CONFIG_LOCK] = set_config_lock,
	};

	return handlers[id];
}
