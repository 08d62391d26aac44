/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the keeper and the jobs stands a process that was forked while there was no secret to
 * inherit. It loads what needs files (libcrypto's legacy provider), goes into its sandbox, and from
 * then on only forks. A job that dies takes nothing with it, and the old algorithms are in no
 * process that lives longer than one file.
 */
#include "certstore/pkcs12/parser_zygote.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/pkcs12/parser_job.h"
#include "sandbox/sandbox.h"

#define SOCKET_FD 3

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int) * PARSER_FDS_MAX)];
};

struct request {
	uint8_t data[PARSER_REQUEST_MAX];
	size_t size;
	int fds[PARSER_FDS_MAX];
	size_t n_fds;
};

int parser_request_send(int socket, const struct buf *request, const int *fds, size_t n_fds)
{
	union control control = {0};
	struct iovec vector = {request->data, request->size};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

	message.msg_control = control.space;
	message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void close_fds(struct request *request)
{
	for (size_t i = 0; i < request->n_fds; i++)
		(void)close(request->fds[i]);
	request->n_fds = 0;
}

static void take_fds(struct msghdr *message, struct request *request)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return;
	request->n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(request->fds, CMSG_DATA(header), request->n_fds * sizeof(int));
}

/* Errors: ERR_CLOSED (the keeper is gone), ERR_MALFORMED. */
static int receive(int socket, struct request *request)
{
	union control control;
	struct iovec vector = {request->data, sizeof(request->data)};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return ERR_CLOSED;
	take_fds(&message, request);
	request->size = (size_t)n;
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return ERR_MALFORMED;
	return request->n_fds < 2 ? ERR_MALFORMED : 0;
}

/* The message stays until the process ends. */
static struct identity_ca_mark unpack_mark(const ProtobufCBinaryData *packed)
{
	const Asafo__Record__LocalCaMark *mark =
		asafo__record__local_ca_mark__unpack(NULL, packed->len, packed->data);

	if (!mark)
		_exit(1);
	return (struct identity_ca_mark){mark->key_id.data, mark->key_id.len,
					 mark->subject_key_id.data, mark->subject_key_id.len};
}

static void run_job(const struct request *request, OSSL_LIB_CTX *library, bool is_sandboxed)
	__attribute__((noreturn));

static void run_job(const struct request *request, OSSL_LIB_CTX *library, bool is_sandboxed)
{
	Asafo__Record__ParseRequest *message =
		asafo__record__parse_request__unpack(NULL, request->size, request->data);
	struct buf local_cas[16];
	struct identity_ca_mark mate_cas[16];
	struct staple_question staple;
	struct crl_question crl;
	struct parser_job job;

	if (!message || message->n_local_cas > ARRAY_SIZE(local_cas) ||
	    message->n_mate_cas > ARRAY_SIZE(mate_cas) ||
	    request->n_fds != (message->has_passphrase ? 3 : 2))
		_exit(1);
	for (size_t i = 0; i < message->n_local_cas; i++)
		local_cas[i] = (struct buf){.data = message->local_cas[i].data,
					    .size = message->local_cas[i].len};
	for (size_t i = 0; i < message->n_mate_cas; i++)
		mate_cas[i] = unpack_mark(&message->mate_cas[i]);
	staple = (struct staple_question){
		.leaf = message->staple_leaf.data,
		.leaf_size = message->staple_leaf.len,
		.issuer = message->staple_issuer.data,
		.issuer_size = message->staple_issuer.len,
		.now = message->now,
	};
	crl = (struct crl_question){
		.issuer = message->crl_issuer.data,
		.issuer_size = message->crl_issuer.len,
		.now = message->now,
	};
	job = (struct parser_job){
		.crl = crl.issuer_size > 0 ? &crl : NULL,
		.staple = staple.leaf_size > 0 ? &staple : NULL,
		.answer_fd = request->fds[0],
		.file_fd = request->fds[1],
		.passphrase_fd = message->has_passphrase ? request->fds[2] : -1,
		.is_sandboxed = is_sandboxed,
		.policy =
			{
				.now = message->now,
				.allow_no_mac = message->allow_no_mac,
				.allow_expired = message->allow_expired,
				.allow_weak = message->allow_weak,
				.local_cas = local_cas,
				.n_local_cas = message->n_local_cas,
				.mate_cas = mate_cas,
				.n_mate_cas = message->n_mate_cas,
				.mate_now = message->mate_now,
				.wants_ca = message->wants_ca,
				.friendly_name = message->friendly_name,
				.library = library,
			},
	};
	parser_job_run(&job);
}

static void start_job(const struct request *request, OSSL_LIB_CTX *library, bool is_sandboxed)
{
	pid_t zygote = getpid();

	if (fork() != 0) /* no child: the pipe ends without an answer, and the keeper says so */
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != zygote)
		_exit(1);
	(void)close(SOCKET_FD);
	run_job(request, library, is_sandboxed);
}

static int say(int socket, int code, const struct why *why)
{
	Asafo__Record__ParsedIdentity message = ASAFO__RECORD__PARSED_IDENTITY__INIT;
	uint8_t packed[WHY_TEXT_MAX + 64];
	size_t size;

	message.code = code;
	message.why = (char *)(uintptr_t)why->text;
	size = asafo__record__parsed_identity__pack(&message, packed);
	return send(socket, packed, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Everything that opens a file comes before the sandbox. */
static int prepare(bool is_sandboxed, OSSL_LIB_CTX **ret_library, struct why *why)
{
	int r;

	(void)prctl(PR_SET_DUMPABLE, 0);
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS |
					OPENSSL_INIT_ADD_ALL_DIGESTS |
					OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
				NULL) != 1 ||
	    gnutls_global_init() < 0)
		return why_set(why, ERR_CRYPTO,
			       "the cryptographic libraries do not start: reinstall them");
	r = identity_library_new(ret_library);
	if (r < 0)
		return why_set(why, r,
			       "libcrypto's default provider cannot be loaded: reinstall libssl3");
	return is_sandboxed ? sandbox_enter(SANDBOX_PARSER, NULL, why) : 0;
}

/* What the keeper does about signals is not the zygote's, nor a job's: they die of them. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)signal(SIGCHLD, SIG_IGN); /* jobs are reaped by the kernel */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void parser_zygote_run(int socket, bool is_sandboxed)
{
	OSSL_LIB_CTX *library = NULL;
	struct request request;
	struct why why = {0};
	int r;

	if (dup2(socket, SOCKET_FD) < 0 || close_range(SOCKET_FD + 1, ~0u, 0) < 0)
		_exit(1);
	reset_signals();
	r = prepare(is_sandboxed, &library, &why);
	if (say(SOCKET_FD, r, &why) < 0 || r < 0)
		_exit(1);
	for (;;) {
		request.n_fds = 0;
		r = receive(SOCKET_FD, &request);
		if (r == 0)
			start_job(&request, library, is_sandboxed);
		close_fds(&request);
		if (r == ERR_CLOSED)
			_exit(0);
	}
}
