/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/secret.h"
#include "config/grammar.h"
#include "control/control.h"
#include "tools/cli/screen.h"
#include "tools/cli/view.h"

/* What every verb works with. */
struct cli {
	struct screen screen;
	const char *control_path;
	unsigned timeout_ms;  /* longest silence of the daemon; 0: any */
	bool is_timeout_said; /* by --timeout; otherwise it goes with the command */
	bool is_json;
	const char *exec_unit; /* `failover exec`: where commands are run; NULL: here */
	char verb[48];	       /* "show failover", for messages */
	int input;	       /* stdin */
	unsigned patience_ms;  /* with a file from which nothing comes; 0: a minute */
	struct control_client *client;
};

/* Exit codes, as asafo(8) lists them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2, /* the command line or a configuration line is wrong */
	CLI_ROLE =
		3, /* this unit's role does not allow it; the message names the unit to do it on */
	CLI_UNREACHABLE = 4, /* no daemon, or it does not answer */
	CLI_DEGRADED = 5,    /* done here, but not on the mate */
};

/*
 * The whole command: options, verb, result. ARGV[0] is skipped; SCREEN, INPUT are where it talks
 * to. Returns an exit code.
 */
int cli_run(struct cli *cli, int argc, char **argv);

/* The word that the line has for an argument or option, NULL: it has none. */
const char *cli_word(const struct grammar_match *match, const char *name);
bool cli_has(const struct grammar_match *match, const char *name);

struct cli_request {
	const char *method;
	struct json_object *parameters; /* taken over; NULL: {} */
	const int *fds;
	size_t n_fds;
	void (*on_progress)(struct json_object *parameters, void *userdata);
	void *userdata;
};

/* Calls the daemon. CLI_OK: *RET_RESULT is the caller's; otherwise it was said why. */
int cli_call(struct cli *cli, const struct cli_request *request, struct json_object **ret_result);
/* "asafo: VERB: TEXT" on stderr; returns CODE. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The result as it is. */
void cli_print_json(const struct cli *cli, struct json_object *result);
/* Calls METHOD and shows its result with RENDER, or as JSON. PARAMETERS are taken over. */
int cli_show(struct cli *cli, const char *method, struct json_object *parameters,
	     int (*render)(const struct screen *screen, struct json_object *result));
/*
 * Calls what changes something, says its warnings, and prints the result where JSON is asked for;
 * without JSON what became of it is the caller's to say.
 */
int cli_change(struct cli *cli, const struct cli_request *request, struct json_object **ret_result);
/* The result's "warnings", each a line on stderr. */
void cli_print_warnings(const struct cli *cli, struct json_object *result);
/* A new object with one text; NULL when out of memory. cli_set adds one and says whether it could.
 */
struct json_object *cli_object(const char *name, const char *text);
bool cli_set(struct json_object *object, const char *name, struct json_object *value);
