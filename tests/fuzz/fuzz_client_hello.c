/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a client's first message, as the choice of the tickets' key reads it, before anything
 * is proven. What it says must be text that fits; what was read once is read the same again.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/tls/resumption.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_hello hello, again;
	size_t length;

	memset(&hello, 0xff, sizeof(hello));
	client_hello_read(data, size, &hello);
	length = strnlen(hello.server_name, sizeof(hello.server_name));
	check(length < sizeof(hello.server_name));
	for (size_t i = 0; i < length; i++)
		check(isgraph((unsigned char)hello.server_name[i]));
	client_hello_read(data, size, &again);
	check(memcmp(&hello, &again, sizeof(hello)) == 0);
	return 0;
}
