/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/request.h"

#include <stdlib.h>

#include "base/cleanup.h"

CLEANUP_DEFINE(struct request *, request_free)

int request_new(const char *data, size_t size, size_t body_max, struct request **ret_request)
{
	_cleanup_(request_free_p) struct request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->body_max = body_max;
	r = buf_append(&request->head_bytes, data, size);
	if (r == 0)
		r = http_head_parse((const char *)request->head_bytes.data, size, &request->head);
	if (r < 0)
		return r;
	*ret_request = TAKE_PTR(request);
	return 0;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	buf_wipe(&request->head_bytes);
	buf_wipe(&request->body);
	free(request);
}
