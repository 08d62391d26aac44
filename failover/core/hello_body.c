/* SPDX-License-Identifier: Apache-2.0 */
/* Past hello_body_unpack there is no generated type and no value outside its range. */
#include "core/hello_body.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/core/wire.pb-c.h"

static void hello_free(Asafo__Wire__Hello *message)
{
	asafo__wire__hello__free_unpacked(message, NULL);
}

CLEANUP_DEFINE(Asafo__Wire__Hello *, hello_free)

static void pack_reports(const struct hello *hello, Asafo__Wire__Hello *message,
			 Asafo__Wire__HelloReport items[static HELLO_REPORTS_MAX],
			 Asafo__Wire__HelloReport *pointers[static HELLO_REPORTS_MAX])
{
	for (size_t i = 0; i < hello->n_reports && i < HELLO_REPORTS_MAX; i++) {
		asafo__wire__hello_report__init(&items[i]);
		items[i].path = hello->reports[i].path;
		items[i].counter = hello->reports[i].counter;
		items[i].delay_us = hello->reports[i].delay_us;
		pointers[i] = &items[i];
		message->n_reports++;
	}
	message->reports = pointers;
}

static void unpack_reports(const Asafo__Wire__Hello *message, struct hello *ret_hello)
{
	for (size_t i = 0; i < message->n_reports && i < HELLO_REPORTS_MAX; i++) {
		const Asafo__Wire__HelloReport *item = message->reports[i];

		ret_hello->reports[i] = (struct hello_report){
			.path = item->path, .counter = item->counter, .delay_us = item->delay_us};
		ret_hello->n_reports = i + 1;
	}
}

int hello_body_pack(const struct hello *hello, size_t max, uint8_t *ret_data, size_t *ret_size)
{
	Asafo__Wire__Hello message = ASAFO__WIRE__HELLO__INIT;
	Asafo__Wire__HelloReport items[HELLO_REPORTS_MAX], *pointers[HELLO_REPORTS_MAX];
	char software[sizeof(hello->software)];
	uint8_t digest[sizeof(hello->digest)];

	memcpy(software, hello->software, sizeof(software));
	software[sizeof(software) - 1] = '\0';
	memcpy(digest, hello->digest, sizeof(digest));
	message.unit = hello->unit;
	message.state = hello->view.state;
	message.term = hello->view.term;
	message.seq = hello->view.position.seq;
	message.position_term = hello->view.position.term;
	message.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	message.sent_realtime_ns = hello->sent_realtime_ns;
	message.echo_boot = hello->echo_boot;
	message.echo_counter = hello->echo_counter;
	message.echo_held_us = hello->echo_held_us;
	message.hold_ms = hello->view.hold_ms;
	message.leaving = hello->view.is_leaving;
	message.wants_mate_active = hello->view.wants_mate_active;
	message.wants_active = hello->view.wants_active;
	message.software = software;
	message.failed_interfaces = hello->view.health.failed_interfaces;
	message.score = hello->view.health.score + 1;
	message.failing = hello->view.health.is_failing;
	message.failing_cause = hello->view.health.cause;
	message.maintenance = hello->view.is_maintenance;
	message.term_pending = hello->view.is_term_pending;
	message.forced = hello->view.is_forced;
	message.gap_us = hello->gap_us;
	message.gap_term = hello->gap_term;
	message.active_s = hello->active_s;
	message.may_activate = hello->view.may_activate;
	message.serving = hello->view.is_serving;
	message.asked_hold_ms = hello->view.stretch.asked_ms;
	message.fence_ms = hello->view.stretch.fence_ms;
	message.judged_ms = hello->view.stretch.judged_ms;
	message.served_term = hello->view.served_term;
	message.lineage = hello->view.position.lineage;
	message.has_data = hello->view.position.has_data;
	message.config = hello->view.position.config;
	pack_reports(hello, &message, items, pointers);
	message.interface_names = hello->interface_names;
	message.interface_words = (ProtobufCBinaryData){
		hello->n_interfaces, (uint8_t *)(uintptr_t)hello->interface_words};
	if (asafo__wire__hello__get_packed_size(&message) > max)
		return ERR_TOO_LARGE;
	*ret_size = asafo__wire__hello__pack(&message, ret_data);
	return 0;
}

/* A peer's words end up on terminals. */
static void copy_printable(const char *text, size_t size, char *ret_text)
{
	size_t n = 0;

	for (; text[n] && n < size - 1; n++)
		ret_text[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	ret_text[n] = '\0';
}

/* A version that has no score yet tells its failed interfaces only. */
static struct fo_health unpack_health(const Asafo__Wire__Hello *message)
{
	uint32_t score = message->score - 1;
	bool is_known = message->failing_cause < FO_CAUSE__MAX;

	if (message->score == 0)
		return fo_health_of_interfaces(message->failed_interfaces, 1);
	return (struct fo_health){.score = score < FO_HEALTH_FULL ? score : FO_HEALTH_FULL,
				  .failed_interfaces = message->failed_interfaces,
				  .is_failing = message->failing,
				  .cause = is_known ? (enum fo_cause)message->failing_cause
						    : FO_CAUSE_INTERFACES};
}

int hello_body_unpack(const uint8_t *data, size_t size, struct hello *ret_hello)
{
	_cleanup_(hello_free_p) Asafo__Wire__Hello *message =
		asafo__wire__hello__unpack(NULL, size, data);

	if (!message || message->unit >= FO_UNIT__MAX || message->state >= FO_STATE__MAX ||
	    message->digest.len != sizeof(ret_hello->digest))
		return ERR_MALFORMED;
	ret_hello->unit = (enum fo_unit)message->unit;
	ret_hello->view = (struct fo_mate_view){
		.state = (enum fo_state)message->state,
		.term = message->term,
		.position = {.term = message->position_term,
			     .seq = message->seq,
			     .lineage = message->lineage,
			     .config = message->config,
			     .has_data = message->has_data},
		.health = unpack_health(message),
		.is_maintenance = message->maintenance,
		.is_term_pending = message->term_pending,
		.is_forced = message->forced,
		.may_activate = message->may_activate,
		.is_leaving = message->leaving,
		.wants_active = message->wants_active,
		.wants_mate_active = message->wants_mate_active,
		.is_serving = message->serving,
		.served_term = message->served_term,
		.stretch = {.asked_ms = message->asked_hold_ms,
			    .fence_ms = message->fence_ms,
			    .judged_ms = message->judged_ms},
		.hold_ms = message->hold_ms,
	};
	memcpy(ret_hello->digest, message->digest.data, sizeof(ret_hello->digest));
	ret_hello->sent_realtime_ns = message->sent_realtime_ns;
	ret_hello->echo_boot = message->echo_boot;
	ret_hello->echo_counter = message->echo_counter;
	ret_hello->echo_held_us = message->echo_held_us;
	unpack_reports(message, ret_hello);
	ret_hello->n_interfaces = 0;
	ret_hello->interface_names = message->interface_names;
	/* More than fit are a later version's: none is told, rather than a part. */
	if (message->interface_words.len > 0 &&
	    message->interface_words.len <= sizeof(ret_hello->interface_words)) {
		ret_hello->n_interfaces = message->interface_words.len;
		memcpy(ret_hello->interface_words, message->interface_words.data,
		       ret_hello->n_interfaces);
	}
	ret_hello->gap_us = message->gap_us;
	ret_hello->gap_term = message->gap_term;
	ret_hello->active_s = message->active_s;
	copy_printable(message->software, sizeof(ret_hello->software), ret_hello->software);
	return 0;
}
