/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slot a child. A slot that is started gets its descriptors first and is then introduced to
 * every child that runs, so that the first start and a restart are the same. A child's death is
 * always seen as its exit; a channel that breaks while the child lives only makes that exit happen.
 */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/monotime.h"
#include "ipc/channel.h"
#include "src/ipc/ipc.pb-c.h"
#include "lifeline.h"
#include "slot.h"
#include "systemd.h"

#define TICK_MS 500
/* The clock jumped by more than this between two ticks: it was this process that did not run. */
#define TICK_LATE_MS 1500
#define STABLE_MS 10000
#define KEPT_MS 500	   /* clients wait for a front that is started again so late, and ... */
#define KEPT_READY_MS 2000 /* ... is ready so long after that */
#define LAST_WORDS_MS 500  /* from the end of the channel to that of the process */
/* Until its first sign of life a child may open a large store. */
#define WATCHDOG_START_FACTOR 6

enum phase { PHASE_RUNNING, PHASE_STOPPING_ENGINE, PHASE_STOPPING_REST };

struct supervisor {
	const struct supervisor_options *options;
	sd_event *event;
	struct slot *slots;
	size_t n_slots;
	struct table_user keeper;
	sd_event_source *tick, *deadline;
	struct monotime last_tick, last_ping;
	uint64_t systemd_watchdog_us;
	enum phase phase;
	int exit_code;
	int lock_fd, control_fd;
	bool was_ready;
	bool is_without_pam;
	bool is_killing; /* who did not end when told in this phase */
};

static void slot_start(struct slot *slot);
static void phase_enter(struct supervisor *supervisor, enum phase phase);
static void phase_continue(struct supervisor *supervisor);

static bool slot_is(const struct slot *slot, enum ipc_peer kind)
{
	return slot->row->kind == kind;
}

static bool slot_runs(const struct slot *slot)
{
	return slot->pid > 0;
}

/* ---- what children say ---- */

static void slot_became_ready(struct slot *slot)
{
	struct supervisor *supervisor = slot->supervisor;

	if (!slot->is_ready)
		log_line(LOG_INFO, "%s is ready", slot->name);
	slot->is_ready = true;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		if (!supervisor->slots[i].is_ready)
			return;
	}
	if (supervisor->was_ready)
		return;
	supervisor->was_ready = true;
	(void)sd_notify(0, "READY=1");
	log_line(LOG_NOTICE, "all %zu processes are ready", supervisor->n_slots);
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct slot *slot = userdata;

	(void)channel;
	if (frame->type == IPC_WATCHDOG) {
		slot->last_beat = monotime_now();
		slot->has_beaten = true;
	} else if (frame->type == IPC_READY) {
		slot_became_ready(slot);
	} else if (frame->type == IPC_CREDENTIAL && slot_is(slot, IPC_PEER_FRONT)) {
		kept_note(&slot->kept, ((const Asafo__Ipc__Credential *)body)->name, frame);
	} else if (frame->type == IPC_NOTIFY && slot_is(slot, IPC_PEER_ENGINE)) {
		systemd_tell_status(((const Asafo__Ipc__Notify *)body)->state);
	} else if (frame->type == IPC_RELOAD && slot_is(slot, IPC_PEER_ENGINE) &&
		   slot->supervisor->phase == PHASE_RUNNING) {
		slot->supervisor->exit_code = SUPERVISOR_EXIT_RELOAD;
		supervisor_stop(slot->supervisor);
	}
}

static int on_last_words(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	slot_kill(userdata);
	return 0;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct slot *slot = userdata;

	(void)channel;
	if (slot->supervisor->phase == PHASE_RUNNING && code != ERR_CLOSED)
		log_line(LOG_ERR, "%s broke the rules of its channel (%s): it is stopped",
			 slot->name, err_text(code));
	/* While stopping, a child closes before it ends, and has its time for that. */
	if (slot->supervisor->phase != PHASE_RUNNING)
		return;
	/* One that ends by itself closes, too: its exit code says more than our signal would. */
	if (code != ERR_CLOSED ||
	    sd_event_add_time_relative(slot->supervisor->event, &slot->kill, CLOCK_MONOTONIC,
				       LAST_WORDS_MS * 1000u, 0, on_last_words, slot) < 0)
		slot_kill(slot);
}

/* ---- what children are told ---- */

static void on_kept(const char *name, int fd, void *userdata)
{
	slot_give(userdata, name, fd);
}

static void keeper_equip(struct slot *slot)
{
	_cleanup_close_ int fd = -1;
	int r = folders_master_key_open(&fd);

	if (r == 0)
		slot_give(slot, "master-key", fd);
	else if (r != ERR_NOT_FOUND)
		log_line(LOG_ERR, "cannot open the master key: %s", err_text(r));
}

static void config_refuse(struct slot *slot)
{
	log_line(LOG_ERR, "%s cannot work with this configuration: not starting", slot->name);
	slot->supervisor->exit_code = EX_CONFIG;
	supervisor_stop(slot->supervisor);
}

static void engine_equip(struct slot *slot)
{
	struct supervisor *supervisor = slot->supervisor;
	_cleanup_close_ int fd = -1;
	struct why why = {""};
	int r = folders_config_open(&supervisor->options->folders, supervisor->keeper, &fd, &why);

	if (why.text[0])
		log_line(r < 0 ? LOG_ERR : LOG_WARNING, "%s", why.text);
	slot_give(slot, "control", supervisor->control_fd);
	if (r == 0) {
		slot_give(slot, "startup-config", fd);
	} else if (!supervisor->was_ready) {
		systemd_tell_status(why.text);
		config_refuse(slot);
	}
}

static void peer_send(struct slot *slot, const struct slot *peer, int fd)
{
	Asafo__Ipc__Peer body = ASAFO__IPC__PEER__INIT;
	int r;

	body.kind = (uint32_t)peer->row->kind;
	body.instance = peer->instance;
	r = ipc_channel_send(slot->channel, IPC_PEER, &body.base, &fd, 1);
	if (r < 0)
		log_line(LOG_ERR, "cannot introduce %s to %s: %s", peer->name, slot->name,
			 err_text(r));
}

static void slot_introduce(struct slot *slot)
{
	struct supervisor *supervisor = slot->supervisor;

	for (size_t i = 0; i < supervisor->n_slots; i++) {
		struct slot *other = &supervisor->slots[i];
		int fds[2];
		int r;

		if (!slot_runs(other) || !other->channel || !slot_are_peers(slot, other))
			continue;
		r = slot_socketpair(fds);
		if (r < 0) {
			log_line(LOG_ERR, "cannot join %s and %s: %s", slot->name, other->name,
				 err_text(r));
			continue;
		}
		peer_send(slot, other, fds[0]);
		peer_send(other, slot, fds[1]);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* ---- life and death ---- */

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	slot_start(userdata);
	return 0;
}

static void restart_schedule(struct slot *slot)
{
	uint64_t delay_ms;
	int r;

	if (monotime_reached(monotime_now(), monotime_add_ms(slot->started, STABLE_MS)))
		slot->deaths = 0;
	slot->deaths++;
	delay_ms = slot_restart_ms(slot);
	if (delay_ms > KEPT_MS)
		kept_drop(&slot->kept);
	slot->restart = sd_event_source_disable_unref(slot->restart);
	r = sd_event_add_time_relative(slot->supervisor->event, &slot->restart, CLOCK_MONOTONIC,
				       delay_ms * 1000, 0, on_restart, slot);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start %s again: %s", slot->name, strerror(-r));
		supervisor_stop(slot->supervisor);
	} else if (delay_ms > 0) {
		log_line(LOG_WARNING, "%s is started again in %u ms", slot->name,
			 (unsigned)delay_ms);
	}
}

static int on_exit_of(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct slot *slot = userdata;
	struct supervisor *supervisor = slot->supervisor;

	(void)source;
	if (slot_is(slot, IPC_PEER_ENGINE))
		lifeline_withdraw();
	slot_log_death(slot, info, supervisor->phase != PHASE_RUNNING);
	/* It is not reaped yet, so the number is still its own: what it left behind goes too. */
	(void)kill(-slot->pid, SIGKILL);
	slot_reset(slot);
	if (supervisor->phase != PHASE_RUNNING) {
		phase_continue(supervisor);
	} else if (!supervisor->was_ready && info->si_code == CLD_EXITED &&
		   info->si_status == EX_CONFIG) {
		config_refuse(slot);
	} else {
		restart_schedule(slot);
	}
	return 0;
}

static int slot_watch(struct slot *slot)
{
	int r = sd_event_add_child(slot->supervisor->event, &slot->exit, slot->pid, WEXITED,
				   on_exit_of, slot);

	if (r < 0)
		return r;
	/* Before anything else that happened: the addresses of a dead engine do not wait. */
	return sd_event_source_set_priority(slot->exit, SD_EVENT_PRIORITY_IMPORTANT);
}

static int slot_spawn(struct slot *slot)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_READY] = true,
						      [IPC_NOTIFY] = true,
						      [IPC_RELOAD] = true,
						      [IPC_WATCHDOG] = true,
						      [IPC_CREDENTIAL] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	_cleanup_close_ int theirs = -1, lifeline = -1;
	int fds[2];
	int r = slot_socketpair(fds);

	/* One that could not be started is not one that ran for long. */
	slot->started = slot->last_beat = monotime_now();
	if (r < 0)
		return r;
	theirs = fds[1];
	r = ipc_channel_new(slot->supervisor->event, fds[0], &ops, slot, &slot->channel);
	if (r < 0)
		return r;
	if (slot_is(slot, IPC_PEER_ENGINE))
		r = lifeline_new(slot->supervisor->event, &slot->lifeline, &lifeline);
	if (r < 0)
		return r;
	r = slot_launch(slot, slot->supervisor->options, slot->supervisor->is_without_pam, theirs,
			lifeline);
	return r < 0 ? r : slot_watch(slot);
}

static void slot_start(struct slot *slot)
{
	int r = slot_spawn(slot);

	if (r < 0) {
		log_line(LOG_ERR, "cannot start %s: %s", slot->name, err_text(r));
		slot_kill(slot);
		slot_reset(slot);
		restart_schedule(slot);
		return;
	}
	log_line(LOG_DEBUG, "started %s as process %d", slot->name, (int)slot->pid);
	if (slot_is(slot, IPC_PEER_KEEPER))
		keeper_equip(slot);
	else if (slot_is(slot, IPC_PEER_ENGINE))
		engine_equip(slot);
	kept_each(slot->kept, on_kept, slot);
	slot_introduce(slot);
}

/* ---- the watchdogs ---- */

static void slot_check(struct slot *slot, struct monotime now)
{
	unsigned limit_ms = slot->supervisor->options->watchdog_ms;

	if (!slot_runs(slot))
		return;
	/* Other fronts take the clients of one that does not come up. */
	if (!slot->is_ready && monotime_reached(now, monotime_add_ms(slot->started, KEPT_READY_MS)))
		kept_drop(&slot->kept);
	if (!slot->has_beaten)
		limit_ms *= WATCHDOG_START_FACTOR;
	if (limit_ms == 0 || !monotime_reached(now, monotime_add_ms(slot->last_beat, limit_ms)))
		return;
	log_line(LOG_ERR, "%s gave no sign of life for %u ms: it is killed", slot->name, limit_ms);
	slot->last_beat = now;
	slot_kill(slot);
}

static void systemd_ping(struct supervisor *supervisor, struct monotime now)
{
	uint64_t every_ms = supervisor->systemd_watchdog_us / 4000;

	if (every_ms == 0 ||
	    !monotime_reached(now, monotime_add_ms(supervisor->last_ping, every_ms)))
		return;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		const struct slot *slot = &supervisor->slots[i];

		if (slot_is(slot, IPC_PEER_ENGINE) && slot_runs(slot)) {
			supervisor->last_ping = now;
			(void)sd_notify(0, "WATCHDOG=1");
		}
	}
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct supervisor *supervisor = userdata;
	struct monotime now = monotime_now();
	bool was_late = monotime_reached(now, monotime_add_ms(supervisor->last_tick, TICK_LATE_MS));

	(void)usec;
	supervisor->last_tick = now;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		/* Frozen together, thawed together: the children had no more time than this
		 * process. */
		if (was_late)
			supervisor->slots[i].last_beat = now;
		slot_look(&supervisor->slots[i]);
		slot_check(&supervisor->slots[i], now);
	}
	systemd_ping(supervisor, now);
	(void)sd_event_source_set_time(source, monotime_turn(now, TICK_MS).ns / 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the end ---- */

static bool phase_waits_for(const struct supervisor *supervisor, const struct slot *slot)
{
	return slot_runs(slot) &&
	       (supervisor->phase == PHASE_STOPPING_REST || slot_is(slot, IPC_PEER_ENGINE));
}

/* Inside the kernel it waits for a disk, and outlives SIGKILL until that answers. */
static void leave_behind(struct supervisor *supervisor, struct slot *slot)
{
	log_line(LOG_CRIT, "%s was killed and does not end: it is left; look at the disk",
		 slot->name);
	if (supervisor->phase == PHASE_STOPPING_REST)
		(void)sd_event_exit(supervisor->event, supervisor->exit_code);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct supervisor *supervisor = userdata;
	bool is_last = supervisor->is_killing;

	(void)usec;
	supervisor->is_killing = true;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		struct slot *slot = &supervisor->slots[i];

		if (!phase_waits_for(supervisor, slot))
			continue;
		if (!is_last)
			log_line(LOG_WARNING, "%s did not end in %d ms: it is killed", slot->name,
				 SUPERVISOR_SHUTDOWN_MS);
		else
			leave_behind(supervisor, slot);
		slot_kill(slot);
	}
	if (is_last && supervisor->phase == PHASE_STOPPING_ENGINE)
		phase_enter(supervisor, PHASE_STOPPING_REST);
	if (is_last || sd_event_source_set_time_relative(source, SUPERVISOR_KILLED_MS * 1000u) < 0)
		return 0;
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void phase_enter(struct supervisor *supervisor, enum phase phase)
{
	supervisor->phase = phase;
	supervisor->is_killing = false;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		struct slot *slot = &supervisor->slots[i];

		slot->restart = sd_event_source_disable_unref(slot->restart);
		if (phase_waits_for(supervisor, slot) && slot->channel &&
		    ipc_channel_send(slot->channel, IPC_SHUTDOWN, NULL, NULL, 0) < 0)
			slot_kill(slot);
	}
	supervisor->deadline = sd_event_source_disable_unref(supervisor->deadline);
	if (sd_event_add_time_relative(supervisor->event, &supervisor->deadline, CLOCK_MONOTONIC,
				       SUPERVISOR_SHUTDOWN_MS * 1000u, 0, on_deadline,
				       supervisor) < 0)
		(void)on_deadline(NULL, 0, supervisor);
}

static void phase_continue(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		if (phase_waits_for(supervisor, &supervisor->slots[i]))
			return;
	}
	if (supervisor->phase == PHASE_STOPPING_ENGINE) {
		phase_enter(supervisor, PHASE_STOPPING_REST);
		phase_continue(supervisor);
	} else {
		(void)sd_event_exit(supervisor->event, supervisor->exit_code);
	}
}

void supervisor_stop(struct supervisor *supervisor)
{
	if (supervisor->phase != PHASE_RUNNING) {
		if (supervisor->exit_code == SUPERVISOR_EXIT_RELOAD)
			supervisor->exit_code = 0;
		for (size_t i = 0; i < supervisor->n_slots; i++)
			slot_kill(&supervisor->slots[i]);
		return;
	}
	if (supervisor->exit_code == SUPERVISOR_EXIT_RELOAD) {
		(void)sd_notify(0, "RELOADING=1");
		log_line(LOG_NOTICE, "stopping, to begin again");
	} else {
		(void)sd_notify(0, "STOPPING=1");
		log_line(LOG_NOTICE, "stopping");
	}
	phase_enter(supervisor, PHASE_STOPPING_ENGINE);
	phase_continue(supervisor);
}

/* ---- making ---- */

/* A place that stays empty: whose user is not there, as after a package that was unpacked by hand.
 * Not a reason to serve nobody. */
static void slot_leave_out(struct supervisor *supervisor, const struct table_row *row,
			   const char *why)
{
	supervisor->n_slots--;
	supervisor->is_without_pam |= row->kind == IPC_PEER_PAM;
	log_line(LOG_ERR, "%s: %s. Restart asafo afterwards", row->lack, why);
}

static int slots_make(struct supervisor *supervisor, struct why *ret_why)
{
	size_t n_rows;
	const struct table_row *rows = table_rows(&n_rows);
	int r = 0;

	supervisor->slots = calloc(n_rows + supervisor->options->n_fronts, sizeof(struct slot));
	if (!supervisor->slots)
		return why_set(ret_why, -ENOMEM, "not enough memory");
	for (size_t i = 0; i < n_rows && r == 0; i++) {
		unsigned n = rows[i].kind == IPC_PEER_FRONT ? supervisor->options->n_fronts : 1;

		for (unsigned instance = 0; instance < n && r == 0; instance++) {
			struct slot *slot = &supervisor->slots[supervisor->n_slots++];

			slot->supervisor = supervisor;
			r = slot_init(slot, &rows[i], instance, supervisor->options, ret_why);
			if (r == ERR_NOT_FOUND && rows[i].lack) {
				slot_leave_out(supervisor, &rows[i], ret_why->text);
				r = 0;
				continue;
			}
			if (slot_is(slot, IPC_PEER_KEEPER))
				supervisor->keeper = slot->user;
		}
	}
	return r;
}

static int places_make(struct supervisor *supervisor, struct why *ret_why)
{
	const struct folders *folders = &supervisor->options->folders;
	struct why warning;
	int r = folders_prepare(folders, supervisor->keeper, &warning, ret_why);

	if (r < 0)
		return r;
	if (warning.text[0])
		log_line(LOG_WARNING, "%s", warning.text);
	r = folders_lock(folders, &supervisor->lock_fd, ret_why);
	return r < 0 ? r : folders_control_listen(folders, &supervisor->control_fd, ret_why);
}

int supervisor_new(sd_event *event, const struct supervisor_options *options,
		   struct supervisor **ret_supervisor, struct why *ret_why)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (!supervisor)
		return why_set(ret_why, -ENOMEM, "not enough memory");
	supervisor->options = options;
	supervisor->event = sd_event_ref(event);
	supervisor->lock_fd = supervisor->control_fd = -1;
	supervisor->last_tick = monotime_now();
	(void)sd_watchdog_enabled(0, &supervisor->systemd_watchdog_us);
	r = slots_make(supervisor, ret_why);
	if (r == 0)
		r = places_make(supervisor, ret_why);
	if (r == 0 && sd_event_add_time(event, &supervisor->tick, CLOCK_MONOTONIC,
					monotime_turn(supervisor->last_tick, TICK_MS).ns / 1000, 0,
					on_tick, supervisor) < 0)
		r = why_set(ret_why, -ENOMEM, "not enough memory");
	if (r < 0) {
		supervisor_free(supervisor);
		return r;
	}
	*ret_supervisor = supervisor;
	return 0;
}

int supervisor_start(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_slots && supervisor->phase == PHASE_RUNNING; i++)
		slot_start(&supervisor->slots[i]);
	return 0;
}

void supervisor_free(struct supervisor *supervisor)
{
	if (!supervisor)
		return;
	for (size_t i = 0; i < supervisor->n_slots; i++) {
		slot_kill(&supervisor->slots[i]);
		slot_reset(&supervisor->slots[i]);
		kept_drop(&supervisor->slots[i].kept);
	}
	free(supervisor->slots);
	(void)sd_event_source_disable_unref(supervisor->tick);
	(void)sd_event_source_disable_unref(supervisor->deadline);
	if (supervisor->control_fd >= 0)
		folders_control_remove(&supervisor->options->folders);
	cleanup_close(&supervisor->control_fd);
	cleanup_close(&supervisor->lock_fd);
	(void)sd_event_unref(supervisor->event);
	free(supervisor);
}
