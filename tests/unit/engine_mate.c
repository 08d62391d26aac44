/* SPDX-License-Identifier: Apache-2.0 */
/* What the test's mate remembers of the messages that the engine sends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/unit/engine_world.h"

/* Nearly every message begins with its id. */
static void take_answer(struct world_mate *mate, const Asafo__Wire__ExecReply *reply)
{
	static const char error[] = "{\"error\"";

	if (reply->has_more)
		return;
	mate->answers++;
	mate->refusals += reply->text.len > strlen(error) &&
			  memcmp(reply->text.data, error, strlen(error)) == 0;
	(void)snprintf(mate->answer, sizeof(mate->answer), "%.*s", (int)reply->text.len,
		       (const char *)reply->text.data);
}

/* The proof is asked for, which this mate knows of only where the test says so. */
static void reply(const struct world_mate *mate, uint32_t id)
{
	Asafo__Wire__ExecReply message = ASAFO__WIRE__EXEC_REPLY__INIT;

	if (!mate->reply)
		return;
	message.id = id;
	message.text =
		(ProtobufCBinaryData){strlen(mate->reply), (uint8_t *)(uintptr_t)mate->reply};
	world_mate_send(ASAFO__WIRE__LINK__BODY_EXEC_REPLY, &message);
}

void world_mate_acknowledge(uint64_t seq)
{
	Asafo__Wire__SessionAck ack = ASAFO__WIRE__SESSION_ACK__INIT;

	ack.seq = seq;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SESSION_ACK, &ack);
}

static void refuse(const Asafo__Wire__SessionUpdate *update)
{
	Asafo__Wire__SessionAck ack = ASAFO__WIRE__SESSION_ACK__INIT;
	ProtobufCBinaryData hashes[64];

	ack.seq = update->seq;
	ack.not_taken = hashes;
	assert_true(update->n_records <= ARRAY_SIZE(hashes));
	for (size_t i = 0; i < update->n_records; i++)
		hashes[ack.n_not_taken++] = update->records[i]->cookie_hash;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SESSION_ACK, &ack);
}

static void take_sessions(struct world_mate *mate, const Asafo__Wire__SessionUpdate *update)
{
	/* One that does not know the message is never sent it. */
	assert_int_not_equal(mate->version, 1);
	mate->session_updates++;
	mate->session_seq = update->seq;
	mate->session_wholes += update->is_whole ? 1 : 0;
	for (size_t i = 0; i < update->n_records; i++) {
		const Asafo__Wire__SessionRecord *record = update->records[i];

		assert_int_equal(record->cookie_hash.len, sizeof(mate->session_hash));
		memcpy(mate->session_hash, record->cookie_hash.data, sizeof(mate->session_hash));
		mate->sessions_ended += record->end != 0 ? 1 : 0;
		mate->sessions_live += record->end == 0 ? 1 : 0;
	}
	if (mate->refuses_sessions)
		refuse(update);
	else if (!mate->holds_sessions)
		world_mate_acknowledge(update->seq);
}

void world_mate_takes(const Asafo__Wire__Link *message)
{
	struct world_mate *mate = &world.mate;

	if (message->body_case == ASAFO__WIRE__LINK__BODY_HISTORY) {
		mate->histories++;
		mate->history_id = message->history->id;
		mate->history_rows = message->history->n_rows;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_HISTORY_REQUEST) {
		mate->history_requests++;
		mate->history_id = message->history_request->id;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_EXEC_REPLY) {
		take_answer(mate, message->exec_reply);
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SESSION_ACK) {
		mate->session_acks++;
		mate->sessions_refused += message->session_ack->n_not_taken;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SESSION_UPDATE) {
		take_sessions(mate, message->session_update);
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_LOGIN_GUESSES) {
		mate->guesses += (unsigned)message->login_guesses->n_guesses;
		mate->steps += (unsigned)message->login_guesses->n_steps;
		mate->is_steps_only = message->login_guesses->is_steps_only;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_EXEC) {
		reply(mate, message->exec->id);
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS) {
		const Asafo__Wire__LocalCaMarks *marks = message->local_ca_marks;

		mate->ca_marks_wanted += marks->again ? 1 : 0;
		mate->ca_marks_told += marks->again ? 0 : 1;
		if (!marks->again && marks->n_marks + marks->n_issued == 0)
			mate->ca_marks_empty++;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_STAPLE_STATE) {
		mate->staple_states++;
		mate->staple_id = message->staple_state->id;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_STATE) {
		mate->crl_states++;
		mate->crl_id = message->crl_state->id;
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_SET && message->crl_set->n_crls > 0) {
		mate->crl_sets++;
		mate->crl_this_update = message->crl_set->crls[0]->this_update;
		(void)snprintf(mate->crl_number, sizeof(mate->crl_number), "%s",
			       message->crl_set->crls[0]->number);
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_ASK &&
	    message->crl_ask->n_wanted == 1) {
		mate->crl_asks++;
		mate->crl_wanted = message->crl_ask->wanted[0].data[0];
		return;
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_PART) {
		const Asafo__Record__CrlPart *part = message->crl_part->part;

		assert_int_equal(part->part, part->part == 0 ? 0 : mate->crl_part + 1);
		mate->crl_part = part->part;
		mate->crl_parts++;
		return;
	}
	/* An older one, which knows nothing of staples and CRLs, and says nothing. */
	if (message->body_case == ASAFO__WIRE__LINK__BODY_STAPLE_SET ||
	    message->body_case == ASAFO__WIRE__LINK__BODY_CRL_SET)
		return;
	assert_true((size_t)message->body_case < ARRAY_SIZE(mate->n_messages));
	mate->n_messages[message->body_case]++;
	mate->last_id[message->body_case] = message->sync_start->id;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_RESULT)
		mate->last_code = message->sync_result->code;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_COMMAND_RESULT)
		mate->last_code = message->command_result->code;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_COMMAND)
		(void)snprintf(mate->last_text, sizeof(mate->last_text), "%.*s",
			       (int)message->command->text.len,
			       (const char *)message->command->text.data);
}

void world_mate_commands(const char *text)
{
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	char kind[] = "config";
	unsigned before = WORLD_GOT(COMMAND_RESULT);

	command.id = 1;
	command.kind = kind;
	command.text = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
	world_mate_send(ASAFO__WIRE__LINK__BODY_COMMAND, &command);
	WAIT_FOR(WORLD_GOT(COMMAND_RESULT) == before + 1);
	assert_int_equal(world.mate.last_code, 0);
}
