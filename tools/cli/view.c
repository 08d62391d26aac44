/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/view.h"

static struct json_object *member(struct json_object *object, const char *name, json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *view_text(struct json_object *object, const char *name)
{
	struct json_object *value = member(object, name, json_type_string);

	return value ? json_object_get_string(value) : "";
}

int64_t view_number(struct json_object *object, const char *name, int64_t otherwise)
{
	struct json_object *value = member(object, name, json_type_int);

	if (!value)
		value = member(object, name, json_type_double);
	return value ? json_object_get_int64(value) : otherwise;
}

bool view_flag(struct json_object *object, const char *name)
{
	struct json_object *value = member(object, name, json_type_boolean);

	return value && json_object_get_boolean(value);
}

bool view_has(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
	       json_object_object_get_ex(object, name, &value) && value;
}

struct json_object *view_object(struct json_object *object, const char *name)
{
	return member(object, name, json_type_object);
}

static struct json_object *element(struct json_object *object, const char *name, size_t index)
{
	struct json_object *array = member(object, name, json_type_array);

	return array && index < json_object_array_length(array)
		       ? json_object_array_get_idx(array, index)
		       : NULL;
}

size_t view_count(struct json_object *object, const char *name)
{
	struct json_object *array = member(object, name, json_type_array);

	return array ? json_object_array_length(array) : 0;
}

struct json_object *view_item(struct json_object *object, const char *name, size_t index)
{
	struct json_object *item = element(object, name, index);

	return json_object_is_type(item, json_type_object) ? item : NULL;
}

const char *view_item_text(struct json_object *object, const char *name, size_t index)
{
	struct json_object *item = element(object, name, index);

	return json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
}
