/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's end. Each import has a pipe of its own that ends with the job's last breath: an
 * answer before the end is the answer, an end without one is a death, of the job or of the zygote.
 * There is no other protocol. So many are parsed at a time; who comes then waits for his turn, with
 * his request packed and his descriptors held.
 */
#include "certstore/pkcs12/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/pkcs12/parser_job.h"
#include "certstore/pkcs12/parser_request.h"
#include "certstore/pkcs12/parser_zygote.h"

#define IMPORTS_MAX 16
#define WAITING_MAX 256
#define FILES_MAX (PARSER_FDS_MAX - 1)
#define ANSWER_MAX (512u * 1024)
#define CRL_ANSWER_MAX (CRL_ENTRIES_MAX * CRLMARK_SIZE + 64u * 1024)
#define START_TIMEOUT_MS 10000
#define GRACE_SECONDS 2 /* beyond the job's own alarm, should it be stopped */

struct import {
	struct parser *parser;
	struct import *next;
	parser_done_fn on_done;
	parser_staple_fn on_staple; /* instead: the file is an OCSP response */
	parser_crl_fn on_crl;	    /* instead: the file is a CRL */
	void *userdata;
	int fd; /* -1: its turn has not come */
	sd_event_source *readable, *timeout;
	struct buf request, answer;
	int files[FILES_MAX];
	size_t n_files;
};

struct parser {
	pid_t pid;
	int socket;
	sd_event *event;
	struct import *imports; /* under way */
	size_t n_imports;
	struct import *waiting, **waiting_end;
	size_t n_waiting;
	parser_turn_fn on_turn; /* NULL: what was asked stays as it was */
	bool is_ending;
};

static void close_files(struct import *import)
{
	for (size_t i = 0; i < import->n_files; i++)
		(void)close(import->files[i]);
	import->n_files = 0;
}

static void import_free(struct import *import)
{
	sd_event_source_disable_unref(import->readable);
	sd_event_source_disable_unref(import->timeout);
	if (import->fd >= 0)
		(void)close(import->fd);
	close_files(import);
	buf_done(&import->request);
	buf_wipe(&import->answer);
	free(import);
}

CLEANUP_DEFINE(struct import *, import_free)

static void unlink_import(struct import *import)
{
	struct import **at = &import->parser->imports;

	while (*at != import)
		at = &(*at)->next;
	*at = import->next;
	import->parser->n_imports--;
}

static struct import *take_waiting(struct parser *parser)
{
	struct import *import = parser->waiting;

	parser->waiting = import->next;
	if (!parser->waiting)
		parser->waiting_end = &parser->waiting;
	parser->n_waiting--;
	return import;
}

static void tell(const struct import *import, int code, struct identity *identity,
		 const struct why *why)
{
	if (import->on_staple)
		import->on_staple(code, NULL, why, import->userdata);
	else if (import->on_crl)
		import->on_crl(code, NULL, why, import->userdata);
	else
		import->on_done(code, identity, why, import->userdata);
}

static int start(struct import *import);

/* The times of a staple and of a CRL are looked at again wherever they are used. */
static int ask_anew(struct import *import, struct why *why)
{
	struct identity_policy policy;
	const struct parser_question question = {.policy = &policy};
	int r;

	if (!import->on_done || !import->parser->on_turn)
		return 0;
	r = import->parser->on_turn(&policy, why, import->userdata);
	if (r < 0)
		return r;
	buf_clear(&import->request);
	return parser_request_pack(&question, import->n_files > 1, &import->request);
}

/* There is a place: for whom the next one cannot be begun leaves it. */
static void start_next(struct parser *parser)
{
	while (parser->waiting && !parser->is_ending && parser->n_imports < IMPORTS_MAX) {
		_cleanup_(import_free_p) struct import *import = take_waiting(parser);
		struct why why = {0};
		int r = ask_anew(import, &why);

		if (r == 0)
			r = start(import);
		if (r == 0) {
			(void)TAKE_PTR(import);
			continue;
		}
		if (!why.text[0])
			(void)why_set(&why, r, "the file cannot be parsed now: %s", err_text(r));
		tell(import, r, NULL, &why);
	}
}

/* Once. */
static void finish(struct import *import, int code, struct identity *identity,
		   const struct why *why)
{
	_cleanup_(import_free_p) struct import *mine = import;

	unlink_import(mine);
	start_next(mine->parser);
	tell(mine, code, identity, why);
}

static void finish_staple(struct import *import, int code, const Asafo__Record__Staple *staple,
			  const struct why *why)
{
	_cleanup_(import_free_p) struct import *mine = import;

	unlink_import(mine);
	start_next(mine->parser);
	mine->on_staple(code, staple, why, mine->userdata);
}

static void finish_crl(struct import *import, const Asafo__Record__Crl *crl)
{
	_cleanup_(import_free_p) struct import *mine = import;
	const struct why none = {0};

	unlink_import(mine);
	start_next(mine->parser);
	mine->on_crl(0, crl, &none, mine->userdata);
}

static void message_free(Asafo__Record__ParsedIdentity *message)
{
	if (message->key.data)
		explicit_bzero(message->key.data, message->key.len);
	asafo__record__parsed_identity__free_unpacked(message, NULL);
}

CLEANUP_DEFINE(Asafo__Record__ParsedIdentity *, message_free)

/* A job that a file took over could say anything: no more than a well-formed identity comes of it.
 */
static int take_identity(Asafo__Record__ParsedIdentity *message, struct identity *ret_identity)
{
	Asafo__Record__TrustpointPublic *public = message->public_part;
	int r;

	if (!public || public->leaf.len == 0 || public->fingerprint.len != 32 ||
	    public->key_id.len != 32 || public->n_chain > IDENTITY_CHAIN_MAX ||
	    message->n_key_ids != 1 + public->n_chain || (message->key.len == 0) != public->is_ca)
		return ERR_MALFORMED;
	for (size_t i = 0; i < message->n_key_ids; i++) {
		if (message->key_ids[i].len != IDENTITY_KEY_ID_SIZE)
			return ERR_MALFORMED;
		memcpy(ret_identity->key_ids[i], message->key_ids[i].data, IDENTITY_KEY_ID_SIZE);
	}
	ret_identity->n_key_ids = message->n_key_ids;
	r = secret_init_copy(&ret_identity->key, message->key.data, message->key.len);
	if (r < 0)
		return r;
	ret_identity->public_part = TAKE_PTR(message->public_part);
	ret_identity->is_local_ca = message->is_local_ca || message->is_mate_ca;
	ret_identity->is_mate_ca = message->is_mate_ca;
	for (size_t i = 0; i < message->n_warnings && i < IDENTITY_WARNINGS_MAX; i++) {
		struct why clean;

		(void)why_set(&clean, 0, "%s", message->warnings[i]);
		(void)snprintf(ret_identity->warnings[ret_identity->n_warnings++],
			       sizeof(ret_identity->warnings[0]), "%.159s", clean.text);
	}
	return 0;
}

static int check_staple(const Asafo__Record__Staple *staple, bool is_revoked)
{
	bool is_whole = staple && staple->response.len > 0 &&
			staple->response.len <= STAPLE_RESPONSE_MAX &&
			!staple->is_revoked == !is_revoked &&
			(is_revoked ? staple->next_update == staple->this_update
				    : staple->this_update < staple->next_update);

	return is_whole ? 0 : ERR_MALFORMED;
}

static int check_crl(const Asafo__Record__Crl *crl)
{
	bool is_whole = crl && crl->this_update < crl->next_update && crl->digest.len == 32 &&
			crl->revoked <= CRL_ENTRIES_MAX &&
			crl->marks.len == crl->revoked * CRLMARK_SIZE &&
			crl_are_marks(crl->marks.data, crl->marks.len);

	return is_whole ? 0 : ERR_MALFORMED;
}

void parser_set_on_turn(struct parser *parser, parser_turn_fn on_turn)
{
	parser->on_turn = on_turn;
}

bool parser_is_gone(const struct parser *parser)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)parser->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid != 0;
}

static int died(const struct parser *parser, struct why *why)
{
	if (parser_is_gone(parser))
		return why_set(why, ERR_CLOSED,
			       "the process that parses files is gone: nothing was imported; the "
			       "keeper restarts it, try again");
	return why_set(why, ERR_MALFORMED,
		       "the file made the parser exceed its limits (%d s of processor time, %d s "
		       "in all, %u MiB of memory) or crash: nothing was imported; have the file "
		       "made again by another tool",
		       PARSER_CPU_SECONDS, PARSER_WALL_SECONDS, PARSER_MEMORY_MAX / (1024 * 1024));
}

static void answered(struct import *import)
{
	_cleanup_(message_free_p) Asafo__Record__ParsedIdentity *message = NULL;
	_cleanup_(identity_done) struct identity identity = {0};
	struct why why = {0};
	int r;

	if (import->answer.size > 0)
		message = asafo__record__parsed_identity__unpack(NULL, import->answer.size,
								 import->answer.data);
	if (!message)
		r = died(import->parser, &why);
	else if (message->code != 0)
		r = why_set(&why, message->code < 0 ? message->code : ERR_MALFORMED, "%s",
			    *message->why ? message->why : err_text(message->code));
	else if (import->on_staple)
		r = check_staple(message->staple, false);
	else if (import->on_crl)
		r = check_crl(message->crl);
	else
		r = take_identity(message, &identity);
	if (import->on_staple &&
	    (r == 0 || (r == ERR_REVOKED && check_staple(message->staple, true) == 0))) {
		finish_staple(import, r, message->staple, &why);
		return;
	}
	if (import->on_crl && r == 0) {
		finish_crl(import, message->crl);
		return;
	}
	if (r < 0 && !*why.text)
		(void)why_set(&why, r, "the parser's answer cannot be taken: %s", err_text(r));
	finish(import, r, r == 0 ? &identity : NULL, &why);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct import *import = userdata;
	size_t limit = import->on_crl ? CRL_ANSWER_MAX : ANSWER_MAX;
	uint8_t chunk[16384];
	ssize_t n = read(fd, chunk, sizeof(chunk));
	int r = 0;

	(void)source;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		r = import->answer.size + (size_t)n > limit
			    ? ERR_TOO_LARGE
			    : buf_append(&import->answer, chunk, (size_t)n);
		explicit_bzero(chunk, (size_t)n);
		if (r == 0)
			return 0;
	}
	if (n < 0 || r < 0)
		buf_wipe(&import->answer);
	answered(import);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t now, void *userdata)
{
	struct import *import = userdata;
	struct why why;

	(void)source;
	(void)now;
	(void)why_set(&why, 0,
		      "the file was not parsed within %d s: nothing was imported; look for "
		      "a passphrase that nobody "
		      "gives, or a machine under load",
		      PARSER_WALL_SECONDS);
	finish(import, ERR_TIMEOUT, NULL, &why);
	return 0;
}

/* The zygote's first datagram says whether it is in its sandbox. */
static int wait_ready(int socket, struct why *why)
{
	_cleanup_(message_free_p) Asafo__Record__ParsedIdentity *message = NULL;
	struct pollfd wait = {.fd = socket, .events = POLLIN};
	uint8_t data[WHY_TEXT_MAX + 64];
	ssize_t n = -1;
	int r;

	do
		r = poll(&wait, 1, START_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		n = recv(socket, data, sizeof(data), MSG_DONTWAIT);
	/* A ready one says 0 and nothing else: an empty message. */
	if (n >= 0 && r > 0)
		message = asafo__record__parsed_identity__unpack(NULL, (size_t)n, data);
	if (!message)
		return why_set(why, ERR_CLOSED, "the process that parses files does not start");
	return message->code == 0 ? 0 : why_set(why, message->code, "%s", message->why);
}

static void run_zygote(int socket, pid_t keeper, bool is_sandboxed)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	parser_zygote_run(socket, is_sandboxed);
}

int parser_spawn(bool is_sandboxed, struct parser **ret_parser, struct why *ret_why)
{
	struct parser *parser = calloc(1, sizeof(*parser));
	pid_t keeper = getpid();
	int sockets[2], r;

	if (!parser)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
		r = -errno;
		free(parser);
		return why_set(ret_why, r, "no socket pair for the parser: %s", err_text(r));
	}
	parser->waiting_end = &parser->waiting;
	parser->socket = sockets[0];
	parser->pid = fork();
	if (parser->pid == 0)
		run_zygote(sockets[1], keeper, is_sandboxed);
	r = parser->pid < 0 ? -errno : 0;
	(void)close(sockets[1]);
	if (r < 0)
		(void)why_set(ret_why, r, "the parser cannot be forked: %s", err_text(r));
	else
		r = wait_ready(parser->socket, ret_why);
	if (r < 0) {
		parser_free(parser);
		return r;
	}
	*ret_parser = parser;
	return 0;
}

int parser_attach(struct parser *parser, sd_event *event)
{
	parser->event = event;
	return 0;
}

void parser_free(struct parser *parser)
{
	struct why why;

	if (!parser)
		return;
	(void)why_set(&why, 0, "the keeper stops: nothing was imported; try again");
	parser->is_ending = true;
	while (parser->imports)
		finish(parser->imports, ERR_CLOSED, NULL, &why);
	while (parser->waiting) {
		_cleanup_(import_free_p) struct import *import = take_waiting(parser);

		tell(import, ERR_CLOSED, NULL, &why);
	}
	if (parser->pid > 0) {
		(void)kill(parser->pid, SIGKILL);
		while (waitpid(parser->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	(void)close(parser->socket);
	free(parser);
}

/* Waits for the answer that comes through FD, from now on. */
static int await(struct import *import, int fd)
{
	uint64_t usec = (PARSER_WALL_SECONDS + GRACE_SECONDS) * UINT64_C(1000000);
	sd_event *event = import->parser->event;
	int r = io_set_nonblocking(fd);

	import->fd = fd;
	if (r == 0)
		r = sd_event_add_io(event, &import->readable, fd, EPOLLIN, on_readable, import);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &import->timeout, CLOCK_MONOTONIC, usec, 0,
					       on_timeout, import);
	return r < 0 ? r : 0;
}

/* It is the list's when this returns 0, the caller's otherwise. */
static int start(struct import *import)
{
	struct parser *parser = import->parser;
	int fds[PARSER_FDS_MAX], ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = await(import, ends[0]);
	fds[0] = ends[1];
	memcpy(fds + 1, import->files, import->n_files * sizeof(int));
	if (r == 0)
		r = parser_request_send(parser->socket, &import->request, fds, 1 + import->n_files);
	(void)close(ends[1]);
	if (r == -EAGAIN)
		return ERR_BUSY;
	/* A dead zygote: the pipe ends at once, and the loop tells. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return r;
	close_files(import);
	import->next = parser->imports;
	parser->imports = import;
	parser->n_imports++;
	return 0;
}

static int hold(struct import *import, const int *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		import->files[i] = fcntl(files[i], F_DUPFD_CLOEXEC, 0);
		if (import->files[i] < 0)
			return -errno;
		import->n_files++;
	}
	return 0;
}

static int ask(struct parser *parser, const struct import *pattern, const int *files,
	       const struct parser_question *question)
{
	_cleanup_(import_free_p) struct import *import = NULL;
	bool must_wait = parser->n_imports >= IMPORTS_MAX;
	size_t n_files = question->policy && files[1] >= 0 ? 2 : 1;
	int r;

	if (must_wait && parser->n_waiting >= WAITING_MAX)
		return ERR_BUSY;
	import = malloc(sizeof(*import));
	if (!import)
		return -ENOMEM;
	*import = *pattern;
	import->parser = parser;
	import->fd = -1;
	r = parser_request_pack(question, n_files > 1, &import->request);
	if (r == 0)
		r = hold(import, files, n_files);
	if (r < 0)
		return r;
	if (!must_wait) {
		r = start(import);
		if (r < 0)
			return r;
	} else {
		*parser->waiting_end = import;
		parser->waiting_end = &import->next;
		parser->n_waiting++;
	}
	(void)TAKE_PTR(import);
	return 0;
}

int parser_import(struct parser *parser, int file_fd, int passphrase_fd,
		  const struct identity_policy *policy, parser_done_fn on_done, void *userdata)
{
	const struct import pattern = {.on_done = on_done, .userdata = userdata};
	const int files[] = {file_fd, passphrase_fd};

	return ask(parser, &pattern, files, &(struct parser_question){.policy = policy});
}

int parser_staple(struct parser *parser, int file_fd, const struct staple_question *question,
		  parser_staple_fn on_done, void *userdata)
{
	const struct import pattern = {.on_staple = on_done, .userdata = userdata};

	return ask(parser, &pattern, &file_fd, &(struct parser_question){.staple = question});
}

int parser_crl(struct parser *parser, int file_fd, const struct crl_question *question,
	       parser_crl_fn on_done, void *userdata)
{
	const struct import pattern = {.on_crl = on_done, .userdata = userdata};

	return ask(parser, &pattern, &file_fd, &(struct parser_question){.crl = question});
}
