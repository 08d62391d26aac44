/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one of asafo's processes may send to another: a datagram of any bytes. What is taken as a
 * frame is of a type that there is and within its size; its body, be it of a request (keeper,
 * engine, front and runner) or of a reply, packs again to a body that reads the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_field_zero(const ProtobufCMessage *message);

static bool has_member_with_field_zero(const ProtobufCMessage *message,
				       const ProtobufCFieldDescriptor *field)
{
	const char *base = (const char *)message, *at = base + field->offset;
	const ProtobufCMessage *const *members = (const ProtobufCMessage *const *)at;
	size_t n = 1;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		n = *(const size_t *)(base + field->quantifier_offset);
		members = *(const ProtobufCMessage *const *const *)at;
	}
	for (size_t i = 0; i < n; i++) {
		if (members[i] && has_field_zero(members[i]))
			return true;
	}
	return false;
}

/* protobuf-c takes a field of the number 0, which there is not, in a long form, and not in the
 * short one that it writes itself. */
static bool has_field_zero(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		if (message->unknown_fields[i].tag == 0)
			return true;
	}
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		if (has_member_with_field_zero(message, &message->descriptor->fields[i]))
			return true;
	}
	return false;
}

static void look_at_body(const struct ipc_frame *frame)
{
	ProtobufCMessage *body = ipc_frame_unpack(frame), *again;
	struct ipc_frame copy = *frame;
	uint8_t *packed;

	if (!body)
		return;
	copy.body_size = protobuf_c_message_get_packed_size(body);
	packed = malloc(copy.body_size + 1);
	if (!packed)
		abort();
	if (protobuf_c_message_pack(body, packed) != copy.body_size)
		abort();
	copy.body_view = packed;
	again = ipc_frame_unpack(&copy);
	if (again ? protobuf_c_message_get_packed_size(again) != copy.body_size
		  : !has_field_zero(body))
		abort();
	if (again)
		ipc_body_free(again);
	ipc_body_free(body);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct ipc_frame frame = {0};
	int fds[2], r;

	if (size == 0 || size > sizeof(buffer) + 64 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	if (send(fds[0], data, size, 0) == (ssize_t)size) {
		r = ipc_frame_receive(fds[1], buffer, sizeof(buffer), &frame);
		if (r == 0 && ((unsigned)frame.type >= IPC_TYPE__MAX ||
			       frame.body_size > IPC_BODY_MAX || frame.n_fds != 0))
			abort();
		if (r == 0)
			look_at_body(&frame);
		ipc_frame_done(&frame);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	return 0;
}
