/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "config/grammar.h"

/* Inside of config_apply_text: where it is in the text, and the handlers of the rows. */
struct apply {
	struct config *config;
	const struct grammar *grammar;
	const struct line *words;
	enum command_mode mode;
	size_t index; /* of what the mode configures, in config */
	bool skips_unit_local, is_typed;
	bool is_unknown;	    /* the grammar has no line such as the last one */
	struct config_error *error; /* never NULL */
};

typedef int (*apply_fn)(struct apply *apply, const struct grammar_match *match);

/* NULL where the id is none of this area's. */
apply_fn apply_failover_handler(enum command_id id);
apply_fn apply_link_handler(enum command_id id);
apply_fn apply_interface_handler(enum command_id id);
apply_fn apply_service_handler(enum command_id id);
apply_fn apply_track_handler(enum command_id id);
apply_fn apply_secondary_handler(enum command_id id);
apply_fn apply_fqdn_handler(enum command_id id);
apply_fn apply_role_handler(enum command_id id);
apply_fn apply_vpn_handler(enum command_id id);
apply_fn apply_policy_handler(enum command_id id);

/* The value's text; "" where the line has none. */
const char *apply_text(const struct grammar_match *match, const char *name);
/* `[no] group-lock`, of a policy or a user. */
void apply_lock(const struct grammar_match *match, struct config_lock *ret_lock);

/* Says what is wrong with VALUE (NULL: with the first word): sets column and sentence, returns
 * CODE. */
int apply_refuse(struct apply *apply, int code, const struct value *value, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Errors: ERR_SYNTAX where an interface cannot have ADDRESS, which VALUE brought. */
int apply_check_usable(struct apply *apply, const struct value *value,
		       const struct config_address *address);
/* Forgets the names of DEVICE. */
void apply_fqdns_forget(struct config *config, const char *device);
/* Forgets the secondary addresses of DEVICE; family 0: of both families. */
void apply_secondaries_forget(struct config *config, const char *device, uint8_t family);

/*
 * Reads the arguments address, mask, standby or address6, standby6 (all but the address optional)
 * into checked addresses; family 0 of RET_STANDBY: none. Errors: ERR_SYNTAX, and apply's error is
 * set.
 */
int apply_addresses(struct apply *apply, const struct value *address, const struct value *mask,
		    const struct value *standby, struct config_address *ret_active,
		    struct config_address *ret_standby);
