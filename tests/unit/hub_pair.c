/* SPDX-License-Identifier: Apache-2.0 */
/* What stands here in the place of the engine, of its link and of the clock is all that a hub asks
 * of them. */
#include "hub_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/replication/replication.h"

struct hub_pair pair;

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	if (clock != CLOCK_MONOTONIC || pair.now.ns == 0)
		return (int)syscall(SYS_clock_gettime, clock, time);
	time->tv_sec = (time_t)(pair.now.ns / MONOTIME_NS_PER_SEC);
	time->tv_nsec = (long)(pair.now.ns % MONOTIME_NS_PER_SEC);
	return 0;
}

void hub_pair_pass(uint64_t ms)
{
	pair.now = monotime_add_ms(pair.now, ms);
}

/* ---- the engine ---- */

static struct hub_unit *unit_of(const struct engine *engine)
{
	return engine == &pair.units[0].engine ? &pair.units[0] : &pair.units[1];
}

bool engine_is_active(const struct engine *engine)
{
	return unit_of(engine)->is_active;
}

bool engine_hears_mate(const struct engine *engine)
{
	(void)engine;
	return pair.is_link_up;
}

int engine_keeper_call(struct engine *engine, enum ipc_type type, const ProtobufCMessage *message,
		       const int *fds, size_t n_fds, ipc_reply_fn on_reply, void *userdata)
{
	(void)engine, (void)type, (void)message, (void)fds, (void)n_fds;
	(void)on_reply, (void)userdata;
	return ERR_CLOSED;
}

/* ---- the failover link: a unit's link and replication are the unit itself ---- */

bool link_is_up(const struct link *link)
{
	(void)link;
	return pair.is_link_up;
}

uint32_t link_mate_version(const struct link *link)
{
	(void)link;
	return LINK_VERSION_SESSIONS;
}

/* A copy, as the wire would make it. */
static Asafo__Wire__Link *message_copy(const Asafo__Wire__Link *message)
{
	size_t size = asafo__wire__link__get_packed_size(message);
	_cleanup_free_ uint8_t *bytes = malloc(size);
	Asafo__Wire__Link *copy;

	assert_non_null(bytes);
	assert_int_equal(asafo__wire__link__pack(message, bytes), size);
	copy = asafo__wire__link__unpack(NULL, size, bytes);
	assert_non_null(copy);
	return copy;
}

int replication_post(struct replication *replication, Asafo__Wire__Link__BodyCase kind, void *body)
{
	struct hub_unit *from = (struct hub_unit *)(void *)replication;
	struct hub_unit *to = &pair.units[from == &pair.units[0]];
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	struct hub_mail *mail = calloc(1, sizeof(*mail));

	assert_non_null(mail);
	assert_true(pair.is_link_up);
	message.body_case = kind;
	message.session_update = body;
	mail->message = message_copy(&message);
	*to->last = mail;
	to->last = &mail->next;
	return 0;
}

static Asafo__Wire__Link *mail_take(struct hub_unit *unit)
{
	struct hub_mail *mail = unit->first;
	Asafo__Wire__Link *message;

	if (!mail)
		return NULL;
	message = mail->message;
	unit->first = mail->next;
	if (!unit->first)
		unit->last = &unit->first;
	free(mail);
	return message;
}

void hub_pair_deliver(struct hub_unit *unit, unsigned n)
{
	Asafo__Wire__Link *message;

	while (n-- > 0 && (message = mail_take(unit))) {
		assert_true(vpnhub_link_message(unit->hub, message));
		asafo__wire__link__free_unpacked(message, NULL);
	}
}

void hub_pair_settle(void)
{
	unsigned rounds = 0;

	while (pair.units[0].first || pair.units[1].first) {
		hub_pair_deliver(&pair.units[0], 1);
		hub_pair_deliver(&pair.units[1], 1);
		assert_true(++rounds < 100000);
	}
}

static void mail_drop(struct hub_unit *unit)
{
	Asafo__Wire__Link *message;

	while ((message = mail_take(unit)))
		asafo__wire__link__free_unpacked(message, NULL);
}

void hub_pair_link(bool is_up)
{
	if (pair.is_link_up == is_up)
		return;
	pair.is_link_up = is_up;
	for (unsigned i = 0; i < 2; i++) {
		mail_drop(&pair.units[i]);
		if (!is_up)
			vpnhub_link_down(pair.units[i].hub);
	}
	for (unsigned i = 0; is_up && i < 2; i++)
		vpnhub_link_up(pair.units[i].hub);
}

void hub_pair_take_over(struct hub_unit *unit)
{
	struct hub_unit *other = &pair.units[unit == &pair.units[0]];

	unit->engine.fsm.term = ++pair.term;
	other->is_active = false;
	vpnhub_on_role(other->hub);
	unit->is_active = true;
	vpnhub_on_role(unit->hub);
}

/* ---- channels: answers carry the number of the login ---- */

int ipc_channel_new(sd_event *event, int fd, const struct ipc_channel_ops *ops, void *userdata,
		    struct ipc_channel **ret_channel)
{
	(void)event, (void)fd, (void)ops, (void)userdata, (void)ret_channel;
	return ERR_CLOSED;
}

void ipc_channel_free(struct ipc_channel *channel)
{
	assert_null(channel);
}

size_t ipc_channel_queued(const struct ipc_channel *channel)
{
	(void)channel;
	return 0;
}

int ipc_channel_send(struct ipc_channel *channel, enum ipc_type type,
		     const ProtobufCMessage *message, const int *fds, size_t n_fds)
{
	(void)channel, (void)type, (void)message, (void)fds, (void)n_fds;
	return ERR_CLOSED;
}

int ipc_channel_reply(struct ipc_channel *channel, enum ipc_type type, uint32_t id, bool has_more,
		      const ProtobufCMessage *message)
{
	const Asafo__Ipc__VpnSessionNewReply *reply =
		(const Asafo__Ipc__VpnSessionNewReply *)message;

	uint64_t alone = pair.units[0].hub->figures.alone + pair.units[1].hub->figures.alone;

	(void)channel, (void)has_more;
	if (type != IPC_VPN_SESSION_NEW)
		return 0;
	pair.code = reply->status->code;
	assert_int_equal(pair.logins[id], LOGIN_ASKED);
	pair.logins[id] = pair.code != 0       ? LOGIN_REFUSED
			  : alone > pair.alone ? LOGIN_ALONE
					       : LOGIN_ANSWERED;
	pair.alone = alone;
	return 0;
}

/* ---- the log ---- */

void log_line(int priority, const char *format, ...)
{
	(void)priority, (void)format;
}

void log_message(int severity, unsigned number, const char *format, ...)
{
	(void)severity, (void)format;
	pair.n_said += number == 113019;
}

/* ---- users ---- */

static void hash_of(unsigned number, uint8_t ret_hash[static VPN_HASH_SIZE])
{
	/* In no order, as of random cookies. */
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

	memset(ret_hash, 0, VPN_HASH_SIZE);
	memcpy(ret_hash, &mixed, sizeof(mixed));
	memcpy(ret_hash + sizeof(mixed), &number, sizeof(number));
}

void hub_pair_log_in(struct hub_unit *unit, unsigned number, const char *user)
{
	Asafo__Ipc__VpnSessionNew message = ASAFO__IPC__VPN_SESSION_NEW__INIT;
	struct ipc_frame frame = {.type = IPC_VPN_SESSION_NEW, .id = number};
	uint8_t hash[VPN_HASH_SIZE], client[4] = {203, 0, 113, 77};
	struct loginproof_claim claim = {.user = user,
					 .group = "staff",
					 .policy = "",
					 .hash = hash,
					 .client = client,
					 .client_size = sizeof(client)};
	Asafo__Ipc__LoginProof carried;
	struct loginproof proof;

	assert_true(number < HUB_PAIR_LOGINS_MAX);
	hash_of(number, hash);
	assert_int_equal(
		loginproof_make(&unit->hub->proofs.key, &claim, ++pair.proofs, pair.now, &proof),
		0);
	loginproof_fill(&proof, &carried);
	message.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	message.client = (ProtobufCBinaryData){sizeof(client), client};
	message.user = (char *)(uintptr_t)user;
	message.group = (char *)(uintptr_t)claim.group;
	message.policy = (char *)(uintptr_t)claim.policy;
	message.proof = &carried;
	pair.logins[number] = LOGIN_ASKED;
	vpnhub_message(unit->hub, 0, NULL, &frame, &message.base);
}

void hub_pair_log_out(struct hub_unit *unit, unsigned number)
{
	Asafo__Ipc__VpnSessionEnd message = ASAFO__IPC__VPN_SESSION_END__INIT;
	struct ipc_frame frame = {.type = IPC_VPN_SESSION_END, .id = number};
	uint8_t hash[VPN_HASH_SIZE];

	hash_of(number, hash);
	message.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	message.reason = VPN_END_LOGOUT;
	vpnhub_message(unit->hub, 0, NULL, &frame, &message.base);
}

const struct session_record *hub_pair_find(const struct hub_unit *unit, unsigned number)
{
	uint8_t hash[VPN_HASH_SIZE];

	hash_of(number, hash);
	return sessiondb_find(unit->hub->db, hash);
}

/* ---- life ---- */

static void configure(const char *lines)
{
	struct config_error error = {0};

	assert_int_equal(config_new(&pair.config), 0);
	if (config_apply_text(pair.config, "test", lines, strlen(lines), &error) < 0)
		fail_msg("%s", error.why.text);
	pair.config->failover.is_enabled = true;
}

static void unit_start(struct hub_unit *unit)
{
	unit->last = &unit->first;
	unit->engine.config = pair.config;
	unit->engine.pair.link = (struct link *)(void *)unit;
	unit->engine.replication = (struct replication *)(void *)unit;
	assert_int_equal(sd_event_new(&unit->engine.event), 0);
	assert_int_equal(vpnhub_new(&unit->engine, &unit->hub), 0);
	assert_int_equal(loginproof_gate_open(&unit->hub->proofs), 0);
	vpnhub_configure(unit->hub);
}

void hub_pair_restart(struct hub_unit *unit)
{
	hub_pair_link(false);
	pair.alone -= unit->hub->figures.alone;
	vpnhub_free(unit->hub);
	sd_event_unref(unit->engine.event);
	unit->is_active = false;
	unit_start(unit);
	sessiondb_set_unit(unit->hub->db, unit == &pair.units[1]);
}

void hub_pair_start(const char *lines)
{
	pair = (struct hub_pair){.now = {1000000 * MONOTIME_NS_PER_SEC}};
	configure(lines);
	for (unsigned i = 0; i < 2; i++) {
		unit_start(&pair.units[i]);
		sessiondb_set_unit(pair.units[i].hub->db, i);
	}
	hub_pair_take_over(&pair.units[0]);
	hub_pair_link(true);
	hub_pair_settle();
}

int hub_pair_stop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		mail_drop(&pair.units[i]);
		vpnhub_free(pair.units[i].hub);
		sd_event_unref(pair.units[i].engine.event);
	}
	config_free(pair.config);
	pair = (struct hub_pair){0};
	return 0;
}

static void is_half_equal(const struct sessiondb *a, const struct sessiondb *b)
{
	const struct session_record *record = NULL, *other;

	while ((record = sessiondb_next(a, record))) {
		other = sessiondb_find(b, record->session.hash);
		if (!other && record->end != VPN_END_NONE &&
		    session_record_is_past(record, pair.now))
			continue;
		if (!other)
			fail_msg("session %u (end %d) is on one unit only", record->session.id,
				 record->end);
		if (!session_record_is_equal(record, other))
			fail_msg("session %u is another on the other unit: end %d, %d",
				 record->session.id, record->end, other->end);
	}
}

void hub_pair_are_equal(void)
{
	const struct sessiondb *a = pair.units[0].hub->db, *b = pair.units[1].hub->db;

	assert_int_equal(sessiondb_count(a), sessiondb_count(b));
	is_half_equal(a, b);
	is_half_equal(b, a);
}
