/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The command table: one row a command. Parsing, `?` help, completion data, replication class, `asafo VERB`
 * and the man page's command list come from it. SYNTAX is a pattern:
 *   word        a keyword (may be abbreviated where it stays unique)
 *   <name>      an argument of that type; <name:type> where the meaning differs from the type
 *   {a|b}       one of them      [x]  optional      (only one level of nesting of each is needed)
 * Types: name, device, ipv4, mask, ipv6prefix, ipv6, fqdn, number(min,max), secret, hexkey, text, file.
 */
enum command_mode {
	COMMAND_MODE_EXEC,      /* asafo VERB, the shell's prompt */
	COMMAND_MODE_CONFIG,    /* lines of the configuration */
	COMMAND_MODE_INTERFACE, /* below `interface DEVICE` */
	COMMAND_MODE_WEBVPN,
	COMMAND_MODE_TRUSTPOINT,
	COMMAND_MODE__MAX,
};

enum command_class {
	COMMAND_CLASS_REPLICATED, /* part of what the pair shares */
	COMMAND_CLASS_UNIT_LOCAL, /* differs on the units by design */
	COMMAND_CLASS_EXEC,       /* does something, is no configuration */
	COMMAND_CLASS__MAX,
};

/* Who may run an exec command: looking needs group asafo, changing group asafo-admin. */
enum command_access {
	COMMAND_ACCESS_LOOK,
	COMMAND_ACCESS_CHANGE,
};

struct command_row {
	const char *syntax;  /* "ip address <address:ipv4> <mask> [standby <standby:ipv4>]" */
	enum command_mode mode;
	enum command_class class;
	enum command_access access;
	int id;              /* enum command_id, for the handler */
	const char *method;  /* exec only: the control method ("asafo.WriteStandby"), NULL for shell-only rows */
	const char *help;    /* one line, imperative, no full stop */
};

/* The table and its size. */
const struct command_row *command_table(size_t *ret_n);
