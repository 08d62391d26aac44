/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cli_world.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "control/peer.h"
#include "tests/unit/folder.h"

static int root_peer(int fd, struct control_peer *ret_peer)
{
	(void)fd;
	*ret_peer = (struct control_peer){.uid = 0};
	return 0;
}

static void answer(struct control_call *call, const char *text)
{
	struct json_object *result = json_tokener_parse(text);

	if (!result)
		_exit(3);
	control_call_reply(call, result);
}

static void refuse(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)parameters;
	(void)userdata;
	control_call_fail(call, ERR_UNSUPPORTED, "no such thing");
}

/* A canned answer: tests/unit/cli.in/NAME.json. */
static void answer_file(struct control_call *call, const char *name)
{
	char path[512];
	struct json_object *result;

	(void)snprintf(path, sizeof(path), "%s/tests/unit/cli.in/%s.json", TEST_SOURCE_DIR, name);
	result = json_object_from_file(path);
	if (!result)
		_exit(3);
	control_call_reply(call, result);
}

#define CANNED(method, name)                                                                       \
	static void method(struct control_call *call, struct json_object *parameters,              \
			   void *userdata)                                                         \
	{                                                                                          \
		(void)parameters;                                                                  \
		(void)userdata;                                                                    \
		answer_file(call, name);                                                           \
	}

CANNED(show_failover, "failover")
CANNED(show_state, "state")
CANNED(show_ssl, "ssl")
CANNED(write_standby, "write-standby")

static void show_running_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	(void)parameters;
	(void)userdata;
	answer(call, "{\"text\":\"hostname fw\\nfailover\\n\"}");
}

static void write_memory(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)parameters;
	(void)userdata;
	answer(call, "{\"path\":\"/etc/asafo/startup-config\",\"mate\":\"not reachable\"}");
}

static void failover_active(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	(void)parameters;
	(void)userdata;
	control_call_fail(call, ERR_NOT_ACTIVE, "this is the standby: do it on fw-a (primary)");
}

/* Two pages. */
static void show_trustpoints(struct control_call *call, struct json_object *parameters,
			     void *userdata)
{
	(void)userdata;
	answer_file(call, *view_text(parameters, "after") ? "trustpoints-2" : "trustpoints-1");
}

/* Three pages of two, two and one. */
static void show_vpn_sessions(struct control_call *call, struct json_object *parameters,
			      void *userdata)
{
	int64_t after = view_number(parameters, "after", 0);
	char text[256];

	(void)userdata;
	if (after < 4)
		(void)snprintf(text, sizeof(text),
			       "{\"enabled\":true,\"active\":5,\"sessions\":[{\"index\":%d,"
			       "\"username\":\"u%d\"},{\"index\":%d,\"username\":\"u%d\"}],"
			       "\"next\":%d}",
			       (int)after + 1, (int)after + 1, (int)after + 2, (int)after + 2,
			       (int)after + 2);
	else
		(void)snprintf(text, sizeof(text),
			       "{\"enabled\":true,\"active\":5,\"sessions\":[{\"index\":5,"
			       "\"username\":\"u5\"}]}");
	answer(call, text);
}

static void configure(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const char *text = view_text(parameters, "text");

	(void)userdata;
	if (strncmp(text, "wrong", 5) == 0)
		control_call_fail(call, ERR_SYNTAX, "1:1: expected a command");
	else
		answer(call, strcmp(text, "hostname fw\nfailover key s3cret\n") == 0 ||
					     strcmp(text, "hostname fw\nfailover\n") == 0 ||
					     strcmp(text, "failover key hex "
							  "00112233445566778899aabbccddeeff\n") == 0
				     ? "{}"
				     : "{\"warnings\":[\"another text came\"]}");
}

/* The content of a descriptor that must be sealed. */
static void read_sealed(struct control_call *call, size_t index, struct buf *text)
{
	_cleanup_close_ int fd = control_call_take_fd(call, index);

	if (fd < 0 || !(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) ||
	    io_read_all(fd, 1 << 20, text) < 0)
		_exit(4);
}

static void import(struct control_call *call, struct json_object *parameters, void *userdata)
{
	_cleanup_(buf_done) struct buf file = {0}, passphrase = {0};

	(void)userdata;
	read_sealed(call, 0, &file);
	read_sealed(call, 1, &passphrase);
	if (strncmp(buf_text(&file), "PKCS12", 6) != 0 || strstr(buf_text(&file), "quit"))
		control_call_fail(call, ERR_MALFORMED, "this is no PKCS#12 file");
	else if (strcmp(buf_text(&passphrase), "pass word") != 0)
		control_call_fail(call, ERR_BAD_PASSPHRASE, "the passphrase is wrong");
	else
		answer_file(call,
			    view_flag(parameters, "replace") ? "import-queued" : "import-off");
}

static void export(struct control_call *call, struct json_object *parameters, void *userdata)
{
	_cleanup_close_ int output = control_call_take_fd(call, 0);

	(void)parameters;
	(void)userdata;
	if (io_write_full(output, "SECRET", 6) < 0)
		_exit(5);
	control_call_reply(call, NULL);
}

/* As many names as came are the serial. */
static void localca_issue(struct control_call *call, struct json_object *parameters, void *userdata)
{
	_cleanup_close_ int output = control_call_take_fd(call, 0);
	struct json_object *result = json_object_new_object();
	char serial[16];

	(void)userdata;
	if (io_write_full(output, "SECRET", 6) < 0)
		_exit(5);
	(void)snprintf(serial, sizeof(serial), "%zu", view_count(parameters, "names"));
	(void)json_object_object_add(result, "serial", json_object_new_string(serial));
	control_call_reply(call, result);
}

static void pair_offer(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)parameters;
	(void)userdata;
	control_call_progress(call,
			      json_tokener_parse("{\"code\":\"ABCD-EFGH\",\"expires_s\":300}"));
	answer(call, "{\"paired\":true,\"mate\":\"fw-b\"}");
}

static void pair_join(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)userdata;
	if (strcmp(view_text(parameters, "code"), "ABCD-EFGH") == 0)
		control_call_reply(call, NULL);
	else
		control_call_fail(call, ERR_DENIED, "the code is wrong");
}

/* Two pages, of one trustpoint each, the second of which is not usable. */
static void verify(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)userdata;
	if (*view_text(parameters, "after"))
		answer(call,
		       "{\"total\":2,\"mate\":{\"asked\":true},\"trustpoints\":[{\"name\":\"b\","
		       "\"digest\":\"00\",\"this\":{\"usable\":{\"state\":\"no\"}}}]}");
	else
		answer(call,
		       "{\"total\":2,\"mate\":{\"asked\":true},\"trustpoints\":[{\"name\":\"a\","
		       "\"digest\":\"00\"}],\"next\":\"a\"}");
}

static const struct control_method methods[] = {
	{"asafo.Verify", CONTROL_ACCESS_LOOK, verify},
	{"asafo.ShowFailover", CONTROL_ACCESS_LOOK, show_failover},
	{"asafo.ShowState", CONTROL_ACCESS_LOOK, show_state},
	{"asafo.ShowSsl", CONTROL_ACCESS_LOOK, show_ssl},
	{"asafo.ShowTrustpoints", CONTROL_ACCESS_LOOK, show_trustpoints},
	{"asafo.ShowRunningConfig", CONTROL_ACCESS_LOOK, show_running_config},
	{"asafo.ShowVpnSessions", CONTROL_ACCESS_LOOK, show_vpn_sessions},
	{"asafo.ShowVersion", CONTROL_ACCESS_LOOK, refuse},
	{"asafo.WriteStandby", CONTROL_ACCESS_CHANGE, write_standby},
	{"asafo.WriteMemory", CONTROL_ACCESS_CHANGE, write_memory},
	{"asafo.FailoverActive", CONTROL_ACCESS_CHANGE, failover_active},
	{"asafo.Configure", CONTROL_ACCESS_CHANGE, configure},
	{"asafo.Import", CONTROL_ACCESS_CHANGE, import},
	{"asafo.Export", CONTROL_ACCESS_CHANGE, export},
	{"asafo.LocalCaIssue", CONTROL_ACCESS_CHANGE, localca_issue},
	{"asafo.PairOffer", CONTROL_ACCESS_CHANGE, pair_offer},
	{"asafo.PairJoin", CONTROL_ACCESS_CHANGE, pair_join},
	{0},
};

static void serve(int fd)
{
	struct control_server *server = NULL;
	sd_event *event = NULL;

	if (sd_event_new(&event) < 0 ||
	    control_server_new(event, fd, methods, (gid_t)-1, (gid_t)-1, NULL, &server) < 0)
		_exit(1);
	control_server_set_peer_read(server, root_peer);
	(void)sd_event_loop(event);
	_exit(0);
}

int cli_world_setup(void **state)
{
	struct cli_world *w = calloc(1, sizeof(*w));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_non_null(w);
	(void)setenv("TZ", "UTC", 1);
	(void)snprintf(w->directory, sizeof(w->directory), "/tmp/asafo-cli-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	(void)snprintf(w->path, sizeof(w->path), "%s/control", w->directory);
	memcpy(address.sun_path, w->path, strlen(w->path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0)
		serve(fd);
	(void)close(fd);
	*state = w;
	return 0;
}

int cli_world_teardown(void **state)
{
	struct cli_world *w = *state;

	(void)kill(w->pid, SIGKILL);
	(void)waitpid(w->pid, NULL, 0);
	free(w->out);
	free(w->err);
	folder_remove(w->directory);
	free(w);
	return 0;
}

const char *cli_world_file(struct cli_world *w, const char *name, const char *content)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", w->directory, name);
	assert_int_equal(io_replace_file(path, 0600, content, strlen(content)), 0);
	return path;
}

int cli_world_run(struct cli_world *w, const char *input, const char *const *words)
{
	_cleanup_close_ int input_fd = memfd_create("input", MFD_CLOEXEC);
	char storage[4096], *argv[32];
	struct cli cli = {
		.control_path = w->path, .input = input_fd, .patience_ms = w->patience_ms};
	int argc = 1, code;
	size_t used = 0;
	FILE *out, *err;

	argv[0] = storage;
	for (; *words; words++) {
		argv[argc++] = memcpy(storage + used, *words, strlen(*words) + 1);
		used += strlen(*words) + 1;
		assert_true(used < sizeof(storage) && argc < 31);
	}
	argv[argc] = NULL;
	if (input)
		assert_int_equal(io_write_full(input_fd, input, strlen(input)), 0);
	assert_int_equal(lseek(input_fd, 0, SEEK_SET), 0);
	free(w->out);
	free(w->err);
	out = open_memstream(&w->out, &w->out_size);
	err = open_memstream(&w->err, &w->err_size);
	screen_init(&cli.screen, out, err, CLI_NOW);
	cli.screen.is_err_terminal = w->is_err_terminal;
	code = cli_run(&cli, argc, argv);
	w->timeout_ms = cli.timeout_ms;
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
	return code;
}
