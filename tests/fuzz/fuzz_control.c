/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request and as a reply. What is taken for a request must survive being written and
 * read again, with the same meaning, and hold no NUL that C would take for an end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void as_request(const char *text, size_t size)
{
	struct control_request request = {0}, again = {0};
	struct buf written = {0};
	struct why why = {0};

	if (control_request_parse(text, size, &request, &why) < 0) {
		require(why.text[0] != 0 && request.parameters == NULL);
		return;
	}
	require(request.method[0] != 0 && strlen(request.method) <= CONTROL_METHOD_MAX);
	require(json_object_is_type(request.parameters, json_type_object));
	require(control_request_append(&written, request.method, request.parameters,
				       request.wants_more) == 0);
	require(strlen((const char *)written.data) + 1 == written.size);
	require(control_request_parse((const char *)written.data, written.size - 1, &again, &why) ==
		0);
	require(strcmp(request.method, again.method) == 0);
	require(request.wants_more == again.wants_more);
	require(json_object_object_length(request.parameters) ==
		json_object_object_length(again.parameters));
	control_request_done(&request);
	control_request_done(&again);
	buf_done(&written);
}

static void as_reply(const char *text, size_t size)
{
	struct control_reply reply = {0};
	struct why why = {0};

	if (control_reply_parse(text, size, &reply, &why) < 0) {
		require(why.text[0] != 0 && reply.parameters == NULL);
		return;
	}
	require(!reply.is_error || (reply.code < 0 && reply.why.text[0] != 0));
	control_reply_done(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > CONTROL_MESSAGE_MAX)
		return 0;
	as_request((const char *)data, size);
	as_reply((const char *)data, size);
	return 0;
}
