/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of the failover link. */
#include "failover/link_internal.h"

bool link_is_up(const struct link *link)
{
	return link->up != NULL;
}

const char *link_way_name(const struct link *link)
{
	return link->up ? link->config.ways[link->up->way].name : "";
}

bool link_is_pairing(const struct link *link)
{
	return link->is_delivering_pairing;
}

size_t link_queued(const struct link *link)
{
	return link->up ? link_conn_queued(link->up->conn) : 0;
}

const char *link_cipher(const struct link *link)
{
	return link->up ? link_conn_cipher(link->up->conn) : "";
}

uint64_t link_bytes_sent(const struct link *link)
{
	return link->sent + (link->up ? link_conn_sent(link->up->conn) : 0);
}

uint64_t link_bytes_received(const struct link *link)
{
	return link->received + (link->up ? link_conn_received(link->up->conn) : 0);
}

const char *link_mate_software(const struct link *link)
{
	return link->mate_software;
}

uint32_t link_mate_version(const struct link *link)
{
	return link->mate_version;
}
