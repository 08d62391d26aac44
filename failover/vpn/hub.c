/* SPDX-License-Identifier: Apache-2.0 */
/* What fronts ask is answered here. */
#include "failover/vpn/hub.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/vpn/hub_config.h"

struct vpnhub {
	struct engine *engine;
	struct ipc_channel *auth;
};

static char not_there[] = "VPN sessions are not there in this version";

/* ---- the configuration ---- */

static void configure_front(struct vpnhub *hub, unsigned instance)
{
	struct ipc_channel *front = hub->engine->rooms.fronts[instance];
	int r = hub_config_send(front, hub->engine->config, hub->engine->config_generation);

	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "front %u: the VPN's configuration was not sent: %s", instance,
			 err_text(r));
}

static void configure_auth(struct vpnhub *hub)
{
	int r = hub->auth ? hub_users_send(hub->auth, hub->engine->config) : 0;

	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "asafo-auth: the users were not sent: %s", err_text(r));
}

void vpnhub_configure(struct vpnhub *hub)
{
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (hub->engine->rooms.fronts[i])
			configure_front(hub, i);
	}
	configure_auth(hub);
}

/* ---- fronts ---- */

void vpnhub_front_attached(struct vpnhub *hub, unsigned instance)
{
	configure_front(hub, instance);
}

void vpnhub_front_gone(struct vpnhub *hub, unsigned instance)
{
	(void)hub;
	(void)instance;
}

bool vpnhub_is_message(enum ipc_type type)
{
	return type == IPC_VPN_SESSION_NEW || type == IPC_VPN_SESSION_TOUCH ||
	       type == IPC_VPN_SESSION_END;
}

void vpnhub_message(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		    const struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Ipc__VpnSessionNewReply made = ASAFO__IPC__VPN_SESSION_NEW_REPLY__INIT;
	Asafo__Ipc__StatusReply ended = ASAFO__IPC__STATUS_REPLY__INIT;

	(void)hub;
	(void)instance;
	(void)body;
	status.code = ERR_UNSUPPORTED;
	status.why = not_there;
	made.status = ended.status = &status;
	if (frame->type == IPC_VPN_SESSION_NEW)
		(void)ipc_channel_reply(channel, frame->type, frame->id, false, &made.base);
	else if (frame->type == IPC_VPN_SESSION_END)
		(void)ipc_channel_reply(channel, frame->type, frame->id, false, &ended.base);
}

/* ---- the auth helper ---- */

static void on_auth_request(struct ipc_channel *channel, struct ipc_frame *frame,
			    const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	(void)frame;
	(void)body;
	(void)userdata;
}

static void on_auth_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct vpnhub *hub = userdata;

	if (hub->auth == channel)
		hub->auth = NULL;
	ipc_channel_free(channel);
	if (!hub->engine->is_exiting)
		log_line(LOG_WARNING,
			 "asafo-auth went away (%s): nobody can log in until it is "
			 "back",
			 err_text(code));
}

void vpnhub_auth_attach(struct vpnhub *hub, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {0}; /* it asks nothing */
	static const struct ipc_channel_ops ops = {permitted, on_auth_request, on_auth_closed};
	int r;

	ipc_channel_free(TAKE_PTR(hub->auth));
	r = ipc_channel_new(hub->engine->event, fd, &ops, hub, &hub->auth);
	if (r < 0)
		log_line(LOG_ERR, "channel to asafo-auth: %s", err_text(r));
	else
		configure_auth(hub);
}

/* ---- life ---- */

int vpnhub_new(struct engine *engine, struct vpnhub **ret_hub)
{
	struct vpnhub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	hub->engine = engine;
	*ret_hub = hub;
	return 0;
}

void vpnhub_free(struct vpnhub *hub)
{
	if (!hub)
		return;
	ipc_channel_free(hub->auth);
	free(hub);
}
