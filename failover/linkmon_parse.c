/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/linkmon_parse.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

static bool is_down(uint8_t operstate)
{
	return operstate == IF_OPER_DOWN || operstate == IF_OPER_LOWERLAYERDOWN ||
	       operstate == IF_OPER_NOTPRESENT;
}

struct link_attributes {
	struct linkmon_link *link;
	uint8_t operstate;
};

static int on_link_attribute(const struct nlattr *attribute, void *userdata)
{
	struct link_attributes *found = userdata;
	uint16_t type = mnl_attr_get_type(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);
	const void *payload = mnl_attr_get_payload(attribute);

	if (type == IFLA_IFNAME && size > 0 && size <= sizeof(found->link->device))
		memcpy(found->link->device, payload, size - 1);
	else if (type == IFLA_ADDRESS && size == sizeof(found->link->mac))
		memcpy(found->link->mac, payload, size);
	else if (type == IFLA_OPERSTATE && size == 1)
		found->operstate = mnl_attr_get_u8(attribute);
	return MNL_CB_OK;
}

bool linkmon_parse_link(const struct nlmsghdr *header, struct linkmon_link *ret_link)
{
	const struct ifinfomsg *head = mnl_nlmsg_get_payload(header);
	struct linkmon_link link = {.is_present = true};
	struct link_attributes found = {&link, IF_OPER_UNKNOWN};

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*head) || head->ifi_family != AF_UNSPEC)
		return false; /* a bridge's view of its port is another family's */
	(void)mnl_attr_parse(header, sizeof(*head), on_link_attribute, &found);
	link.index = (unsigned)head->ifi_index;
	link.is_admin_up = (head->ifi_flags & IFF_UP) != 0;
	link.has_carrier = (head->ifi_flags & IFF_LOWER_UP) != 0 && !is_down(found.operstate);
	*ret_link = link;
	return true;
}

struct address_attributes {
	size_t size; /* of an address of this family */
	const uint8_t *local, *plain;
	uint8_t protocol;
	uint32_t lifetime_s;
	uint32_t stamp;
};

static int on_address_attribute(const struct nlattr *attribute, void *userdata)
{
	struct address_attributes *found = userdata;
	uint16_t type = mnl_attr_get_type(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);
	struct ifa_cacheinfo lifetime;

	if (type == IFA_LOCAL && size == found->size)
		found->local = mnl_attr_get_payload(attribute);
	else if (type == IFA_ADDRESS && size == found->size)
		found->plain = mnl_attr_get_payload(attribute);
	else if (type == IFA_PROTO && size == 1)
		found->protocol = mnl_attr_get_u8(attribute);
	if (type == IFA_CACHEINFO && size >= sizeof(lifetime)) {
		memcpy(&lifetime, mnl_attr_get_payload(attribute), sizeof(lifetime));
		found->lifetime_s = lifetime.ifa_valid;
		found->stamp = lifetime.tstamp;
	}
	return MNL_CB_OK;
}

bool linkmon_parse_address(const struct nlmsghdr *header, struct linkmon_address *ret_address)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(header);
	struct address_attributes found = {.lifetime_s = UINT32_MAX};

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*head) ||
	    (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
		return false;
	found.size = head->ifa_family == AF_INET6 ? 16 : 4;
	(void)mnl_attr_parse(header, sizeof(*head), on_address_attribute, &found);
	/* On a point-to-point interface IFA_ADDRESS is the other end's. */
	if (!found.local)
		found.local = found.plain;
	if (!found.local)
		return false;
	*ret_address = (struct linkmon_address){.index = head->ifa_index,
						.family = head->ifa_family,
						.prefix_length = head->ifa_prefixlen,
						.protocol = found.protocol,
						.lifetime_s = found.lifetime_s,
						.stamp = found.stamp};
	memcpy(ret_address->bytes, found.local, found.size);
	return true;
}

int linkmon_parse_error(const struct nlmsghdr *header)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*answer))
		return ERR_MALFORMED;
	return answer->error;
}

int linkmon_parse_end(const struct nlmsghdr *header)
{
	int error = header->nlmsg_type == NLMSG_ERROR ? linkmon_parse_error(header) : 0;

	return error < 0 ? error : 1;
}
