/* SPDX-License-Identifier: Apache-2.0 */
/* One step of the pair, and the promises that each state has to keep. */
#include "explore.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fsm_step.h"

static struct x_node *mate_of(struct x_pair *pair, const struct x_node *node)
{
	return node == &pair->nodes[0] ? &pair->nodes[1] : &pair->nodes[0];
}

static enum fo_unit unit_of(const struct x_pair *pair, const struct x_node *node)
{
	return node == &pair->nodes[0] ? FO_UNIT_PRIMARY : FO_UNIT_SECONDARY;
}

void x_run_break(struct x_run *run, const char *rule)
{
	if (!run->broken)
		run->broken = rule;
}

static void say(const struct x_run *run, const struct x_pair *pair, const struct x_node *node,
		const char *text)
{
	if (run->has_trace)
		printf("%4" PRIu64 "  %-9s %s\n", pair->now - X_START,
		       fo_unit_text(unit_of(pair, node)), text);
}

/* ---- what the machine asks for ---- */

static void send(struct x_pair *pair, struct x_node *node)
{
	struct x_node *mate = mate_of(pair, node);

	mate->in = (struct x_hello){
		.is_full = true, .is_echo = node->has_heard, .view = fo_fsm_view(&node->fsm)};
}

/* It heard that the mate may begin, too, and the mate still is about to, with newer data. An
 * operator may have decided otherwise. */
static bool is_out_of_turn(struct x_pair *pair, const struct x_node *node)
{
	const struct x_node *mate = mate_of(pair, node);
	const struct fo_mate_view *heard = &node->fsm.mate;

	return node->proof == X_PROOF_CURRENT && mate->is_up &&
	       mate->fsm.state == FO_STATE_NEGOTIATION && fo_fsm_view(&mate->fsm).may_activate &&
	       heard->state == FO_STATE_NEGOTIATION && heard->may_activate &&
	       fo_position_compare(node->position, mate->position) < 0 &&
	       node->fsm.reason != FO_REASON_CONFIG_COMMAND;
}

static void claim(struct x_pair *pair, struct x_run *run, struct x_node *node, uint64_t term)
{
	if (run->mode == X_MODE_PATH && is_out_of_turn(pair, node))
		x_run_break(run, "claims although the other, which it hears, has newer data");
	if (term > node->promised)
		x_run_break(run, "claims in a term that is not durable");
	if (term <= node->claimed)
		x_run_break(run, "claims in a term that it claimed in before");
	if (term % 2 != (uint64_t)unit_of(pair, node))
		x_run_break(run, "claims in a term of the mate's");
	node->claimed = term;
	node->is_claimed = true;
}

static void ask_kernel(struct x_run *run, struct x_node *node, bool is_claim)
{
	if (node->n_kernel == X_KERNEL_MAX)
		x_run_break(run, "asks the kernel for more than it answered");
	else
		node->kernel[node->n_kernel++] = is_claim;
}

static void ask_disk(struct x_run *run, struct x_node *node, const struct fo_action *action)
{
	if (node->n_writes == X_WRITES_MAX)
		x_run_break(run, "asks the disk for more than it answered");
	else
		node->writes[node->n_writes++] =
			(struct x_write){action->term, action->is_activation};
}

static void stop(struct x_node *node)
{
	struct x_node next = {.promised = node->promised,
			      .activated = node->activated,
			      .claimed = node->claimed,
			      .is_failing = node->is_failing,
			      .position = node->position};

	*node = next;
}

static void act(struct x_pair *pair, struct x_run *run, struct x_node *node,
		const struct fo_action *action)
{
	if (action->type == FO_ACTION_TRANSITION && run->has_trace)
		printf("%4" PRIu64 "  %-9s %s -> %s: %s (term %" PRIu64 ")\n", pair->now - X_START,
		       fo_unit_text(unit_of(pair, node)), fo_state_text(action->from),
		       fo_state_text(action->to), fo_reason_text(action->reason), node->fsm.term);
	else if (action->type == FO_ACTION_PERSIST_TERM)
		ask_disk(run, node, action);
	else if (action->type == FO_ACTION_SEND_HELLO)
		send(pair, node);
	else if (action->type == FO_ACTION_CLAIM) {
		claim(pair, run, node, action->term);
		ask_kernel(run, node, true);
	} else if (action->type == FO_ACTION_RELEASE) {
		node->is_claimed = false;
		ask_kernel(run, node, false);
	} else if (action->type == FO_ACTION_START_SYNC)
		node->wants_sync = true;
	else if (action->type == FO_ACTION_STOP_SYNC)
		node->wants_sync = false;
	else if (action->type == FO_ACTION_STOPPED)
		stop(node);
}

bool x_node_holds(const struct x_node *node)
{
	/* A lease runs out within a polltime. */
	return node->is_up && node->holds && node->asleep < 2;
}

static void check(const struct x_pair *pair, struct x_run *run, struct x_node *node)
{
	if (!node->is_up)
		return;
	if (node->fsm.term < node->seen || node->fsm.term < node->activated)
		x_run_break(run, "its term fell");
	node->seen = node->fsm.term;
	if (node->is_claimed != fo_fsm_is_active(&node->fsm))
		x_run_break(run, node->is_claimed ? "left the active states without a release"
						  : "serves without a claim");
	if (node->holds && !fo_fsm_view(&node->fsm).is_serving)
		x_run_break(run, "says that it does not serve and holds the addresses");
	if (run->mode == X_MODE_PATH && x_node_holds(&pair->nodes[0]) &&
	    x_node_holds(&pair->nodes[1]))
		x_run_break(run, "both hold the addresses although they hear each other");
}

static void feed(struct x_pair *pair, struct x_run *run, struct x_node *node, struct fo_event event)
{
	struct fo_update update;

	if (!node->is_up)
		return;
	event.at = monotime_add_ms((struct monotime){0}, pair->now * X_TICK_MS);
	fo_fsm_step(&node->fsm, &event, &update);
	for (size_t i = 0; i < update.n_actions && node->is_up; i++)
		act(pair, run, node, &update.actions[i]);
	check(pair, run, node);
}

static void feed_type(struct x_pair *pair, struct x_run *run, struct x_node *node,
		      enum fo_event_type type)
{
	feed(pair, run, node, (struct fo_event){.type = type, .position = node->position});
}

/* ---- moves ---- */

static void boot(struct x_pair *pair, struct x_run *run, struct x_node *node)
{
	struct x_node *mate = mate_of(pair, node);
	struct fo_event event = {
		.type = FO_EVENT_START,
		.params = {.unit = unit_of(pair, node),
			   .is_enabled = true,
			   .poll_ms = X_TICK_MS,
			   .hold_ms = X_HOLD_TICKS * X_TICK_MS},
		.boot = {.promised_term = node->promised,
			 .activated_term = node->activated,
			 .position = node->position},
	};

	stop(node);
	node->is_up = true;
	/* What the mate knows of this unit's boot, and what is on its way, is of the last one. */
	mate->has_heard = false;
	mate->in.is_earlier = true;
	if (mate->proof == X_PROOF_CURRENT)
		mate->proof = X_PROOF_EARLIER;
	fo_fsm_init(&node->fsm);
	feed(pair, run, node, event);
	if (node->is_failing)
		feed(pair, run, node,
		     (struct fo_event){.type = FO_EVENT_HEALTH,
				       .health = fo_health_of_interfaces(1, 1)});
}

static void deliver(struct x_pair *pair, struct x_run *run, struct x_node *node)
{
	struct x_hello hello = node->in;
	bool is_believed = hello.is_earlier ? node->proof == X_PROOF_EARLIER
					    : node->proof == X_PROOF_CURRENT || hello.is_echo;
	bool is_new = !hello.is_earlier && node->proof == X_PROOF_EARLIER;

	node->in = (struct x_hello){0};
	if (!hello.is_earlier) {
		node->has_heard = true;
		if (is_believed)
			node->proof = X_PROOF_CURRENT;
	}
	if (!is_believed) {
		if (!hello.is_earlier)
			send(pair, node);
		return;
	}
	feed(pair, run, node,
	     (struct fo_event){.type = FO_EVENT_HELLO, .mate = hello.view, .is_mate_new = is_new});
	if (node->is_up && hello.view.is_serving && hello.view.term > node->claimed &&
	    fo_fsm_is_active(&node->fsm))
		x_run_break(run, "goes on in an older term than the mate's, which it heard");
}

static void kernel(struct x_pair *pair, struct x_run *run, struct x_node *node, bool is_well)
{
	bool is_claim = node->kernel[0];

	node->n_kernel--;
	memmove(node->kernel, node->kernel + 1, sizeof(node->kernel) - sizeof(node->kernel[0]));
	node->kernel[X_KERNEL_MAX - 1] = false;
	/* A claim that fails has done some of its work. */
	node->holds = is_claim;
	if (!is_claim)
		feed_type(pair, run, node, FO_EVENT_RELEASED);
	else
		feed_type(pair, run, node, is_well ? FO_EVENT_CLAIMED : FO_EVENT_CLAIM_FAILED);
}

static void put(struct x_node *node)
{
	const struct x_write *write = &node->writes[0];

	if (write->term > node->promised)
		node->promised = write->term;
	if (write->is_activation && write->term > node->activated)
		node->activated = write->term;
}

static void write_term(struct x_pair *pair, struct x_run *run, struct x_node *node, bool is_well)
{
	struct fo_event event = {.type = is_well ? FO_EVENT_TERM_DURABLE : FO_EVENT_TERM_FAILED,
				 .term = node->writes[0].term};

	if (is_well)
		put(node);
	node->n_writes--;
	memmove(node->writes, node->writes + 1, sizeof(node->writes) - sizeof(node->writes[0]));
	node->writes[X_WRITES_MAX - 1] = (struct x_write){0};
	feed(pair, run, node, event);
}

static void sync(struct x_pair *pair, struct x_run *run, struct x_node *node, bool is_well)
{
	static const enum fo_event_type STEPS[] = {FO_EVENT_SYNC_STARTED, FO_EVENT_SYNC_FILES,
						   FO_EVENT_SYNC_BULK};

	node->wants_sync = false;
	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++)
		feed_type(pair, run, node, STEPS[i]);
	if (!is_well) {
		feed_type(pair, run, node, FO_EVENT_SYNC_FAILED);
		return;
	}
	node->position = mate_of(pair, node)->position;
	feed_type(pair, run, node, FO_EVENT_POSITION);
	feed_type(pair, run, node, FO_EVENT_SYNC_DONE);
}

static void import(struct x_pair *pair, struct x_run *run, struct x_node *node)
{
	node->position.term = node->claimed;
	node->position.seq++;
	node->position.has_data = true;
	feed_type(pair, run, node, FO_EVENT_POSITION);
}

static bool is_tick_due(const struct x_pair *pair, const struct x_node *node)
{
	return node->is_up &&
	       fo_fsm_deadline(&node->fsm).ns <= pair->now * X_TICK_MS * MONOTIME_NS_PER_MS;
}

static void advance(struct x_pair *pair)
{
	pair->now++;
	for (size_t i = 0; i < FO_UNIT__MAX; i++) {
		struct x_node *node = &pair->nodes[i];

		if (node->asleep && node->asleep < X_HOLD_TICKS + 2)
			node->asleep++;
		node->is_tick_due = is_tick_due(pair, node);
	}
}

static void thaw(struct x_pair *pair, struct x_run *run, struct x_node *node)
{
	bool is_late = node->asleep > X_HOLD_TICKS + 1;

	/* The lease is gone, or it is renewed at once. */
	if (is_late)
		node->holds = false;
	node->asleep = 0;
	if (is_late)
		feed_type(pair, run, node, FO_EVENT_NOT_SCHEDULED);
	node->is_tick_due = is_tick_due(pair, node);
}

static void order(struct x_pair *pair, struct x_run *run, struct x_node *node,
		  enum x_move_type type)
{
	struct fo_event event = {0};

	if (type == X_MOVE_HEALTH) {
		node->is_failing = !node->is_failing;
		event.type = FO_EVENT_HEALTH;
		event.health = fo_health_of_interfaces(node->is_failing, 1);
	} else if (type == X_MOVE_ACTIVE || type == X_MOVE_ACTIVE_FORCED) {
		event.type = FO_EVENT_OPERATOR_ACTIVE;
		event.is_forced = type == X_MOVE_ACTIVE_FORCED;
	} else if (type == X_MOVE_STANDBY)
		event.type = FO_EVENT_OPERATOR_STANDBY;
	else if (type == X_MOVE_RESET)
		event.type = FO_EVENT_OPERATOR_RESET;
	else if (type == X_MOVE_SHUTDOWN)
		event.type = FO_EVENT_SHUTDOWN;
	else {
		event.type = FO_EVENT_OPERATOR_MAINTENANCE;
		event.is_on = !node->fsm.flags.is_maintenance;
	}
	feed(pair, run, node, event);
}

static const char *const TEXTS[X_MOVE__MAX] = {
	[X_MOVE_DELIVER] = "hears a hello",
	[X_MOVE_KERNEL] = "'s kernel is done",
	[X_MOVE_WRITE] = "'s disk has the term",
	[X_MOVE_SYNC] = "replicates",
	[X_MOVE_BOOT] = "boots",
	[X_MOVE_THAW] = "runs again",
	[X_MOVE_CRASH] = "loses power",
	[X_MOVE_CRASH_WRITTEN] = "loses power, what was written is on the disk",
	[X_MOVE_FREEZE] = "stands still",
	[X_MOVE_WRITE_FAIL] = "'s disk refuses the term",
	[X_MOVE_KERNEL_FAIL] = "'s kernel refuses the claim",
	[X_MOVE_SYNC_FAIL] = "'s replication fails",
	[X_MOVE_HEALTH] = "'s interface fails, or works again",
	[X_MOVE_ACTIVE] = "'s operator says `failover active`",
	[X_MOVE_ACTIVE_FORCED] = "'s operator says `failover active`, forced",
	[X_MOVE_STANDBY] = "'s operator says `no failover active`",
	[X_MOVE_RESET] = "'s operator says `failover reset`",
	[X_MOVE_MAINTENANCE] = "'s operator sets or ends maintenance",
	[X_MOVE_IMPORT] = "imports a certificate",
	[X_MOVE_SHUTDOWN] = "is shut down",
};

/* ---- which moves there are ---- */

static bool is_awake(const struct x_node *node)
{
	return node->is_up && node->asleep == 0;
}

/* Sockets and the kernel are faster than a polltime; disks need not be. */
static bool may_advance(const struct x_pair *pair, const struct x_run *run)
{
	for (size_t i = 0; i < FO_UNIT__MAX; i++) {
		const struct x_node *node = &pair->nodes[i];

		if (is_awake(node) && (node->is_tick_due || node->n_kernel))
			return false;
		if (run->mode == X_MODE_PATH && node->is_up && node->in.is_full)
			return false;
	}
	return true;
}

static bool may_sync(const struct x_node *node, const struct x_node *mate)
{
	return node->wants_sync && is_awake(mate) && fo_fsm_is_active(&mate->fsm) &&
	       !fo_fsm_is_active(&node->fsm) &&
	       fo_fsm_may_adopt(&node->fsm, mate->position.lineage);
}

static bool may_be_asked(const struct x_node *node, enum x_move_type type)
{
	bool is_active = fo_fsm_is_active(&node->fsm);

	if (node->fsm.flags.is_stopping)
		return false;
	if (type == X_MOVE_ACTIVE || type == X_MOVE_ACTIVE_FORCED)
		return !is_active;
	if (type == X_MOVE_STANDBY || type == X_MOVE_IMPORT)
		return is_active;
	return type != X_MOVE_RESET || node->fsm.state == FO_STATE_FAILED;
}

bool x_pair_may(const struct x_pair *pair, const struct x_run *run, struct x_move move)
{
	const struct x_node *node = &pair->nodes[move.unit];
	const struct x_node *mate = &pair->nodes[1 - move.unit];

	if (move.type >= X_MOVE_CRASH && pair->faults == 0)
		return false;
	if (move.type == X_MOVE_ADVANCE)
		return move.unit == 0 && may_advance(pair, run);
	if (move.type == X_MOVE_BOOT)
		return !node->is_up;
	if (move.type == X_MOVE_THAW)
		return node->asleep > 0;
	if (move.type == X_MOVE_CRASH)
		return node->is_up;
	if (!is_awake(node))
		return false;
	if (move.type == X_MOVE_TICK)
		return node->is_tick_due && (run->mode == X_MODE_APART || !node->in.is_full);
	if (move.type == X_MOVE_DELIVER)
		return node->in.is_full;
	if (move.type == X_MOVE_KERNEL)
		return node->n_kernel > 0;
	if (move.type == X_MOVE_KERNEL_FAIL)
		return node->n_kernel > 0 && node->kernel[0];
	if (move.type == X_MOVE_WRITE || move.type == X_MOVE_WRITE_FAIL ||
	    move.type == X_MOVE_CRASH_WRITTEN)
		return node->n_writes > 0;
	if (move.type == X_MOVE_SYNC || move.type == X_MOVE_SYNC_FAIL)
		return may_sync(node, mate);
	if (move.type == X_MOVE_FREEZE)
		return run->mode == X_MODE_APART && node->n_kernel == 0;
	return may_be_asked(node, move.type);
}

static void do_fault(struct x_pair *pair, struct x_run *run, struct x_node *node,
		     enum x_move_type type)
{
	pair->faults--;
	if (type == X_MOVE_CRASH_WRITTEN)
		put(node);
	if (type == X_MOVE_CRASH || type == X_MOVE_CRASH_WRITTEN)
		stop(node);
	else if (type == X_MOVE_FREEZE)
		node->asleep = 1;
	else if (type == X_MOVE_WRITE_FAIL)
		write_term(pair, run, node, false);
	else if (type == X_MOVE_KERNEL_FAIL)
		kernel(pair, run, node, false);
	else if (type == X_MOVE_SYNC_FAIL)
		sync(pair, run, node, false);
	else if (type == X_MOVE_IMPORT)
		import(pair, run, node);
	else
		order(pair, run, node, type);
}

void x_pair_do(struct x_pair *pair, struct x_run *run, struct x_move move)
{
	struct x_node *node = &pair->nodes[move.unit];

	if (TEXTS[move.type])
		say(run, pair, node, TEXTS[move.type]);
	if (move.type >= X_MOVE_CRASH)
		do_fault(pair, run, node, move.type);
	else if (move.type == X_MOVE_ADVANCE)
		advance(pair);
	else if (move.type == X_MOVE_TICK) {
		node->is_tick_due = false;
		feed_type(pair, run, node, FO_EVENT_TICK);
	} else if (move.type == X_MOVE_DELIVER)
		deliver(pair, run, node);
	else if (move.type == X_MOVE_KERNEL)
		kernel(pair, run, node, true);
	else if (move.type == X_MOVE_WRITE)
		write_term(pair, run, node, true);
	else if (move.type == X_MOVE_SYNC)
		sync(pair, run, node, true);
	else if (move.type == X_MOVE_BOOT)
		boot(pair, run, node);
	else
		thaw(pair, run, node);
}

void x_pair_init(struct x_pair *ret_pair, uint8_t faults)
{
	memset(ret_pair, 0, sizeof(*ret_pair));
	ret_pair->now = X_START;
	ret_pair->faults = faults;
	/* One history, with a fallback certificate: neither is a replacement. */
	for (size_t i = 0; i < FO_UNIT__MAX; i++)
		ret_pair->nodes[i].position = (struct fo_position){.seq = 1, .lineage = 1};
}
