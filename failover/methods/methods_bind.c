/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind and unbind. What is bound is looked at first: a certificate that clients would refuse is
 * said while somebody is there to hear it, and one without a key cannot be served at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"
#include "failover/methods/kinds.h"

struct binding_call {
	struct waiting *waiting;
	struct json_object *warnings;
	struct buf certificate; /* record.TrustpointPublic; empty: there is none */
	char line[CONFIG_NAME_MAX * 2 + CONFIG_DOMAIN_MAX + 64];
	char trustpoint[CONFIG_NAME_MAX];
};

static int binding_line(struct json_object *parameters, const char *prefix, char *ret_line,
			size_t size)
{
	const char *name = parameter_text(parameters, "trustpoint");
	const char *interface = parameter_text(parameters, "interface");
	const char *domain = parameter_text(parameters, "domain");
	int n = snprintf(ret_line, size, "%sssl trust-point %s%s%s%s%s\n", prefix, name,
			 interface[0] ? " " : "", interface, domain[0] ? " domain " : "", domain);

	/* One line it must stay: a name with a newline in it would be another command. */
	if (n < 0 || (size_t)n >= size || strchr(ret_line, '\n') != ret_line + n - 1)
		return ERR_SYNTAX;
	return 0;
}

static void binding_call_free(struct binding_call *binding)
{
	json_object_put(binding->warnings);
	buf_done(&binding->certificate);
	free(binding);
}

static void warn(struct binding_call *binding, const char *text)
{
	(void)json_object_array_add(binding->warnings, json_object_new_string(text));
}

static void apply(struct binding_call *binding)
{
	struct waiting *waiting = binding->waiting;
	struct kinds *kinds = kinds_before(waiting->engine);
	struct why why = {0};
	int r = kinds ? 0 : -ENOMEM;

	if (r == 0 && !engine_is_active(waiting->engine))
		r = engine_refuse_standby(waiting->engine, &why);
	else if (r == 0)
		r = configure_text(waiting->engine, binding->line, NULL, &why);
	if (r < 0) {
		kinds_free(kinds);
		waiting_fail(waiting, r, why.text[0] ? why.text : err_text(r));
		binding_call_free(binding);
		return;
	}
	log_line(LOG_INFO, "%.*s by %s", (int)strlen(binding->line) - 1, binding->line,
		 control_call_peer(waiting->call));
	if (binding->certificate.size > 0)
		json_add_use(waiting->engine,
			     &(ProtobufCBinaryData){binding->certificate.size,
						    binding->certificate.data},
			     binding->warnings);
	(void)json_object_object_add(waiting->result, "warnings", TAKE_PTR(binding->warnings));
	kinds_settle(kinds, waiting);
	binding_call_free(binding);
}

/* False: it was refused. */
static bool judge(struct binding_call *binding, const ProtobufCBinaryData *packed)
{
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, packed->len, packed->data);
	bool is_ca = part && part->is_ca;
	char text[200];

	asafo__record__trustpoint_public__free_unpacked(part, NULL);
	if (!is_ca) {
		(void)buf_append(&binding->certificate, packed->data, packed->len);
		return true;
	}
	(void)snprintf(text, sizeof(text),
		       "trustpoint %s holds a CA's certificate and no key: import the certificate "
		       "with its key under another name, and bind that",
		       binding->trustpoint);
	waiting_fail(binding->waiting, ERR_NO_KEY, text);
	binding_call_free(binding);
	return false;
}

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct binding_call *binding = userdata;
	const Asafo__Ipc__CertificateReply *reply = (const Asafo__Ipc__CertificateReply *)body;
	char text[200];

	(void)has_more;
	if (code == 0 && reply->status->code == 0 && !judge(binding, &reply->public_part))
		return;
	if (code == 0 && reply->status->code == ERR_NOT_FOUND) {
		(void)snprintf(text, sizeof(text),
			       "there is no trustpoint %s yet: what else is bound there, or the "
			       "self-signed fallback, is served until it is imported",
			       binding->trustpoint);
		warn(binding, text);
	} else if (!waiting_goes_on(binding->waiting, code, reply ? reply->status : NULL)) {
		binding_call_free(binding);
		return;
	}
	apply(binding);
}

static void change_binding(struct control_call *call, struct json_object *parameters,
			   struct engine *engine, bool is_bind)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	struct binding_call *binding;
	int r;

	if (!require_active(engine, call))
		return;
	binding = calloc(1, sizeof(*binding));
	if (binding)
		binding->warnings = json_object_new_array();
	if (!binding || !binding->warnings) {
		free(binding);
		control_call_fail(call, -ENOMEM, "out of memory");
		return;
	}
	r = binding_line(parameters, is_bind ? "" : "no ", binding->line, sizeof(binding->line));
	if (r < 0) {
		control_call_fail(call, r, "that is no name of a trustpoint, interface or domain");
		binding_call_free(binding);
		return;
	}
	binding->waiting = waiting_new(engine, call);
	if (!binding->waiting) {
		binding_call_free(binding);
		return;
	}
	(void)snprintf(binding->trustpoint, sizeof(binding->trustpoint), "%s",
		       parameter_text(parameters, "trustpoint"));
	message.name = binding->trustpoint;
	/* Without a keeper there is nothing to look at, and the line is good all the same. */
	if (!is_bind || engine_keeper_call(engine, IPC_CERTIFICATE, &message.base, NULL, 0,
					   on_certificate, binding) < 0)
		apply(binding);
}

void method_bind(struct control_call *call, struct json_object *parameters, void *userdata)
{
	change_binding(call, parameters, userdata, true);
}

void method_unbind(struct control_call *call, struct json_object *parameters, void *userdata)
{
	change_binding(call, parameters, userdata, false);
}
