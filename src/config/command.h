/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/command_id.h"

/*
 * The command table: one row a command. Parsing, `?` help, completion data, replication class,
 * `asafo VERB` and the man page's command list come from it. SYNTAX is a pattern: word        a
 * keyword (may be abbreviated where it stays unique) <name>      an argument of that type;
 * <name:type> where the meaning differs from the type <name:{a|b}>  one of these keywords, as the
 * argument's value {a|b}       one of them      [x]  optional      (both may hold any sequence)
 *   [--word] [--word <name:type>]  an option: anywhere behind the first word; with `...` any number
 * of times A pattern that may begin with `no` ("[no] failover", "no nameif") undoes: the match says
 * is_negated. Types: name, host, device, ipv4, mask, routemask, mac, ipv6, ipv6prefix, routeprefix,
 * fqdn, number(min,max), percent, secret, hexkey, owner, text, file, range, address, network,
 * password, rest (all that follows on the line).
 */
enum command_mode {
	COMMAND_MODE_EXEC,	/* asafo VERB, the shell's prompt */
	COMMAND_MODE_CONFIG,	/* lines of the configuration */
	COMMAND_MODE_INTERFACE, /* below `interface DEVICE` */
	COMMAND_MODE_WEBVPN,
	COMMAND_MODE_TRUSTPOINT,
	COMMAND_MODE_GROUP_POLICY,   /* below `group-policy NAME attributes` */
	COMMAND_MODE_TUNNEL_GENERAL, /* below `tunnel-group NAME general-attributes` */
	COMMAND_MODE_TUNNEL_WEBVPN,  /* below `tunnel-group NAME webvpn-attributes` */
	COMMAND_MODE_USER,	     /* below `username NAME attributes` */
	COMMAND_MODE__MAX,
};

enum command_class {
	COMMAND_CLASS_REPLICATED, /* part of what the pair shares */
	COMMAND_CLASS_UNIT_LOCAL, /* differs on the units by design */
	COMMAND_CLASS_EXEC,	  /* does something, is no configuration */
	COMMAND_CLASS__MAX,
};

/* Who may run an exec command: looking needs group asafo, changing group asafo-admin. */
enum command_access {
	COMMAND_ACCESS_LOOK,
	COMMAND_ACCESS_CHANGE,
};

struct command_row {
	const char *syntax; /* "ip address <address:ipv4> <mask> [standby <standby:ipv4>]" */
	enum command_mode mode;
	enum command_class class;
	enum command_access access;
	enum command_id id; /* for the handler */
	const char *method; /* exec only: the control method ("asafo.WriteStandby"), NULL for what
			       the CLI does alone */
	const char *help;   /* one line, imperative, no full stop */
	bool is_alias;	    /* another wording (the ASA's) of a row above with the same id */
};

/* The table and its size. */
const struct command_row *command_table(size_t *ret_n);
/* Help for a keyword that several rows share ("show"), NULL if there is none of its own. */
const char *command_word_help(const char *word);
