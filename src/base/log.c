/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No line is waited for. A journal that stands still, or somebody who does not read a pipe, would
 * otherwise end what the process does: an engine that waits for its log loses its addresses. That
 * is why datagrams for the journal are made here: sd_journal_sendv(3) waits for it without limit.
 * What finds no room is counted, and the first line that does says how many there were; or the end
 * of the process, where there is none.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/utf8.h"

#define TEXT_MAX 1024
#define FIELD_MAX 160
/* As sd_journal_sendv(3) has it: what a burst of lines takes until the journal comes to it. */
#define SEND_BUFFER (8 * 1024 * 1024)
/* The number, in decimal digits, makes it whole: see systemd.journal-fields(7), MESSAGE_ID. */
#define MESSAGE_ID_HEAD "6f1d0a7c54e94b3aa5af0c0de0"

static const char *log_process = "asafo";
static int log_max_priority = LOG_INFO;
static bool log_to_journal;
static const char *log_journal_path = "/run/systemd/journal/socket";
static atomic_uint log_lost;

/* systemd.exec(5): $JOURNAL_STREAM is that of whom the variable was made for; a child whose stderr
 * was redirected has it, too. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat info;
	uintmax_t device, inode;
	char *end;

	if (!stream || fstat(fd, &info) < 0)
		return false;
	device = strtoumax(stream, &end, 10);
	if (*end != ':')
		return false;
	inode = strtoumax(end + 1, &end, 10);
	return *end == '\0' && device == (uintmax_t)info.st_dev && inode == (uintmax_t)info.st_ino;
}

static void say_lost_at_exit(void);

void log_open(const char *process, int max_priority)
{
	static bool is_registered;

	if (!is_registered)
		is_registered = atexit(say_lost_at_exit) == 0;
	log_process = process;
	log_max_priority = max_priority;
	log_to_journal = is_journal(STDERR_FILENO);
}

void log_never_wait(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL), fd;
	struct stat info;

	if (flags < 0 || (flags & O_NONBLOCK) || fstat(STDERR_FILENO, &info) < 0)
		return;
	if (S_ISSOCK(info.st_mode)) {
		(void)fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
	} else if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
		/* One of its own: whoever shares the one that it has expects that one to wait. */
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			(void)dup2(fd, STDERR_FILENO);
			(void)close(fd);
		} else if (S_ISFIFO(info.st_mode)) {
			(void)fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
		}
	}
}

void log_set_journal(const char *path)
{
	log_journal_path = path;
	log_to_journal = true;
}

/* A child has its own: it may have closed ours, and have given the number to something else. */
static int journal_socket(void)
{
	static const int size = SEND_BUFFER;
	static int fd = -1;
	static pid_t owner;

	if (fd < 0 || owner != getpid()) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		owner = getpid();
		/* Whoever may not have that much has what everybody may have. */
		if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return fd;
}

struct entry {
	char texts[LOG_FIELDS_MAX + 5][FIELD_MAX];
	struct iovec parts[LOG_FIELDS_MAX + 6];
	size_t n;
};

static void entry_add(struct entry *entry, const char *name, const char *value)
{
	char *text = entry->texts[entry->n];
	size_t length;

	(void)snprintf(text, FIELD_MAX - 1, "%s=%s", name, value);
	utf8_clean(text);
	length = strlen(text);
	text[length] = '\n';
	entry->parts[entry->n++] = (struct iovec){text, length + 1};
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL: NAME=value and a line feed each. */
static int entry_send(const struct entry *entry)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct msghdr message = {.msg_name = &address,
				 .msg_namelen = sizeof(address),
				 .msg_iov = (struct iovec *)(uintptr_t)entry->parts,
				 .msg_iovlen = entry->n};
	int fd = journal_socket();

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", log_journal_path);
	return fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int journal_send(int priority, unsigned number, const struct log_field *fields,
			size_t n_fields, const char *text)
{
	struct entry entry = {.n = 0};
	char line[TEXT_MAX + 16], digits[16];

	(void)snprintf(digits, sizeof(digits), "%d", priority);
	entry_add(&entry, "PRIORITY", digits);
	/* What journalctl shows, and `journalctl -t` looks for, as sd_journal_sendv(3) has it. */
	entry_add(&entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
	entry_add(&entry, "ASAFO_PROCESS", log_process);
	if (number != 0) {
		char id[sizeof(MESSAGE_ID_HEAD) + sizeof(digits)];

		(void)snprintf(digits, sizeof(digits), "%06u", number % 1000000);
		(void)snprintf(id, sizeof(id), MESSAGE_ID_HEAD "%s", digits);
		entry_add(&entry, "ASAFO_ID", digits);
		entry_add(&entry, "MESSAGE_ID", id);
	}
	for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++) {
		if (fields[i].value && fields[i].value[0])
			entry_add(&entry, fields[i].name, fields[i].value);
	}
	(void)snprintf(line, sizeof(line), "MESSAGE=%s\n", text);
	entry.parts[entry.n++] = (struct iovec){line, strlen(line)};
	return entry_send(&entry);
}

/* One write: a pipe takes so little whole, or not at all. */
static int stderr_write(int priority, const char *text)
{
	char line[TEXT_MAX + 64];
	int length;

	if (log_to_journal)
		length = snprintf(line, sizeof(line), "<%d>%s: %s\n", priority, log_process, text);
	else
		length = snprintf(line, sizeof(line), "<%d>asafo-%s[%d]: %s\n", priority,
				  log_process, (int)getpid(), text);
	return write(STDERR_FILENO, line, (size_t)length) < 0 ? -errno : 0;
}

/* A process that may not make a socket, as the keeper, reaches the journal through its stderr,
 * which systemd joined to it. So does one for which the journal's own socket has no room. */
static int text_write(int priority, unsigned number, const struct log_field *fields,
		      size_t n_fields, const char *text)
{
	if (log_to_journal && journal_send(priority, number, fields, n_fields, text) == 0)
		return 0;
	return stderr_write(priority, text);
}

/* False: there is no room yet. */
static bool say_lost(void)
{
	unsigned lost = atomic_exchange(&log_lost, 0);
	char said[TEXT_MAX];

	if (lost == 0)
		return true;
	(void)snprintf(said, sizeof(said),
		       "%u lines of this process are lost: its log had no room for them", lost);
	if (text_write(LOG_WARNING, 0, NULL, 0, said) == 0)
		return true;
	(void)atomic_fetch_add(&log_lost, lost);
	return false;
}

/* No line follows that could. */
static void say_lost_at_exit(void)
{
	(void)say_lost();
}

static void emit(int priority, unsigned number, const struct log_field *fields, size_t n_fields,
		 char *text)
{
	utf8_clean(text);
	if (!say_lost() || text_write(priority, number, fields, n_fields, text) < 0)
		(void)atomic_fetch_add(&log_lost, 1);
}

void log_line(int priority, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	if (priority > log_max_priority)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	emit(priority, 0, NULL, 0, text);
}

static int head(char text[static TEXT_MAX], int severity, unsigned number)
{
	return snprintf(text, TEXT_MAX, "%%ASAFO-%d-%06u: ", severity, number);
}

void log_message(int severity, unsigned number, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	int length;

	if (severity > log_max_priority)
		return;
	length = head(text, severity, number);
	va_start(args, format);
	(void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
	va_end(args);
	emit(severity, number, NULL, 0, text);
}

void log_event(int severity, unsigned number, const struct log_field *fields, size_t n_fields,
	       const char *text)
{
	char line[TEXT_MAX];
	int length;

	if (severity > log_max_priority)
		return;
	length = head(line, severity, number);
	(void)snprintf(line + length, sizeof(line) - (size_t)length, "%s", text);
	emit(severity, number, fields, n_fields, line);
}
