/* SPDX-License-Identifier: Apache-2.0 */
/* One request that waits for its answer. It may outlive its client: then the answer goes nowhere.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "control/connection.h"

/* Progress that nobody reads is not kept. */
#define PROGRESS_QUEUE_MAX (256u * 1024)

int call_new(struct connection *connection, struct control_request *request,
	     struct connection_fds *fds, struct control_call **ret_call)
{
	struct control_call *call = calloc(1, sizeof(*call));

	if (!call)
		return -ENOMEM;
	call->connection = connection;
	call->parameters = TAKE_PTR(request->parameters);
	call->wants_more = request->wants_more;
	call->may_change = connection->right >= CONTROL_RIGHT_CHANGE;
	call->n_fds = fds->n;
	memcpy(call->fds, fds->fds, sizeof(call->fds));
	fds->n = 0;
	memcpy(call->peer, connection->peer, sizeof(call->peer));
	*ret_call = call;
	return 0;
}

void call_orphan(struct control_call *call)
{
	call->connection = NULL;
	if (call->on_gone)
		call->on_gone(call, call->gone_userdata);
}

/* Sends the last message of the call, if anybody is there to have it, and ends the call. */
static void finish(struct control_call *call, const struct buf *text)
{
	struct connection *connection = call->connection;
	control_answer_fn on_answer = call->on_answer;
	void *userdata = call->answer_userdata;

	for (size_t i = 0; i < call->n_fds; i++)
		cleanup_close(&call->fds[i]);
	(void)json_object_put(call->parameters);
	free(call);
	if (on_answer)
		on_answer((const char *)text->data, text->size ? text->size - 1 : 0, userdata);
	if (!connection)
		return;
	connection->call = NULL;
	connection_send(connection, text->data, text->size);
	connection_call_ended(connection);
}

void control_call_reply(struct control_call *call, struct json_object *result)
{
	_cleanup_(buf_done) struct buf text = {0};
	int error = control_result_append(&text, result, false);

	(void)json_object_put(result);
	if (!error && text.size > (call->connection ? call->connection->server->limits.reply_max
						    : CONTROL_REPLY_MAX))
		error = ERR_TOO_LARGE;
	if (error) {
		control_call_fail(
			call, error,
			error == ERR_TOO_LARGE
				? "the result is larger than a message may be: ask for less"
				: err_text(error));
		return;
	}
	finish(call, &text);
}

void control_call_progress(struct control_call *call, struct json_object *result)
{
	_cleanup_(buf_done) struct buf text = {0};

	if (call->wants_more && call->connection &&
	    call->connection->out.size <= PROGRESS_QUEUE_MAX &&
	    control_result_append(&text, result, true) == 0 && text.size <= PROGRESS_QUEUE_MAX)
		connection_send(call->connection, text.data, text.size);
	(void)json_object_put(result);
}

void control_call_fail(struct control_call *call, int code, const char *message)
{
	_cleanup_(buf_done) struct buf text = {0};

	assert(code < 0);
	/* Without memory for the sentence there still is the fact: the connection ends without an
	 * answer. */
	if (control_error_append(&text, code, message && *message ? message : err_text(code)) < 0 &&
	    call->connection)
		call->connection->is_closing = true;
	finish(call, &text);
}

int control_call_new(struct json_object *parameters, const char *peer, control_answer_fn on_answer,
		     void *userdata, struct control_call **ret_call)
{
	struct control_call *call = calloc(1, sizeof(*call));

	if (!call) {
		(void)json_object_put(parameters);
		return -ENOMEM;
	}
	call->parameters = parameters;
	call->may_change = true;
	call->on_answer = on_answer;
	call->answer_userdata = userdata;
	(void)snprintf(call->peer, sizeof(call->peer), "%s", peer);
	*ret_call = call;
	return 0;
}

void control_call_look_only(struct control_call *call)
{
	call->may_change = false;
}

void control_call_drop(struct control_call *call)
{
	(void)json_object_put(call->parameters);
	free(call);
}

void control_call_forward(struct control_call *call, const char *text, size_t size)
{
	struct control_reply reply = {0};
	struct why why = {0};
	int r = control_reply_parse(text, size, &reply, &why);

	if (r < 0)
		control_call_fail(call, r, why.text);
	else if (reply.is_error)
		control_call_fail(call, reply.code < 0 ? reply.code : ERR_MALFORMED,
				  reply.why.text);
	else
		control_call_reply(call, TAKE_PTR(reply.parameters));
	if (r == 0)
		control_reply_done(&reply);
}

bool control_call_may_change(const struct control_call *call)
{
	return call->may_change;
}

int control_call_take_fd(struct control_call *call, size_t index)
{
	return index < call->n_fds ? TAKE_FD(call->fds[index]) : -1;
}

const char *control_call_peer(const struct control_call *call)
{
	return call->peer;
}

void control_call_set_on_gone(struct control_call *call,
			      void (*on_gone)(struct control_call *call, void *userdata),
			      void *userdata)
{
	call->on_gone = on_gone;
	call->gone_userdata = userdata;
}
