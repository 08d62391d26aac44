/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child that parses one file. Whatever the file does to it, the most that is lost is this
 * process: it holds no key but the file's own, has no file system and no socket, and its limits end
 * it.
 */
#include "config.h"

#include "certstore/pkcs12/parser_job.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/monotime.h"
#include "certstore/pkcs12/p12.h"
#include "sandbox/sandbox.h"

#ifdef ASAFO_SANITIZERS
/* AddressSanitizer maps terabytes. */
#define HAS_MEMORY_LIMIT false
#else
#define HAS_MEMORY_LIMIT true
#endif

static int set_limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};

	return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

/* The death signals of these are the keeper's one sentence. */
static int enter_limits(void)
{
	int r = set_limit(RLIMIT_CPU, PARSER_CPU_SECONDS, PARSER_CPU_SECONDS + 1);

	if (r == 0)
		r = set_limit(RLIMIT_CORE, 0, 0);
	if (r == 0 && HAS_MEMORY_LIMIT)
		r = set_limit(RLIMIT_AS, PARSER_MEMORY_MAX, PARSER_MEMORY_MAX);
	(void)alarm(PARSER_WALL_SECONDS);
	return r;
}

/* One for all that is read: what is late is said before the alarm ends this process without a word.
 */
static struct monotime reading_end(void)
{
	return monotime_add_ms(monotime_now(), PARSER_READ_SECONDS * 1000u);
}

static int until(struct monotime deadline)
{
	return (int)((monotime_since(deadline, monotime_now()) + MONOTIME_NS_PER_MS - 1) /
		     MONOTIME_NS_PER_MS);
}

/* Whether the descriptor blocks or not. */
static int read_stream(int fd, size_t limit, struct monotime deadline, struct buf *buf)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint8_t chunk[16384];
		int r = poll(&wait, 1, until(deadline));
		ssize_t n = r > 0 ? read(fd, chunk, sizeof(chunk)) : r;

		if (r == 0)
			return ERR_TIMEOUT;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if ((size_t)n > limit - buf->size)
			return ERR_TOO_LARGE;
		r = buf_append(buf, chunk, (size_t)n);
		explicit_bzero(chunk, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* From its start, whatever its offset is; a pipe has no start but now. */
static int read_file(int fd, size_t limit, struct monotime deadline, struct buf *buf)
{
	for (;;) {
		uint8_t chunk[16384];
		ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)buf->size);
		int r;

		if (n < 0 && errno == ESPIPE && buf->size == 0)
			return read_stream(fd, limit, deadline, buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if ((size_t)n > limit - buf->size)
			return ERR_TOO_LARGE;
		r = buf_append(buf, chunk, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int cannot_read(const char *what, int r, struct why *why)
{
	if (r == ERR_TIMEOUT)
		return why_set(why, r,
			       "the %s did not come to its end within %d s: is it a pipe that "
			       "nobody writes to?",
			       what, PARSER_READ_SECONDS);
	return why_set(why, r, "the %s cannot be read: %s", what, err_text(r));
}

static int read_passphrase(int fd, struct monotime deadline, struct secret *ret_passphrase,
			   struct why *why)
{
	_cleanup_(buf_wipe) struct buf text = {0};
	int r = fd < 0 ? 0 : read_file(fd, P12_PASSPHRASE_MAX + 2, deadline, &text);

	if (r == ERR_TOO_LARGE)
		return why_set(why, ERR_BAD_PASSPHRASE,
			       "the passphrase is longer than %u bytes: give the passphrase alone",
			       (unsigned)P12_PASSPHRASE_MAX);
	if (r < 0)
		return cannot_read("passphrase", r, why);
	if (text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	if (text.size > 0 && text.data[text.size - 1] == '\r')
		text.size--;
	return secret_init_copy(ret_passphrase, text.data, text.size);
}

static int parse_staple(const struct parser_job *job, Asafo__Record__Staple **ret_staple,
			struct why *why)
{
	_cleanup_(buf_done) struct buf file = {0};
	int r = job->is_sandboxed ? sandbox_enter(SANDBOX_PARSER_JOB, NULL, why) : 0;

	if (r < 0)
		return r;
	/* One more than it may have: staple_read says that it is too large. */
	r = read_file(job->file_fd, STAPLE_RESPONSE_MAX + 1, reading_end(), &file);
	if (r < 0 && r != ERR_TOO_LARGE)
		return cannot_read("file", r, why);
	if (r == ERR_TOO_LARGE)
		return why_set(why, r, "the file is no OCSP response: it is larger than %u bytes",
			       STAPLE_RESPONSE_MAX);
	return staple_read(file.data, file.size, job->staple, ret_staple, why);
}

static int parse_crl(const struct parser_job *job, Asafo__Record__Crl **ret_crl, struct why *why)
{
	_cleanup_(buf_done) struct buf file = {0};
	int r = job->is_sandboxed ? sandbox_enter(SANDBOX_PARSER_JOB, NULL, why) : 0;

	if (r < 0)
		return r;
	r = read_file(job->file_fd, CRL_FILE_MAX, reading_end(), &file);
	if (r == ERR_TOO_LARGE)
		return why_set(why, r, "the file is larger than %u bytes: no larger CRL is taken",
			       CRL_FILE_MAX);
	if (r < 0)
		return cannot_read("file", r, why);
	return crl_read(file.data, file.size, job->crl, ret_crl, why);
}

static int parse(const struct parser_job *job, struct identity *ret_identity, struct why *why)
{
	_cleanup_(buf_wipe) struct buf file = {0};
	_cleanup_(secret_done) struct secret passphrase = {0};
	struct monotime deadline = reading_end();
	int r = job->is_sandboxed ? sandbox_enter(SANDBOX_PARSER_JOB, NULL, why) : 0;

	if (r < 0)
		return r;
	r = read_file(job->file_fd, IDENTITY_FILE_MAX, deadline, &file);
	if (r == ERR_TOO_LARGE)
		return why_set(why, r,
			       "the file is larger than %u bytes: export one identity with "
			       "its chain alone",
			       IDENTITY_FILE_MAX);
	if (r < 0)
		return cannot_read("file", r, why);
	if (job->policy.wants_ca)
		return identity_ca_from_file(file.data, file.size, &job->policy, ret_identity, why);
	r = read_passphrase(job->passphrase_fd, deadline, &passphrase, why);
	if (r < 0)
		return r;
	return identity_from_file(file.data, file.size, &passphrase, &job->policy, ret_identity,
				  why);
}

static int answer(int fd, const Asafo__Record__ParsedIdentity *message)
{
	size_t size = asafo__record__parsed_identity__get_packed_size(message);
	_cleanup_(buf_wipe) struct buf packed = {0};
	int r = buf_reserve(&packed, size);

	if (r < 0)
		return r;
	packed.size = asafo__record__parsed_identity__pack(message, packed.data);
	return io_write_full(fd, packed.data, packed.size);
}

void parser_job_run(const struct parser_job *job)
{
	Asafo__Record__ParsedIdentity message = ASAFO__RECORD__PARSED_IDENTITY__INIT;
	_cleanup_(identity_done) struct identity identity = {0};
	Asafo__Record__Staple *staple = NULL;
	Asafo__Record__Crl *crl = NULL;
	ProtobufCBinaryData key_ids[1 + IDENTITY_CHAIN_MAX];
	char *warnings[IDENTITY_WARNINGS_MAX];
	struct why why = {0};
	int r = enter_limits();

	if (r == 0)
		r = job->staple ? parse_staple(job, &staple, &why)
		    : job->crl	? parse_crl(job, &crl, &why)
				: parse(job, &identity, &why);
	message.code = r;
	message.why = why.text;
	message.staple = staple;
	message.crl = crl;
	if (r == 0 && !staple && !crl) {
		for (size_t i = 0; i < identity.n_warnings; i++)
			warnings[i] = identity.warnings[i];
		for (size_t i = 0; i < identity.n_key_ids; i++)
			key_ids[i] =
				(ProtobufCBinaryData){IDENTITY_KEY_ID_SIZE, identity.key_ids[i]};
		message.key_ids = key_ids;
		message.n_key_ids = identity.n_key_ids;
		message.public_part = identity.public_part;
		message.key = (ProtobufCBinaryData){identity.key.size, identity.key.data};
		message.warnings = warnings;
		message.n_warnings = identity.n_warnings;
		message.is_local_ca = identity.is_local_ca;
		message.is_mate_ca = identity.is_mate_ca;
	}
	r = answer(job->answer_fd, &message);
	identity_done(&identity);
	asafo__record__staple__free_unpacked(staple, NULL);
	asafo__record__crl__free_unpacked(crl, NULL);
	_exit(r == 0 ? 0 : 1);
}
