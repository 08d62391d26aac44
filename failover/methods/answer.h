/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "failover/engine/engine.h"

/* A call that waits for the keeper or the mate. */
struct waiting {
	struct engine *engine;
	struct control_call *call;
	struct json_object *result; /* grows while answers come in */
	char name[CONFIG_NAME_MAX];
	char after[CONFIG_NAME_MAX]; /* list: the page begins behind this name */
	bool is_removal, is_rollback;
	bool is_waited;	  /* import: for the standby, whatever the mode */
	bool is_changing; /* import, remove: not a dry run; list: with the PEM texts */
};

/* NULL when out of memory: the call was failed then. */
struct waiting *waiting_new(struct engine *engine, struct control_call *call);
void waiting_free(struct waiting *waiting);
/* Answers with an error and frees. */
void waiting_fail(struct waiting *waiting, int code, const char *why);
/* Answers with what was gathered and frees. */
void waiting_reply(struct waiting *waiting);
/* Fails and frees where CODE or STATUS is an error, or the engine is going. Returns true to go on.
 */
bool waiting_goes_on(struct waiting *waiting, int code, const Asafo__Ipc__Status *status);

const char *parameter_text(struct json_object *parameters, const char *key);
bool parameter_flag(struct json_object *parameters, const char *key);
int64_t parameter_number(struct json_object *parameters, const char *key, int64_t fallback);
/* Fails the call and returns false where the unit is not active. */
bool require_active(struct engine *engine, struct control_call *call);

void json_add_text(struct json_object *object, const char *key, const char *value);
void json_add_number(struct json_object *object, const char *key, int64_t value);
void json_add_flag(struct json_object *object, const char *key, bool value);
/* A number with three decimals, and no more. */
void json_add_thousandths(struct json_object *object, const char *key, uint64_t thousandths);
void json_add_hex(struct json_object *object, const char *key, const uint8_t *data, size_t size);
struct json_object *json_position(const struct engine_position *position);
