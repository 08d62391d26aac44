/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication: the engine's own session logic on both units, over a connection that may break at
 * any message, with keepers that answer late and in order. A store is a list of imports; its digest
 * depends on all of them.
 */
#include "sim.h"

#include <string.h>

#include "base/err.h"

#define FALLBACK UINT16_MAX /* the item that it is */

static uint64_t random_delay(struct sim_world *world)
{
	return (1 + sim_random(world, 30)) * world->unit_ns;
}

/* ---- the store as one ---- */

static uint16_t item_at(const struct sim_snapshot *store, uint64_t i)
{
	return i < store->content.n ? store->content.ids[i] : FALLBACK;
}

static uint64_t count_items(const struct sim_snapshot *store)
{
	return store->content.n + (store->has_fallback ? 1u : 0u);
}

static struct sync_place place_of(const struct sim_snapshot *store)
{
	struct sync_place place = {.term = store->position.term,
				   .seq = store->position.seq,
				   .count = count_items(store),
				   .lineage = store->position.lineage,
				   .has_data = store->position.has_data};
	uint64_t sum = 0;

	/* As the real one it does not depend on the order. */
	for (uint64_t i = 0; i < place.count; i++)
		sum += (item_at(store, i) + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(place.digest, &sum, sizeof(sum));
	return place;
}

static struct sim_snapshot disk_of(const struct sim_node *node)
{
	return (struct sim_snapshot){node->disk.position, node->disk.content,
				     node->disk.has_fallback};
}

/* ---- what is under way ---- */

static void answer(struct sim_world *world, struct sim_node *node, enum sync_event_type type,
		   const struct sync_action *action, const struct sync_message *message)
{
	struct sim_item item = {.type = SIM_ITEM_KEEPER,
				.unit = node->unit,
				.epoch = node->epoch,
				.id = action->serial,
				.step = type,
				.sync = *message};

	sim_push(world, &item, sim_keeper_delay(world, node));
}

static bool is_connected(const struct sim_world *world, const struct sim_node *node)
{
	return node->sync.is_link_up && world->is_connected &&
	       node->sync.connection == world->connection;
}

static void break_link(struct sim_world *world)
{
	world->is_connected = false;
	world->connection++;
	world->connect_at = world->now + random_delay(world);
}

static void send(struct sim_world *world, struct sim_node *node, const struct sync_message *message)
{
	struct sim_node *mate = sim_mate(world, node);
	struct sim_item item = {.type = SIM_ITEM_SYNC,
				.unit = mate->unit,
				.epoch = mate->epoch,
				.id = world->connection,
				.step = message->type,
				.sync = *message};
	uint64_t at = world->now + 1 + sim_random(world, 4 * world->unit_ns);

	if (!is_connected(world, node))
		return;
	if (!sim_link_is_up(world) ||
	    (world->calm_since == UINT64_MAX && sim_random(world, 40) == 0)) {
		sim_trace(world, node, "loses the connection to its mate");
		break_link(world);
		return;
	}
	for (uint64_t i = 0; message->type == SYNC_EVENT_ITEMS && i < message->n_items; i++)
		item.batch[i] = item_at(&node->sync.snapshot, message->items + i);
	if (at <= node->sync.link_at)
		at = node->sync.link_at + 1;
	node->sync.link_at = at;
	sim_push(world, &item, at - world->now);
}

/* ---- the active's keeper ---- */

static void open_snapshot(struct sim_world *world, struct sim_node *node,
			  const struct sync_action *action)
{
	struct sim_sync *sync = &node->sync;
	struct sync_message message = {.has_place = true};

	sync->snapshot = disk_of(node);
	sync->has_snapshot = true;
	sync->next = 0;
	message.place = place_of(&sync->snapshot);
	message.n_items = message.place.count;
	message.mode = sync_place_equal(&message.place, &action->message.place) ? SYNC_MODE_EQUAL
		       : sim_random(world, 2)					? SYNC_MODE_DELTA
					      : SYNC_MODE_MANIFEST;
	answer(world, node, SYNC_EVENT_OPENED, action, &message);
}

static void read_batch(struct sim_world *world, struct sim_node *node,
		       const struct sync_action *action)
{
	struct sim_sync *sync = &node->sync;
	struct sync_message message = {0};
	uint64_t left, wanted;

	if (!sync->has_snapshot)
		message.code = ERR_NOT_READY;
	if (action->is_seek)
		sync->next = action->message.items;
	left = count_items(&sync->snapshot) - sync->next;
	wanted = 1 + sim_random(world, SIM_BATCH_MAX);
	message.n_items = left < wanted ? left : wanted;
	message.bytes = (size_t)message.n_items;
	sync->next += message.n_items;
	message.is_last = sync->next == count_items(&sync->snapshot);
	answer(world, node, SYNC_EVENT_BATCH, action, &message);
}

/* ---- the standby's keeper ---- */

static void stage(struct sim_world *world, struct sim_node *node, const struct sync_action *action,
		  const struct sim_item *item)
{
	struct sim_snapshot *stage = &node->sync.stage;

	for (uint64_t i = 0; i < item->sync.n_items; i++) {
		if (item->batch[i] == FALLBACK)
			stage->has_fallback = true;
		else if (stage->content.n < SIM_WRITES_MAX)
			stage->content.ids[stage->content.n++] = item->batch[i];
	}
	answer(world, node, SYNC_EVENT_STAGED, action, &action->message);
}

/* At the moment when it is on the disk. Anything else than what the active has is refused. */
static int write_commit(struct sim_world *world, struct sim_node *node,
			const struct sync_place *target)
{
	struct sim_sync *sync = &node->sync;
	struct sim_snapshot disk = disk_of(node), *next = &sync->stage;
	struct sync_place place;

	if (node->is_disk_failing)
		return ERR_STORE;
	if (!sync->has_stage)
		return ERR_NOT_READY;
	place = place_of(&disk);
	/* Nothing was sent to who has the same contents already. */
	if (memcmp(place.digest, target->digest, sizeof(place.digest)) == 0 &&
	    count_items(next) == 0)
		*next = disk;
	next->position = (struct fo_position){.term = target->term,
					      .seq = target->seq,
					      .lineage = target->lineage,
					      .has_data = target->has_data};
	place = place_of(next);
	if (!sync_place_equal(&place, target))
		return ERR_DIFFERS;
	sim_check_commit(world, node, &next->content);
	node->disk.position = next->position;
	node->disk.content = next->content;
	node->disk.has_fallback = next->has_fallback;
	return 0;
}

/* For the checks: what the active says that the standby has. */
static void note_acknowledged(struct sim_world *world, struct sim_node *node)
{
	struct sim_sync *standby = &sim_mate(world, node)->sync;

	standby->position = node->sync.snapshot.position;
	standby->content = node->sync.snapshot.content;
}

/* ---- both machines ---- */

static void feed_sender(struct sim_world *world, struct sim_node *node, struct sync_event *event,
			const struct sim_item *item);
static void feed_receiver(struct sim_world *world, struct sim_node *node, struct sync_event *event,
			  const struct sim_item *item);

static struct sync_event make(const struct sim_world *world, const struct sim_node *node,
			      enum sync_event_type type)
{
	return (struct sync_event){.type = type,
				   .at = {world->now},
				   .is_active = fo_fsm_is_active(&node->fsm),
				   .is_standby = node->fsm.state >= FO_STATE_COLD_STANDBY &&
						 node->fsm.state <= FO_STATE_STANDBY_READY,
				   .must_keep = node->sync.orphans.term != 0,
				   .is_link_up = is_connected(world, node),
				   .may_adopt = true};
}

static void feed_both(struct sim_world *world, struct sim_node *node, enum sync_event_type type)
{
	struct sync_event event = make(world, node, type);

	feed_receiver(world, node, &event, NULL);
	if (!node->is_up)
		return;
	event = make(world, node, type);
	feed_sender(world, node, &event, NULL);
}

static void act_keeper(struct sim_world *world, struct sim_node *node,
		       const struct sync_action *action, const struct sim_item *item)
{
	struct sim_sync *sync = &node->sync;
	struct sim_snapshot disk = disk_of(node);
	struct sync_message at = {.place = place_of(&disk), .is_last = true};

	if (action->type == SYNC_ACTION_KEEP_ORPHANS) {
		sim_orphans_keep(world, node);
	} else if (action->type == SYNC_ACTION_ASK_POSITION) {
		answer(world, node, SYNC_EVENT_POSITION, action, &at);
	} else if (action->type == SYNC_ACTION_OPEN_STAGE) {
		sync->stage = (struct sim_snapshot){0};
		sync->has_stage = true;
		answer(world, node, SYNC_EVENT_STAGE_OPENED, action, &at);
	} else if (action->type == SYNC_ACTION_READ_MANIFEST) {
		answer(world, node, SYNC_EVENT_MANIFEST_READ, action, &at);
	} else if (action->type == SYNC_ACTION_STAGE) {
		stage(world, node, action, item);
	} else if (action->type == SYNC_ACTION_COMMIT) {
		sync->is_committing = true;
		answer(world, node, SYNC_EVENT_COMMITTED, action, &action->message);
	} else if (action->type == SYNC_ACTION_CLOSE_STAGE && !sync->is_committing) {
		sync->has_stage = false;
	} else if (action->type == SYNC_ACTION_APPLY_CONFIG) {
		answer(world, node, SYNC_EVENT_APPLIED, action, &at);
	}
}

static void act_receiver(struct sim_world *world, struct sim_node *node,
			 const struct sync_action *action, const struct sim_item *item)
{
	struct fo_event told = {.type = action->tell, .position = node->disk.position};

	if (action->type == SYNC_ACTION_SEND) {
		send(world, node, &action->message);
	} else if (action->type == SYNC_ACTION_TELL) {
		sim_node_feed(world, node, told);
	} else if (action->type == SYNC_ACTION_RESUMED) {
		world->n_resumed++;
		sim_trace(world, node, "goes on with the replication");
	} else {
		act_keeper(world, node, action, item);
	}
}

static void act_sender(struct sim_world *world, struct sim_node *node,
		       const struct sync_action *action)
{
	struct sim_snapshot disk = disk_of(node);
	struct sync_message taken = {.place = place_of(&disk)};

	if (action->type == SYNC_ACTION_SEND && action->message.type == SYNC_EVENT_ACK)
		note_acknowledged(world, node);
	if (action->type == SYNC_ACTION_SEND)
		send(world, node, &action->message);
	else if (action->type == SYNC_ACTION_OPEN_SNAPSHOT)
		open_snapshot(world, node, action);
	else if (action->type == SYNC_ACTION_ASK_BATCH)
		read_batch(world, node, action);
	else if (action->type == SYNC_ACTION_GIVE_MANIFEST)
		answer(world, node, SYNC_EVENT_MANIFEST_TAKEN, action, &taken);
	else if (action->type == SYNC_ACTION_CLOSE_SNAPSHOT)
		node->sync.has_snapshot = false;
	else if (action->type == SYNC_ACTION_FINISH)
		sim_store_replicated(world, node, action->code == 0, action->is_again);
}

static void feed_receiver(struct sim_world *world, struct sim_node *node, struct sync_event *event,
			  const struct sim_item *item)
{
	struct sync_receiver *machine = &node->sync.receiver;
	struct sync_update update;
	uint32_t serial, epoch = node->epoch;

	sync_receiver_step(machine, event, &update);
	serial = machine->serial;
	for (size_t i = 0; i < update.n_actions && machine->serial == serial; i++) {
		act_receiver(world, node, &update.actions[i], item);
		if (!node->is_up || node->epoch != epoch)
			return;
	}
}

static void feed_sender(struct sim_world *world, struct sim_node *node, struct sync_event *event,
			const struct sim_item *item)
{
	struct sync_sender *machine = &node->sync.sender;
	struct sync_update update;
	uint32_t serial;

	(void)item;
	sync_sender_step(machine, event, &update);
	serial = machine->serial;
	for (size_t i = 0; i < update.n_actions && machine->serial == serial; i++)
		act_sender(world, node, &update.actions[i]);
}

/* ---- from outside ---- */

void sim_sync_boot(struct sim_node *node)
{
	struct sim_sync *sync = &node->sync;

	/* What the checks remember stays. */
	*sync = (struct sim_sync){
		.position = sync->position, .content = sync->content, .connection = UINT32_MAX};
	sync_sender_init(&sync->sender);
	sync_receiver_init(&sync->receiver);
}

void sim_sync_start(struct sim_world *world, struct sim_node *node)
{
	struct sync_event event = make(world, node, SYNC_EVENT_ASK);

	event.message.id = ++world->n_sessions | UINT32_C(0x80000000);
	feed_receiver(world, node, &event, NULL);
}

void sim_sync_kept(struct sim_world *world, struct sim_node *node, int code)
{
	struct sync_event event = make(world, node, SYNC_EVENT_KEPT);

	event.serial = node->sync.receiver.serial;
	event.code = code;
	feed_receiver(world, node, &event, NULL);
}

void sim_sync_push(struct sim_world *world, struct sim_node *node, bool is_quiet)
{
	struct sync_event event = make(world, node, SYNC_EVENT_PUSH);

	if (!is_connected(world, node))
		return;
	event.message = (struct sync_message){.id = ++world->n_sessions, .is_quiet = is_quiet};
	feed_sender(world, node, &event, NULL);
}

bool sim_sync_is_sending(const struct sim_node *node)
{
	return node->sync.sender.state != SYNC_SEND_IDLE;
}

void sim_sync_stop(struct sim_world *world, struct sim_node *node)
{
	struct sync_event event = make(world, node, SYNC_EVENT_STOP);

	feed_receiver(world, node, &event, NULL);
}

void sim_sync_role(struct sim_world *world, struct sim_node *node)
{
	feed_both(world, node, SYNC_EVENT_ROLE);
}

/* Each end finds out for itself what became of the connection. */
static void look(struct sim_world *world, struct sim_node *node)
{
	struct sim_sync *sync = &node->sync;

	if (sync->is_link_up && !is_connected(world, node)) {
		sync->is_link_up = false;
		feed_both(world, node, SYNC_EVENT_LINK_DOWN);
	}
	if (node->is_up && !sync->is_link_up && world->is_connected) {
		sync->is_link_up = true;
		sync->connection = world->connection;
		feed_both(world, node, SYNC_EVENT_LINK_UP);
	}
}

void sim_sync_poll(struct sim_world *world, struct sim_node *node)
{
	struct sim_sync *sync = &node->sync;

	if (world->is_connected && !sim_link_is_up(world))
		break_link(world);
	else if (!world->is_connected && sim_link_is_up(world) && world->now >= world->connect_at)
		world->is_connected = true;
	look(world, node);
	if (node->is_up &&
	    (sync->sender.deadline.ns <= world->now || sync->receiver.deadline.ns <= world->now))
		feed_both(world, node, SYNC_EVENT_TICK);
}

static void take_message(struct sim_world *world, struct sim_node *node,
			 const struct sim_item *item)
{
	struct sync_event event;

	look(world, node);
	if (!node->is_up || item->id != world->connection || !is_connected(world, node))
		return;
	event = make(world, node, (enum sync_event_type)item->step);
	event.message = item->sync;
	event.token = sim_random(world, 0) | 1;
	event.message.is_config_equal =
		event.type == SYNC_EVENT_RESULT ||
		(event.type == SYNC_EVENT_OFFER ? item->sync.is_config_equal
						: sim_random(world, 2) != 0);
	if (event.type == SYNC_EVENT_OFFER)
		event.may_adopt = fo_fsm_may_adopt(&node->fsm, event.message.place.lineage);
	if (event.type == SYNC_EVENT_START)
		event.message.is_quiet &= node->fsm.state == FO_STATE_STANDBY_READY;
	if (event.type == SYNC_EVENT_REQUEST || event.type == SYNC_EVENT_MANIFEST ||
	    event.type == SYNC_EVENT_RESULT || event.type == SYNC_EVENT_PROGRESS)
		feed_sender(world, node, &event, item);
	else
		feed_receiver(world, node, &event, item);
}

static void take_answer(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct sync_event event = make(world, node, (enum sync_event_type)item->step);

	event.serial = item->id;
	event.message = item->sync;
	event.code = item->sync.code;
	if (event.type == SYNC_EVENT_COMMITTED) {
		event.code = write_commit(world, node, &item->sync.place);
		node->sync.is_committing = false;
		node->sync.has_stage = false;
		if (event.code == 0)
			sim_node_feed(world, node,
				      (struct fo_event){.type = FO_EVENT_POSITION,
							.position = node->disk.position});
		if (!node->is_up)
			return;
	}
	if (event.type == SYNC_EVENT_OPENED || event.type == SYNC_EVENT_BATCH ||
	    event.type == SYNC_EVENT_MANIFEST_TAKEN)
		feed_sender(world, node, &event, item);
	else
		feed_receiver(world, node, &event, item);
}

void sim_sync_item(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	if (item->type == SIM_ITEM_SYNC)
		take_message(world, node, item);
	else
		take_answer(world, node, item);
}

void sim_sync_tear(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	if (item->step == SYNC_EVENT_COMMITTED)
		(void)write_commit(world, node, &item->sync.place);
}
