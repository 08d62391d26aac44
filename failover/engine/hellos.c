/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hellos: which paths they travel, what comes in on them, and what is said when a path goes or
 * comes back. A hello that came before on another path counts for its path only.
 */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/switchover.h"
#include "failover/engine/clockwatch.h"
#include "failover/engine/collision.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/engine/report.h"
#include "failover/engine/schedule.h"
#include "failover/engine/stranger.h"
#include "failover/replication/replication.h"

static void fill_sockaddr(const struct config_address *address, uint16_t port,
			  struct sockaddr_storage *ret_address)
{
	*ret_address = (struct sockaddr_storage){0};
	if (address->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_address;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->bytes, sizeof(in->sin_addr));
	} else if (address->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
	}
}

void engine_link_addresses(const struct config_failover *failover, const struct config_link *link,
			   uint16_t port, struct sockaddr_storage *ret_own,
			   struct sockaddr_storage *ret_mate)
{
	fill_sockaddr(config_link_own(failover, link), port, ret_own);
	fill_sockaddr(config_link_mate(failover, link), port, ret_mate);
}

/* ---- what comes in ---- */

static void bring_up_to_date(struct engine *engine, bool wants_active)
{
	/* A mate that asks to take over gets what it lacks first. */
	if (wants_active)
		(void)replication_push(engine->replication, "switchover", true, NULL, NULL, NULL);
	else
		replication_catch_up(engine->replication);
}

/* Which of this unit's lines are its own is told by what the active unit has (replication.h). */
static void compare_lines(struct engine *engine)
{
	uint64_t theirs = engine->mate.view.position.config;

	if (engine->mate.view.is_serving && !engine_is_active(engine) && theirs != 0 &&
	    theirs == engine->config_hash)
		replication_lines_level(engine->replication);
}

static void take_hello(struct engine *engine, const struct hello *hello)
{
	struct engine_mate *mate = &engine->mate;
	bool is_new = mate->was_heard && mate->boot != hello->boot;

	if (mate->was_heard && !is_new && hello->counter <= mate->counter)
		return; /* came faster on another path */
	if (is_new) {
		stranger_boot(engine, hello->boot);
		replication_lines_own(engine->replication);
		if (engine->pair.link)
			link_expect_boot(engine->pair.link, hello->boot);
	}
	if (mate->view.state != hello->view.state ||
	    mate->view.is_serving != hello->view.is_serving)
		collision_moved(engine);
	schedule_mate(engine, &hello->view.stretch);
	mate->was_heard = true;
	mate->refused[0] = 0;
	mate->boot = hello->boot;
	mate->counter = hello->counter;
	if (hello->view.health.is_failing &&
	    (!mate->view.health.is_failing ||
	     mate->view.health.cause != hello->view.health.cause)) {
		mate->failed_at = (int64_t)time(NULL);
		mate->failed_by = hello->view.health.cause;
	}
	mate->view = hello->view;
	mate->active_s = hello->active_s;
	mate->heard_at = monotime_now();
	mate->position.term = hello->view.position.term;
	mate->position.seq = hello->view.position.seq;
	mate->position.lineage = hello->view.position.lineage;
	mate->position.has_data = hello->view.position.has_data;
	if (memcmp(mate->position.digest, hello->digest, sizeof(mate->position.digest)) != 0)
		engine->upper->on_news(engine);
	memcpy(mate->position.digest, hello->digest, sizeof(mate->position.digest));
	memcpy(mate->software, hello->software, sizeof(mate->software));
	report_version(engine, hello);
	clockwatch_heard(engine, hello);
	/* Of another release the lines may read differently where they mean the same. */
	if (strcmp(hello->software, PACKAGE_VERSION) != 0)
		mate->view.position.config = 0;
	engine_feed(engine, (struct fo_event){.type = FO_EVENT_HELLO,
					      .mate = mate->view,
					      .is_mate_new = is_new,
					      .age_ms = clockwatch_age_ms(engine, hello)});
	compare_lines(engine);
	if (memcmp(hello->digest, engine->store.position.digest, sizeof(hello->digest)) == 0)
		engine_mate_is_complete(engine);
	if (engine_is_active(engine) && hello->view.state == FO_STATE_STANDBY_READY &&
	    !engine_position_equal(&mate->position, &engine->store.position))
		bring_up_to_date(engine, hello->view.wants_active);
	engine_health_mate(engine->health, hello);
	switchover_hello(engine, hello);
	engine->upper->on_hello(engine);
}

static void on_datagram(size_t index, const uint8_t *data, size_t size, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_pair *pair = &engine->pair;
	struct monotime now = monotime_now();
	struct hello hello;
	bool is_current;
	int r;

	if (!pair->codec)
		return;
	if (hello_is_stranger(pair->codec, data, size) && !path_set_may_derive(pair->paths, index))
		return;
	r = hello_open(pair->codec, (unsigned)index, data, size, &hello, &is_current);
	if (r < 0) {
		if (r == ERR_IN_USE)
			stranger_twin(engine, index, &hello);
		else
			stranger_refused(engine, index, r, data, size);
		return;
	}
	if (is_current) {
		path_set_heard(pair->paths, index, &hello);
		engine_health_path_heard(engine->health, index);
		/* An older one, or the same on a second path, speaks of a past that the machine
		 * left. */
		if (hello.is_newest)
			take_hello(engine, &hello);
		return;
	}
	/* Not proven yet: our answer echoes its boot id, its next hello ours. Bounded: a replay
	 * costs one a polltime. */
	if (monotime_since(now, pair->answered_at) >= MONOTIME_NS_PER_MS * 2) {
		pair->answered_at = now;
		engine_send_hello(engine);
	}
}

/* ---- paths that come and go ---- */

static void on_path_state(size_t index, enum path_state before, void *userdata)
{
	struct engine *engine = userdata;
	struct path_statistics path;

	path_set_statistics(engine->pair.paths, index, &path);
	report_path(engine, &path, before);
}

/* A link to the mate on which hellos pass, both ways. */
static bool find_open_link(const struct engine *engine, struct path_statistics *ret_path)
{
	size_t n = path_set_count(engine->pair.paths);

	for (size_t i = 0; i < n && path_set_config(engine->pair.paths, i)->is_failover_link; i++) {
		path_set_statistics(engine->pair.paths, i, ret_path);
		if (ret_path->state == PATH_STATE_UP && !ret_path->is_mate_deaf)
			return true;
	}
	return false;
}

/* What carries small frames and loses long ones lets the hellos through, and a handshake. */
static void why_short(const struct engine_pair *pair, const struct path_statistics *path,
		      uint64_t seconds, struct why *ret_why)
{
	(void)why_set(ret_why, 0,
		      "no connection of the replication over the failover link %s (%s) has lasted "
		      "for %" PRIu64 " s, %u ended soon after they began (%s), though hellos pass "
		      "there: look whether something between the units loses long frames (ping "
		      "-M do -s 1400)",
		      path->name, path->device, seconds, pair->n_short, pair->short_why);
}

bool engine_apart_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_pair *pair = &engine->pair;
	bool is_refused = pair->link_code == ERR_INTEGRITY || pair->link_code == ERR_VERSION ||
			  pair->link_code == ERR_EXISTS || pair->link_code == ERR_MALFORMED;
	const char *colon = pair->link_why[0] ? ": " : "";
	uint64_t ns = monotime_since(monotime_now(), pair->apart_since);
	struct path_statistics path;
	struct why said;

	if (!pair->paths || pair->apart_since.ns == 0 ||
	    ns < ENGINE_APART_MS * MONOTIME_NS_PER_MS || !find_open_link(engine, &path))
		return false;
	if (pair->n_short > 1) {
		why_short(pair, &path, ns / MONOTIME_NS_PER_SEC, ret_why);
		return true;
	}
	(void)why_set(ret_why, 0,
		      "replication has had no connection over the failover link %s (%s) for "
		      "%" PRIu64 " s, though hellos pass there%s%s",
		      path.name, path.device, ns / MONOTIME_NS_PER_SEC, colon, pair->link_why);
	said = *ret_why;
	if (!is_refused && pair->link)
		(void)why_set(ret_why, 0,
			      "%s; look whether a firewall on a unit, or between them, drops TCP "
			      "port %u",
			      said.text, (unsigned)LINK_PORT);
	return true;
}

/* It lasts, or none begins any more. */
static bool is_breaking_over(const struct engine_pair *pair)
{
	bool is_up = pair->link && link_is_up(pair->link);
	struct monotime since = is_up ? pair->up_since : pair->short_at;

	/* Half of it, so that what is over is not told. */
	return monotime_since(monotime_now(), since) >= ENGINE_APART_MS / 2 * MONOTIME_NS_PER_MS;
}

/* What of this is a start, or a mate that is restarted, is over long before it is told. */
static void note_apart(struct engine *engine)
{
	struct engine_pair *pair = &engine->pair;
	bool is_up = pair->link && link_is_up(pair->link);
	bool is_heard = pair->paths && engine_hears_mate(engine);
	struct path_statistics path;
	struct why why;

	if (!is_heard || is_breaking_over(pair))
		pair->n_short = 0;
	/* Where no link could be made, nothing else says so. */
	if (!is_heard || (is_up && pair->n_short <= 1) || !find_open_link(engine, &path)) {
		pair->apart_since = (struct monotime){0};
		pair->is_apart_logged = false;
		return;
	}
	if (pair->apart_since.ns == 0)
		pair->apart_since = monotime_now();
	if (pair->is_apart_logged || !engine_apart_trouble(engine, &why))
		return;
	pair->is_apart_logged = true;
	log_line(LOG_WARNING, "%s", why.text);
}

static void on_paths_read(void *userdata)
{
	struct engine *engine = userdata;

	engine->queue.poll(engine);
}

/* The links to the mate are the first paths, in the order of the link's ways (fill_paths). */
void engine_check_ways(struct engine *engine)
{
	struct engine_pair *pair = &engine->pair;
	struct linkmon_link link = {.has_carrier = true};

	for (size_t i = 0; pair->link && pair->paths && i < path_set_count(pair->paths); i++) {
		const struct path_config *path = path_set_config(pair->paths, i);

		if (!path->is_failover_link)
			break;
		if (engine->addresses.linkmon)
			linkmon_get(engine->addresses.linkmon, path->device, &link);
		link_set_way(pair->link, i, link.has_carrier && path_set_is_usable(pair->paths, i));
	}
	note_apart(engine);
}

/* ---- which paths ---- */

static size_t fill_paths(const struct config *config,
			 struct path_config paths[static HELLO_PATHS_MAX])
{
	const struct config_failover *failover = &config->failover;
	size_t n = 0;

	for (size_t i = 0; i < failover->n_links; i++) {
		const struct config_link *link = &failover->links[i];

		if (!config_link_has_addresses(link))
			continue;
		paths[n].is_failover_link = true;
		memcpy(paths[n].name, link->name, sizeof(paths[n].name));
		memcpy(paths[n].device, link->device, sizeof(paths[n].device));
		paths[n].family = link->active.family;
		engine_link_addresses(failover, link, HELLO_PORT, &paths[n].local,
				      &paths[n].remote);
		n++;
	}
	for (size_t i = 0; i < config->n_interfaces && n < HELLO_PATHS_MAX; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (!interface->is_monitored || interface->is_shutdown || !interface->name[0])
			continue;
		for (int family = 0; family < 2 && n < HELLO_PATHS_MAX; family++) {
			memcpy(paths[n].name, interface->name, sizeof(paths[n].name));
			memcpy(paths[n].device, interface->device, sizeof(paths[n].device));
			paths[n++].family = family == 0 ? AF_INET : AF_INET6;
		}
	}
	return n;
}

/* The hellos go on with their counters: the mate sees no change. */
int engine_rebuild_paths(struct engine *engine)
{
	struct path_config paths[HELLO_PATHS_MAX] = {0};
	size_t n = fill_paths(engine->config, paths);
	int r = engine->pair.paths
			? path_set_follow(engine->pair.paths, paths, n, &engine->pair.paths)
			: path_set_new(engine->event, paths, n, on_datagram, engine,
				       &engine->pair.paths);

	if (r < 0) {
		log_line(LOG_ERR, "paths to the mate: %s", err_text(r));
		return r;
	}
	path_set_wait_in(engine->pair.paths, engine->addresses.rtnl);
	path_set_watch(engine->pair.paths, on_path_state, on_paths_read);
	engine_health_configure(engine->health);
	return 0;
}

bool engine_same_paths(const struct config *a, const struct config *b)
{
	struct path_config paths_a[HELLO_PATHS_MAX] = {0}, paths_b[HELLO_PATHS_MAX] = {0};
	size_t n_a = fill_paths(a, paths_a), n_b = fill_paths(b, paths_b);

	return n_a == n_b && memcmp(paths_a, paths_b, sizeof(paths_a)) == 0;
}
