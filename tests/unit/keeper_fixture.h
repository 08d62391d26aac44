/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "ipc/frame.h"
#include "src/ipc/ipc.pb-c.h"

/* The program asafo-keeper, sandbox and all, with its supervisor, engine and one front played by
 * the test. All of it asserts. */
struct unit {
	char *directory; /* the unit's; the state is below it */
	char state_dir[600], config[600];
	pid_t pid;
	int supervisor, engine, front;
};

void unit_init(struct unit *unit);
/* Starts the program, waits until it is ready, and gives it an engine and a front. */
void unit_start(struct unit *unit);
/* Another engine in place of the one before, which is gone. */
void unit_renew_engine(struct unit *unit);
/* Ends it with SIGKILL, at any moment. */
void unit_kill(struct unit *unit);
/* Ends it in an orderly way, and asserts that it left with success. */
void unit_stop(struct unit *unit);
void unit_done(struct unit *unit);

/* Sends a request; FDS may be NULL, n_fds 0. */
void unit_send(int channel, enum ipc_type type, uint32_t id, const ProtobufCMessage *body,
	       const int *fds, size_t n_fds);
/* The next reply, whatever it answers; notices are skipped. NULL: the channel was closed. */
ProtobufCMessage *unit_receive(int channel, uint32_t *ret_id, bool *ret_has_more);
/* Both: one request, one reply. The caller frees it with protobuf_c_message_free_unpacked. */
ProtobufCMessage *unit_call(int channel, enum ipc_type type, const ProtobufCMessage *body,
			    const int *fds, size_t n_fds);
/* A call whose reply is only looked at for its status; the sentence in RET_WHY (512 bytes, may be
 * NULL). */
int unit_call_status(int channel, enum ipc_type type, const ProtobufCMessage *body, const int *fds,
		     size_t n_fds, char *ret_why);
Asafo__Ipc__KeeperStatusReply *unit_status(struct unit *unit);

/* A key, a certificate for NAME and a PKCS#12 of both, made with openssl(1): DIRECTORY/NAME.p12,
 * passphrase "secret". */
void make_pkcs12(const char *directory, const char *name, const char *algorithm);
/* Runs a shell command, whose output goes away; returns whether it succeeded. */
bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An open file with these contents. */
int text_fd(const char *text);
/* Fixture: two of them, started. */
int keepers_setup(void **state);
int keepers_teardown(void **state);
