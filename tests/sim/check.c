/* SPDX-License-Identifier: Apache-2.0 */
/* The promises (DESIGN.md, Invariants), checked after every step. */
#include "sim.h"

#include <inttypes.h>
#include <string.h>

/* To meet again after being apart: an exchange that proves the boots, then one holdtime, stretched
 * or not; and what is released takes its time. */
static uint64_t meet_ns(const struct sim_world *world)
{
	return sim_longest_ns(world) + world->work_ns + 3 * world->poll_ns +
	       4 * sim_delay_good(world) + world->kernel_ns;
}

/* A path that worked for so long leaves nobody an excuse to claim. */
static uint64_t excuse_ns(const struct sim_world *world)
{
	return meet_ns(world) + 4 * world->hold_ns;
}

static bool is_awake(const struct sim_world *world, const struct sim_node *node)
{
	return node->is_up && node->frozen_until <= world->now;
}

static bool is_good(const struct sim_world *world, const struct sim_path *path)
{
	return path->is_open[0] && path->is_open[1] && path->loss_percent == 0 &&
	       path->delay_ns <= sim_delay_good(world);
}

/*
 * The neighbours' caches hold what was announced last, or what answered them last. Of a mate that
 * died nobody heard that it held the addresses, too. A claim that ends the other's within a
 * polltime is announcement enough.
 */
static bool is_cache_stale(const struct sim_world *world, const struct sim_node *winner,
			   const struct sim_node *loser)
{
	uint64_t announced_at = winner->watch.announced_at;
	uint64_t since = announced_at > world->split_since ? announced_at : world->split_since;

	if (!loser->is_up || !loser->watch.has_announced)
		return false;
	return announced_at <= loser->watch.announced_at || world->now - since > world->poll_ns;
}

/* They met, and one goes on. */
static void expect_announcement(struct sim_world *world)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		const struct sim_node *node = &world->nodes[i];
		const struct sim_node *mate = sim_mate(world, node);

		/* An older release does not say what it does not say at the time, nor heed it. */
		if (world->is_mixed && !node->fsm.flags.is_contested)
			continue;
		if (sim_holds(world, node) && !mate->holds && is_cache_stale(world, node, mate)) {
			world->is_announce_due = true;
			world->winner = node->unit;
			world->loser_epoch = mate->epoch;
			world->announce_since = world->now;
		}
	}
}

static void check_announcement(struct sim_world *world)
{
	const struct sim_node *winner = &world->nodes[world->winner];
	uint64_t since = world->announce_since > world->calm_since ? world->announce_since
								   : world->calm_since;

	if (!world->is_announce_due)
		return;
	if (!winner->is_claimed || sim_mate(world, winner)->epoch != world->loser_epoch ||
	    winner->watch.announced_at >= world->announce_since)
		world->is_announce_due = false;
	else if (world->calm_since != UINT64_MAX && world->now - since > meet_ns(world))
		sim_fail(world, "the %s won and did not announce the addresses again",
			 fo_unit_text(world->winner));
}

static void check_split(struct sim_world *world)
{
	bool is_split = sim_holds(world, &world->nodes[0]) && sim_holds(world, &world->nodes[1]);
	uint64_t since =
		world->split_since > world->calm_since ? world->split_since : world->calm_since;

	if (!is_split) {
		if (world->split_since != UINT64_MAX)
			expect_announcement(world);
		world->split_since = UINT64_MAX;
		return;
	}
	world->has_split = true;
	if (world->split_since == UINT64_MAX) {
		world->split_since = world->now;
		sim_trace(world, NULL, "both units hold the addresses");
	} else if (since != UINT64_MAX && world->now - since > meet_ns(world))
		sim_fail(world, "both units hold the addresses although they hear each other");
}

static bool is_same_place(struct fo_position a, struct fo_position b)
{
	return a.term == b.term && a.seq == b.seq && a.lineage == b.lineage;
}

/* The same place in the same history means the same contents. */
static void check_contents(struct sim_world *world)
{
	const struct sim_disk *a = &world->nodes[0].disk, *b = &world->nodes[1].disk;

	if (!is_same_place(a->position, b->position))
		return;
	if (a->has_fallback != b->has_fallback || a->content.n != b->content.n ||
	    memcmp(a->content.ids, b->content.ids, a->content.n * sizeof(a->content.ids[0])) != 0)
		sim_fail(world, "one position, two contents: %" PRIu64 ".%" PRIu64,
			 a->position.term, a->position.seq);
}

void sim_check_calm(struct sim_world *world)
{
	bool is_calm = is_awake(world, &world->nodes[0]) && is_awake(world, &world->nodes[1]);
	bool has_path = false;

	for (size_t i = 0; i < SIM_PATHS; i++)
		has_path |= is_good(world, &world->paths[i]);
	if (!is_calm || !has_path)
		world->calm_since = UINT64_MAX;
	else if (world->calm_since == UINT64_MAX)
		world->calm_since = world->now;
	check_split(world);
	check_announcement(world);
	check_contents(world);
}

/* With the mate in sight, older data must not become the pair's; but for a hand-over, which is a
 * decision. */
static void check_election(struct sim_world *world, const struct sim_node *node)
{
	const struct sim_node *mate = sim_mate(world, node);
	struct fo_position ours = node->fsm.position, theirs = mate->fsm.position;
	bool is_older =
		ours.term < theirs.term || (ours.term == theirs.term && ours.seq < theirs.seq);

	if (ours.lineage != theirs.lineage && ours.has_data != theirs.has_data)
		is_older = theirs.has_data;

	/* Force is a decision, too. */
	if (world->has_given_up && node->fsm.reason == FO_REASON_CONFIG_COMMAND)
		return;
	/* That it stands has to be heard first. */
	if (is_older && mate->watch.is_standing &&
	    world->now - mate->watch.stands_since > sim_delay_good(world) &&
	    mate->fsm.reason != FO_REASON_NOT_SCHEDULED && world->calm_since != UINT64_MAX &&
	    world->now - world->calm_since > excuse_ns(world))
		sim_fail(world, "%s claims although the %s has newer data",
			 fo_unit_text(node->unit), fo_unit_text(mate->unit));
}

void sim_check_claim(struct sim_world *world, const struct sim_node *node, uint64_t term)
{
	const struct sim_node *mate = sim_mate(world, node);

	if (term > node->disk.promised_term)
		sim_fail(world, "%s claims in term %" PRIu64 ", which is not durable",
			 fo_unit_text(node->unit), term);
	if (term <= node->watch.claimed_term)
		sim_fail(world, "%s claims in term %" PRIu64 " after %" PRIu64,
			 fo_unit_text(node->unit), term, node->watch.claimed_term);
	if (term % 2 != (node->unit == FO_UNIT_PRIMARY ? 0 : 1))
		sim_fail(world, "term %" PRIu64 " is the mate's", term);
	check_election(world, node);
	if (node->fsm.flags.is_maintenance && node->fsm.params.is_enabled &&
	    node->fsm.reason != FO_REASON_CONFIG_COMMAND &&
	    node->fsm.reason != FO_REASON_MATE_EMPTY)
		sim_fail(world, "%s is in maintenance and claims of itself",
			 fo_unit_text(node->unit));
	if (sim_holds(world, mate) && !node->watch.is_overridden &&
	    world->calm_since != UINT64_MAX && world->now - world->calm_since > excuse_ns(world) &&
	    node->fsm.reason != FO_REASON_STATE_CHECK && node->fsm.reason != FO_REASON_MATE_EMPTY)
		sim_fail(world, "%s claims although it hears the %s, which holds the addresses",
			 fo_unit_text(node->unit), fo_unit_text(mate->unit));
}

/* Who serves steps down before its mate, which hears it, may take it for lost. */
static void check_fence(struct sim_world *world, const struct sim_node *node)
{
	const struct sim_node *mate = sim_mate(world, node);
	uint32_t fence_ms = fo_fsm_fence_ms(&node->fsm), waits_ms = fo_fsm_hold_ms(&mate->fsm);

	/* What it heard while it stood still is in its queues. */
	if (!node->is_up || !mate->is_up || mate->frozen_until >= world->now ||
	    !fo_fsm_is_active(&node->fsm) || !mate->fsm.flags.is_mate_heard ||
	    mate->watch.belief.epoch != node->epoch ||
	    mate->fsm.mate.hold_ms < node->fsm.params.hold_ms)
		return;
	/* Somebody held back the latest word that the mate has, while every path was cut, for
	 * longer than the mate waits: what was said since, on paths that are gone, it cannot know.
	 */
	if (world->now - mate->watch.belief.said_at > waits_ms * 1000000ull)
		return;
	/* An older release, just booted, is not known to wait for less before it is heard. */
	if (world->is_mixed && !node->fsm.flags.is_mate_heard)
		return;
	if (fence_ms > waits_ms)
		sim_fail(world, "the %s may be silent for %u ms, and its mate waits for %u ms",
			 fo_unit_text(node->unit), fence_ms, waits_ms);
}

/* A unit in maintenance does not. */
static void note_standing(const struct sim_world *world, struct sim_node *node)
{
	bool is_standing = node->is_up && node->fsm.state == FO_STATE_NEGOTIATION &&
			   !node->fsm.flags.is_maintenance;

	if (is_standing && !node->watch.is_standing)
		node->watch.stands_since = world->now;
	node->watch.is_standing = is_standing;
}

void sim_check_step(struct sim_world *world, struct sim_node *node)
{
	uint64_t floor = node->disk.activated_term;

	note_standing(world, node);
	if (!node->is_up)
		return;
	if (node->fsm.term < node->watch.seen_term || node->fsm.term < floor)
		sim_fail(world, "the term of %s fell from %" PRIu64 " to %" PRIu64,
			 fo_unit_text(node->unit),
			 node->watch.seen_term > floor ? node->watch.seen_term : floor,
			 node->fsm.term);
	node->watch.seen_term = node->fsm.term;
	check_fence(world, node);
	check_fence(world, sim_mate(world, node));
	if (fo_state_is_active(node->fsm.state) && node->fsm.state != FO_STATE_JUST_ACTIVE &&
	    !fo_fsm_is_active(&node->fsm))
		sim_fail(world, "%s shows %s and does not serve", fo_unit_text(node->unit),
			 fo_state_text(node->fsm.state));
	if (fo_fsm_is_active(&node->fsm) && node->disk.promised_term < node->watch.claimed_term)
		sim_fail(world, "%s serves in a term that is not durable",
			 fo_unit_text(node->unit));
	if (node->is_claimed != fo_fsm_is_active(&node->fsm))
		sim_fail(world,
			 node->is_claimed ? "%s left the active states without a release"
					  : "%s serves without a claim",
			 fo_unit_text(node->unit));
	if (!node->is_claimed && node->holds && fo_fsm_view(&node->fsm).is_serving == false)
		sim_fail(world, "%s says that it does not serve and holds the addresses",
			 fo_unit_text(node->unit));
}

/* Nothing recorded, and nothing forged, is ever believed. */
void sim_check_belief(struct sim_world *world, struct sim_node *node,
		      const struct sim_datagram *datagram)
{
	struct sim_belief *belief = &node->watch.belief;
	struct sim_belief next = {datagram->epoch, datagram->counter, datagram->sent_at};

	if (datagram->counter == 0 || datagram->from == node->unit)
		sim_fail(world, "the %s believes a hello that nobody said",
			 fo_unit_text(node->unit));
	else if (datagram->sent_at < node->watch.booted_at)
		sim_fail(world, "the %s believes a hello from before it booted",
			 fo_unit_text(node->unit));
	else if (next.epoch < belief->epoch)
		sim_fail(world, "the %s believes a hello of a boot that a later one replaced",
			 fo_unit_text(node->unit));
	else if (next.epoch == belief->epoch && next.counter <= belief->counter)
		sim_fail(world, "the %s believes a hello twice, or an older one",
			 fo_unit_text(node->unit));
	*belief = next;
}

/* What says Standby Ready holds what the active acknowledged; one that handed over was level with
 * its mate. */
void sim_check_ready(struct sim_world *world, const struct sim_node *node)
{
	if (node->fsm.flags.is_handed_over)
		return;
	if (!is_same_place(node->disk.position, node->sync.position) ||
	    node->disk.content.n < node->sync.content.n)
		sim_fail(world, "the %s says Standby Ready and holds something else",
			 fo_unit_text(node->unit));
}

/* A replication may drop what this unit had only if it was kept aside before. */
void sim_check_commit(struct sim_world *world, const struct sim_node *node,
		      const struct sim_content *next)
{
	const struct sim_content *content = &node->disk.content;

	for (uint16_t i = 0; i < content->n; i++) {
		uint16_t id = content->ids[i];

		if (world->writes[id].is_acknowledged && !sim_has_write(next, id) &&
		    !node->disk.orphans[id] && !sim_mate(world, node)->disk.orphans[id])
			sim_fail(world, "a replication to the %s drops import %u silently",
				 fo_unit_text(node->unit), id);
	}
}

static void check_writes(struct sim_world *world, const struct sim_node *active)
{
	const struct sim_disk *a = &world->nodes[0].disk, *b = &world->nodes[1].disk;

	for (uint16_t id = 0; id < world->n_writes; id++) {
		bool is_there = sim_has_write(&active->disk.content, id);
		bool is_orphan = a->orphans[id] || b->orphans[id];

		if (world->writes[id].is_acknowledged && !is_there && !is_orphan)
			sim_fail(world, "import %u was acknowledged and is nowhere", id);
		if (world->writes[id].is_on_both && !is_there && !world->has_split &&
		    !world->has_given_up)
			sim_fail(world, "import %u was on both units and is an orphan", id);
	}
}

const struct sim_node *sim_check_pair(struct sim_world *world)
{
	const struct sim_node *active = NULL, *standby = NULL;

	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		const struct sim_node *node = &world->nodes[i];

		if (node->fsm.state == FO_STATE_ACTIVE && sim_holds(world, node))
			active = node;
		if (node->fsm.state == FO_STATE_STANDBY_READY && !node->holds)
			standby = node;
	}
	if (active && standby)
		return active;
	sim_fail(world, "everything is well again, and the primary is %s, the secondary %s",
		 fo_state_text(world->nodes[0].fsm.state),
		 fo_state_text(world->nodes[1].fsm.state));
	return NULL;
}

static void check_forgotten(struct sim_world *world)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		const struct fo_fsm *fsm = &world->nodes[i].fsm;

		if (fo_fsm_hold_ms(fsm) != fsm->params.hold_ms ||
		    fo_fsm_fence_ms(fsm) != fsm->params.hold_ms)
			sim_fail(world, "the holdtime of the %s stays stretched",
				 fo_unit_text((enum fo_unit)i));
	}
}

/* Everything is well again for a while: one is active, the other has the same, and nothing moves.
 */
void sim_check_end(struct sim_world *world)
{
	const struct sim_node *active = sim_check_pair(world), *standby;

	if (!active)
		return;
	standby = sim_mate(world, active);
	if (!is_same_place(active->disk.position, standby->disk.position))
		sim_fail(world, "the standby is ready and lacks something");
	/* A primary that preempts does so when everything is well, which is now. */
	if (world->now - world->moved_at < 2 * sim_longest_ns(world) &&
	    active->fsm.reason != FO_REASON_PREEMPT)
		sim_fail(world, "the units do not come to rest");
	if (world->is_long && world->now - world->moved_at > 3 * FO_STRETCH_QUIET_MS / 2 * SIM_MS)
		check_forgotten(world);
	check_writes(world, active);
}
