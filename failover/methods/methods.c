/* SPDX-License-Identifier: Apache-2.0 */
/* The table of control methods, and what the engine tells those that stand on it. */
#include "failover/methods/methods.h"

#include <syslog.h>

#include "base/account.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/exec.h"
#include "failover/methods/handlers.h"
#include "failover/methods/history_wait.h"
#include "failover/methods/proof.h"
#include "failover/methods/reload.h"
#include "failover/methods/role.h"

static const struct control_method methods_table[] = {
#define ROW(name, access, handler) {name, CONTROL_ACCESS_##access, handler},
	METHODS(ROW)
#undef ROW
		{NULL, CONTROL_ACCESS_LOOK, NULL},
};

static gid_t look_gid = (gid_t)-1, change_gid = (gid_t)-1;

/* Where it cannot be told who is in a group nobody is, which the engine need not end for: root can
 * still ask. */
static gid_t group_resolve(const char *name)
{
	gid_t gid = (gid_t)-1;
	int r = account_group(name, &gid);

	if (r < 0 && r != ERR_NOT_FOUND)
		log_line(LOG_WARNING,
			 "the group %s could not be looked up (%s): until the next start its "
			 "members "
			 "are refused",
			 name, err_text(r));
	return r < 0 ? (gid_t)-1 : gid;
}

void methods_resolve_groups(void)
{
	look_gid = group_resolve("asafo");
	change_gid = group_resolve("asafo-admin");
}

int methods_serve(struct engine *engine, int listen_fd)
{
	control_server_free(TAKE_PTR(engine->rooms.control));
	return control_server_new(engine->event, listen_fd, methods_table, look_gid, change_gid,
				  engine, &engine->rooms.control);
}

/* ---- what the engine tells ---- */

static int start(struct engine *engine)
{
	int r = exec_new(engine, methods_table, &engine->exec);

	if (r == 0)
		r = reload_new(engine, &engine->reload);
	if (r == 0)
		r = role_waits_new(engine, &engine->methods);
	if (r == 0)
		r = proof_new(engine, &engine->proof);
	return r;
}

static void stop(struct engine *engine)
{
	reload_free(TAKE_PTR(engine->reload));
	exec_free(TAKE_PTR(engine->exec));
	proof_free(TAKE_PTR(engine->proof));
}

static void done(struct engine *engine)
{
	history_drop(engine);
	role_waits_free(TAKE_PTR(engine->methods));
}

static void on_transition(struct engine *engine)
{
	role_on_transition(engine->methods);
}

static void on_hello(struct engine *engine)
{
	role_on_hello(engine->methods);
}

static void on_news(struct engine *engine)
{
	proof_kick(engine->proof);
}

static void on_report(struct engine *engine)
{
	proof_reported(engine->proof);
}

static bool on_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	return history_message(engine, message) || exec_message(engine->exec, message);
}

static void on_link_down(struct engine *engine, const char *why)
{
	exec_link_down(engine->exec, why);
}

const struct engine_upper methods_upper = {start,   stop,      done,	   on_transition, on_hello,
					   on_news, on_report, on_message, on_link_down};
