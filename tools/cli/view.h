/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Reading a daemon's result: what is absent or of another type reads as nothing, so that an older
 * or newer daemon still can be shown. Everything is borrowed; OBJECT may be NULL.
 */
const char *view_text(struct json_object *object, const char *name); /* "" */
int64_t view_number(struct json_object *object, const char *name, int64_t otherwise);
bool view_flag(struct json_object *object, const char *name);
bool view_has(struct json_object *object, const char *name); /* there and not null */
struct json_object *view_object(struct json_object *object, const char *name); /* NULL */
/* The array NAME: its length, and its element INDEX (an object or NULL; a text or ""). */
size_t view_count(struct json_object *object, const char *name);
struct json_object *view_item(struct json_object *object, const char *name, size_t index);
const char *view_item_text(struct json_object *object, const char *name, size_t index);

/* For _cleanup_. */
static inline void json_put(struct json_object **object)
{
	(void)json_object_put(*object);
}
