/* SPDX-License-Identifier: Apache-2.0 */
/* Command replication, both ends: the replicated lines as they are now, and `write memory`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/report.h"
#include "failover/replication/replication_internal.h"

void replication_send_config(struct replication *replication)
{
	struct engine *engine = replication->engine;
	_cleanup_(buf_done) struct buf text = {0};
	uint8_t digest[ENGINE_DIGEST_SIZE];
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	char kind[] = "config";

	if (!engine->pair.link || !link_is_up(engine->pair.link) || !engine_is_active(engine))
		return;
	if (engine_config_digest(engine, &text, digest) < 0)
		return;
	command.id = replication->next_id++;
	command.kind = kind;
	command.text = (ProtobufCBinaryData){text.size, text.data};
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_COMMAND, &command);
}

void replication_send_write_memory(struct replication *replication, replication_progress_fn on_done,
				   void *userdata)
{
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	struct replication_result result = {0};
	char kind[] = "write-memory";

	command.id = replication->next_id++;
	command.kind = kind;
	result.code = replication_post(replication, ASAFO__WIRE__LINK__BODY_COMMAND, &command);
	if (result.code == 0)
		result.code = replication_add_waiter(
			replication, &(struct replication_waiter){.command = command.id,
								  .wait_ms = REPLICATION_WAIT_MS,
								  .on_done = on_done,
								  .userdata = userdata});
	if (result.code < 0) {
		(void)why_set(&result.why, result.code, "the failover link is down");
		on_done(&result, true, userdata);
	}
}

struct write_request {
	struct engine *engine;
	struct buf text;
	void (*on_done)(int code, const char *why, void *userdata);
	void *userdata;
};

static void on_file_written(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct write_request *request = userdata;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;
	int result = replication_status_code(code, status);

	(void)has_more;
	if (result < 0) {
		log_line(LOG_ERR, "startup-config was not written: %s",
			 replication_status_text(code, status));
		buf_done(&request->text);
	} else {
		buf_done(&request->engine->startup_text);
		request->engine->startup_text = request->text;
	}
	if (request->on_done)
		request->on_done(result, replication_status_text(code, status), request->userdata);
}

int replication_write_memory(struct replication *replication,
			     void (*on_done)(int code, const char *why, void *userdata),
			     void *userdata)
{
	Asafo__Ipc__FileWrite message = ASAFO__IPC__FILE_WRITE__INIT;
	struct write_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->engine = replication->engine;
	request->on_done = on_done;
	request->userdata = userdata;
	r = config_render(replication->engine->config, CONFIG_PART_ALL, &request->text);
	message.content = (ProtobufCBinaryData){request->text.size, request->text.data};
	if (r == 0)
		r = engine_keeper_call(replication->engine, IPC_FILE_WRITE, &message.base, NULL, 0,
				       on_file_written, request);
	if (r < 0) {
		buf_done(&request->text);
		free(request);
	}
	return r;
}

static void answer_command(struct replication *replication, uint32_t id, int code, const char *why)
{
	Asafo__Wire__CommandResult result = ASAFO__WIRE__COMMAND_RESULT__INIT;
	uint8_t digest[ENGINE_DIGEST_SIZE];

	result.id = id;
	result.code = code;
	result.why = (char *)(uintptr_t)why;
	if (engine_config_digest(replication->engine, NULL, digest) == 0)
		result.config_digest = (ProtobufCBinaryData){sizeof(digest), digest};
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_COMMAND_RESULT, &result);
}

/*
 * They are newer than those that came with the bulk that is under way; and may come before it,
 * where the units were apart for so short a time that the connection outlived it.
 */
static int take_lines(struct replication *replication, const Asafo__Wire__Command *command,
		      struct why *ret_why)
{
	int r = replication_take_config(replication, (const char *)command->text.data,
					command->text.len, ret_why);

	if (r == 0) {
		free(TAKE_PTR(replication->receive.config_text));
		replication->receive.config_size = 0;
	}
	return r;
}

struct command_request {
	struct replication *replication;
	uint32_t id;
};

static void on_saved(int code, const char *why, void *userdata)
{
	_cleanup_free_ struct command_request *request = userdata;

	if (!request->replication->engine->is_exiting)
		answer_command(request->replication, request->id, code, why);
}

/* Answered when it is on the disk. */
static int save(struct replication *replication, uint32_t id)
{
	struct command_request *request = malloc(sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	*request = (struct command_request){replication, id};
	r = replication_write_memory(replication, on_saved, request);
	if (r < 0)
		free(request);
	return r;
}

/* A command of the active's: the lines as they are there now, or `write memory`. */
static void take_command(struct replication *replication, const Asafo__Wire__Command *command)
{
	bool is_save = strcmp(command->kind, "write-memory") == 0;
	struct why why = {0};
	int r;

	if (engine_is_active(replication->engine))
		r = why_set(&why, ERR_DENIED,
			    "this unit is active, too: it takes no commands from its mate");
	else if (strcmp(command->kind, "config") == 0)
		r = take_lines(replication, command, &why);
	else if (is_save)
		r = save(replication, command->id);
	else
		r = why_set(&why, ERR_UNSUPPORTED, "this unit's version does not know the command");
	if (r < 0)
		report(replication->engine, LOG_CRIT, 709007, NULL,
		       "Configuration replication failed for command %s: %s", command->kind,
		       why.text[0] ? why.text : err_text(r));
	if (r < 0 || !is_save)
		answer_command(replication, command->id, r, why.text);
}

static void take_command_result(struct replication *replication,
				const Asafo__Wire__CommandResult *result)
{
	replication_answer_command(replication, result->id, result->code < 0 ? result->code : 0,
				   result->why);
	if (result->code == 0) {
		replication->refused[0] = 0;
		return;
	}
	(void)snprintf(replication->refused, sizeof(replication->refused), "%s", result->why);
	report(replication->engine, LOG_CRIT, 709007, NULL,
	       "Configuration replication failed: the mate says: %s", result->why);
}

bool replication_command_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_COMMAND)
		take_command(replication, message->command);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_COMMAND_RESULT)
		take_command_result(replication, message->command_result);
	else
		return false;
	return true;
}
