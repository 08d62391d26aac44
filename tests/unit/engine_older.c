/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mate of an older version at the other end of the failover link. The link's own code would say
 * this version; this says the older one and what that has: Exec, history and sessions are unknown
 * to it, so that engine_world.c fails where one comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_world.h"
#include "failover/link_socket.h"

static void on_ready(struct link_conn *conn, void *userdata)
{
	Asafo__Wire__LinkHello hello = ASAFO__WIRE__LINK_HELLO__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	char software[] = "0.0.9";

	(void)userdata;
	hello.version = world.mate.version;
	hello.oldest_version = 1;
	hello.software = software;
	hello.unit = FO_UNIT_SECONDARY;
	hello.boot = 99;
	message.body_case = ASAFO__WIRE__LINK__BODY_HELLO;
	message.hello = &hello;
	assert_int_equal(link_conn_send(conn, &message), 0);
}

/* The first frame is the engine's own hello. */
static void on_frame(struct link_conn *conn, const uint8_t *data, size_t size, void *userdata)
{
	Asafo__Wire__Link *message = asafo__wire__link__unpack(NULL, size, data);

	(void)conn;
	(void)userdata;
	assert_non_null(message);
	if (message->body_case == ASAFO__WIRE__LINK__BODY_HELLO) {
		assert_true(message->hello->oldest_version <= world.mate.version);
		world.mate.n_ups++;
	} else {
		world_mate_takes(message);
	}
	asafo__wire__link__free_unpacked(message, NULL);
}

static void on_drained(struct link_conn *conn, void *userdata)
{
	(void)conn;
	(void)userdata;
}

static void on_closed(struct link_conn *conn, int code, const char *why, void *userdata)
{
	(void)conn;
	(void)code;
	(void)why;
	(void)userdata;
	world.mate.n_downs++;
}

void world_older_connect(void)
{
	static const struct link_conn_ops ops = {on_ready, on_frame, on_drained, on_closed};
	const struct link_config *config = &world.mate.config;
	struct why why;
	int fd = -1;

	/* It says whom it waits for when it listens. */
	WAIT_FOR(world.engine->pair.link && world.engine->pair.link_why[0]);
	assert_int_equal(link_keys_new("asafo-link", config->psk, &world.mate.older_keys), 0);
	assert_int_equal(link_socket_connect(&config->ways[0], &fd, &why), 0);
	assert_int_equal(link_conn_new(world.event, fd, false, world.mate.older_keys, &ops, NULL,
				       &world.mate.older),
			 0);
}

void world_older_go(void)
{
	link_conn_free(world.mate.older);
	link_keys_free(world.mate.older_keys);
	world.mate.older = NULL;
	world.mate.older_keys = NULL;
}
