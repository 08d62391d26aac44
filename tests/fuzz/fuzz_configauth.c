/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML that a client sends at login, before anybody knows who it is. What was understood is
 * within its bounds, and what is written of it is understood again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/desk/configauth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	check(length < size);
	for (size_t i = 0; i < length; i++)
		check((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct configauth said;
	struct why why = {""};
	struct buf xml = {0};

	if (configauth_read(data, size, &said, &why) < 0) {
		check(strnlen(why.text, sizeof(why.text)) < sizeof(why.text));
		return 0;
	}
	is_text(said.user, sizeof(said.user));
	is_text(said.password, sizeof(said.password));
	is_text(said.group, sizeof(said.group));
	is_text(said.group_access, sizeof(said.group_access));
	is_text(said.token, sizeof(said.token));
	is_text(said.code, sizeof(said.code));
	is_text(said.state, sizeof(said.state));
	check(said.has_code || said.code[0] == '\0');
	check(said.has_user || said.user[0] == '\0');
	check(said.has_password || said.password[0] == '\0');
	{
		const char *const groups[] = {said.group};
		struct login_prompt prompt = {.groups = groups,
					      .n_groups = 1,
					      .group = said.group,
					      .user = said.user,
					      .error = said.token,
					      .state = said.has_code ? said.state : NULL};

		check(configauth_form_append(&prompt, false, &xml) == 0);
	}
	/* Ours is an auth-request, which no client says: well-formed, and refused for its type. */
	check(configauth_read(xml.data, xml.size, &said, &why) < 0);
	check(strstr(why.text, "its type is none of") != NULL);
	buf_done(&xml);
	return 0;
}
