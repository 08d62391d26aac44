/* SPDX-License-Identifier: Apache-2.0 */
/* The played engine, keeper and supervisor. */
#include "front_harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "ipc/child.h"

const struct front_limits harness_patient = {
	.session = {.handshake_ms = 10000,
		    .head_ms = 10000,
		    .idle_ms = 10000,
		    .body_ms = 10000,
		    .answer_ms = 10000,
		    .response_ms = 10000,
		    .close_ms = 1000},
	.connections = 100,
	.handshakes = 100,
	.waiting = {.places = 100, .wait_ms = 10000},
};

static void frame_send(int fd, enum ipc_type type, bool is_reply, uint32_t id,
		       const ProtobufCMessage *body, int passed_fd)
{
	struct ipc_frame frame = {
		.type = type, .is_reply = is_reply, .id = id, .n_fds = passed_fd >= 0 ? 1 : 0};

	frame.fds[0] = passed_fd;
	assert_int_equal(ipc_frame_send(fd, &frame, body), 0);
}

/* From the keeper's thread: who asked may have ended meanwhile. */
static void frame_answer(int fd, enum ipc_type type, uint32_t id, const ProtobufCMessage *body)
{
	struct ipc_frame frame = {.type = type, .is_reply = true, .id = id};

	(void)ipc_frame_send(fd, &frame, body);
}

/* ---- the front's process ---- */

static void on_note(int priority, const char *text, void *userdata)
{
	const char *path = getenv("HARNESS_NOTES");
	FILE *file = path ? fopen(path, "ae") : NULL;

	(void)userdata;
	if (file) {
		(void)fprintf(file, "<%d> %s\n", priority, text);
		(void)fclose(file);
	}
	if (getenv("HARNESS_VERBOSE"))
		(void)fprintf(stderr, "front <%d> %s\n", priority, text);
}

struct played {
	sd_event *event;
	struct front *front;
	struct child *child;
};

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct played *played = userdata;

	(void)instance;
	(void)front_peer_set(played->front, peer, fd);
}

static void on_keep(const char *endpoint, int fd, void *userdata)
{
	const struct played *played = userdata;

	child_keep(played->child, endpoint, fd);
}

static void on_credential(const char *name, int fd, void *userdata)
{
	struct played *played = userdata;

	front_inherit(played->front, name, fd);
}

static void on_shutdown(void *userdata)
{
	struct played *played = userdata;

	front_stop(played->front);
	(void)sd_event_exit(played->event, 0);
}

static int front_run(const struct front_limits *limits)
{
	static const struct front_ops front_ops = {on_note, on_keep};
	static const struct child_ops child_ops = {on_peer, on_credential, on_shutdown};
	static const struct child_options options = {.beat_ms = CHILD_BEAT_MS};
	struct played played = {0};

	(void)signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&played.event) < 0 ||
	    front_new(played.event, 0, limits, &front_ops, &played, &played.front) < 0 ||
	    child_new(played.event, &options, &child_ops, &played, &played.child) < 0)
		return 1;
	(void)sd_event_loop(played.event);
	front_free(played.front);
	child_free(played.child);
	(void)sd_event_unref(played.event);
	return 0;
}

static void process_start(struct harness *harness, const char *program,
			  const struct front_limits *limits)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	harness->pid = fork();
	assert_true(harness->pid >= 0);
	if (harness->pid == 0) {
		/* dup2 onto itself would leave close-on-exec set. */
		int fd = fcntl(pair[1], F_DUPFD, 10);

		(void)dup2(fd, CHILD_SUPERVISOR_FD);
		for (int i = 4; i < 64; i++)
			(void)close(i);
		if (program)
			(void)execl(program, program, "--instance", "0", (char *)NULL);
		_exit(program ? 127 : front_run(limits));
	}
	(void)close(pair[1]);
	harness->supervisor = pair[0];
}

void harness_peer_give(struct harness *harness, enum ipc_peer kind, int *ret_ours)
{
	Asafo__Ipc__Peer body = ASAFO__IPC__PEER__INIT;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	body.kind = kind;
	frame_send(harness->supervisor, IPC_PEER, false, 0, &body.base, pair[1]);
	(void)close(pair[1]);
	*ret_ours = pair[0];
}

/* ---- the keeper ---- */

static struct harness_trustpoint *trustpoint_find(struct harness_keeper *keeper, const char *name)
{
	for (size_t i = 0; i < keeper->n_trustpoints; i++) {
		if (strcmp(keeper->trustpoints[i].name, name) == 0)
			return &keeper->trustpoints[i];
	}
	return NULL;
}

static void certificate_answer(struct harness_keeper *keeper, const struct ipc_frame *frame,
			       const Asafo__Ipc__Certificate *question)
{
	Asafo__Ipc__CertificateReply reply = ASAFO__IPC__CERTIFICATE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Staple staple = ASAFO__RECORD__STAPLE__INIT;
	struct harness_trustpoint *trustpoint = trustpoint_find(keeper, question->name);

	reply.status = &status;
	status.code = trustpoint ? 0 : ERR_NOT_FOUND;
	if (trustpoint)
		reply.public_part =
			(ProtobufCBinaryData){trustpoint->record.size, trustpoint->record.data};
	if (trustpoint && trustpoint->staple) {
		staple.fingerprint = (ProtobufCBinaryData){32, trustpoint->fingerprint};
		staple.response = (ProtobufCBinaryData){strlen(trustpoint->staple),
							(uint8_t *)(uintptr_t)trustpoint->staple};
		staple.this_update = trustpoint->staple_from;
		staple.next_update = trustpoint->staple_until;
		reply.staple = &staple;
	}
	frame_answer(keeper->fd, frame->type, frame->id, &reply.base);
}

/* As certstore/keys/signer.h says: a plain algorithm over a plain digest; the message itself only
 * for EdDSA. */
static int signature_make(struct harness_keeper *keeper, const Asafo__Ipc__Sign *question,
			  gnutls_datum_t *ret_signature)
{
	gnutls_sign_algorithm_t algorithm = (gnutls_sign_algorithm_t)question->algorithm;
	gnutls_datum_t data = {question->data.data, (unsigned)question->data.len};
	struct harness_trustpoint *trustpoint = NULL;

	for (size_t i = 0; i < keeper->n_trustpoints; i++) {
		if (question->key_id.len == 32 &&
		    memcmp(keeper->trustpoints[i].key_id, question->key_id.data, 32) == 0)
			trustpoint = &keeper->trustpoints[i];
	}
	if (!trustpoint)
		return ERR_NOT_FOUND;
	if (!question->is_digest)
		return gnutls_privkey_sign_data2(trustpoint->key, algorithm, 0, &data,
						 ret_signature);
	if (data.size != (unsigned)gnutls_hash_get_len(gnutls_sign_get_hash_algorithm(algorithm)))
		return ERR_MALFORMED;
	return gnutls_privkey_sign_hash2(trustpoint->key, algorithm, 0, &data, ret_signature);
}

static void sign_answer(struct harness_keeper *keeper, const struct ipc_frame *frame,
			const Asafo__Ipc__Sign *question)
{
	Asafo__Ipc__SignReply reply = ASAFO__IPC__SIGN_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	gnutls_datum_t signature = {NULL, 0};

	if (keeper->is_mute)
		return;
	reply.status = &status;
	status.code = signature_make(keeper, question, &signature);
	reply.signature = (ProtobufCBinaryData){signature.size, signature.data};
	frame_answer(keeper->fd, frame->type, frame->id, &reply.base);
	gnutls_free(signature.data);
}

static void *keeper_run(void *userdata)
{
	struct harness_keeper *keeper = userdata;
	_cleanup_free_ uint8_t *buffer = malloc(IPC_HEADER_SIZE + IPC_BODY_MAX);
	struct ipc_frame frame;

	while (ipc_frame_receive(keeper->fd, buffer, IPC_HEADER_SIZE + IPC_BODY_MAX, &frame) == 0) {
		ProtobufCMessage *body = ipc_frame_unpack(&frame);

		(void)pthread_mutex_lock(&keeper->lock);
		if (body && frame.type == IPC_CERTIFICATE)
			certificate_answer(keeper, &frame, (const Asafo__Ipc__Certificate *)body);
		else if (body && frame.type == IPC_SIGN)
			sign_answer(keeper, &frame, (const Asafo__Ipc__Sign *)body);
		(void)pthread_mutex_unlock(&keeper->lock);
		if (body)
			protobuf_c_message_free_unpacked(body, NULL);
		ipc_frame_done(&frame);
	}
	return NULL;
}

void harness_keeper_return(struct harness *harness)
{
	harness_peer_give(harness, IPC_PEER_KEEPER, &harness->keeper.fd);
	assert_int_equal(
		pthread_create(&harness->keeper.thread, NULL, keeper_run, &harness->keeper), 0);
}

void harness_keeper_leave(struct harness *harness)
{
	(void)shutdown(harness->keeper.fd, SHUT_RDWR);
	(void)pthread_join(harness->keeper.thread, NULL);
	(void)close(TAKE_FD(harness->keeper.fd));
}

void harness_keeper_mute(struct harness *harness, bool is_mute)
{
	(void)pthread_mutex_lock(&harness->keeper.lock);
	harness->keeper.is_mute = is_mute;
	(void)pthread_mutex_unlock(&harness->keeper.lock);
}

void harness_keeper_changed(struct harness *harness)
{
	Asafo__Ipc__Changed body = ASAFO__IPC__CHANGED__INIT;

	frame_send(harness->keeper.fd, IPC_CHANGED, false, 0, &body.base, -1);
}

static gnutls_x509_crt_t certificate_make(gnutls_x509_privkey_t key, const char *name)
{
	gnutls_x509_crt_t crt;
	const char *common = name[0] ? name : "fallback";
	static uint32_t serial = 1;
	/* Ed25519 hashes with SHA-512 by itself; GnuTLS wants to hear it. */
	gnutls_digest_algorithm_t hash =
		gnutls_x509_privkey_get_pk_algorithm(key) == GNUTLS_PK_EDDSA_ED25519
			? GNUTLS_DIG_SHA512
			: GNUTLS_DIG_SHA256;

	serial++;
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(crt, &serial, sizeof(serial)), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400), 0);
	assert_int_equal(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common,
						       (unsigned)strlen(common)),
			 0);
	assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, hash, 0), 0);
	return crt;
}

static void record_fill(struct harness_trustpoint *trustpoint, gnutls_x509_crt_t crt)
{
	Asafo__Record__TrustpointPublic record = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	gnutls_datum_t der;
	size_t size = 32;

	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
	assert_int_equal(
		gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, trustpoint->fingerprint),
		0);
	assert_int_equal(
		gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, trustpoint->key_id, &size),
		0);
	record.name = trustpoint->name;
	record.origin = trustpoint->name[0] ? ASAFO__RECORD__ORIGIN__ORIGIN_IMPORTED
					    : ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK;
	record.leaf = (ProtobufCBinaryData){der.size, der.data};
	record.fingerprint = (ProtobufCBinaryData){32, trustpoint->fingerprint};
	record.key_id = (ProtobufCBinaryData){32, trustpoint->key_id};
	record.not_before = time(NULL) - 60;
	record.not_after = time(NULL) + 86400;
	buf_clear(&trustpoint->record);
	size = asafo__record__trustpoint_public__get_packed_size(&record);
	assert_int_equal(buf_reserve(&trustpoint->record, size), 0);
	trustpoint->record.size =
		asafo__record__trustpoint_public__pack(&record, trustpoint->record.data);
	gnutls_free(der.data);
}

void harness_trustpoint_make(struct harness *harness, const char *name,
			     gnutls_pk_algorithm_t algorithm)
{
	struct harness_keeper *keeper = &harness->keeper;
	struct harness_trustpoint *trustpoint;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	unsigned bits = algorithm == GNUTLS_PK_RSA ? 2048
			: algorithm == GNUTLS_PK_ECDSA
				? GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)
				: 0;

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, algorithm, bits, 0), 0);
	crt = certificate_make(key, name);
	(void)pthread_mutex_lock(&keeper->lock);
	trustpoint = trustpoint_find(keeper, name);
	if (!trustpoint)
		trustpoint = &keeper->trustpoints[keeper->n_trustpoints++];
	else
		gnutls_privkey_deinit(trustpoint->key);
	(void)snprintf(trustpoint->name, sizeof(trustpoint->name), "%s", name);
	record_fill(trustpoint, crt);
	assert_int_equal(gnutls_privkey_init(&trustpoint->key), 0);
	assert_int_equal(gnutls_privkey_import_x509(trustpoint->key, key,
						    GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE),
			 0);
	(void)pthread_mutex_unlock(&keeper->lock);
	gnutls_x509_crt_deinit(crt);
}

void harness_staple(struct harness *harness, const char *name, const char *text, int64_t from,
		    int64_t until)
{
	struct harness_trustpoint *trustpoint;

	(void)pthread_mutex_lock(&harness->keeper.lock);
	trustpoint = trustpoint_find(&harness->keeper, name);
	assert_non_null(trustpoint);
	trustpoint->staple = text[0] ? text : NULL;
	trustpoint->staple_from = from;
	trustpoint->staple_until = until;
	(void)pthread_mutex_unlock(&harness->keeper.lock);
}

void harness_trustpoint_remove(struct harness *harness, const char *name)
{
	struct harness_keeper *keeper = &harness->keeper;
	struct harness_trustpoint *trustpoint;

	(void)pthread_mutex_lock(&keeper->lock);
	trustpoint = trustpoint_find(keeper, name);
	assert_non_null(trustpoint);
	/* No client asks for this one, and nothing is signed with it. */
	(void)snprintf(trustpoint->name, sizeof(trustpoint->name), "-removed-");
	memset(trustpoint->key_id, 0, sizeof(trustpoint->key_id));
	(void)pthread_mutex_unlock(&keeper->lock);
}

const uint8_t *harness_fingerprint(const struct harness *harness, const char *name)
{
	for (size_t i = 0; i < harness->keeper.n_trustpoints; i++) {
		if (strcmp(harness->keeper.trustpoints[i].name, name) == 0)
			return harness->keeper.trustpoints[i].fingerprint;
	}
	fail_msg("no trustpoint %s", name);
	return NULL;
}

/* ---- the engine ---- */

void harness_configure(struct harness *harness, const struct harness_config *config)
{
	Asafo__Ipc__FrontConfig body = ASAFO__IPC__FRONT_CONFIG__INIT;
	Asafo__Ipc__FrontListen listens[4], *listen_list[4];
	Asafo__Ipc__FrontBinding bindings[8], *binding_list[8];
	static uint8_t loopback[4] = {127, 0, 0, 1};
	static char hostname[] = "gate-1.example.org";

	body.hostname = hostname;
	body.listens = listen_list;
	body.bindings = binding_list;
	body.minimum_tls =
		(char *)(uintptr_t)(config->minimum_tls ? config->minimum_tls : "tlsv1.2");
	body.generation = ++harness->generation;
	for (size_t i = 0; i < 4 && config->interfaces[i]; i++) {
		asafo__ipc__front_listen__init(&listens[i]);
		listens[i].interface = (char *)(uintptr_t)config->interfaces[i];
		listens[i].address = (ProtobufCBinaryData){4, loopback};
		listens[i].port = config->ports[i];
		listen_list[body.n_listens++] = &listens[i];
	}
	for (size_t i = 0; i < 8 && config->bindings[i][0]; i++) {
		asafo__ipc__front_binding__init(&bindings[i]);
		bindings[i].trustpoint = (char *)(uintptr_t)config->bindings[i][0];
		bindings[i].interface = (char *)(uintptr_t)config->bindings[i][1];
		bindings[i].domain = (char *)(uintptr_t)config->bindings[i][2];
		binding_list[body.n_bindings++] = &bindings[i];
	}
	frame_send(harness->engine, IPC_FRONT_CONFIG, false, 0, &body.base, -1);
}

void harness_bind(struct harness *harness, const char *trustpoint)
{
	struct harness_config config = {.interfaces = {"outside"}, .ports = {harness->port}};

	if (trustpoint) {
		config.bindings[0][0] = trustpoint;
		config.bindings[0][1] = "outside";
		config.bindings[0][2] = "";
	}
	harness_configure(harness, &config);
	harness_wait_served(harness, "outside", "",
			    harness_fingerprint(harness, trustpoint ? trustpoint : ""));
}

void harness_role(struct harness *harness, const char *role, uint64_t term)
{
	Asafo__Ipc__FrontRole body = ASAFO__IPC__FRONT_ROLE__INIT;
	static char state[] = "Standby Ready", unit[] = "<u>&\"first\"";
	static uint8_t digest[32] = {0xab, 0xcd};

	body.role = (char *)(uintptr_t)role;
	body.state = state;
	body.unit = unit;
	body.term = term;
	body.digest = (ProtobufCBinaryData){32, digest};
	body.seq = 7;
	frame_send(harness->engine, IPC_FRONT_ROLE, false, 0, &body.base, -1);
}

/* What else a front says is for the tests that ask for it. */
static void report_receive(struct harness *harness)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct pollfd pfd = {.fd = harness->engine, .events = POLLIN};
	struct ipc_frame frame;

	do {
		assert_int_equal(poll(&pfd, 1, HARNESS_WAIT_MS), 1);
		assert_int_equal(ipc_frame_receive(harness->engine, buffer, sizeof(buffer), &frame),
				 0);
	} while (frame.type != IPC_FRONT_REPORT);
	if (harness->report)
		asafo__ipc__front_report__free_unpacked(harness->report, NULL);
	harness->report = (Asafo__Ipc__FrontReport *)ipc_frame_unpack(&frame);
	assert_non_null(harness->report);
}

static bool report_has(const Asafo__Ipc__FrontReport *report, const char *interface,
		       const char *domain, const uint8_t fingerprint[static 32])
{
	for (size_t i = 0; i < report->n_served; i++) {
		const Asafo__Ipc__FrontServed *served = report->served[i];

		if (strcmp(served->interface, interface) == 0 &&
		    strcmp(served->domain, domain) == 0)
			return served->fingerprint.len == 32 &&
			       memcmp(served->fingerprint.data, fingerprint, 32) == 0;
	}
	return false;
}

void harness_wait_served(struct harness *harness, const char *interface, const char *domain,
			 const uint8_t fingerprint[static 32])
{
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);

	do {
		assert_false(monotime_reached(monotime_now(), until));
		report_receive(harness);
	} while (harness->report->generation != harness->generation ||
		 !report_has(harness->report, interface, domain, fingerprint));
}

void harness_wait_report(struct harness *harness,
			 bool (*test)(const Asafo__Ipc__FrontReport *report))
{
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);

	do {
		assert_false(monotime_reached(monotime_now(), until));
		report_receive(harness);
	} while (harness->report->generation != harness->generation || !test(harness->report));
}

void harness_engine_leave(struct harness *harness)
{
	(void)close(TAKE_FD(harness->engine));
}

void harness_engine_return(struct harness *harness)
{
	harness_peer_give(harness, IPC_PEER_ENGINE, &harness->engine);
}

uint16_t harness_free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(in);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	return ntohs(in.sin_port);
}

void harness_start(struct harness *harness, const char *program, const struct front_limits *limits)
{
	memset(harness, 0, sizeof(*harness));
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_mutex_init(&harness->keeper.lock, NULL);
	harness->port = harness_free_port();
	process_start(harness, program, limits);
	harness_engine_return(harness);
	harness_trustpoint_make(harness, "", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(harness, "vpn", GNUTLS_PK_ECDSA);
	harness_keeper_return(harness);
}

void harness_stop(struct harness *harness)
{
	int status = -1;

	frame_send(harness->supervisor, IPC_SHUTDOWN, false, 0, NULL, -1);
	assert_int_equal(waitpid(harness->pid, &status, 0), harness->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	if (harness->keeper.fd >= 0)
		harness_keeper_leave(harness);
	(void)close(harness->supervisor);
	if (harness->engine >= 0)
		(void)close(harness->engine);
	if (harness->report)
		asafo__ipc__front_report__free_unpacked(harness->report, NULL);
	for (size_t i = 0; i < harness->keeper.n_trustpoints; i++) {
		gnutls_privkey_deinit(harness->keeper.trustpoints[i].key);
		buf_done(&harness->keeper.trustpoints[i].record);
	}
	(void)pthread_mutex_destroy(&harness->keeper.lock);
}
