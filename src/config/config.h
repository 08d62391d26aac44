/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "config/address.h"
#include "config/cipher.h"
#include "config/vpn.h"
#include "core/fsm.h"

/*
 * The configuration as an immutable snapshot: parsed from the ASA's grammar by the command table
 * (command.h), rendered back to the same grammar. A change makes a copy, edits the copy and swaps
 * it whole.
 */
#define CONFIG_NAME_MAX 64
#define CONFIG_INTERFACES_MAX 64
#define CONFIG_LINKS_MAX 5	   /* failover links and the stateful link */
#define CONFIG_TRUSTPOINTS_MAX 256 /* ones with lines of their own; the store holds any number */
#define CONFIG_BINDINGS_MAX 256
#define CONFIG_PLACE_MAX 8 /* bindings of one interface and domain */
#define CONFIG_TRACKS_MAX 64
#define CONFIG_FQDNS_MAX 64
#define CONFIG_SECONDARIES_MAX 1000
#define CONFIG_ROUTES_MAX 256
#define CONFIG_DOMAIN_MAX 254
#define CONFIG_URL_MAX 256
#define CONFIG_TEXT_MAX (1024u * 1024) /* bytes of a configuration */
#define CONFIG_LINE_MAX 1024	       /* bytes of a line */
/* Grows with a release that has new replicated lines (older.c); a unit says it as the version of
 * the failover link that it speaks. */
#define CONFIG_VERSION 2

struct config_interface {
	char device[IFNAMSIZ];	    /* kernel name: `interface ens3` */
	char name[CONFIG_NAME_MAX]; /* `nameif outside`; empty: not named */
	struct config_address active4, standby4;
	struct config_address active6, standby6;
	uint8_t active_mac[6], standby_mac[6]; /* `failover mac address`; all 0: the device's own */
	bool is_monitored; /* `monitor-interface`; named interfaces are by default */
	bool is_shutdown;
};

/* `ip address A M secondary`, `ipv6 address P secondary`: one more that the active unit holds. */
struct config_secondary {
	char device[IFNAMSIZ]; /* of an interface */
	struct config_address address;
};

/* `fqdn NAME [standby NAME]`: by what clients know the interface's active and standby addresses. */
struct config_fqdn {
	char device[IFNAMSIZ];
	char active[CONFIG_DOMAIN_MAX];
	char standby[CONFIG_DOMAIN_MAX]; /* empty: none */
};

/* A link to the mate: its device carries nothing else, and its addresses never move. */
struct config_link {
	char name[CONFIG_NAME_MAX];
	char device[IFNAMSIZ];
	/* `failover interface ip NAME A M standby B`: A is the primary's, B the secondary's. */
	struct config_address active, standby;
	bool is_failover; /* `failover lan interface NAME DEVICE` */
	bool is_stateful; /* `failover link NAME [DEVICE]`; one link at most, may be both */
};

/* `route`, `ipv6 route`: a route that comes and goes with the address of its interface. */
struct config_route {
	char interface[CONFIG_NAME_MAX];
	struct config_address destination, gateway;
	uint32_t metric;     /* 1 to 255, default 1 */
	bool is_active_only; /* not on the standby */
};

enum config_replication {
	CONFIG_REPLICATION_OFF,
	CONFIG_REPLICATION_ASYNC,
	CONFIG_REPLICATION_SYNC,
	CONFIG_REPLICATION__MAX,
};

struct config_failover {
	bool is_enabled;
	enum fo_unit unit; /* default secondary, as on an ASA */
	/* The failover links in the order of their lines, then a stateful link of its own:
	 * replication prefers the first that works. */
	struct config_link links[CONFIG_LINKS_MAX];
	size_t n_links;
	bool has_key;	     /* `failover key *****`: the keeper has it */
	char new_key[160];   /* a secret read from a line, on its way to the keeper; whoever
			      * hands it over wipes it and sets has_key */
	bool is_new_key_hex; /* new_key is 32 hexadecimal digits: 16 bytes, not a text */
	uint32_t poll_ms,
		hold_ms; /* defaults 100, 500; a polltime alone means 5 of it, at most 45 s */
	uint32_t interface_poll_ms,
		interface_hold_ms;	     /* defaults 200, 1000; at least 5 polltimes */
	uint32_t interface_policy;	     /* failed interfaces; default 1 */
	uint32_t interface_policy_percent;   /* ... of the monitored ones; 0: the number is meant */
	enum config_replication replication; /* default off, the ASA's behaviour */
	bool is_maintenance;		     /* unit-local: takes over only when it is asked to */
	bool is_preempt;		     /* a ready primary becomes active again */
	uint32_t preempt_delay_s;
	bool is_config_open; /* no failover standby config-lock */
};

enum config_track_kind {
	CONFIG_TRACK_INTERFACE, /* `interface NAME line-protocol` */
	CONFIG_TRACK_PING,
	CONFIG_TRACK_TCP,
	CONFIG_TRACK_SCRIPT,
	CONFIG_TRACK__MAX,
};

struct config_track {
	uint32_t number; /* 1 to 500 */
	enum config_track_kind kind;
	char interface[CONFIG_NAME_MAX]; /* INTERFACE; PING, TCP: sent there; empty: by the routes
					  */
	struct config_address address;	 /* PING, TCP */
	uint16_t port;
	char script[CONFIG_NAME_MAX]; /* in track.d */
	uint32_t frequency_ms;	      /* default 1000 */
	uint32_t timeout_ms;	      /* default 500 */
	uint32_t down, up;	      /* results in a row; default 3, 3 */
	uint32_t decrement; /* `failover track N decrement D`, default 10; 0: it does not count */
};

/* `revocation-check`: as enum vpn_revocation of ipc/vpn.h. */
enum config_revocation {
	CONFIG_REVOCATION_NONE,
	CONFIG_REVOCATION_CRL_NONE,
	CONFIG_REVOCATION_CRL,
};

struct config_trustpoint {
	char name[CONFIG_NAME_MAX];
	bool is_home;	     /* `redundancy no`: what is imported under it stays on the unit */
	bool is_of_unit;     /* `scope unit`: each unit may have its own under it */
	bool is_for_clients; /* `validation-usage ssl-client` */
	enum config_revocation revocation; /* default NONE */
	bool is_fetched;		   /* `ocsp fetch`: its staple */
	char ocsp_url[CONFIG_URL_MAX];	   /* empty: as its certificate says */
};

struct config_binding {
	char trustpoint[CONFIG_NAME_MAX];
	char interface[CONFIG_NAME_MAX]; /* empty: every interface */
	char domain[CONFIG_DOMAIN_MAX];	 /* empty: any name */
};

struct config_webvpn {
	uint16_t port; /* default 443 */
	char enabled_on[CONFIG_INTERFACES_MAX][CONFIG_NAME_MAX];
	size_t n_enabled;
};

struct config {
	char hostname[CONFIG_NAME_MAX]; /* default "asafo" */
	struct config_failover failover;
	struct config_interface interfaces[CONFIG_INTERFACES_MAX];
	size_t n_interfaces;
	struct config_secondary secondaries[CONFIG_SECONDARIES_MAX]; /* in the order of the lines */
	size_t n_secondaries;
	struct config_fqdn fqdns[CONFIG_FQDNS_MAX]; /* in the order of the lines */
	size_t n_fqdns;
	struct config_route routes[CONFIG_ROUTES_MAX];
	size_t n_routes;
	struct config_track tracks[CONFIG_TRACKS_MAX]; /* by number */
	size_t n_tracks;
	struct config_trustpoint trustpoints[CONFIG_TRUSTPOINTS_MAX];
	size_t n_trustpoints;
	struct config_binding bindings[CONFIG_BINDINGS_MAX];
	size_t n_bindings;
	uint32_t alert_begin_days;  /* `crypto ca alerts expiration`: 1 to 90, default 60 */
	uint32_t alert_repeat_days; /* 1 to 14, default 7 */
	bool is_weak_permitted;	    /* `crypto ca permit-weak-crypto`: imports warn, not refuse */
	char minimum_tls[16];	    /* "tlsv1.2" (default) or "tlsv1.3" */
	struct config_cipher ciphers[CONFIG_CIPHER_VERSION__MAX]; /* `ssl cipher` */
	struct config_webvpn webvpn;
	struct config_vpn vpn;
};

/* The defaults. Errors: -ENOMEM. */
int config_new(struct config **ret_config);
int config_copy(const struct config *config, struct config **ret_config);
/* Wipes (new_key) and frees; takes NULL. */
void config_free(struct config *config);

/* Where a line stands. The sentence has no position in it, and no secret; config_error_format()
 * joins them. */
struct config_error {
	char source[256];
	unsigned line, column; /* from 1; line 0: the whole, not one line */
	struct why why;
};

/* "startup-config:12:13: "ip address 198.51.100.10 255.255.0.255": expected a netmask such as
 * 255.255.255.0" */
void config_error_format(const struct config_error *error, char *ret_text, size_t size);

/*
 * Applies TEXT (lines; where '!' or ':' is the first character, a comment) to CONFIG, from the top
 * mode. A line that the mode does not know ends the mode, as on an ASA. SOURCE names it in
 * messages. Stops at the first wrong line: CONFIG is then to be thrown away. Names of interfaces
 * must be known before a line refers to them. RET_ERROR may be NULL. Errors: ERR_SYNTAX,
 * ERR_EXISTS, ERR_NOT_FOUND, ERR_TOO_LARGE, -ENOMEM.
 */
int config_apply_text(struct config *config, const char *source, const char *text, size_t size,
		      struct config_error *ret_error);

/* The same of lines that somebody types now: refuses, too, what is more likely to be a slip than
 * meant, and would be taken from a file. */
int config_apply_typed(struct config *config, const char *source, const char *text, size_t size,
		       struct config_error *ret_error);

/* What a rendering holds. */
enum config_part {
	CONFIG_PART_ALL,	/* show running-config, write memory */
	CONFIG_PART_REPLICATED, /* what the pair shares: everything but the unit-local lines */
	CONFIG_PART_DEFAULTS,	/* show running-config all: ALL, and what is at its default */
};

/* Renders in the ASA's order; applying it to the defaults gives the same configuration. Errors:
 * -ENOMEM. */
int config_render(const struct config *config, enum config_part part, struct buf *text);
/*
 * The lines of a section only ("failover", "interface", "crypto"...: config_section_exists());
 * DEVICE: of this interface, by its device or its name, NULL for all. An empty section is none of
 * the errors. Errors: ERR_NOT_FOUND (no such section, or interface), -ENOMEM.
 */
int config_render_section(const struct config *config, enum config_part part, const char *section,
			  const char *device, struct buf *text);
bool config_section_exists(const char *section);

/* What is shown instead of a password's hash and of a sealed secret. */
#define CONFIG_MASK "*****"
/* Where in a rendered LINE, without its newline, such a one begins; SIZE: there is none. */
size_t config_secret_at(const char *line, size_t size);
/* Appends the rendered lines of TEXT without them. Errors: -ENOMEM. */
int config_mask(const char *text, struct buf *ret_text);
/* Lines with it can be applied, to compare them; config_check() refuses what came of them. */
bool config_is_masked(const char *value);

/*
 * Appends the lines of CONFIG that OTHER does not have, each below its section's heading, so that
 * they can be typed again. Errors: -ENOMEM.
 */
int config_missing_lines(const struct config *config, const struct config *other,
			 enum config_part part, struct buf *ret_lines);

/*
 * What a standby does with the active's replicated lines: a configuration of those, with the
 * unit-local lines of LOCAL (the rows of COMMAND_CLASS_UNIT_LOCAL: `failover` itself, the unit, the
 * link, its addresses, the key). Unit-local lines in TEXT are skipped. The caller asks
 * config_check() of the result. Errors as config_apply_text.
 */
int config_merge_replicated(const struct config *local, const char *text, size_t size,
			    struct config **ret_config, struct config_error *ret_error);

/*
 * A pair of two versions, while it is upgraded. Of the replicated lines, those that a unit of
 * VERSION understands; those that it does not, each ended, a line of an interface behind the
 * interface's ("interface eth0: ip address ..."). Errors: -ENOMEM.
 */
int config_render_for(const struct config *config, uint32_t version, struct buf *text);
int config_newer_lines(const struct config *config, uint32_t version, struct buf *lines);
/* The replicated lines that CONFIG has and OTHER has not, in the same form. Errors: -ENOMEM. */
int config_more_lines(const struct config *config, const struct config *other, struct buf *lines);
/*
 * CONFIG, merged from the lines of a unit of VERSION, gets from LOCAL what that one cannot say, as
 * far as its interfaces are there. The caller asks config_check().
 */
void config_keep_newer(struct config *config, const struct config *local, uint32_t version);

/*
 * Rules that need the whole: holdtime >= 3 polltimes, addresses in the same net, bound interfaces
 * exist... Holds also for a snapshot that was changed by other means than lines. Errors:
 * ERR_SYNTAX, ERR_EXISTS, ERR_NOT_FOUND.
 */
int config_check(const struct config *config, struct why *ret_why);

/* The link to the mate with this name; the one on this device. NULL if there is none. */
const struct config_link *config_link_find(const struct config_failover *failover,
					   const char *name);
const struct config_link *config_link_on(const struct config_failover *failover,
					 const char *device);
/* The preferred link that has addresses; NULL if there is none. */
const struct config_link *config_link_first(const struct config_failover *failover);
bool config_link_has_addresses(const struct config_link *link);
/* Its address of this unit, and the mate's. */
const struct config_address *config_link_own(const struct config_failover *failover,
					     const struct config_link *link);
const struct config_address *config_link_mate(const struct config_failover *failover,
					      const struct config_link *link);
/* What a sentence calls it: "failover link", "stateful link". */
const char *config_link_kind(const struct config_link *link);

/* `failover mac address` of an interface? */
bool config_mac_is_set(const uint8_t mac[static 6]);

/* Whether TEXT may stand behind `ocsp url`. */
bool config_is_url(const char *text);
/* The lines of this trustpoint, NULL if it has none. */
const struct config_trustpoint *config_trustpoint_find(const struct config *config,
						       const char *name);
/* The interface with this nameif, NULL if there is none. */
const struct config_interface *config_interface_find(const struct config *config, const char *name);

/*
 * `ssl trust-point` and its `no` form, for callers that have the words and no line: INTERFACE and
 * DOMAIN "" or NULL for any. Of one interface and domain there may be several, for keys of several
 * kinds: the configuration does not know which kind each is, so that a later one of the same kind
 * goes before an earlier one, and whoever knows takes that away. Untrusted words are checked.
 * Errors: ERR_SYNTAX, ERR_NOT_FOUND (the interface; the binding), ERR_TOO_LARGE.
 */
int config_bind(struct config *config, const char *trustpoint, const char *interface,
		const char *domain, struct why *ret_why);
int config_unbind(struct config *config, const char *trustpoint, const char *interface,
		  const char *domain, struct why *ret_why);
