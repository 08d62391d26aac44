/* SPDX-License-Identifier: Apache-2.0 */
/* A request's head with its cookies, then a form: what is found lies within the input, and is
 * text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "front/http/cookie.h"
#include "front/http/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void form_check(const uint8_t *data, size_t size, const char *name)
{
	char value[24], longer[65536];
	int r = form_find(data, size, name, value, sizeof(value));
	int again = form_find(data, size, name, longer, sizeof(longer));

	check(strnlen(value, sizeof(value)) < sizeof(value));
	check(r == again || r == ERR_TOO_LARGE || again == ERR_TOO_LARGE);
	if (r == 0)
		check(strcmp(value, longer) == 0);
	for (const char *c = longer; *c; c++)
		check((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_scan scan = {0};
	struct http_head head;
	struct http_text value;
	uint8_t hash[COOKIE_HASH_SIZE];
	const char *text = (const char *)data;

	form_check(data, size, "username");
	form_check(data, size, "password");
	if (http_scan_head(&scan, text, size) < 0 ||
	    http_head_parse(text + scan.start, scan.offset - scan.start, &head) < 0)
		return 0;
	form_check(data + scan.offset, size - scan.offset, "username");
	form_check(data + scan.offset, size - scan.offset, "group_list");
	if (cookie_find(&head, COOKIE_NAME, &value) == 0) {
		check(value.data >= text && value.data + value.size <= text + size);
		check(!value.size || !memchr(value.data, ';', value.size));
		check((cookie_of_request(&head, hash) == 0) == (cookie_hash(value, hash) == 0));
	} else {
		check(cookie_of_request(&head, hash) < 0);
	}
	return 0;
}
