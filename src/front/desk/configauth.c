/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path of element names, kept as the state of a small table: only what the table names is
 * collected, the rest is walked over. Expat's memory is wiped as it is freed, since a password
 * passed through it.
 */
#include "front/desk/configauth.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define DEPTH_MAX 16
#define ELEMENTS_MAX 256

enum field {
	FIELD_USER,
	FIELD_PASSWORD,
	FIELD_GROUP,
	FIELD_GROUP_ACCESS,
	FIELD_TOKEN,
	FIELD_CODE,
	FIELD_STATE,
	FIELD_NO_CERTIFICATE,
	FIELD_NONE,
};

static const struct {
	const char *parent, *name;
	size_t offset, size;
} fields[FIELD_NONE] = {
#define FIELD(parent, name, member)                                                                \
	{                                                                                          \
		parent, name, offsetof(struct configauth, member),                                 \
			sizeof(((struct configauth *)0)->member)                                   \
	}
	[FIELD_USER] = FIELD("auth", "username", user),
	[FIELD_PASSWORD] = FIELD("auth", "password", password),
	[FIELD_GROUP] = FIELD("config-auth", "group-select", group),
	[FIELD_GROUP_ACCESS] = FIELD("config-auth", "group-access", group_access),
	[FIELD_TOKEN] = FIELD("config-auth", "session-token", token),
	[FIELD_CODE] = FIELD("auth", "secondary_password", code),
	[FIELD_STATE] = FIELD("opaque", "state", state),
	[FIELD_NO_CERTIFICATE] = FIELD("config-auth", "client-cert-fail", no_certificate),
#undef FIELD
};

struct reading {
	XML_Parser parser;
	struct configauth *said;
	struct why *why;
	unsigned depth, n_elements;
	bool is_in_auth, is_in_opaque;
	bool has_type;
	bool has[FIELD_NONE];
	enum field field;
	size_t length; /* of the field's text so far */
	int error;
};

/* ---- memory -------------------------------------------------------------------------------------
 */

union block {
	size_t size;
	max_align_t align;
};

static void *block_new(size_t size)
{
	union block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	return block + 1;
}

static void block_free(void *data)
{
	union block *block = data;

	if (!block)
		return;
	block--;
	explicit_bzero(block, sizeof(*block) + block->size);
	free(block);
}

static void *block_resize(void *data, size_t size)
{
	void *fresh = block_new(size);

	if (fresh && data) {
		size_t old = ((union block *)data - 1)->size;

		memcpy(fresh, data, old < size ? old : size);
		block_free(data);
	}
	return fresh;
}

/* ---- reading ------------------------------------------------------------------------------------
 */

static void stop(struct reading *reading, int code, const char *what)
{
	if (reading->error == 0)
		reading->error = why_set(reading->why, code, "the login's XML: %s", what);
	(void)XML_StopParser(reading->parser, XML_FALSE);
}

static void XMLCALL on_doctype(void *userdata, const XML_Char *name, const XML_Char *system_id,
			       const XML_Char *public_id, int has_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	stop(userdata, ERR_MALFORMED, "a document type is not taken");
}

static void type_take(struct reading *reading, const XML_Char **attributes)
{
	static const char *const types[] = {[CONFIGAUTH_INIT] = "init",
					    [CONFIGAUTH_REPLY] = "auth-reply",
					    [CONFIGAUTH_LOGOUT] = "logout"};

	for (; attributes[0]; attributes += 2) {
		if (strcmp(attributes[0], "type") != 0)
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
			if (strcmp(attributes[1], types[i]) != 0)
				continue;
			reading->said->type = (enum configauth_type)i;
			reading->has_type = true;
		}
	}
	if (!reading->has_type)
		stop(reading, ERR_MALFORMED, "its type is none of init, auth-reply, logout");
}

static enum field field_find(const struct reading *reading, const XML_Char *name)
{
	const char *parent = reading->depth == 2			    ? "config-auth"
			     : reading->depth == 3 && reading->is_in_auth   ? "auth"
			     : reading->depth == 3 && reading->is_in_opaque ? "opaque"
									    : "";

	for (unsigned i = 0; i < FIELD_NONE; i++) {
		if (strcmp(fields[i].parent, parent) == 0 && strcmp(fields[i].name, name) == 0)
			return (enum field)i;
	}
	return FIELD_NONE;
}

static void XMLCALL on_start(void *userdata, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *reading = userdata;

	reading->depth++;
	if (reading->depth > DEPTH_MAX || ++reading->n_elements > ELEMENTS_MAX) {
		stop(reading, ERR_TOO_LARGE, "too many elements, or too deep");
		return;
	}
	if (reading->depth == 1) {
		if (strcmp(name, "config-auth") == 0)
			type_take(reading, attributes);
		else
			stop(reading, ERR_MALFORMED, "it is no config-auth");
		return;
	}
	if (reading->field != FIELD_NONE) {
		stop(reading, ERR_MALFORMED, "an element stands where text is expected");
		return;
	}
	if (reading->depth == 2) {
		reading->is_in_auth = strcmp(name, "auth") == 0;
		reading->is_in_opaque = strcmp(name, "opaque") == 0;
	}
	reading->field = field_find(reading, name);
	if (reading->field == FIELD_NONE)
		return;
	reading->length = 0;
	if (reading->has[reading->field])
		stop(reading, ERR_MALFORMED, "the same element stands twice");
	reading->has[reading->field] = true;
}

static void XMLCALL on_end(void *userdata, const XML_Char *name)
{
	struct reading *reading = userdata;

	(void)name;
	reading->depth--;
	reading->field = FIELD_NONE;
}

static void XMLCALL on_text(void *userdata, const XML_Char *text, int size)
{
	struct reading *reading = userdata;
	char *to;

	if (reading->field == FIELD_NONE || reading->error < 0)
		return;
	to = (char *)reading->said + fields[reading->field].offset;
	if ((size_t)size >= fields[reading->field].size - reading->length) {
		stop(reading, ERR_TOO_LARGE, "a value is too long");
		return;
	}
	for (int i = 0; i < size; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			stop(reading, ERR_MALFORMED, "a value has a control character");
			return;
		}
	}
	memcpy(to + reading->length, text, (size_t)size);
	reading->length += (size_t)size;
	to[reading->length] = '\0';
}

static int parse(struct reading *reading, const void *data, size_t size)
{
	XML_SetUserData(reading->parser, reading);
	XML_SetElementHandler(reading->parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading->parser, on_text);
	XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
	if (XML_Parse(reading->parser, data, (int)size, XML_TRUE) == XML_STATUS_OK)
		return reading->error;
	if (reading->error < 0)
		return reading->error;
	if (XML_GetErrorCode(reading->parser) == XML_ERROR_NO_MEMORY)
		return -ENOMEM;
	return why_set(reading->why, ERR_MALFORMED, "the login's XML, line %lu: %s",
		       (unsigned long)XML_GetCurrentLineNumber(reading->parser),
		       XML_ErrorString(XML_GetErrorCode(reading->parser)));
}

int configauth_read(const void *data, size_t size, struct configauth *ret_said, struct why *ret_why)
{
	static const XML_Memory_Handling_Suite memory = {block_new, block_resize, block_free};
	struct configauth said = {.type = CONFIGAUTH_INIT};
	struct reading reading = {.said = &said, .why = ret_why, .field = FIELD_NONE};
	int r;

	if (size > INT32_MAX)
		return ERR_TOO_LARGE;
	reading.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
	if (!reading.parser)
		return -ENOMEM;
	r = parse(&reading, data, size);
	XML_ParserFree(reading.parser);
	said.has_user = reading.has[FIELD_USER];
	said.has_password = reading.has[FIELD_PASSWORD];
	said.has_code = reading.has[FIELD_CODE];
	said.has_no_certificate = reading.has[FIELD_NO_CERTIFICATE];
	if (r == 0)
		*ret_said = said;
	configauth_wipe(&said);
	return r;
}

void configauth_wipe(struct configauth *said)
{
	explicit_bzero(said, sizeof(*said));
}
