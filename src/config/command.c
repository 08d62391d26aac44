/* SPDX-License-Identifier: Apache-2.0 */
/* The table. Rows stand in the order of the man pages: what belongs together is together. */
#include "config/command.h"

#include <string.h>

#include "base/cleanup.h"

#define CONFIG(mode_, class_, id_, syntax_, help_)                                                 \
	{                                                                                          \
		.syntax = syntax_, .mode = COMMAND_MODE_##mode_, .class = COMMAND_CLASS_##class_,  \
		.access = COMMAND_ACCESS_CHANGE, .id = COMMAND_##id_, .help = help_                \
	}
#define EXEC(access_, id_, syntax_, method_, help_)                                                \
	{                                                                                          \
		.syntax = syntax_, .mode = COMMAND_MODE_EXEC, .class = COMMAND_CLASS_EXEC,         \
		.access = COMMAND_ACCESS_##access_, .id = COMMAND_##id_, .method = method_,        \
		.help = help_                                                                      \
	}
#define ALIAS(access_, id_, syntax_, method_, help_)                                               \
	{                                                                                          \
		.syntax = syntax_, .mode = COMMAND_MODE_EXEC, .class = COMMAND_CLASS_EXEC,         \
		.access = COMMAND_ACCESS_##access_, .id = COMMAND_##id_, .method = method_,        \
		.help = help_, .is_alias = true                                                    \
	}

#define IMPORT_OPTIONS                                                                             \
	" [--key <key:file>] [--friendly-name <friendly-name:text>]"                               \
	" [--passphrase-file <passphrase-file:file>] [--replace] [--dry-run] [--no-mac]"           \
	" [--wait-standby] [--non-exportable]"
#define AUTHENTICATE_OPTIONS " [--replace] [--dry-run]"
#define EXPORT_OPTIONS                                                                             \
	" [--passphrase-file <passphrase-file:file>] [--format <format:{pkcs12|pem}>]"
#define CREATE_OPTIONS " [--name <name>] [--lifetime <lifetime:number(1,7300)>]"
#define ISSUE_OPTIONS                                                                              \
	" [--name <name:fqdn>]... [--lifetime <lifetime:number(1,3650)>]"                          \
	" [--passphrase-file <passphrase-file:file>]"
#define FORCE_OPTIONS " [--force] [--yes]"
#define BINDING_OPTIONS "<trustpoint:name> [<interface:name>] [--domain <domain:fqdn>]"
#define JOIN_OPTIONS " [--code-file <code-file:file>]"
#define INTERFACE_TIMES                                                                            \
	"{msec <poll-ms:number(50,15000)>|<poll-s:number(1,15)>}"                                  \
	" [holdtime {msec <hold-ms:number(250,75000)>|<hold-s:number(1,75)>}]"
#define TRACK "track <number:number(1,500)> "
#define TRACK_TIMES                                                                                \
	" [frequency {msec <frequency-ms:number(100,60000)>|<frequency-s:number(1,3600)>}]"        \
	" [timeout <timeout:number(10,60000)>]"
#define TRACK_COUNTS " [down <down:number(1,100)>] [up <up:number(1,100)>]"
#define NAMES                                                                                      \
	" [<name> [<name2:name> [<name3:name> [<name4:name> [<name5:name> [<name6:name>"           \
	" [<name7:name> [<name8:name>]]]]]]]]"
#define BINDING "<trustpoint:name> [<interface:name>] [domain <domain:fqdn>]"

static const struct command_row table[] = {
	CONFIG(CONFIG, REPLICATED, HOSTNAME, "hostname <hostname:host>", "Name the pair"),
	CONFIG(CONFIG, REPLICATED, HOSTNAME, "no hostname [<hostname:host>]",
	       "Return to the name asafo"),

	CONFIG(CONFIG, REPLICATED, INTERFACE, "interface <device>",
	       "Configure a network device; the lines below it belong to it"),
	CONFIG(CONFIG, REPLICATED, INTERFACE, "no interface <device>",
	       "Forget a device, its addresses, and the lines that refer to its name"),
	CONFIG(INTERFACE, REPLICATED, NAMEIF, "nameif <name>",
	       "Name the interface; a new name replaces the old one wherever it is used"),
	CONFIG(INTERFACE, REPLICATED, NAMEIF, "no nameif [<name>]",
	       "Take the name away, and the lines that refer to it"),
	CONFIG(INTERFACE, REPLICATED, IP_ADDRESS,
	       "ip address <address:ipv4> <mask> [standby <standby:ipv4>]",
	       "Set the IPv4 address of the active unit and that of the standby unit"),
	CONFIG(INTERFACE, REPLICATED, IP_ADDRESS,
	       "no ip address [<address:ipv4> <mask> [standby <standby:ipv4>]]",
	       "Have no IPv4 address"),
	CONFIG(INTERFACE, REPLICATED, IPV6_ADDRESS,
	       "ipv6 address <address:ipv6prefix> [standby <standby:ipv6>]",
	       "Set the IPv6 address of the active unit and that of the standby unit"),
	CONFIG(INTERFACE, REPLICATED, IPV6_ADDRESS,
	       "no ipv6 address [<address:ipv6prefix> [standby <standby:ipv6>]]",
	       "Have no IPv6 address"),
	CONFIG(INTERFACE, REPLICATED, SECONDARY, "[no] ip address <address:ipv4> <mask> secondary",
	       "Have one more IPv4 address, which the active unit holds; any number, 1000 in all, "
	       "and no more than ten for each ms of the holdtime"),
	CONFIG(INTERFACE, REPLICATED, SECONDARY, "[no] ipv6 address <address:ipv6prefix> secondary",
	       "Have one more IPv6 address, which the active unit holds"),
	CONFIG(INTERFACE, REPLICATED, FQDN, "[no] fqdn <active:fqdn> [standby <standby:fqdn>]",
	       "Say by which name clients know the active unit's address, and by which the "
	       "standby's: what is bound there is checked to have them"),
	CONFIG(INTERFACE, REPLICATED, SHUTDOWN, "[no] shutdown", "Leave the interface unused"),
	CONFIG(INTERFACE, REPLICATED, MODE_EXIT, "exit", "Leave the interface's lines"),

	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER, "[no] failover", "Turn failover on"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_UNIT, "failover lan unit <unit:{primary|secondary}>",
	       "Say which unit this is, for ever; secondary where nothing is said"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_UNIT,
	       "no failover lan unit [<unit:{primary|secondary}>]", "Return to secondary"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_LINK, "failover lan interface <name> <device>",
	       "Name a failover link and the device that carries it; there may be several"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_LINK, "no failover lan interface [<name> [<device>]]",
	       "Have this failover link no more, or none at all"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_STATEFUL_LINK, "failover link <name> [<device>]",
	       "Name the stateful link: a failover link, or one on a device of its own"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_STATEFUL_LINK, "no failover link [<name> [<device>]]",
	       "Have no stateful link"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_LINK_ADDRESS,
	       "failover interface ip <name> {<address:ipv4> <mask> standby <standby:ipv4>"
	       "|<address6:ipv6prefix> standby <standby6:ipv6>}",
	       "Set the link's addresses, first the primary's; the same line on both units"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_LINK_ADDRESS,
	       "no failover interface ip <name> [{<address:ipv4> <mask> standby <standby:ipv4>"
	       "|<address6:ipv6prefix> standby <standby6:ipv6>}]",
	       "Have no addresses on the failover link"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_KEY, "failover key {<key:secret>|hex <hexkey>}",
	       "Set the secret that both units share; it is shown as *****"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_KEY, "no failover key", "Have no failover key"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_POLLTIME,
	       "failover polltime [unit] {msec <poll-ms:number(2,15000)>|<poll-s:number(1,15)>}"
	       " [holdtime {msec <hold-ms:number(6,45000)>|<hold-s:number(1,45)>}]",
	       "Set how often hellos are sent, and after which silence the mate is lost"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_POLLTIME,
	       "no failover polltime [unit] [{msec "
	       "<poll-ms:number(2,15000)>|<poll-s:number(1,15)>}]"
	       " [holdtime {msec <hold-ms:number(6,45000)>|<hold-s:number(1,45)>}]",
	       "Return to 100 ms and 500 ms"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_POLLTIME_INTERFACE,
	       "failover polltime interface " INTERFACE_TIMES,
	       "Set after which silence of the mate an interface is tested (half the holdtime), "
	       "and "
	       "how often it is looked at; 200 ms and 1 s where nothing is said, 5 s and 25 s on "
	       "an "
	       "ASA"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_POLLTIME_INTERFACE,
	       "no failover polltime interface [" INTERFACE_TIMES "]", "Return to 200 ms and 1 s"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_INTERFACE_POLICY,
	       "failover interface-policy {<percent:percent>|<count:number(1,250)>}",
	       "Set how many failed monitored interfaces, or what share of them, cause a failover"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_INTERFACE_POLICY,
	       "no failover interface-policy [{<percent:percent>|<count:number(1,250)>}]",
	       "Return to 1"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_TRACK,
	       "failover track <number:number(1,500)> [decrement <decrement:number(1,490)>]",
	       "Let a track object that is down lower the unit's health, by 10 where nothing is "
	       "said, and hand over to a healthier mate"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_TRACK,
	       "no failover track <number:number(1,500)> [decrement <decrement:number(1,490)>]",
	       "Track it for show track only"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_REPLICATION,
	       "failover replication trustpoint <mode:{off|async|sync}>",
	       "Send an imported trustpoint to the standby: not before write standby, soon, or at "
	       "once"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_REPLICATION,
	       "no failover replication trustpoint [<mode:{off|async|sync}>]", "Return to off"),
	CONFIG(CONFIG, UNIT_LOCAL, FAILOVER_MAINTENANCE, "[no] failover maintenance",
	       "Let this unit take over only when it is asked to (asafo maintenance)"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_PREEMPT,
	       "failover preempt [delay <delay:number(0,1200)>]",
	       "Make the primary active again, so many seconds after it is ready"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_PREEMPT,
	       "no failover preempt [delay <delay:number(0,1200)>]",
	       "Leave the unit that is active active (the default)"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_CONFIG_LOCK, "[no] failover standby config-lock",
	       "Refuse changes of the configuration on the standby (the default)"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_MAC,
	       "failover mac address <device> <active-mac:mac> [<standby-mac:mac>]",
	       "Give the active unit's addresses there a MAC address that moves with them, and the "
	       "standby's another"),
	CONFIG(CONFIG, REPLICATED, FAILOVER_MAC,
	       "no failover mac address <device> [<active-mac:mac> [<standby-mac:mac>]]",
	       "Use the MAC address of each unit's device"),
	CONFIG(CONFIG, REPLICATED, ROUTE,
	       "route <interface:name> <destination:routenet> <mask:routemask> <gateway:ipv4>"
	       " [<metric:number(1,255)>] [<role:{active}>]",
	       "Have a route while this unit has an address on the interface; with active, on the "
	       "active unit only"),
	CONFIG(CONFIG, REPLICATED, ROUTE,
	       "no route <interface:name> <destination:routenet> <mask:routemask> [<gateway:ipv4>"
	       " [<metric:number(1,255)>] [<role:{active}>]]",
	       "Remove the route"),
	CONFIG(CONFIG, REPLICATED, ROUTE,
	       "ipv6 route <interface:name> <destination:routeprefix> <gateway:ipv6>"
	       " [<metric:number(1,255)>] [<role:{active}>]",
	       "Have an IPv6 route while this unit has an address on the interface"),
	CONFIG(CONFIG, REPLICATED, ROUTE,
	       "no ipv6 route <interface:name> <destination:routeprefix> [<gateway:ipv6>"
	       " [<metric:number(1,255)>] [<role:{active}>]]",
	       "Remove the route"),
	CONFIG(CONFIG, REPLICATED, MONITOR_INTERFACE, "[no] monitor-interface <name>",
	       "Let the interface's health count; named interfaces are monitored by default"),
	CONFIG(CONFIG, REPLICATED, TRACK,
	       TRACK "interface <interface:name> line-protocol" TRACK_COUNTS,
	       "Track whether an interface has a link"),
	CONFIG(CONFIG, REPLICATED, TRACK,
	       TRACK
	       "ping {<address:ipv4>|<address6:ipv6>} [interface <interface:name>]" TRACK_TIMES
		       TRACK_COUNTS,
	       "Track whether an address answers pings"),
	CONFIG(CONFIG, REPLICATED, TRACK,
	       TRACK "tcp {<address:ipv4>|<address6:ipv6>} <port:number(1,65535)>"
		     " [interface <interface:name>]" TRACK_TIMES TRACK_COUNTS,
	       "Track whether a TCP port takes connections"),
	CONFIG(CONFIG, REPLICATED, TRACK, TRACK "script <script:name>" TRACK_TIMES TRACK_COUNTS,
	       "Track whether an executable in track.d ends with 0"),
	CONFIG(CONFIG, REPLICATED, TRACK, "no track <number:number(1,500)>",
	       "Forget a track object, and that failover tracks it"),

	CONFIG(CONFIG, REPLICATED, TRUSTPOINT, "crypto ca trustpoint <name>",
	       "Configure a trustpoint; the lines below it belong to it"),
	CONFIG(CONFIG, REPLICATED, TRUSTPOINT, "no crypto ca trustpoint <name>",
	       "Forget the trustpoint's lines (asafo remove removes what it holds)"),
	CONFIG(TRUSTPOINT, REPLICATED, SCOPE, "scope <scope:{unit|pair}>",
	       "Share the trustpoint with the mate (pair, the default), or have each unit import "
	       "one "
	       "of its own under this name (unit), which is bound on that unit alone"),
	CONFIG(TRUSTPOINT, REPLICATED, SCOPE, "no scope [<scope:{unit|pair}>]", "Return to pair"),
	CONFIG(TRUSTPOINT, REPLICATED, REDUNDANCY, "redundancy <redundancy:{yes|no}>",
	       "Replicate what is imported under this name (yes, the default), or keep it on the "
	       "unit; what is shared already stays shared until it is removed"),
	CONFIG(TRUSTPOINT, REPLICATED, REDUNDANCY, "no redundancy", "The same as redundancy no"),
	CONFIG(TRUSTPOINT, REPLICATED, VALIDATION_USAGE, "validation-usage <usage:{ssl-client}>",
	       "Trust the CA whose certificate the trustpoint holds (asafo authenticate) to say "
	       "who a "
	       "VPN client is; no other CA is trusted for that"),
	CONFIG(TRUSTPOINT, REPLICATED, VALIDATION_USAGE,
	       "no validation-usage [<usage:{ssl-client}>]", "Trust it for that no more"),
	CONFIG(TRUSTPOINT, REPLICATED, REVOCATION_CHECK,
	       "revocation-check <method:{none|crl}> [<fallback:{none}>]",
	       "Refuse certificates that the CA has revoked, by its CRL (asafo crl import); with "
	       "crl nobody gets in without one in its time, with crl none they do, and the log "
	       "says so; none, the default, looks at no CRL"),
	CONFIG(TRUSTPOINT, REPLICATED, REVOCATION_CHECK,
	       "no revocation-check [<method:{none|crl}> [<fallback:{none}>]]", "Return to none"),
	CONFIG(TRUSTPOINT, REPLICATED, OCSP_FETCH, "[no] ocsp fetch",
	       "Let the active unit ask the OCSP responder of the certificate's issuer, and send "
	       "what it says to clients (a staple); asked again when half of its time is over"),
	CONFIG(TRUSTPOINT, REPLICATED, OCSP_URL, "ocsp url <url:text>",
	       "Ask this responder (http://...), not the one that the certificate names"),
	CONFIG(TRUSTPOINT, REPLICATED, OCSP_URL, "no ocsp url [<url:text>]",
	       "Ask the one that the certificate names"),
	CONFIG(TRUSTPOINT, REPLICATED, MODE_EXIT, "exit", "Leave the trustpoint's lines"),
	CONFIG(CONFIG, REPLICATED, EXPIRATION_ALERTS,
	       "crypto ca alerts expiration begin <begin:number(1,90)> [repeat "
	       "<repeat:number(1,14)>]",
	       "Set how many days before its end a certificate is told of, and how often"),
	CONFIG(CONFIG, REPLICATED, EXPIRATION_ALERTS,
	       "no crypto ca alerts expiration [begin <begin:number(1,90)> [repeat "
	       "<repeat:number(1,14)>]]",
	       "Return to 60 days before, then each 7"),
	CONFIG(CONFIG, REPLICATED, WEAK_CRYPTO, "[no] crypto ca permit-weak-crypto",
	       "Import keys and signatures that clients refuse as weak (RSA below 2048 bits, DSA, "
	       "SHA-1, MD5), with a warning; they are refused otherwise"),
	CONFIG(CONFIG, REPLICATED, SSL_TRUSTPOINT, "[no] ssl trust-point " BINDING,
	       "Serve the trustpoint: everywhere, on an interface, for a domain name, or both; at "
	       "one "
	       "place one with an ECDSA, one with an EdDSA and one with an RSA key, and each "
	       "client "
	       "gets the first of them that it takes"),
	CONFIG(CONFIG, REPLICATED, SSL_VERSION, "ssl server-version <version:{tlsv1.2|tlsv1.3}>",
	       "Set the oldest TLS version that is served"),
	CONFIG(CONFIG, REPLICATED, SSL_VERSION,
	       "no ssl server-version [<version:{tlsv1.2|tlsv1.3}>]", "Return to tlsv1.2"),
	CONFIG(CONFIG, REPLICATED, SSL_CIPHER,
	       "ssl cipher <version:{tlsv1.2|tlsv1.3}> {<level:{medium|fips|high}>|custom "
	       "<ciphers:text>}",
	       "Set which cipher suites are served under a version: medium, Mozilla's "
	       "intermediate; "
	       "fips, those with AES-GCM; high, those with AES-256; custom, these, the preferred "
	       "one "
	       "first (NAME:NAME, as OpenSSL names them)"),
	CONFIG(CONFIG, REPLICATED, SSL_CIPHER,
	       "no ssl cipher <version:{tlsv1.2|tlsv1.3}> [{<level:{medium|fips|high}>|custom "
	       "<ciphers:text>}]",
	       "Return to medium"),
	CONFIG(CONFIG, REPLICATED, WEBVPN, "webvpn",
	       "Configure the listener; the lines below it belong to it"),
	CONFIG(CONFIG, REPLICATED, WEBVPN, "no webvpn", "Listen nowhere, and return to port 443"),
	CONFIG(WEBVPN, REPLICATED, WEBVPN_ENABLE, "[no] enable <interface:name>",
	       "Listen on the addresses of an interface"),
	CONFIG(WEBVPN, REPLICATED, WEBVPN_PORT, "port <port:number(1,65535)>",
	       "Set the port, of TCP and of DTLS's UDP"),
	CONFIG(WEBVPN, REPLICATED, WEBVPN_PORT, "no port [<port:number(1,65535)>]",
	       "Return to port 443"),
	CONFIG(WEBVPN, REPLICATED, ANYCONNECT_ENABLE, "[no] anyconnect enable",
	       "Let VPN clients log in where the listener is enabled"),
	CONFIG(WEBVPN, REPLICATED, MODE_EXIT, "exit", "Leave the listener's lines"),
#include "config/command_vpn.inc"

	EXEC(CHANGE, IMPORT, "import <name> [<file>]" IMPORT_OPTIONS, "asafo.Import",
	     "Import a certificate, its key and its chain as a trustpoint, from a PKCS#12 or PEM "
	     "file, or as base64 from stdin up to a line with quit"),
	EXEC(CHANGE, AUTHENTICATE, "authenticate <name> [<file>]" AUTHENTICATE_OPTIONS,
	     "asafo.Import",
	     "Keep a CA's certificate alone as a trustpoint, from a file or from stdin up to quit"),
	EXEC(LOOK, TRUSTPOINT_HISTORY, "history <name> [--json]", "asafo.TrustpointHistory",
	     "Show the generations of a trustpoint that are kept"),
	EXEC(CHANGE, ROLLBACK, "rollback <name> [<generation:number(1,2000000000)>] [--dry-run]",
	     "asafo.Rollback",
	     "Return a trustpoint to an earlier generation, the one before where none is named"),
	EXEC(CHANGE, EXPORT, "export <name> [--output <output:file>]" EXPORT_OPTIONS,
	     "asafo.Export", "Export a trustpoint with its key, to a file or to stdout"),
	EXEC(CHANGE, BACKUP,
	     "backup <file> [--passphrase-file <passphrase-file:file>] [--unit] [--non-exportable] "
	     "[--json]",
	     "asafo.Backup",
	     "Write all that the pair shares, its keys, earlier generations and lines of the "
	     "configuration, to a file sealed with a passphrase"),
	EXEC(CHANGE, RESTORE,
	     "restore <file> [--passphrase-file <passphrase-file:file>] [--unit] [--dry-run] "
	     "[--force] [--keep-config] [--lines] [--json]",
	     "asafo.Restore",
	     "Take back what a backup holds, all of it or nothing, on the active unit; what the "
	     "pair has newer only with --force"),
	EXEC(CHANGE, REMOVE, "remove <name> [--force]", "asafo.Remove",
	     "Remove a trustpoint; one that is bound only with --force"),
	EXEC(CHANGE, BIND, "bind " BINDING_OPTIONS, "asafo.Bind",
	     "Serve a trustpoint, as ssl trust-point in the configuration does"),
	EXEC(CHANGE, UNBIND, "unbind " BINDING_OPTIONS, "asafo.Unbind",
	     "Serve a trustpoint no longer"),
	EXEC(CHANGE, WRITE_STANDBY, "write-standby [--dry-run] [--verbose]", "asafo.WriteStandby",
	     "Make the standby hold exactly what this active unit holds, and prove it"),
	EXEC(CHANGE, WRITE_MEMORY, "write-memory", "asafo.WriteMemory",
	     "Save the running configuration, on both units"),
	EXEC(CHANGE, FAILOVER_ACTIVE, "failover active" FORCE_OPTIONS, "asafo.FailoverActive",
	     "Make this unit the active one, once the standby has everything"),
	EXEC(CHANGE, FAILOVER_STANDBY, "failover standby" FORCE_OPTIONS, "asafo.FailoverStandby",
	     "Make this unit the standby one, once the standby has everything"),
	EXEC(CHANGE, FAILOVER_RESET, "failover reset", "asafo.FailoverReset",
	     "Clear the failed state of this unit"),
	EXEC(LOOK, FAILOVER_EXEC, "failover exec <unit:{active|standby|mate}> <command:text>",
	     "asafo.FailoverExec",
	     "Run a command on the active unit, on the standby or on the other one, and show its "
	     "result here"),
	EXEC(CHANGE, RELOAD_STANDBY, "failover reload-standby", "asafo.ReloadStandby",
	     "Restart asafo on the standby, and wait until it is ready again"),
	EXEC(CHANGE, MAINTENANCE, "maintenance [<state:{on|off}>]" FORCE_OPTIONS,
	     "asafo.Maintenance",
	     "Keep this unit from taking over, handing over first where it is active; end that; or "
	     "say how it is"),
	EXEC(CHANGE, CLEAR_STATISTICS, "clear failover statistics", "asafo.ClearStatistics",
	     "Begin to count anew"),
	EXEC(CHANGE, PAIR_OFFER, "pair [--join]" JOIN_OPTIONS, "asafo.PairOffer",
	     "Make a failover key and show a one-time code; with --join, ask for it on the other "
	     "unit"),
	EXEC(CHANGE, PAIR_KEY, "pair key <file>", "asafo.Configure",
	     "Take the failover key from a file that both units have"),
	EXEC(CHANGE, REKEY, "rekey [--cancel]", "asafo.Rekey",
	     "Give the pair another failover key while it serves; with --cancel, give up one that "
	     "the mate has not taken yet"),
	EXEC(CHANGE, MASTER_KEY_ROTATE, "master-key rotate", "asafo.MasterKey",
	     "Seal this unit's keys under another master key, and forget the old one"),
	EXEC(CHANGE, MASTER_KEY_MOVE, "master-key move <to:{file|credential}>", "asafo.MasterKey",
	     "Bring the master key from its file to a credential of systemd's or back, and show "
	     "what root has to type for it"),
	EXEC(CHANGE, SESSION_TICKETS_ROTATE, "session-tickets rotate [--forget]",
	     "asafo.SessionTicketsRotate",
	     "Make another key for the session tickets of TLS clients, on both units; with "
	     "--forget, no ticket that a client has resumes any more"),
	EXEC(CHANGE, CRL_IMPORT, "crl import <name> <file> [--dry-run]", "asafo.CrlImport",
	     "Keep this list of what the CA of a trustpoint has revoked (DER or PEM), on both "
	     "units, for its revocation-check"),
	EXEC(CHANGE, CRL_REMOVE, "crl remove <name:owner>", "asafo.CrlRemove",
	     "Forget the list of what the CA of a trustpoint has revoked; of a CA that no "
	     "trustpoint has any more by its key, as asafo show crls prints it"),
	EXEC(CHANGE, OCSP_IMPORT, "ocsp import <name> <file> [--dry-run]", "asafo.OcspImport",
	     "Send this OCSP response (DER, as openssl ocsp -respout writes it) with a "
	     "trustpoint's "
	     "certificate, from both units, until it ends"),
	EXEC(CHANGE, OCSP_REMOVE, "ocsp remove <name>", "asafo.OcspRemove",
	     "Send no OCSP response with a trustpoint's certificate any more"),
	EXEC(CHANGE, TOTP, "username <name> totp [--json]", "asafo.Totp",
	     "Ask a VPN user for a code of an authenticator, too: makes another secret, and shows "
	     "it once as the URI that authenticators read"),
	EXEC(CHANGE, CONFIGURE, "configure [<line:text>]", "asafo.Configure",
	     "Apply lines of the configuration, one an argument, or else from stdin"),
	EXEC(CHANGE, LOCALCA_CREATE, "localca create [<subject:text>]" CREATE_OPTIONS,
	     "asafo.LocalCaCreate", "Create the local CA of this unit"),
	EXEC(CHANGE, LOCALCA_ISSUE, "localca issue <subject:text> <file>" ISSUE_OPTIONS,
	     "asafo.LocalCaIssue", "Issue a certificate with its key as a PKCS#12 file"),
	EXEC(LOOK, LOCALCA_LIST, "localca list [--json]", "asafo.LocalCaList",
	     "List what the local CA of this unit issued"),
	EXEC(LOOK, SHOW_FAILOVER, "show failover [--json]", "asafo.ShowFailover",
	     "Show both units, their interfaces and what is replicated"),
	EXEC(LOOK, SHOW_STATE, "show state [--json]", "asafo.ShowState",
	     "Show the state of both units and the last failure"),
	EXEC(LOOK, SHOW_HISTORY, "show history [<details:{details}>] [--json]", "asafo.ShowHistory",
	     "Show the last changes of state and their reasons; with details, of both units"),
	EXEC(LOOK, SHOW_FAILOVER_INTERFACE, "show failover interface [--json]",
	     "asafo.ShowFailoverInterface",
	     "Show the failover links, and each path's loss and latency"),
	EXEC(LOOK, SHOW_STATISTICS, "show failover statistics [--json]",
	     "asafo.ShowFailoverStatistics", "Show what crossed between the units"),
	EXEC(LOOK, SHOW_DIFF, "show failover diff [--json]", "asafo.Prove",
	     "Show what the units hold differently, by name and fingerprint, and line by line"),
	EXEC(LOOK, SHOW_REDUNDANCY, "show redundancy state [--json]", "asafo.ShowRedundancy",
	     "Show the state of both units in the words of IOS"),
	EXEC(LOOK, CHECK, "check [--json]", "asafo.ShowFailover",
	     "Say in one line, and by the exit code, whether the pair is well: for monitoring"),
	EXEC(LOOK, VERIFY, "verify" NAMES " [--json]", "asafo.Verify",
	     "Prove now, on both units, that trustpoints are there, that their keys sign, and that "
	     "clients get them: for cron; all of them where none is named"),
	EXEC(LOOK, WHY, "why <name> [--json]", "asafo.Why",
	     "Say which rule decided whether a trustpoint replicates, is bound and is served, and "
	     "what to type to change it"),
	EXEC(LOOK, SHOW_MONITOR_INTERFACE, "show monitor-interface [--json]",
	     "asafo.ShowMonitorInterface", "Show the interfaces of both units and how they are"),
	EXEC(LOOK, SHOW_TRACK, "show track [<number:number(1,500)>] [--json]", "asafo.ShowTrack",
	     "Show the track objects of this unit and what they found"),
	EXEC(LOOK, SHOW_CRLS, "show crls [<name>] [--json]", "asafo.ShowCrls",
	     "Show the CRLs that are here, whose they are and until when they hold"),
	EXEC(LOOK, SHOW_TRUSTPOINTS, "show trustpoints [<name>] [--json]", "asafo.ShowTrustpoints",
	     "Show trustpoints: what each holds, whether the mate has it, where it is bound"),
	EXEC(LOOK, SHOW_CERTIFICATES, "show certificates [<name>] [--json]",
	     "asafo.ShowCertificates", "Show the certificates of trustpoints in full"),
	EXEC(LOOK, SHOW_ORPHANS, "show orphans [--json]", "asafo.ShowOrphans",
	     "Show what only this unit accepted, and gave up for a mate with a newer term"),
	EXEC(CHANGE, ORPHANS_RESTORE, "orphans restore <name> [--replace]", "asafo.OrphansRestore",
	     "Take back what this unit accepted alone, as an import does; on the active unit"),
	EXEC(CHANGE, ORPHANS_DROP, "orphans drop <name>", "asafo.OrphansDrop",
	     "Forget what this unit accepted alone and gave up"),
	EXEC(LOOK, SHOW_SECURITY, "show security [--json]", "asafo.ShowSecurity",
	     "Show where this unit's master key comes from, and how its keys are kept"),
	EXEC(LOOK, SHOW_SSL, "show ssl [--probe] [--json]", "asafo.ShowSsl",
	     "Show which certificate is served where, and why; with --probe, what a client gets "
	     "there now"),
	EXEC(LOOK, SHOW_VPN_SESSIONS, "show vpn-sessiondb [<type:{anyconnect}>] [--json]",
	     "asafo.ShowVpnSessions", "Count the VPN sessions, or show each of them"),
	EXEC(CHANGE, VPN_LOGOFF,
	     "vpn-sessiondb logoff {name <user:text>|index "
	     "<index:number(1,4294967295)>|<all:{all}>}",
	     "asafo.VpnLogoff", "End VPN sessions, on both units: of a user, one, or all"),
	EXEC(LOOK, SHOW_RUNNING_CONFIG,
	     "show running-config [<all:{all}>] [{<section:{crypto|failover|group-policy"
	     "|hostname|ip|monitor-interface|route|ssl|track|tunnel-group|username|webvpn}>|<"
	     "section:{interface}> [<device:text>]}] "
	     "[--json]",
	     "asafo.ShowRunningConfig",
	     "Show the configuration in use, or a section of it; with all, what is at its default, "
	     "too; the clocks of the units are a comment on top"),
	EXEC(LOOK, SHOW_STARTUP_CONFIG, "show startup-config [--json]", "asafo.ShowStartupConfig",
	     "Show the saved configuration; the clocks of the units are a comment on top"),
	EXEC(LOOK, SHOW_VERSION, "show version [--json]", "asafo.ShowVersion",
	     "Show the versions of both units"),
	EXEC(LOOK, CHECK_CONFIG, "check-config <file> [--json]", NULL,
	     "Check a configuration file, and change nothing"),
	EXEC(LOOK, HELP, "help [<command:text>]", NULL, "Show the commands"),

	ALIAS(CHANGE, PAIR_JOIN, "pair join" JOIN_OPTIONS, "asafo.PairJoin",
	      "Fetch the failover key from the other unit; asks for its one-time code"),
	ALIAS(LOOK, SHOW_VERSION, "version [--json]", "asafo.ShowVersion",
	      "Show the versions of both units"),
	ALIAS(LOOK, SHOW_REDUNDANCY, "show redundancy states [--json]", "asafo.ShowRedundancy",
	      "Show the state of both units"),
	ALIAS(CHANGE, IMPORT, "crypto ca import <name> pkcs12 <file>" IMPORT_OPTIONS,
	      "asafo.Import",
	      "Import a trustpoint: from that file, or with that passphrase as base64 from stdin"),
	ALIAS(CHANGE, AUTHENTICATE, "crypto ca authenticate <name> [<file>]" AUTHENTICATE_OPTIONS,
	      "asafo.Import", "Keep a CA's certificate"),
	ALIAS(CHANGE, EXPORT, "crypto ca export <name> pkcs12 <output:file>" EXPORT_OPTIONS,
	      "asafo.Export", "Export a trustpoint"),
	ALIAS(CHANGE, REMOVE, "no crypto ca trustpoint <name> [--force]", "asafo.Remove",
	      "Remove a trustpoint"),
	ALIAS(CHANGE, BIND, "ssl trust-point " BINDING, "asafo.Bind", "Serve a trustpoint"),
	ALIAS(CHANGE, UNBIND, "no ssl trust-point " BINDING, "asafo.Unbind",
	      "Serve a trustpoint no longer"),
	ALIAS(CHANGE, WRITE_STANDBY, "write standby [--dry-run] [--verbose]", "asafo.WriteStandby",
	      "Replicate everything to the standby"),
	ALIAS(CHANGE, WRITE_MEMORY, "write memory", "asafo.WriteMemory",
	      "Save the running configuration"),
	ALIAS(CHANGE, WRITE_MEMORY, "write", "asafo.WriteMemory", "Save the running configuration"),
	ALIAS(LOOK, SHOW_RUNNING_CONFIG, "write terminal [--json]", "asafo.ShowRunningConfig",
	      "Show the configuration in use"),
	ALIAS(CHANGE, WRITE_MEMORY, "copy running-config startup-config", "asafo.WriteMemory",
	      "Save the running configuration"),
	ALIAS(CHANGE, FAILOVER_STANDBY, "no failover active" FORCE_OPTIONS, "asafo.FailoverStandby",
	      "Make this unit the standby one"),
	ALIAS(CHANGE, LOCALCA_CREATE, "crypto ca server create [<subject:text>]" CREATE_OPTIONS,
	      "asafo.LocalCaCreate", "Create the local CA"),
	ALIAS(CHANGE, LOCALCA_ISSUE, "crypto ca server issue <subject:text> <file>" ISSUE_OPTIONS,
	      "asafo.LocalCaIssue", "Issue a certificate"),
	ALIAS(LOOK, LOCALCA_LIST, "crypto ca server list [--json]", "asafo.LocalCaList",
	      "List what the local CA issued"),
	ALIAS(LOOK, SHOW_STATE, "show failover state [--json]", "asafo.ShowState",
	      "Show the state of both units"),
	ALIAS(LOOK, SHOW_HISTORY, "show failover history [<details:{details}>] [--json]",
	      "asafo.ShowHistory", "Show the last changes of state"),
	ALIAS(CHANGE, CRL_IMPORT, "crypto ca crl import <name> <file> [--dry-run]",
	      "asafo.CrlImport", "Keep a CA's list of revoked certificates"),
	ALIAS(LOOK, SHOW_CRLS, "show crypto ca crls [<name>] [--json]", "asafo.ShowCrls",
	      "Show CRLs"),
	ALIAS(LOOK, SHOW_TRUSTPOINTS, "show crypto ca trustpoints [<name>] [--json]",
	      "asafo.ShowTrustpoints", "Show trustpoints"),
	ALIAS(LOOK, SHOW_CERTIFICATES, "show crypto ca certificates [<name>] [--json]",
	      "asafo.ShowCertificates", "Show certificates"),
	ALIAS(LOOK, LOCALCA_LIST, "show crypto ca server [--json]", "asafo.LocalCaList",
	      "List what the local CA issued"),
};

static const struct {
	const char *word;
	const char *help;
} words[] = {
	{"--code-file", "Read the one-time code from this file (-: stdin)"},
	{"--cancel", "Give up a key that the mate has not taken yet"},
	{"--domain", "For clients that ask for this domain name only"},
	{"--dry-run", "Check everything and change nothing"},
	{"--forget", "No ticket that a client has resumes any more"},
	{"--friendly-name", "Which identity of the file, where it holds several"},
	{"--key", "The private key is in this PEM file, apart from the certificates"},
	{"--force", "Also where something is lost by it (a removal: the bindings)"},
	{"--format", "pkcs12 (the default) or pem"},
	{"--join", "Ask for the code that the other unit shows"},
	{"--json", "Show the result as JSON"},
	{"--keep-config", "Leave the configuration as it is"},
	{"--lifetime", "Days of validity"},
	{"--lines", "Print the lines of the configuration that the backup holds; change nothing"},
	{"--name", "A name for it; for a certificate a host name, several times if need be"},
	{"--no-mac", "Take a file without an integrity check, too"},
	{"--non-exportable", "Import: never export its key again; backup: with such keys, too"},
	{"--output", "The file to write, mode 0600 (-: stdout)"},
	{"--passphrase-file", "Read the passphrase from this file (-: stdin) instead of asking"},
	{"--probe", "Try it now, as a client would"},
	{"--replace", "Renew the trustpoint of this name: a new generation"},
	{"--unit", "Backup: with what is this unit's own; restore: that alone, on this unit"},
	{"--verbose", "Say what became of each item"},
	{"--wait-standby",
	 "Return when the standby has it, too, whatever failover replication says"},
	{"--yes", "With --force: do not ask"},
	{"ca", "Certification authorities and trustpoints"},
	{"alerts", "Messages of certificates that end"},
	{"all", "What is at its default, too"},
	{"clear", "Begin to count anew"},
	{"copy", "Copy a configuration"},
	{"crypto", "Certificates and keys"},
	{"details", "Of both units, in one order"},
	{"failover", "The pair: roles, link, timers"},
	{"group-policy", "Policies of VPN users"},
	{"holdtime", "After which silence the mate is lost"},
	{"hostname", "The name of the pair"},
	{"interface", "A network device, or the failover link's addresses"},
	{"ip", "IPv4"},
	{"ipv6", "IPv6"},
	{"lan", "The failover link"},
	{"link", "The stateful link"},
	{"localca", "The local CA of this unit"},
	{"master-key", "What this unit's keys are sealed under"},
	{"monitor-interface", "Which interfaces count"},
	{"no", "Undo a line or return to its default"},
	{"crl", "What a CA has revoked"},
	{"ocsp", "What is stapled to certificates: that they are not revoked"},
	{"pair", "Give both units the same failover key"},
	{"replication", "What is replicated, and when"},
	{"redundancy", "The pair, in the words of IOS"},
	{"route", "Routes of the pair"},
	{"server", "The local CA of this unit"},
	{"session-tickets", "By which TLS clients resume on either unit"},
	{"show", "Show state, certificates, configuration"},
	{"ssl", "What TLS serves"},
	{"track", "What is asked whether it is there"},
	{"tunnel-group", "Groups of VPN users"},
	{"username", "VPN users"},
	{"webvpn", "The listener"},
	{"write", "Save, or replicate to the standby"},
};

const struct command_row *command_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const char *command_word_help(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, word) == 0)
			return words[i].help;
	}
	return NULL;
}
