/* SPDX-License-Identifier: Apache-2.0 */
/* How a verb answers who asked. */
#include "certstore/keeper/keeper_state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct ipc_channel *keeper_ticket_channel(struct keeper *keeper, const struct keeper_ticket *ticket)
{
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->serial == ticket->serial)
			return peer->channel;
	}
	return NULL;
}

void keeper_reply(struct keeper *keeper, const struct keeper_ticket *ticket,
		  const ProtobufCMessage *message, bool has_more)
{
	struct ipc_channel *channel = keeper_ticket_channel(keeper, ticket);
	int r;

	if (!channel)
		return;
	r = ipc_channel_reply(channel, ticket->type, ticket->id, has_more, message);
	if (r < 0)
		log_line(LOG_WARNING, "the answer to %s could not be sent: %s",
			 ipc_type_name(ticket->type), err_text(r));
	/* Whoever waits hears at least that. */
	if (r == ERR_TOO_LARGE)
		keeper_reply_status(keeper, ticket, r, NULL);
}

void keeper_reply_status(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
			 const struct why *why)
{
	const ProtobufCMessageDescriptor *schema = ipc_type_body(ticket->type, true);
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(schema, 1);
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT, *pointer = &status;
	_cleanup_free_ ProtobufCMessage *message = calloc(1, schema->sizeof_message);

	/* The first field of every reply (ipc.proto). */
	assert(field && field->type == PROTOBUF_C_TYPE_MESSAGE);
	if (!message)
		return;
	status.code = code;
	if (code < 0)
		status.why = (char *)(uintptr_t)(why && why->text[0] ? why->text : err_text(code));
	protobuf_c_message_init(schema, message);
	memcpy((uint8_t *)message + field->offset, &pointer, sizeof(pointer));
	keeper_reply(keeper, ticket, message, false);
}

void keeper_refuse(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
		   const char *format, ...)
{
	struct why raw, why;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(raw.text, sizeof(raw.text), format, args);
	va_end(args);
	keeper_reply_status(keeper, ticket, why_set(&why, code, "%s", raw.text), &why);
}
