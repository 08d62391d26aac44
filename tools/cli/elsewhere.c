/* SPDX-License-Identifier: Apache-2.0 */
/* Words that fingers know from an ASA, and that are not asafo's: each is answered with what to type
 * instead. */
#include "tools/cli/elsewhere.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define ABBREVIATION_MIN 3

#define SYSTEM "it is a command of the system: type it without asafo"
#define NO_MODE                                                                                    \
	"there is no mode to enter or to leave: each asafo COMMAND stands alone, and the right "   \
	"to change comes from root or group asafo-admin"

/* The first row that fits counts. */
static const struct {
	const char *words;
	const char *instead;
} rows[] = {
	{"show logging", "journalctl -u asafo shows the log, ASAFO_ID=104001 behind it one number"},
	{"show interface", "asafo show monitor-interface says how they are, ip -s link counts"},
	{"show ip", "asafo show monitor-interface and ip address show addresses"},
	{"show ipv6", "asafo show monitor-interface and ip address show addresses"},
	{"show nameif", "asafo show running-config interface has the names"},
	{"show route",
	 "ip route and ip -6 route show routes, asafo show running-config route has the "
	 "pair's"},
	{"show arp", "ip neighbour shows it"},
	{"show conn", "conntrack -L lists connections"},
	{"show xlate", "conntrack -L lists connections, nft list ruleset the rules"},
	{"show nat", "nft list ruleset has the rules"},
	{"show access-list", "nft list ruleset has the rules"},
	{"show clock", "date shows it; asafo show version compares the clocks of both units"},
	{"show ntp", "timedatectl shows it; asafo show version compares the clocks of both units"},
	{"show uptime", "asafo show version has it"},
	{"show cpu", "top shows it"},
	{"show memory", "free shows it"},
	{"show processes", "systemctl status asafo lists them"},
	{"show tech-support",
	 "asafo show failover, asafo show failover history details, asafo verify "
	 "and journalctl -u asafo tell what happened"},
	{"show webvpn", "asafo show vpn-sessiondb anyconnect lists who is connected, asafo show "
			"running-config webvpn has the lines"},
	{"show crypto key", "asafo show trustpoints has the keys, by their certificates"},
	{"show crypto isakmp", "VPN clients come by TLS: asafo show vpn-sessiondb anyconnect"},
	{"show crypto ipsec", "VPN clients come by TLS: asafo show vpn-sessiondb anyconnect"},
	{"show aaa-server", "asafo show running-config tunnel-group has who checks passwords"},
	{"show users", "who lists them; VPN users: asafo show vpn-sessiondb anyconnect"},
	{"reload",
	 "systemctl restart asafo restarts asafo here, asafo failover reload-standby on the "
	 "standby, reboot the machine"},
	{"debug", "journalctl -u asafo -f follows the log"},
	{"undebug", "nothing has to be turned off: journalctl -u asafo -f follows the log"},
	{"no debug", "nothing has to be turned off: journalctl -u asafo -f follows the log"},
	{"enable", NO_MODE},
	{"disable", NO_MODE},
	{"exit", NO_MODE},
	{"end", NO_MODE},
	{"quit", NO_MODE},
	{"logout", NO_MODE},
	{"terminal", "output is not paged: asafo show failover | less, where that is wanted"},
	{"ping", SYSTEM},
	{"traceroute", SYSTEM},
	{"who", SYSTEM},
	{"packet-tracer", "nft monitor trace follows a packet through the rules"},
	{"capture", "tcpdump -i DEVICE shows packets"},
	{"clear conn", "conntrack -D and conntrack -F end connections"},
	{"clear xlate", "conntrack -D and conntrack -F end connections"},
	{"clear arp", "ip neighbour flush does it"},
	{"clear logging", "the log is the journal's: journalctl --vacuum-time=1d shortens it"},
	{"clear configure", "asafo configure \"no LINE\" takes a line away"},
	{"write erase", "systemctl stop asafo, then move /etc/asafo/startup-config away"},
	{"write net", "asafo backup FILE writes one, to be copied where you like"},
	{"copy",
	 "asafo backup FILE and asafo restore FILE keep everything in a file and take it back"},
	{"crypto key",
	 "openssl makes keys; asafo import NAME FILE.p12 takes one with its certificate"},
	{"crypto ca enroll",
	 "openssl req makes the request; asafo import NAME FILE.p12 takes what comes of it"},
};

/* WORD is the one of LENGTH bytes, or begins so. */
static bool means(const char *word, const char *full, size_t length)
{
	size_t n = strlen(word);

	return n <= length && (n == length || n >= ABBREVIATION_MIN) &&
	       strncasecmp(word, full, n) == 0;
}

/* How many words PATTERN has, 0: the line does not begin so. The last one is not asafo's; those
 * before it are, and may be as short as they are unique. */
static size_t match(const char *pattern, int n, char **words)
{
	size_t taken = 0;

	for (; *pattern; taken++) {
		size_t length = strcspn(pattern, " ");
		bool is_last = pattern[length] == '\0';

		if ((int)taken >= n || !*words[taken])
			return 0;
		if (is_last ? !means(words[taken], pattern, length)
			    : strncasecmp(words[taken], pattern, strlen(words[taken])) != 0)
			return 0;
		pattern += length + !is_last;
	}
	return taken;
}

const char *elsewhere_find(int n, char **words, size_t n_understood)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t taken = match(rows[i].words, n, words);

		/* Of a command of asafo's own only a later word is wrong. */
		if (taken > 0 && n_understood <= taken)
			return rows[i].instead;
	}
	return NULL;
}
