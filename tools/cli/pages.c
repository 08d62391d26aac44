/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/pages.h"

#include <string.h>

#include "base/cleanup.h"

/* Moves PAGE's elements behind those of WHOLE, and its other members over WHOLE's. */
static bool append(struct json_object *whole, struct json_object *page, const char *list)
{
	struct json_object *to = NULL;

	if (!json_object_object_get_ex(whole, list, &to) ||
	    !json_object_is_type(to, json_type_array))
		return false;
	for (size_t i = 0; i < view_count(page, list); i++) {
		struct json_object *item = view_item(page, list, i);

		if (item && json_object_array_add(to, json_object_get(item)) < 0) {
			(void)json_object_put(item);
			return false;
		}
	}
	json_object_object_foreach(page, name, value)
	{
		if (strcmp(name, list) != 0 && !cli_set(whole, name, json_object_get(value)))
			return false;
	}
	return true;
}

/* What is asked for of each page, and where this one begins: a name or a number. */
static struct json_object *parameters_of(struct json_object *base, struct json_object *after)
{
	_cleanup_(json_put) struct json_object *parameters = json_object_new_object();

	json_object_object_foreach(base, name, value)
	{
		if (!cli_set(parameters, name, json_object_get(value)))
			return NULL;
	}
	if (after && !cli_set(parameters, "after", json_object_get(after)))
		return NULL;
	return TAKE_PTR(parameters);
}

int pages_collect(struct cli *cli, const char *method, struct json_object *parameters,
		  const char *list, pages_fn on_page, void *userdata,
		  struct json_object **ret_whole)
{
	_cleanup_(json_put) struct json_object *whole = NULL;
	_cleanup_(json_put) struct json_object *after = NULL;

	do {
		_cleanup_(json_put) struct json_object *page = NULL;
		int code = cli_call(
			cli,
			&(struct cli_request){.method = method,
					      .parameters = parameters_of(parameters, after)},
			&page);
		struct json_object *next = NULL;

		if (code)
			return code;
		/* A page that ends where it began would never end. */
		(void)json_object_object_get_ex(page, "next", &next);
		if (after && json_object_equal(after, next))
			return cli_fail(cli, CLI_FAILED, "the daemon's list does not end");
		(void)json_object_put(after);
		after = json_object_get(next);
		json_object_object_del(page, "next");
		if (!whole)
			whole = TAKE_PTR(page);
		else if (!append(whole, page, list))
			return cli_fail(cli, CLI_FAILED, "out of memory");
		json_object_object_del(parameters, "now");
		if (on_page && after)
			on_page(whole, userdata);
	} while (after);
	*ret_whole = TAKE_PTR(whole);
	return CLI_OK;
}

int pages_show(struct cli *cli, const struct grammar_match *match, const char *list,
	       int (*render)(const struct screen *screen, struct json_object *result))
{
	_cleanup_(json_put) struct json_object *whole = NULL;
	_cleanup_(json_put) struct json_object *parameters = json_object_new_object();
	const char *name = cli_word(match, "name");
	int code;

	if (name && !cli_set(parameters, "name", json_object_new_string(name)))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	code = pages_collect(cli, match->row->method, parameters, list, NULL, NULL, &whole);
	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, whole);
	else if (render(&cli->screen, whole) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return CLI_OK;
}
