/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/child.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "src/ipc/ipc.pb-c.h"

struct child {
	const struct child_ops *ops;
	void *userdata;
	struct ipc_channel *supervisor;
	sd_event_source *watchdog;
	unsigned beat_ms;
};

static int parse_instance(const char *text, unsigned *ret_instance)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end || value > 1023)
		return ERR_SYNTAX;
	*ret_instance = (unsigned)value;
	return 0;
}

int child_options_parse(int argc, char **argv, struct child_options *ret_options)
{
	static const struct option known[] = {
		{"instance", required_argument, NULL, 'i'},
		{"state-dir", required_argument, NULL, 's'},
		{"run-dir", required_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'},
		{"hooks-dir", required_argument, NULL, 'h'},
		{"track-dir", required_argument, NULL, 't'},
		{"without-pam", no_argument, NULL, 'p'},
		{"short-beat", no_argument, NULL, 'b'},
		{"verbose", no_argument, NULL, 'v'},
		{"no-sandbox", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	struct child_options options = {.state_dir = ASAFO_STATEDIR,
					.run_dir = ASAFO_RUNDIR,
					.hooks_dir = ASAFO_SYSCONFDIR "/hooks.d",
					.track_dir = ASAFO_SYSCONFDIR "/track.d",
					.beat_ms = CHILD_BEAT_MS};
	int c, r = 0;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (c == 'i')
			r = parse_instance(optarg, &options.instance);
		else if (c == 's')
			options.state_dir = optarg;
		else if (c == 'r')
			options.run_dir = optarg;
		else if (c == 'c')
			options.config = optarg;
		else if (c == 'h')
			options.hooks_dir = optarg;
		else if (c == 't')
			options.track_dir = optarg;
		else if (c == 'p')
			options.is_without_pam = true;
		else if (c == 'b')
			options.beat_ms = CHILD_BEAT_SHORT_MS;
		else if (c == 'v')
			options.is_verbose = true;
		else if (c == 'n')
			options.is_unsandboxed = true;
		else
			r = ERR_SYNTAX;
	}
	if (r < 0 || optind != argc) {
		(void)fprintf(stderr, "%s: this program is started by asafod(8), not by hand\n",
			      argv[0]);
		return ERR_SYNTAX;
	}
	*ret_options = options;
	return 0;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct child *child = userdata;

	(void)channel;
	if (frame->type == IPC_PEER) {
		const Asafo__Ipc__Peer *peer = (const Asafo__Ipc__Peer *)body;
		int fd = ipc_frame_take_fd(frame, 0);

		if (fd >= 0 && peer->kind < IPC_PEER__MAX)
			child->ops->on_peer((enum ipc_peer)peer->kind, peer->instance, fd,
					    child->userdata);
		else if (fd >= 0)
			(void)close(fd);
	} else if (frame->type == IPC_CREDENTIAL) {
		const Asafo__Ipc__Credential *credential = (const Asafo__Ipc__Credential *)body;
		int fd = ipc_frame_take_fd(frame, 0);

		if (fd >= 0 && child->ops->on_credential)
			child->ops->on_credential(credential->name, fd, child->userdata);
		else if (fd >= 0)
			(void)close(fd);
	} else if (frame->type == IPC_SHUTDOWN) {
		child->ops->on_shutdown(child->userdata);
	}
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct child *child = userdata;

	(void)channel;
	(void)code;
	child->ops->on_shutdown(child->userdata);
}

/* Where there is time: sd-event lets what is due in a quarter of a second of a machine come in one
 * wakeup, of all processes in the same moment. Not more, since it is time that who is busy lacks.
 */
static uint64_t beat_accuracy_us(const struct child *child)
{
	return child->beat_ms >= CHILD_BEAT_MS ? 250u * 1000 : 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct child *child = userdata;

	(void)ipc_channel_send(child->supervisor, IPC_WATCHDOG, NULL, NULL, 0);
	(void)sd_event_source_set_time(source, usec + child->beat_ms * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int child_new(sd_event *event, const struct child_options *options, const struct child_ops *ops,
	      void *userdata, struct child **ret_child)
{
	static const bool permitted[IPC_TYPE__MAX] = {
		[IPC_PEER] = true, [IPC_CREDENTIAL] = true, [IPC_SHUTDOWN] = true};
	static const struct ipc_channel_ops channel_ops = {permitted, on_request, on_closed};
	struct child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return -ENOMEM;
	child->ops = ops;
	child->userdata = userdata;
	child->beat_ms = options->beat_ms;
	r = ipc_channel_new(event, CHILD_SUPERVISOR_FD, &channel_ops, child, &child->supervisor);
	if (r == 0)
		r = sd_event_add_time(event, &child->watchdog, CLOCK_MONOTONIC,
				      monotime_turn(monotime_now(), child->beat_ms).ns / 1000,
				      beat_accuracy_us(child), on_watchdog, child);
	if (r < 0) {
		child_free(child);
		return r;
	}
	*ret_child = child;
	return 0;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	child->watchdog = sd_event_source_disable_unref(child->watchdog);
	ipc_channel_free(child->supervisor);
	free(child);
}

void child_ready(struct child *child, const char *text)
{
	Asafo__Ipc__Ready body = ASAFO__IPC__READY__INIT;
	_cleanup_free_ char *copy = strdup(text);

	if (!copy)
		return;
	body.text = copy;
	(void)ipc_channel_send(child->supervisor, IPC_READY, &body.base, NULL, 0);
}

void child_beat(struct child *child)
{
	if (child)
		(void)ipc_channel_send(child->supervisor, IPC_WATCHDOG, NULL, NULL, 0);
}

void child_keep(struct child *child, const char *name, int fd)
{
	Asafo__Ipc__Credential body = ASAFO__IPC__CREDENTIAL__INIT;
	_cleanup_free_ char *copy = strdup(name);

	if (!copy)
		return;
	body.name = copy;
	(void)ipc_channel_send(child->supervisor, IPC_CREDENTIAL, &body.base, &fd, fd >= 0);
}

void child_notify(struct child *child, const char *state)
{
	Asafo__Ipc__Notify body = ASAFO__IPC__NOTIFY__INIT;
	_cleanup_free_ char *copy = strdup(state);

	if (!copy)
		return;
	body.state = copy;
	(void)ipc_channel_send(child->supervisor, IPC_NOTIFY, &body.base, NULL, 0);
}

void child_reload_service(struct child *child)
{
	(void)ipc_channel_send(child->supervisor, IPC_RELOAD, NULL, NULL, 0);
}
