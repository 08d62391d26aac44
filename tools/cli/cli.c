/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs share: a call, its errors, its exit code. */
#include "tools/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

const char *cli_word(const struct grammar_match *match, const char *name)
{
	const struct value *value = grammar_match_value(match, name);

	return value ? value->text : NULL;
}

bool cli_has(const struct grammar_match *match, const char *name)
{
	return grammar_match_value(match, name) != NULL;
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0)
		text = NULL;
	screen_error(&cli->screen, cli->verb[0] ? cli->verb : NULL, "%s",
		     text ? text : "out of memory");
	return code;
}

static int connect_daemon(struct cli *cli)
{
	int error;

	if (cli->client)
		return CLI_OK;
	error = control_client_connect(cli->control_path, &cli->client);
	if (error == -ENOENT || error == -ECONNREFUSED)
		return cli_fail(
			cli, CLI_UNREACHABLE,
			"asafod does not run here: nothing listens on %s (systemctl start asafo)",
			cli->control_path);
	if (error == -EACCES || error == -EPERM)
		return cli_fail(cli, CLI_UNREACHABLE,
				"%s may be opened by root and the groups " CONTROL_LOOK_GROUP
				" and " CONTROL_CHANGE_GROUP,
				cli->control_path);
	if (error)
		return cli_fail(cli, CLI_UNREACHABLE, "cannot connect to %s: %s", cli->control_path,
				err_text(error));
	control_client_set_timeout(cli->client, cli->timeout_ms);
	return CLI_OK;
}

static int exit_code(int error)
{
	if (error == ERR_NOT_ACTIVE)
		return CLI_ROLE;
	return error == ERR_SYNTAX ? CLI_USAGE : CLI_FAILED;
}

/* For programs, the error has the shape of the protocol. */
static void print_error_json(const struct cli *cli, int error, const char *message)
{
	_cleanup_(json_put) struct json_object *object = cli_object("error", err_name(error));

	if (cli_set(object, "message", json_object_new_string(message)) &&
	    cli_set(object, "code", json_object_new_int(error)))
		cli_print_json(cli, object);
}

/* The request as one of `failover exec`. PARAMETERS are taken over; NULL when out of memory. */
static struct json_object *wrap(const struct cli *cli, const char *method,
				struct json_object *parameters)
{
	_cleanup_(json_put) struct json_object *outer = cli_object("unit", cli->exec_unit);

	if (!parameters)
		parameters = json_object_new_object();
	if (!cli_set(outer, "parameters", parameters) ||
	    !cli_set(outer, "method", json_object_new_string(method)))
		return NULL;
	return TAKE_PTR(outer);
}

int cli_call(struct cli *cli, const struct cli_request *request, struct json_object **ret_result)
{
	_cleanup_(json_put) struct json_object *parameters = request->parameters;
	const char *method = request->method;
	struct why why = {0};
	int code = connect_daemon(cli);
	int error;

	if (code)
		return code;
	if (cli->exec_unit) {
		parameters = wrap(cli, method, TAKE_PTR(parameters));
		method = "asafo.FailoverExec";
		if (!parameters)
			return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	error = control_client_call(cli->client, method, parameters, request->fds, request->n_fds,
				    request->on_progress, request->userdata, ret_result, &why);
	if (!error)
		return CLI_OK;
	code = exit_code(error);
	if (control_client_is_broken(cli->client)) {
		control_client_free(TAKE_PTR(cli->client));
		code = CLI_UNREACHABLE;
	}
	if (cli->is_json)
		print_error_json(cli, error, why.text);
	return cli_fail(cli, code, "%s", why.text);
}

void cli_print_json(const struct cli *cli, struct json_object *result)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text;

	flags |= cli->screen.is_terminal ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
					 : JSON_C_TO_STRING_PLAIN;
	text = json_object_to_json_string_ext(result, flags);
	if (!text)
		text = "{}";
	if (cli->screen.is_terminal)
		screen_print(&cli->screen, "%s\n", text);
	else
		(void)fprintf(cli->screen.out, "%s\n", text);
	(void)fflush(cli->screen.out);
}

int cli_show(struct cli *cli, const char *method, struct json_object *parameters,
	     int (*render)(const struct screen *screen, struct json_object *result))
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = method, .parameters = parameters},
			    &result);

	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, result);
	else if (render(&cli->screen, result) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return CLI_OK;
}

void cli_print_warnings(const struct cli *cli, struct json_object *result)
{
	for (size_t i = 0; i < view_count(result, "warnings"); i++)
		screen_error(&cli->screen, cli->verb, "warning: %s",
			     view_item_text(result, "warnings", i));
}

int cli_change(struct cli *cli, const struct cli_request *request, struct json_object **ret_result)
{
	int code = cli_call(cli, request, ret_result);

	if (code)
		return code;
	cli_print_warnings(cli, *ret_result);
	if (cli->is_json)
		cli_print_json(cli, *ret_result);
	return CLI_OK;
}

bool cli_set(struct json_object *object, const char *name, struct json_object *value)
{
	if (value && object && json_object_object_add(object, name, value) == 0)
		return true;
	(void)json_object_put(value);
	return false;
}

struct json_object *cli_object(const char *name, const char *text)
{
	_cleanup_(json_put) struct json_object *object = json_object_new_object();

	if (!cli_set(object, name, json_object_new_string(text)))
		return NULL;
	return TAKE_PTR(object);
}
