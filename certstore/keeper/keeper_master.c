/* SPDX-License-Identifier: Apache-2.0 */
/* The master key: another one, from where it comes and where it goes; what is said of it. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "certstore/keeper/keeper_verbs.h"

void keeper_master_path(const struct keeper *keeper, char ret_path[static PATH_MAX])
{
	(void)snprintf(ret_path, PATH_MAX, "%s/master.key", keeper->state_dir);
}

static int rotate(struct keeper *keeper, const char *path, struct why *why)
{
	int r;

	if (keeper->master.is_credential)
		return why_set(why, ERR_NOT_READY,
			       "the master key is the systemd credential asafo.master-key, which "
			       "only root can replace: make it a file (`asafo master-key move "
			       "file`), change that, and seal it again (`asafo master-key move "
			       "credential`)");
	r = keyring_master_rotate(keeper->ring, path, why);
	if (r == 0)
		log_line(LOG_NOTICE, "the master key was changed: %s is the new one", path);
	else
		log_line(LOG_ERR, "the master key: %s", why->text);
	return r;
}

static int to_file(struct keeper *keeper, const char *path, struct why *why)
{
	int r = keyring_master_to_file(keeper->ring, keeper->credential_fd, path, why);

	if (r == 0)
		log_line(LOG_NOTICE, "the master key was written from the credential to %s", path);
	return r;
}

static int run_wipe(void *userdata)
{
	return keyring_master_wipe(userdata);
}

/* Nothing but the file that somebody could have taken for the key: the credential has opened the
 * store. */
static int drop_file(struct keeper *keeper, char *path, struct why *why)
{
	int r = keeper_wait(keeper, KEEPER_WAIT_DISK, "the end of the master key's file", 0,
			    run_wipe, path);

	if (r < 0)
		return why_set(why, r, "cannot overwrite and remove %s: %s", path, err_text(r));
	log_line(LOG_NOTICE, "%s was overwritten and removed: the credential opens the store",
		 path);
	return 0;
}

static int master_step(struct keeper *keeper, const Asafo__Ipc__MasterKey *request, char *path,
		       bool *ret_is_changed, struct why *why)
{
	const struct keyring_master *master = &keeper->master;

	switch ((int)request->step) {
	case ASAFO__IPC__MASTER_KEY__STEP__ROTATE:
		*ret_is_changed = true;
		return rotate(keeper, path, why);
	case ASAFO__IPC__MASTER_KEY__STEP__TO_FILE:
		*ret_is_changed = master->is_credential;
		return master->is_credential ? to_file(keeper, path, why) : 0;
	case ASAFO__IPC__MASTER_KEY__STEP__DROP_FILE:
		*ret_is_changed = master->is_credential && master->has_file;
		return *ret_is_changed ? drop_file(keeper, path, why) : 0;
	default:
		return why_set(why, ERR_MALFORMED, "there is no such step of a master key");
	}
}

void keeper_on_master_key(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__MasterKeyReply message = ASAFO__IPC__MASTER_KEY_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	char path[PATH_MAX];
	struct why why = {0};
	bool is_changed = false;
	int r;

	(void)frame;
	keeper_master_path(keeper, path);
	keyring_look_at_file(path, &keeper->master);
	r = master_step(keeper, (const Asafo__Ipc__MasterKey *)body, path, &is_changed, &why);
	keyring_look_at_file(path, &keeper->master);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.is_changed = is_changed;
	message.is_credential = keeper->master.is_credential;
	message.has_file = keeper->master.has_file;
	message.path = path;
	message.master_at = keyring_times(keeper->ring)->master_at;
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_security(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__SecurityReply message = ASAFO__IPC__SECURITY_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct rlimit core = {0};
	char path[PATH_MAX];

	(void)frame;
	(void)body;
	keeper_master_path(keeper, path);
	keyring_look_at_file(path, &keeper->master);
	(void)getrlimit(RLIMIT_CORE, &core);
	message.status = &status;
	message.is_credential = keeper->master.is_credential;
	message.is_credential_stale = keeper->master.is_credential_stale;
	message.has_file = keeper->master.has_file;
	message.file_mode = keeper->master.file_mode;
	message.file_owner = keeper->master.file_owner;
	message.master_at = keyring_times(keeper->ring)->master_at;
	message.is_locked = keyring_is_locked(keeper->ring);
	message.is_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
	message.core_limit = core.rlim_cur;
	keeper_reply(keeper, ticket, &message.base, false);
}
