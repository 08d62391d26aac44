/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read from and written to descriptors that came with a request. The other end of a pipe
 * may be anybody's: it gets a second, in which handshakes are served and nothing else is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_verbs.h"

#define PATIENCE_MS 1000
#define PASSPHRASE_MAX 1024

static int wait_for(int fd, short events, struct monotime deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	struct monotime now = monotime_now();
	int r;

	if (monotime_reached(now, deadline))
		return ERR_TIMEOUT;
	r = poll(&pfd, 1, (int)(monotime_since(deadline, now) / MONOTIME_NS_PER_MS) + 1);
	if (r < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return r == 0 ? ERR_TIMEOUT : 0;
}

/* Up to the end, or up to where nothing more comes: a terminal's line need not be followed by an
 * end. */
static int read_patiently(int fd, struct secret *bytes, size_t *ret_size)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), PATIENCE_MS);
	size_t size = 0;

	while (size < bytes->size) {
		int r = wait_for(fd, POLLIN, deadline);
		ssize_t n;

		if (r == -EAGAIN)
			continue;
		if (r == ERR_TIMEOUT && size > 0)
			break;
		if (r < 0)
			return r;
		n = read(fd, bytes->data + size, bytes->size - size);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			size += (size_t)n;
	}
	*ret_size = size;
	return 0;
}

struct reading {
	int fd;
	struct secret bytes;
	size_t size;
};

static int run_reading(void *userdata)
{
	struct reading *reading = userdata;

	return read_patiently(reading->fd, &reading->bytes, &reading->size);
}

/* The line's end is no part of it, as asafo's own reading has it (tools/cli/passphrase.c). */
static int take_passphrase(const struct reading *reading, struct secret *ret_passphrase,
			   struct why *ret_why)
{
	const uint8_t *bytes = reading->bytes.data;
	size_t size = reading->size;

	if (size > 0 && bytes[size - 1] == '\n')
		size--;
	if (size > 0 && bytes[size - 1] == '\r')
		size--;
	if (size > PASSPHRASE_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "the passphrase is longer than %d bytes",
			       PASSPHRASE_MAX);
	if (size == 0)
		return why_set(ret_why, ERR_BAD_PASSPHRASE,
			       "the passphrase is empty: a private key is not written without one");
	return secret_init_copy(ret_passphrase, bytes, size);
}

int keeper_read_passphrase(struct keeper *keeper, int fd, struct secret *ret_passphrase,
			   struct why *ret_why)
{
	struct reading reading = {.fd = fd};
	int r;

	if (fd < 0)
		return why_set(ret_why, ERR_BAD_PASSPHRASE,
			       "a passphrase is needed for the file that is written");
	(void)lseek(fd, 0, SEEK_SET);
	r = secret_init(&reading.bytes, PASSPHRASE_MAX + 2);
	if (r == 0)
		r = keeper_wait(keeper, KEEPER_WAIT_OTHER, "a passphrase", 0, run_reading,
				&reading);
	r = r < 0 ? why_set(ret_why, r, "the passphrase cannot be read: %s", err_text(r))
		  : take_passphrase(&reading, ret_passphrase, ret_why);
	secret_done(&reading.bytes);
	return r;
}

static int write_patiently(int fd, const uint8_t *data, size_t size)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), PATIENCE_MS);

	while (size > 0) {
		ssize_t n = write(fd, data, size);
		int r = 0;

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			r = wait_for(fd, POLLOUT, deadline);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	return 0;
}

/* Durable, where it is a file. */
static int write_output(int fd, const uint8_t *data, size_t size)
{
	struct stat info;
	int flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fstat(fd, &info) < 0)
		return -errno;
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	r = write_patiently(fd, data, size);
	/* The description is shared with whoever opened it. */
	(void)fcntl(fd, F_SETFL, flags);
	return r == 0 && S_ISREG(info.st_mode) && fsync(fd) < 0 ? -errno : r;
}

struct writing {
	int fd;
	const uint8_t *data;
	size_t size;
};

static int run_writing(void *userdata)
{
	const struct writing *writing = userdata;

	return write_output(writing->fd, writing->data, writing->size);
}

int keeper_write_output(struct keeper *keeper, int fd, const uint8_t *data, size_t size,
			struct why *ret_why)
{
	struct writing writing = {fd, data, size};
	int r = keeper_wait(keeper, KEEPER_WAIT_OTHER, "a file that is written for somebody", size,
			    run_writing, &writing);

	return r < 0 ? why_set(ret_why, r, "the output cannot be written: %s", err_text(r)) : 0;
}

struct making {
	const Asafo__Record__TrustpointPublic *part;
	struct secret key;
	const struct secret *passphrase;
	bool is_pem;
	struct buf *file;
	struct why *why;
};

/* The key that comes of a passphrase is expensive on purpose. */
static int run_making(void *userdata)
{
	const struct making *making = userdata;

	return (making->is_pem ? identity_to_pem : identity_to_pkcs12)(
		making->part, &making->key, making->passphrase, making->file, making->why);
}

static int make_file(struct keeper *keeper, const struct keeper_item *item, const char *format,
		     const struct secret *passphrase, struct buf *ret_file, struct why *why)
{
	struct making making = {.part = item->public_part,
				.passphrase = passphrase,
				.is_pem = strcmp(format, "pem") == 0,
				.file = ret_file,
				.why = why};
	int r = keyring_open(keeper->ring, item->record, &making.key);

	r = r < 0 ? why_set(why, r, "the private key of %s cannot be unsealed: %s",
			    item->public_part->name, err_text(r))
		  : keeper_wait(keeper, KEEPER_WAIT_OTHER, "the file of an export", 0, run_making,
				&making);
	secret_done(&making.key);
	return r;
}

static int export(struct keeper *keeper, const Asafo__Ipc__Export *request, int output_fd,
		  int passphrase_fd, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	_cleanup_(secret_done) struct secret passphrase = {0};
	_cleanup_(buf_wipe) struct buf file = {0};
	int r;

	if (*request->format && strcmp(request->format, "pkcs12") != 0 &&
	    strcmp(request->format, "pem") != 0)
		return why_set(why, ERR_UNSUPPORTED, "the formats are pkcs12 and pem");
	if (output_fd < 0)
		return why_set(why, ERR_MALFORMED, "no file to write to came with the request");
	r = keeper_trustpoint_get(keeper, request->name, &item);
	if (r < 0)
		return r == ERR_NOT_FOUND
			       ? why_set(why, r,
					 "there is no trustpoint %s: see asafo show trustpoints",
					 request->name)
			       : why_set(why, r, "trustpoint %s: %s", request->name, err_text(r));
	if (item.public_part->is_ca)
		return why_set(why, ERR_NO_KEY,
			       "trustpoint %s holds a CA's certificate and no key: asafo show "
			       "certificates %s has it as PEM",
			       request->name, request->name);
	if (!item.public_part->exportable)
		return why_set(
			why, ERR_NOT_EXPORTABLE,
			"the key of %s was imported as not exportable: nobody can export it; "
			"the file that it came from is the only copy outside",
			request->name);
	r = keeper_read_passphrase(keeper, passphrase_fd, &passphrase, why);
	if (r == 0)
		r = make_file(keeper, &item, request->format, &passphrase, &file, why);
	return r < 0 ? r : keeper_write_output(keeper, output_fd, file.data, file.size, why);
}

void keeper_on_export(struct keeper *keeper, const struct keeper_ticket *ticket,
		      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_close_ int output_fd = ipc_frame_take_fd(frame, 0);
	_cleanup_close_ int passphrase_fd = ipc_frame_take_fd(frame, 1);
	struct why why = {0};
	int r = export(keeper, (const Asafo__Ipc__Export *)body, output_fd, passphrase_fd, &why);

	keeper_reply_status(keeper, ticket, r, &why);
}
