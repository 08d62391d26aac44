/* SPDX-License-Identifier: Apache-2.0 */
/* `failover lan interface`, `failover link` and their addresses. One link may be both a failover
 * link and the stateful link: it goes when the last of the two lines does. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

static struct config_link *find(struct config_failover *failover, const char *name)
{
	for (size_t i = 0; i < failover->n_links; i++)
		if (strcmp(failover->links[i].name, name) == 0)
			return &failover->links[i];
	return NULL;
}

static void drop(struct config_failover *failover, size_t index)
{
	failover->n_links--;
	memmove(&failover->links[index], &failover->links[index + 1],
		(failover->n_links - index) * sizeof(failover->links[0]));
	failover->links[failover->n_links] = (struct config_link){0};
}

/* Failover links before the stateful one, and none that is neither. */
static void settle(struct config_failover *failover)
{
	struct config_link link;

	for (size_t i = failover->n_links; i-- > 0;)
		if (!failover->links[i].is_failover && !failover->links[i].is_stateful)
			drop(failover, i);
	for (size_t i = 0; i + 1 < failover->n_links; i++) {
		if (failover->links[i].is_failover)
			continue;
		link = failover->links[i];
		drop(failover, i);
		failover->links[failover->n_links++] = link;
		return; /* one is the stateful link only */
	}
}

/* Another use of NAME or DEVICE than by the link NAME itself. */
static int refuse_taken(struct apply *apply, const struct value *name, const struct value *device)
{
	const struct config_link *other;

	if (config_interface_find(apply->config, name->text))
		return apply_refuse(apply, ERR_EXISTS, name, "an interface has this name already");
	if (!device)
		return 0;
	other = config_link_on(&apply->config->failover, device->text);
	if (other && strcmp(other->name, name->text) != 0)
		return apply_refuse(apply, ERR_EXISTS, device,
				    "this device carries the %s %s already",
				    config_link_kind(other), other->name);
	for (size_t i = 0; i < apply->config->n_interfaces; i++) {
		const struct config_interface *interface = &apply->config->interfaces[i];

		if (interface->name[0] && strcmp(interface->device, device->text) == 0)
			return apply_refuse(
				apply, ERR_EXISTS, device,
				"this device is the interface %s: the failover link needs "
				"one of its own",
				interface->name);
	}
	return 0;
}

/* The link of NAME, made where there is none yet, on DEVICE (NULL: stays where it is). */
static int take(struct apply *apply, const struct value *name, const struct value *device,
		struct config_link **ret_link)
{
	struct config_failover *failover = &apply->config->failover;
	struct config_link *link = find(failover, name->text);
	int r = refuse_taken(apply, name, device);

	if (r < 0)
		return r;
	if (!link && !device)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "no failover link has this name: say which device carries it, "
				    "\"failover link %s DEVICE\"",
				    name->text);
	if (!link && failover->n_links == CONFIG_LINKS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name,
				    "there are %d links to the mate already", CONFIG_LINKS_MAX);
	if (!link) {
		link = &failover->links[failover->n_links++];
		*link = (struct config_link){0};
		(void)snprintf(link->name, sizeof(link->name), "%s", name->text);
	}
	memset(link->device, 0, device ? sizeof(link->device) : 0);
	if (device)
		(void)snprintf(link->device, sizeof(link->device), "%s", device->text);
	*ret_link = link;
	return 0;
}

/* Takes one of its two uses from the link of NAME (NULL: from every link). */
static int release(struct apply *apply, const struct value *name, bool is_stateful)
{
	struct config_failover *failover = &apply->config->failover;
	bool was_found = !name;

	for (size_t i = 0; i < failover->n_links; i++) {
		struct config_link *link = &failover->links[i];
		bool *use = is_stateful ? &link->is_stateful : &link->is_failover;

		if (name && (strcmp(name->text, link->name) != 0 || !*use))
			continue;
		was_found = true;
		*use = false;
	}
	if (!was_found)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "the %s has another name",
				    is_stateful ? "stateful link" : "failover link");
	settle(failover);
	return 0;
}

static int set_link(struct apply *apply, const struct grammar_match *match)
{
	const struct value *name = grammar_match_value(match, "name");
	struct config_link *link = NULL;
	int r;

	if (match->is_negated)
		return release(apply, name, false);
	r = take(apply, name, grammar_match_value(match, "device"), &link);
	if (r < 0)
		return r;
	link->is_failover = true;
	settle(&apply->config->failover);
	return 0;
}

static int set_stateful(struct apply *apply, const struct grammar_match *match)
{
	struct config_failover *failover = &apply->config->failover;
	const struct value *name = grammar_match_value(match, "name");
	struct config_link *link = NULL;
	int r;

	if (match->is_negated)
		return release(apply, name, true);
	r = take(apply, name, grammar_match_value(match, "device"), &link);
	if (r < 0)
		return r;
	/* There is one: the line replaces what an earlier one said. */
	for (size_t i = 0; i < failover->n_links; i++)
		failover->links[i].is_stateful = &failover->links[i] == link;
	settle(failover);
	return 0;
}

static int set_link_address(struct apply *apply, const struct grammar_match *match)
{
	const struct value *name = grammar_match_value(match, "name");
	const struct value *address = grammar_match_value(match, "address");
	const struct value *standby = grammar_match_value(match, "standby");
	struct config_link *link = find(&apply->config->failover, name->text);

	if (!link)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "the failover link has no such name; \"failover lan interface "
				    "NAME DEVICE\" comes first");
	if (match->is_negated) {
		link->active = link->standby = (struct config_address){0};
		return 0;
	}
	if (!address) {
		address = grammar_match_value(match, "address6");
		standby = grammar_match_value(match, "standby6");
	}
	return apply_addresses(apply, address, grammar_match_value(match, "mask"), standby,
			       &link->active, &link->standby);
}

apply_fn apply_link_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_FAILOVER_LINK] = set_link,
		[COMMAND_FAILOVER_STATEFUL_LINK] = set_stateful,
		[COMMAND_FAILOVER_LINK_ADDRESS] = set_link_address,
	};

	return handlers[id];
}
